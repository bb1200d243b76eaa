import type { Message, OutgoingMessage, Reaction, User } from '@parley/client';
import { type CSSProperties, type KeyboardEvent, memo, type ReactNode, useEffect, useState } from 'react';
import { kindOf, voiceOf } from './attachment-kind.ts';
import { Avatar } from './avatar.tsx';
import { classNames } from './class-names.ts';
import { Icon } from './icon.tsx';
import { type Mentionable, plainText } from './markdown.ts';
import { MessageText } from './message-text.tsx';
import { useFormats, useParleyTexts } from './provider.tsx';
import { ReceiptMark, type ReceiptState } from './receipts.tsx';
import type { ParleyTexts } from './texts.ts';

/** What can be done from a message. Leave one out and its control is not shown. */
export interface MessageActions {
  readonly onReact?: ((message: Message, emoji: string, on: boolean) => void) | undefined;
  readonly onReply?: ((message: Message) => void) | undefined;
  /** Opens the emoji picker beside the button. */
  readonly onPickReaction?: ((message: Message, anchor: HTMLElement) => void) | undefined;
  /** Opens the menu of everything else beside the button. */
  readonly onMenu?: ((message: Message, anchor: HTMLElement) => void) | undefined;
  readonly onJump?: ((seq: number) => void) | undefined;
  readonly onShowRevisions?: ((message: Message) => void) | undefined;
  readonly onShowReaders?: ((message: Message, anchor: HTMLElement) => void) | undefined;
  /** A key pressed while the message itself has the focus; prevent its default to say that it was used. */
  readonly onKey?: ((message: Message, event: KeyboardEvent<HTMLElement>) => void) | undefined;
}

/** What `MessageView` takes. */
export interface MessageViewProps {
  readonly message: Message;
  /** Undefined while the author is not known. */
  readonly author: User | undefined;
  readonly userId: string | null;
  /** First and last of a group of one author: name and avatar stand there. */
  readonly first?: boolean;
  readonly last?: boolean;
  /** In a conversation of two the names add nothing. */
  readonly showAuthor?: boolean;
  /** For one's own messages; nothing otherwise. */
  readonly receipt?: ReceiptState | null;
  /** A change of one's own to it is not confirmed yet. */
  readonly pending?: boolean;
  readonly highlighted?: boolean;
  /** Stays in the tab order: one message of a thread does. */
  readonly current?: boolean;
  readonly mentions?: readonly Mentionable[];
  readonly actions?: MessageActions;
  readonly nameOf?: (userId: string) => string;
  /** Draws its files: `<Attachments>` of `@parley/react/attachments`, which products without files need not load. */
  readonly renderAttachments?: (message: Message) => ReactNode;
}

/** One message of a conversation. */
export const MessageView = memo(function MessageView(props: MessageViewProps) {
  const { message, author, userId, first = true, last = true, showAuthor = true, receipt = null, actions = {} } = props;
  const texts = useParleyTexts();
  const formats = useFormats();
  const mine = message.senderId === userId;
  const name = author?.name ?? texts.unknownPerson;
  const deleted = message.deletedAt !== null;
  const nameOf = props.nameOf ?? (() => texts.unknownPerson);
  const { attachments } = message;
  const voice = voiceOf(message.metadata);
  const wordless = !deleted && !message.unreadable && (message.content ?? '') === '' && attachments.length > 0;
  const onlyPictures = wordless && attachments.every((attachment) => kindOf(attachment, voice) === 'picture');

  return (
    <article
      className={classNames('parley-message', props.highlighted && 'parley-message-highlighted')}
      aria-label={`${mine ? texts.you : name}, ${formats.day(message.createdAt)} ${formats.time(message.createdAt)}`}
      data-mine={mine || undefined}
      data-first={first || undefined}
      data-last={last || undefined}
      data-deleted={deleted || undefined}
      data-pending={props.pending || undefined}
      data-message-id={message.id}
      data-seq={message.seq}
      tabIndex={props.current ? 0 : -1}
      onKeyDown={(event) => event.target === event.currentTarget && actions.onKey?.(message, event)}
    >
      {!mine && showAuthor && (
        <span className="parley-message-avatar">
          {last && <Avatar name={name} id={message.senderId} src={author?.avatarUrl} size={32} />}
        </span>
      )}
      <div className="parley-message-main">
        <div
          className="parley-bubble"
          data-wordless={wordless || undefined}
          data-pictures={(onlyPictures && message.replyTo === null && !(showAuthor && first && !mine)) || undefined}
          style={roomForMeta(message, formats.time(message.createdAt), texts)}
        >
          {!mine && showAuthor && first && <div className="parley-author">{name}</div>}
          {message.replyTo && !deleted && (
            <Quote reply={message.replyTo} name={nameOf(message.replyTo.senderId)} onJump={actions.onJump} />
          )}
          {attachments.length > 0 && props.renderAttachments?.(message)}
          {deleted ? (
            <p className="parley-deleted">{message.deletedBy === userId ? texts.deletedByYou : texts.deleted}</p>
          ) : message.unreadable ? (
            <p className="parley-deleted">{texts.unreadable}</p>
          ) : wordless ? null : (
            <MessageText text={message.content ?? ''} mentions={props.mentions ?? []} userId={userId} />
          )}
          <Meta message={message} receipt={mine && !deleted ? receipt : null} actions={actions} />
        </div>
        {message.reactions.length > 0 && (
          <Reactions message={message} userId={userId} nameOf={nameOf} onReact={actions.onReact} />
        )}
        {!deleted && <Toolbar message={message} actions={actions} />}
      </div>
    </article>
  );
});

