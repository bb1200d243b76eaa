import type { ConversationState, Message, PresenceState, User } from '@parley/client';
import { type MouseEvent, memo, type ReactNode } from 'react';
import { kindOf, voiceOf } from './attachment-kind.ts';
import { Avatar } from './avatar.tsx';
import { plainText } from './markdown.ts';
import { useFormats, useParleyTexts } from './provider.tsx';
import type { ParleyTexts } from './texts.ts';

/** What `ConversationList` takes. */
export interface ConversationListProps {
  readonly conversations: readonly ConversationState[];
  readonly userId: string | null;
  readonly users: Readonly<Record<string, User>>;
  readonly activeId?: string | null;
  /** How people are, for a dot beside direct conversations. */
  readonly presence?: Readonly<Record<string, PresenceState>>;
  /** Unsent texts by conversation id. */
  readonly drafts?: Readonly<Record<string, string>>;
  readonly hrefOf: (id: string) => string;
  readonly onSelect: (id: string, event: MouseEvent) => void;
  /** The menu of a conversation: the pointer's second button, or the keyboard's menu key. */
  readonly onMenu?: (id: string, anchor: HTMLElement) => void;
}

/** The list of conversations. Links, so that they open in other windows too; the arrow keys walk over them. */
export function ConversationList(props: ConversationListProps) {
  const texts = useParleyTexts();
  return (
    <ul
      className="parley-conversations"
      // biome-ignore lint/a11y/noRedundantRoles: without bullets Safari forgets that this is a list
      role="list"
      aria-label={texts.conversations}
      onKeyDown={(event) => {
        const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
        if (step === undefined) return;
        const links = [...event.currentTarget.querySelectorAll<HTMLElement>('a')];
        const next = links[links.indexOf(document.activeElement as HTMLElement) + step];
        if (!next) return;
        event.preventDefault();
        next.focus();
      }}
    >
      {props.conversations.map((state) => (
        <ConversationRow
          key={state.id}
          state={state}
          userId={props.userId}
          users={props.users}
          active={state.id === props.activeId}
          draft={props.drafts?.[state.id] ?? ''}
          presence={
            state.conversation.type === 'direct' ? props.presence?.[faceOf(state, props.userId).id]?.status : undefined
          }
          href={props.hrefOf(state.id)}
          onSelect={props.onSelect}
          onMenu={props.onMenu}
        />
      ))}
    </ul>
  );
}

interface ConversationRowProps {
  readonly state: ConversationState;
  readonly userId: string | null;
  readonly users: Readonly<Record<string, User>>;
  readonly active: boolean;
  readonly draft: string;
  readonly presence: PresenceState['status'] | undefined;
  readonly href: string;
  readonly onSelect: (id: string, event: MouseEvent) => void;
  readonly onMenu: ((id: string, anchor: HTMLElement) => void) | undefined;
}

const ConversationRow = memo(function ConversationRow({
  state,
  userId,
  users,
  active,
  draft,
  presence,
  href,
  onSelect,
  onMenu,
}: ConversationRowProps) {
  const texts = useParleyTexts();
  const formats = useFormats();
  const { conversation } = state;
  const { me } = conversation;
  const title = conversationTitle(state, userId, texts);
  const face = faceOf(state, userId);
  const muted = me?.mutedUntil != null && Date.parse(me.mutedUntil) > Date.now();
  const unread = me?.unreadCount ?? 0;
  return (
    <li className="parley-conversation" data-unread={unread > 0 || undefined} data-muted={muted || undefined}>
      <a
        href={href}
        aria-current={active ? 'page' : undefined}
        onClick={(event) => onSelect(state.id, event)}
        onContextMenu={
          onMenu &&
          ((event) => {
            event.preventDefault();
            onMenu(state.id, event.currentTarget);
          })
        }
      >
        <Avatar
          name={title}
          id={face.id}
          src={face.avatarUrl}
          size={44}
          square={conversation.type !== 'direct'}
          presence={presence}
        />
        <span className="parley-conversation-main">
          <span className="parley-conversation-line">
            <span className="parley-conversation-title" dir="auto">
              {conversation.type === 'channel' && (
                <span className="parley-hash" aria-hidden="true">
                  #{' '}
                </span>
              )}
              {title}
            </span>
            {conversation.confidential && (
              <SmallIcon label={texts.confidential} d="M6.5 11h11v8.5h-11ZM8.8 11V8.2a3.2 3.2 0 0 1 6.4 0V11" />
            )}
            {muted && <SmallIcon label={texts.muted} d="M9.5 9v5h3l4 3.5V6L13.6 8.4M4.5 4.5l15 15" />}
            <time dateTime={new Date(state.activityAt).toISOString()}>{formats.brief(state.activityAt)}</time>
          </span>
          <span className="parley-conversation-line">
            <Preview state={state} userId={userId} users={users} draft={active ? '' : draft} />
            {me?.pinnedAt && unread === 0 && (
              <SmallIcon label={texts.pinned} d="M9 4h6l-.7 6.2 3.2 3.3H6.5l3.2-3.3ZM12 13.5V20" />
            )}
            {(me?.mentionCount ?? 0) > 0 && (
              <span className="parley-badge parley-badge-mention" role="img" aria-label={texts.mentioned}>
                @
              </span>
            )}
            {unread > 0 && (
              <span className="parley-badge">
                <span aria-hidden="true">{unread > 999 ? '999+' : unread}</span>
                <span className="parley-hidden">{texts.unread(unread)}</span>
              </span>
            )}
          </span>
        </span>
      </a>
    </li>
  );
});

