import type { Conversation, Message, Metadata, Participant, PresenceState, User } from '@parley/protocol';
import type { ParleyErrorInit } from './error.ts';

/** Where the connection stands. */
export type ConnectionState =
  /** Not started yet. */
  | { readonly status: 'idle' }
  | { readonly status: 'connecting'; readonly attempt: number }
  /** Events arrive live. */
  | { readonly status: 'online'; readonly sessionId: string; readonly since: number }
  /** Not connected; the next try is at `retryAt` (milliseconds of the client's clock), earlier when the device wakes. */
  | {
      readonly status: 'waiting';
      readonly attempt: number;
      readonly retryAt: number;
      readonly error: ParleyErrorInit | null;
    }
  /** The server said no for good (token refused): nothing is tried until `client.connect()` or `setToken`. */
  | { readonly status: 'ended'; readonly error: ParleyErrorInit }
  /** `client.close()` was called. */
  | { readonly status: 'closed' };

/** A send as it was asked for. */
export interface Draft {
  readonly content: string;
  readonly attachmentIds?: readonly string[];
  /** Files still on their way up (`@parley/client/uploads`): the message waits for them. They come after `attachmentIds`. */
  readonly uploads?: readonly DraftUpload[];
  readonly replyToId?: string;
  readonly mentions?: readonly string[];
  readonly metadata?: Metadata;
}

/** A file that a draft sends along, shown before the server has it. */
export interface DraftUpload {
  readonly id: string;
  /** Null until the server has it whole. */
  readonly attachmentId: string | null;
  readonly fileName: string;
  readonly mimeType: string;
  readonly size: number;
  readonly width?: number;
  readonly height?: number;
}

/** My settings of one conversation, as they are asked for. */
export interface ConversationSettings {
  /** ISO time until which it is muted; null unmutes. */
  readonly mutedUntil?: string | null;
  readonly pinned?: boolean;
  readonly archived?: boolean;
  readonly notify?: 'all' | 'mentions' | 'none';
}

/** What an item of the outbox wants done. */
export type Intent =
  | { readonly kind: 'send'; readonly draft: Draft }
  | { readonly kind: 'edit'; readonly messageId: string; readonly content: string; readonly ifRev?: number }
  | { readonly kind: 'delete'; readonly messageId: string; readonly reason?: string }
  | { readonly kind: 'react'; readonly messageId: string; readonly emoji: string; readonly on: boolean }
  | { readonly kind: 'read'; readonly seq: number }
  | { readonly kind: 'unread'; readonly seq: number }
  | { readonly kind: 'settings'; readonly settings: ConversationSettings };

/** How far an item of the outbox is. */
export type OutboxStatus =
  /** Kept, will be tried (when connected, when its turn comes, when `notBefore` is over). */
  | 'waiting'
  /** On its way, no answer yet. */
  | 'sending'
  /** Refused for good; see `error`. Only sends stay here: `retry`, `edit` or `discard` it. */
  | 'failed';

/** One thing the user did that the server has not confirmed yet. Kept in storage until it is settled. */
export interface OutboxItem<I extends Intent = Intent> {
  /** For a send also its `clientMessageId`; the same on every try, on every door. */
  readonly id: string;
  readonly conversationId: string;
  readonly intent: I;
  readonly status: OutboxStatus;
  /** Milliseconds since 1970, when the person did it. */
  readonly createdAt: number;
  /** Position in the order in which things were done; lower goes first within a conversation. */
  readonly order: number;
  /** Tries that ended without a definite answer. */
  readonly attempts: number;
  /** Not tried before this time (rate limit, undo window, backoff); null when at once. */
  readonly notBefore: number | null;
  /** Why it failed, or why the last try did not get through. */
  readonly error: ParleyErrorInit | null;
}

/** A send of one's own that is not a message of the server yet. */
export type OutgoingMessage = OutboxItem<Extract<Intent, { kind: 'send' }>>;

/** What a timeline shows, top to bottom. */
export type TimelineItem = TimelineMessage | TimelineGap | TimelineOutgoing;

