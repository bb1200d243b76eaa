import { type ConversationState, type Message, type OutgoingMessage, receiptOf, type User } from '@parley/client';
import {
  Avatar,
  Composer,
  type ComposerHandle,
  conversationTitle,
  faceOf,
  type Mentionable,
  type MessageActions,
  MessageView,
  mentionCompletion,
  mentionsIn,
  OutgoingView,
  plainText,
  type ReceiptState,
  type Row,
  type RowState,
  Thread,
  type ThreadHandle,
  TypingIndicator,
  useConversationHandle,
  useMessages,
  useSecondsUntil,
  useSnapshot,
  useTyping,
} from '@parley/react';
import { Smile, X } from 'lucide-react';
import { memo, type ReactNode, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { ThreadSkeleton } from './conversation-pane.tsx';
import { showDialog } from './dialogs/dialogs.ts';
import { draftsOf, setDraft } from './drafts.ts';
import { EmojiPopover, emojiCompletion } from './emoji.tsx';
import { errorText } from './error-text.ts';
import { MessageMenu, ReadersPopover, useMessageCommands } from './message-menu.tsx';
import { pathOf } from './router.ts';
import type { AppTexts } from './texts/app-texts.ts';
import { useTexts } from './texts/texts.tsx';
import { useValue } from './value.ts';

/** What the composer is about, besides a new message. */
type Context =
  | { readonly kind: 'reply'; readonly message: Message }
  | { readonly kind: 'edit'; readonly message: Message; readonly text: string }
  | { readonly kind: 'rewrite'; readonly item: OutgoingMessage; readonly text: string };

type Floating =
  | { readonly kind: 'menu' | 'react' | 'readers'; readonly message: Message; readonly anchor: HTMLElement }
  | { readonly kind: 'emoji'; readonly anchor: HTMLElement };

const KEPT_MESSAGES = 1_500;

/** The messages of a conversation and the field to write more. */
export function ConversationThread({ state, seq }: { readonly state: ConversationState; readonly seq: number | null }) {
  const texts = useTexts();
  const { id } = state;
  const handle = useConversationHandle(id);
  const messages = useMessages(id);
  const userId = useSnapshot((snapshot) => snapshot.userId);
  const users = useSnapshot((snapshot) => snapshot.users);
  const { people, typing, stopTyping } = useTyping(id);
  const drafts = useValue(useMemo(() => draftsOf(userId ?? ''), [userId]));
  const [context, setContext] = useState<Context | null>(null);
  const [floating, setFloating] = useState<Floating | null>(null);
  const thread = useRef<ThreadHandle>(null);
  const composer = useRef<ComposerHandle>(null);
  // What was unread on opening stays marked while the conversation is on the screen.
  const [unreadAfterSeq] = useState(() => {
    const { me } = state.conversation;
    return me && me.unreadCount > 0 ? me.lastReadSeq : null;
  });
  const latest = useRef(state);
  latest.current = state;

  const mentionables = useMemo(
    () =>
      Object.values(state.participants)
        .filter(({ user, leftAt }) => leftAt === null && user.id !== userId)
        .map(({ user }): Mentionable => ({ id: user.id, name: user.name })),
    [state.participants, userId],
  );
  const completions = useMemo(
    () => [
      mentionCompletion(mentionables, (person) => (
        <Avatar name={person.name} id={person.id} src={users[person.id]?.avatarUrl} size={26} />
      )),
      emojiCompletion,
    ],
    [mentionables, users],
  );

  useEffect(() => {
    // On a touch screen the keyboard would cover what one came to read.
    if (matchMedia('(hover: hover)').matches) composer.current?.focus();
  }, []);

  // A permalink followed while the conversation is open.
  const shownSeq = useRef(seq);
  useEffect(() => {
    if (seq !== null && seq !== shownSeq.current) thread.current?.jumpTo(seq);
    shownSeq.current = seq;
  }, [seq]);

  const begin = useCallback((next: Context | null) => {
    setContext(next);
    composer.current?.focus();
  }, []);
  const commands = useMessageCommands({
    handle,
    onReply: (message) => begin({ kind: 'reply', message }),
    onEdit: (message) => begin({ kind: 'edit', message, text: message.content ?? '' }),
  });

  const actions = useMemo<MessageActions>(
    () => ({
      onReact: commands.react,
      onReply: commands.reply,
      onPickReaction: (message, anchor) => setFloating({ kind: 'react', message, anchor }),
      onMenu: (message, anchor) => setFloating({ kind: 'menu', message, anchor }),
      onJump: (to) => thread.current?.jumpTo(to),
      onShowRevisions: (message) => showDialog({ kind: 'revisions', message }),
      onShowReaders: (message, anchor) => setFloating({ kind: 'readers', message, anchor }),
      onKey: (message, event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const mine = message.senderId === userId;
        const anchor = event.currentTarget;
        const commandOf: Readonly<Record<string, () => unknown>> = {
          r: () => commands.reply(message),
          e: () => mine && commands.edit(message),
          c: () => commands.copy(message),
          u: () => !mine && commands.markUnread(message),
          '+': () => setFloating({ kind: 'react', message, anchor }),
          delete: () => mine && commands.delete(message),
          enter: () => setFloating({ kind: 'menu', message, anchor }),
          contextmenu: () => setFloating({ kind: 'menu', message, anchor }),
        };
        const run = commandOf[event.key.toLowerCase()];
        if (!run || message.deletedAt !== null) return;
        event.preventDefault();
        run();
      },
    }),
    [commands, userId],
  );

  const draft = drafts[id] ?? '';
  const text = context?.kind === 'edit' || context?.kind === 'rewrite' ? context.text : draft;
  const change = (value: string) => {
    if (context?.kind === 'edit' || context?.kind === 'rewrite') return setContext({ ...context, text: value });
    setDraft(userId ?? '', id, value);
    if (value === '') stopTyping();
    else typing();
  };

  const send = (content: string) => {
    const mentions = mentionsIn(content, mentionables);
    const named = mentions.length > 0 ? { mentions } : {};
    if (context?.kind === 'edit') {
      if (content !== context.message.content) void handle.edit(context.message.id, content);
      return begin(null);
    }
    if (context?.kind === 'rewrite') {
      void handle.editOutgoing(context.item.id, { ...context.item.intent.draft, content, ...named });
      return begin(null);
    }
    void handle.send({ content, ...named, ...(context?.kind === 'reply' && { replyToId: context.message.id }) });
    setDraft(userId ?? '', id, '');
    setContext(null);
    thread.current?.jumpToNewest();
  };

  const editLast = () => {
    const own = state.timeline.findLast(
      (item) => item.kind === 'message' && item.message.senderId === userId && item.message.deletedAt === null,
    );
    if (own?.kind === 'message') begin({ kind: 'edit', message: own.message, text: own.message.content ?? '' });
  };

  const nameOf = useCallback((person: string) => users[person]?.name ?? texts.unknownPerson, [users, texts]);
  const showAuthor = state.conversation.type !== 'direct';
  const renderMessage = (row: Row, rowState: RowState): ReactNode => {
    const { item } = row;
    if (item.kind === 'gap') return null;
    if (item.kind === 'outgoing') {
      return (
        <OutgoingView
          item={item.item}
          first={row.first}
          last={row.last}
          current={rowState.current}
          mentions={mentionables}
          reason={item.item.error ? errorText(item.item.error, texts) : undefined}
          onRetry={() => void handle.retry(item.item.id)}
          onChange={() => begin({ kind: 'rewrite', item: item.item, text: item.item.intent.draft.content })}
          onDiscard={() => void handle.discard(item.item.id)}
        />
      );
    }
    const { message, pending } = item;
    return (
      <MessageRow
        row={row}
        rowState={rowState}
        message={message}
        pending={pending?.edit ?? false}
        author={users[message.senderId]}
        users={users}
        userId={userId}
        showAuthor={showAuthor}
        receipt={message.senderId === userId ? receiptOf(state, message) : null}
        actions={actions}
        nameOf={nameOf}
      />
    );
  };

  const limitedUntil = state.timeline.reduce<number | null>(
    (until, item) =>
      item.kind === 'outgoing' && item.item.error?.code === 'rate_limited' ? item.item.notBefore : until,
    null,
  );

  return (
    <>
      <Thread
        key={id}
        ref={thread}
        messages={messages}
        userId={userId}
        unreadAfterSeq={unreadAfterSeq}
        startAtSeq={seq}
        renderMessage={renderMessage}
        loading={<ThreadSkeleton />}
        beginning={<Beginning state={state} />}
        onSeen={(seen) => {
          const { me } = latest.current.conversation;
          if (me && seen > me.lastReadSeq) handle.markRead(seen);
        }}
        onLarge={(around) => handle.trim({ around, keep: KEPT_MESSAGES })}
        onLeave={() => composer.current?.focus()}
      />
      <RateNotice until={limitedUntil} />
      <Composer
        ref={composer}
        value={text}
        onChange={change}
        onSend={send}
        editing={context?.kind === 'edit'}
        completions={completions}
        disabledReason={disabledReason(state, texts, () => void handle.join())}
        onCancel={context ? () => begin(null) : undefined}
        onEditLast={editLast}
        context={context && <ContextLine context={context} nameOf={nameOf} onCancel={() => begin(null)} />}
        after={
          <button
            type="button"
            className="parley-composer-button"
            aria-label={texts.emoji}
            title={texts.emoji}
            aria-haspopup="dialog"
            onClick={(event) => setFloating({ kind: 'emoji', anchor: event.currentTarget })}
          >
            <Smile size={20} />
          </button>
        }
      />
      <TypingIndicator names={people.map(({ name }) => name)} />
      {floating?.kind === 'menu' && (
        <MessageMenu
          state={state}
          message={floating.message}
          anchor={floating.anchor}
          commands={commands}
          link={location.origin + pathOf(id, floating.message.seq)}
          onReact={() => setFloating({ ...floating, kind: 'react' })}
          onReaders={() => setFloating({ ...floating, kind: 'readers' })}
          onClose={() => setFloating(null)}
        />
      )}
      {floating?.kind === 'react' && (
        <EmojiPopover
          anchor={floating.anchor}
          onClose={() => setFloating(null)}
          onPick={(emoji) => {
            commands.react(floating.message, emoji, true);
            setFloating(null);
            floating.anchor.focus();
          }}
        />
      )}
      {floating?.kind === 'emoji' && (
        <EmojiPopover
          anchor={floating.anchor}
          onClose={() => setFloating(null)}
          onPick={(emoji) => {
            composer.current?.insert(emoji);
            setFloating(null);
          }}
        />
      )}
      {floating?.kind === 'readers' && (
        <ReadersPopover
          state={state}
          message={floating.message}
          anchor={floating.anchor}
          onClose={() => setFloating(null)}
        />
      )}
    </>
  );
}

interface MessageRowProps {
  readonly row: Row;
  readonly rowState: RowState;
  readonly message: Message;
  readonly pending: boolean;
  readonly author: User | undefined;
  readonly users: Readonly<Record<string, User>>;
  readonly userId: string | null;
  readonly showAuthor: boolean;
  readonly receipt: ReceiptState | null;
  readonly actions: MessageActions;
  readonly nameOf: (userId: string) => string;
}

function MessageRow({ row, rowState, message, users, ...rest }: MessageRowProps) {
  const mentions = useMemo(
    () => message.mentions.flatMap((id): Mentionable[] => (users[id] ? [{ id, name: users[id].name }] : [])),
    [message.mentions, users],
  );
  return (
    <MessageView
      {...rest}
      message={message}
      first={row.first}
      last={row.last}
      current={rowState.current}
      highlighted={rowState.highlighted}
      mentions={mentions.length === 0 ? NO_MENTIONS : mentions}
    />
  );
}

const NO_MENTIONS: readonly Mentionable[] = [];

/** What stands above the first message: whose conversation this is. */
const Beginning = memo(function Beginning({ state }: { readonly state: ConversationState }) {
  const texts = useTexts();
  const userId = useSnapshot((snapshot) => snapshot.userId);
  const { type, lastSeq } = state.conversation;
  const title = conversationTitle(state, userId, texts);
  const face = faceOf(state, userId);
  const hint = type === 'direct' ? texts.noMessagesDirect : texts.noMessagesGroup;
  return (
    <div className="mx-auto flex w-full max-w-[52rem] flex-col items-center gap-1 px-6 pb-4 pt-12 text-center">
      <Avatar name={title} id={face.id} src={face.avatarUrl} size={64} square={type !== 'direct'} />
      <p className="mt-2 font-semibold" dir="auto">
        {title}
      </p>
      <p className="text-small text-soft">{lastSeq === 0 ? hint : texts.beginning}</p>
    </div>
  );
});

function RateNotice({ until }: { readonly until: number | null }) {
  const texts = useTexts();
  const seconds = useSecondsUntil(until);
  if (seconds === 0) return null;
  return (
    <p className="mx-auto mb-2 rounded-full bg-warn-soft px-4 py-1.5 text-small font-medium text-warn">
      {texts.tooFast(seconds)}
    </p>
  );
}

interface ContextLineProps {
  readonly context: Context;
  readonly nameOf: (userId: string) => string;
  readonly onCancel: () => void;
}

function ContextLine({ context, nameOf, onCancel }: ContextLineProps) {
  const texts = useTexts();
  const content = context.kind === 'rewrite' ? context.item.intent.draft.content : (context.message.content ?? '');
  return (
    <div className="parley-composer-context">
      <div>
        <strong>{context.kind === 'reply' ? texts.replyingTo(nameOf(context.message.senderId)) : texts.editing}</strong>
        <p dir="auto">{plainText(content)}</p>
      </div>
      <button type="button" className="icon-button" aria-label={texts.cancel} onClick={onCancel}>
        <X size={18} />
      </button>
    </div>
  );
}

/** Why one may not write here; null where one may. */
function disabledReason({ conversation }: ConversationState, texts: AppTexts, join: () => void): ReactNode {
  const { me, type } = conversation;
  if (me === null && type === 'channel') {
    return (
      <span className="flex flex-wrap items-center justify-center gap-3">
        {texts.joinToWrite}
        <button type="button" className="button button-primary" onClick={join}>
          {texts.join}
        </button>
      </span>
    );
  }
  if (me === null) return texts.onlyReading;
  return me.role === 'readonly' ? texts.readonlyHere : null;
}