/** How many letters the line of time and marks has: the last line of the text leaves that much room for it. */
function roomForMeta(message: Message, time: string, texts: ParleyTexts): CSSProperties {
  const marks =
    message.deletedAt === null ? [message.sanitized && texts.sanitized, message.editedAt && texts.edited] : [];
  const letters = [time, ...marks].reduce((sum, mark) => sum + (mark ? mark.length + 1 : 0), 0);
  return { '--parley-meta-letters': letters } as CSSProperties;
}

interface QuoteProps {
  readonly reply: NonNullable<Message['replyTo']>;
  readonly name: string;
  readonly onJump: MessageActions['onJump'];
}

function Quote({ reply, name, onJump }: QuoteProps) {
  const texts = useParleyTexts();
  return (
    <button type="button" className="parley-quote" title={texts.goToOriginal} onClick={() => onJump?.(reply.seq)}>
      <span className="parley-quote-name">{name}</span>
      <span className="parley-quote-text" dir="auto">
        {reply.content === null ? texts.deleted : plainText(reply.content) || texts.attachments(1)}
      </span>
    </button>
  );
}

interface MetaProps {
  readonly message: Message;
  readonly receipt: ReceiptState | null;
  readonly actions: MessageActions;
}

function Meta({ message, receipt, actions }: MetaProps) {
  const texts = useParleyTexts();
  const formats = useFormats();
  const live = message.deletedAt === null;
  return (
    <div className="parley-meta">
      {message.sanitized && live && <span className="parley-mark">{texts.sanitized}</span>}
      {message.editedAt !== null && live && (
        <button
          type="button"
          className="parley-mark"
          title={formats.full(message.editedAt)}
          onClick={() => actions.onShowRevisions?.(message)}
        >
          {texts.edited}
        </button>
      )}
      <time dateTime={message.createdAt} title={formats.full(message.createdAt)}>
        {formats.time(message.createdAt)}
      </time>
      {receipt &&
        (actions.onShowReaders ? (
          <button
            type="button"
            className="parley-receipt-button"
            onClick={(event) => actions.onShowReaders?.(message, event.currentTarget)}
          >
            <ReceiptMark state={receipt} />
          </button>
        ) : (
          <ReceiptMark state={receipt} />
        ))}
    </div>
  );
}

interface ReactionsProps {
  readonly message: Message;
  readonly userId: string | null;
  readonly nameOf: (userId: string) => string;
  readonly onReact: MessageActions['onReact'];
}

function Reactions({ message, userId, nameOf, onReact }: ReactionsProps) {
  const texts = useParleyTexts();
  const label = ({ emoji, userIds, count }: Reaction) =>
    `${texts.reactedBy(
      userIds.map((id) => (id === userId ? texts.you : nameOf(id))),
      emoji,
    )} ${count}`;
  return (
    <div className="parley-reactions">
      {message.reactions.map((reaction) => {
        const mine = userId !== null && reaction.userIds.includes(userId);
        return (
          <button
            key={reaction.emoji}
            type="button"
            className="parley-reaction"
            aria-pressed={mine}
            aria-label={label(reaction)}
            title={label(reaction)}
            disabled={!onReact}
            onClick={() => onReact?.(message, reaction.emoji, !mine)}
          >
            <span aria-hidden="true">{reaction.emoji}</span>
            <span className="parley-reaction-count">{reaction.count}</span>
          </button>
        );
      })}
    </div>
  );
}