/** A message, with one's own unconfirmed edits, deletion and reactions already applied. */
export interface TimelineMessage {
  readonly kind: 'message';
  /** Stable over the whole life of a message, from the pending send to the stored message: a good list key. */
  readonly key: string;
  readonly message: Message;
  /** Which of one's own changes to it are not confirmed yet. */
  readonly pending: { readonly edit: boolean; readonly delete: boolean; readonly reactions: readonly string[] } | null;
}

/** Messages that exist and are not loaded: never show the two sides as neighbours. */
export interface TimelineGap {
  readonly kind: 'gap';
  readonly key: string;
  /** The missing positions, both inclusive. */
  readonly fromSeq: number;
  readonly toSeq: number;
  /** It is being fetched. */
  readonly loading: boolean;
}

/** A send that waits, is on its way or failed; always after the messages. */
export interface TimelineOutgoing {
  readonly kind: 'outgoing';
  readonly key: string;
  readonly item: OutgoingMessage;
}

/** Somebody who is typing. */
export interface TypingState {
  readonly userId: string;
  /** Milliseconds of the client's clock at which the mark ends by itself. */
  readonly expiresAt: number;
}

/** How far somebody has read. */
export interface ReceiptPointers {
  readonly lastReadSeq: number;
  readonly lastDeliveredSeq: number;
}

/** Everything known of one conversation. */
export interface ConversationState {
  readonly id: string;
  /** As the server tells it, with one's own unconfirmed reads and settings applied; `conversation.me` has the unread count. */
  readonly conversation: Conversation;
  /** The loaded messages with explicit gaps, then one's own sends that wait. Empty until `open()` or a page is loaded. */
  readonly timeline: readonly TimelineItem[];
  /** First and last loaded `seq`; null when none is. */
  readonly loaded: { readonly fromSeq: number; readonly toSeq: number } | null;
  /** Whether the newest message is loaded: false after a jump into history. */
  readonly atNewest: boolean;
  /** Whether the first message is loaded. */
  readonly atOldest: boolean;
  /** People known to be in it (all of them once `participantsLoaded`), by id; who left meanwhile stays, with `leftAt`. */
  readonly participants: Readonly<Record<string, Participant>>;
  readonly participantsLoaded: boolean;
  /** How far each person has read, by user id, one's own pointer included. */
  readonly receipts: Readonly<Record<string, ReceiptPointers>>;
  readonly typing: readonly TypingState[];
  /** True while a hole in the changes is being mended: what is shown may be behind. */
  readonly behind: boolean;
  /** The last load that failed, until one succeeds. */
  readonly error: ParleyErrorInit | null;
  /** Milliseconds; by this the list is sorted. */
  readonly activityAt: number;
}

/** What a badge shows, as `GET /unread` counts it: muted conversations count only their mentions. */
export interface UnreadTotals {
  readonly messages: number;
  readonly conversations: number;
  readonly mentions: number;
}

/** How much of the conversation list is known. */
export type ListState = 'empty' | 'cached' | 'loading' | 'complete';

/**
 * The whole state at one instant. Immutable; what did not change keeps its identity from one snapshot to the next, so `===`
 * tells whether a part changed.
 */
export interface Snapshot {
  /** Null until the first token is known. */
  readonly userId: string | null;
  readonly me: User | null;
  readonly connection: ConnectionState;
  /** True between connecting and having caught up with everything. */
  readonly syncing: boolean;
  /** Whether what storage held has been read. Before that an empty list means nothing. */
  readonly hydrated: boolean;
  readonly conversations: Readonly<Record<string, ConversationState>>;
  /** Ids, latest activity first. */
  readonly conversationOrder: readonly string[];
  readonly conversationList: ListState;
  /** Everybody met so far, by id. */
  readonly users: Readonly<Record<string, User>>;
  /** Everything not confirmed yet, in order. */
  readonly outbox: readonly OutboxItem[];
  readonly unread: UnreadTotals;
  /** How the people are who are watched (`client.watchPresence`), by id. Empty while there is no connection. */
  readonly presence: Readonly<Record<string, PresenceState>>;
}