function Preview({
  state,
  userId,
  users,
  draft,
}: Pick<ConversationRowProps, 'state' | 'userId' | 'users' | 'draft'>): ReactNode {
  const texts = useParleyTexts();
  const { lastMessage, type } = state.conversation;
  const typing = state.typing.flatMap((mark) => users[mark.userId]?.name ?? []);
  if (typing.length > 0)
    return <span className="parley-conversation-preview parley-conversation-typing">{texts.typing(typing)}</span>;
  if (draft.trim() !== '') {
    return (
      <span className="parley-conversation-preview" dir="auto">
        <span className="parley-draft">{texts.draft}: </span>
        {draft}
      </span>
    );
  }
  const waiting = state.timeline.findLast((item) => item.kind === 'outgoing');
  if (waiting) {
    return (
      <span className="parley-conversation-preview" dir="auto">
        {waiting.item.status === 'failed' && waiting.item.error?.code !== 'message_held' ? (
          <span className="parley-draft">{texts.notSent}: </span>
        ) : (
          `${texts.you}: `
        )}
        {plainText(waiting.item.intent.draft.content) ||
          texts.attachments(waiting.item.intent.draft.uploads?.length ?? 1)}
      </span>
    );
  }
  if (!lastMessage) return <span className="parley-conversation-preview">{texts.noMessageYet}</span>;
  const mine = lastMessage.senderId === userId;
  const who = mine ? texts.you : type === 'direct' ? null : users[lastMessage.senderId]?.name;
  return (
    <span className="parley-conversation-preview" dir="auto">
      {who && `${who}: `}
      {lastMessage.content === null ? (
        <em>{lastMessage.unreadable ? texts.unreadable : texts.deleted}</em>
      ) : (
        briefOf(lastMessage, texts)
      )}
    </span>
  );
}

function SmallIcon({ label, d }: { readonly label: string; readonly d: string }) {
  return (
    <span className="parley-small-icon" role="img" aria-label={label} title={label}>
      <svg
        viewBox="0 0 24 24"
        width="15"
        height="15"
        fill="none"
        stroke="currentColor"
        strokeWidth="1.8"
        strokeLinecap="round"
        strokeLinejoin="round"
        aria-hidden="true"
      >
        <path d={d} />
      </svg>
    </span>
  );
}

/** A message in a line: its text, else what it carries. */
export function briefOf(
  { content, attachments, metadata }: Pick<Message, 'content' | 'attachments' | 'metadata'>,
  texts: Pick<ParleyTexts, 'attachments' | 'photos' | 'voiceMessage' | 'deleted'>,
): string {
  if (content === null) return texts.deleted;
  const text = plainText(content);
  if (text !== '' || attachments.length === 0) return text;
  if (voiceOf(metadata) !== null) return texts.voiceMessage;
  const pictures = attachments.filter((attachment) => kindOf(attachment) === 'picture').length;
  if (pictures === attachments.length) return texts.photos(pictures);
  return attachments.length === 1 ? attachments[0]!.fileName : texts.attachments(attachments.length);
}

/** What to call a conversation: its title, else the names of the others in it. */
export function conversationTitle(
  state: ConversationState,
  userId: string | null,
  texts: Pick<ParleyTexts, 'untitled'>,
): string {
  if (state.conversation.title) return state.conversation.title;
  const others = Object.values(state.participants)
    .filter(({ user, leftAt }) => user.id !== userId && (leftAt === null || state.conversation.type === 'direct'))
    .map(({ user }) => user.name);
  return others.join(', ') || texts.untitled;
}

/** Whose picture and colour stand for a conversation: the other person of two, else its own. */
export function faceOf(
  state: ConversationState,
  userId: string | null,
): { readonly id: string; readonly avatarUrl: string | null } {
  const { conversation } = state;
  const other =
    conversation.type === 'direct' && Object.values(state.participants).find(({ user }) => user.id !== userId);
  return other
    ? { id: other.user.id, avatarUrl: other.user.avatarUrl }
    : { id: conversation.id, avatarUrl: conversation.avatarUrl };
}