function Toolbar({ message, actions }: { readonly message: Message; readonly actions: MessageActions }) {
  const texts = useParleyTexts();
  const { onPickReaction, onReply, onMenu } = actions;
  if (!onPickReaction && !onReply && !onMenu) return null;
  return (
    <div className="parley-toolbar">
      {onPickReaction && (
        <ToolButton label={texts.react} onPress={(anchor) => onPickReaction(message, anchor)}>
          <circle cx="12" cy="12" r="8.5" />
          <path d="M8.8 14.2a4 4 0 0 0 6.4 0M9.2 9.8v.2M14.8 9.8v.2" />
        </ToolButton>
      )}
      {onReply && (
        <ToolButton label={texts.reply} onPress={() => onReply(message)}>
          <path d="M10 7 5 12l5 5M5.5 12H13a6 6 0 0 1 6 6" />
        </ToolButton>
      )}
      {onMenu && (
        <ToolButton label={texts.more} popup onPress={(anchor) => onMenu(message, anchor)}>
          <path d="M6 12h.01M12 12h.01M18 12h.01" strokeWidth="2.6" />
        </ToolButton>
      )}
    </div>
  );
}

interface ToolButtonProps {
  readonly label: string;
  readonly popup?: boolean;
  readonly onPress: (anchor: HTMLElement) => void;
  readonly children: ReactNode;
}

function ToolButton({ label, popup, onPress, children }: ToolButtonProps) {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      aria-haspopup={popup ? 'menu' : undefined}
      // The message is the stop of the tab order; its tools are reached by the arrow keys of the app or the pointer.
      tabIndex={-1}
      onClick={(event) => onPress(event.currentTarget)}
    >
      <Icon>{children}</Icon>
    </button>
  );
}

/** What `OutgoingView` takes. */
export interface OutgoingViewProps {
  readonly item: OutgoingMessage;
  readonly first?: boolean;
  readonly last?: boolean;
  readonly current?: boolean;
  readonly mentions?: readonly Mentionable[];
  /** Why it failed, in the person's words; the server's by default. */
  readonly reason?: string | undefined;
  /** Its files on their way. */
  readonly files?: ReactNode;
  readonly onRetry?: (item: OutgoingMessage) => void;
  readonly onChange?: (item: OutgoingMessage) => void;
  readonly onDiscard?: (item: OutgoingMessage) => void;
}

/** A message of one's own that the server has not confirmed: waiting, on its way, or failed with what to do about it. */
export const OutgoingView = memo(function OutgoingView(props: OutgoingViewProps) {
  const { item, first = true, last = true } = props;
  const texts = useParleyTexts();
  const formats = useFormats();
  const seconds = useSecondsUntil(
    item.status === 'waiting' && item.error?.code === 'rate_limited' ? item.notBefore : null,
  );
  const held = item.error?.code === 'message_held';
  const state: ReceiptState = held ? 'waiting' : item.status;
  return (
    <article
      className="parley-message"
      aria-label={`${texts.you}, ${formats.time(item.createdAt)}`}
      data-mine
      data-first={first || undefined}
      data-last={last || undefined}
      data-status={held ? 'waiting' : item.status}
      data-outbox-id={item.id}
      tabIndex={props.current ? 0 : -1}
    >
      <div className="parley-message-main">
        <div
          className="parley-bubble"
          data-wordless={item.intent.draft.content === '' || undefined}
          style={{ '--parley-meta-letters': 8 } as CSSProperties}
        >
          {props.files}
          {item.intent.draft.content !== '' && (
            <MessageText text={item.intent.draft.content} mentions={props.mentions ?? []} />
          )}
          <div className="parley-meta">
            {seconds > 0 && <span className="parley-mark">{texts.waitingSeconds(seconds)}</span>}
            <time dateTime={new Date(item.createdAt).toISOString()}>{formats.time(item.createdAt)}</time>
            <ReceiptMark state={state} />
          </div>
        </div>
        {item.status === 'failed' && (
          <div className="parley-failed" data-held={held || undefined}>
            <span>{props.reason ?? item.error?.message ?? texts.notSent}</span>
            {!held && (
              <button type="button" onClick={() => props.onRetry?.(item)}>
                {texts.tryAgain}
              </button>
            )}
            {props.onChange && !held && (
              <button type="button" onClick={() => props.onChange?.(item)}>
                {texts.change}
              </button>
            )}
            <button type="button" onClick={() => props.onDiscard?.(item)}>
              {texts.discard}
            </button>
          </div>
        )}
      </div>
    </article>
  );
});

/** Whole seconds left until a moment, counted down; 0 when it is over or there is none. */
export function useSecondsUntil(at: number | null): number {
  const [seconds, setSeconds] = useState(0);
  useEffect(() => {
    const count = () => setSeconds(at === null ? 0 : Math.max(0, Math.ceil((at - Date.now()) / 1000)));
    count();
    if (at === null || at <= Date.now()) return;
    const timer = setInterval(count, 250);
    return () => clearInterval(timer);
  }, [at]);
  return seconds;
}
