import type {
  AttachmentLink,
  Block,
  Conversation,
  ConversationType,
  EventName,
  EventPayload,
  Message,
  MessageReport,
  Metadata,
  Page,
  Participant,
  Revision,
  Role,
  SearchHit,
  User,
} from '@parley/protocol';
import type { ApiCall } from './api.ts';
import type { ParleyError, ParleyErrorInit } from './error.ts';
import type { Clock, CoordinatorFactory, ParleyStorage, StorageFactory, Wake } from './platform.types.ts';
import type {
  ConnectionState,
  ConversationSettings,
  Draft,
  OutboxItem,
  OutgoingMessage,
  Snapshot,
} from './snapshot.types.ts';
import type { Transport } from './transport.types.ts';

/** Why a token is asked for. */
export type TokenReason = 'start' | 'expiring' | 'expired' | 'refused';

/**
 * Gives a token for the user. Called at the start, before the token's end and after the server refused one; may ask the host
 * product's server. Null means signed out: the connection ends.
 */
export type TokenProvider = (reason: TokenReason) => string | null | Promise<string | null>;

/** What `createParleyClient` takes. */
export interface ParleyClientOptions {
  /** Origin of the Parley server, such as `https://chat.example.com`. In a browser it may be left out: the page's own. */
  readonly url?: string;
  /** A provider, or a fixed token (which cannot be renewed). */
  readonly token: TokenProvider | string;
  /** Whose data to open before the token provider answered (and when it cannot, offline). Must be the token's `sub`. */
  readonly userId?: string;
  /** Defaults to IndexedDB where there is one, else memory. */
  readonly storage?: StorageFactory;
  /** Defaults to fetch and Socket.IO. */
  readonly transport?: Transport;
  /** Defaults to Web Locks and BroadcastChannel where they are, else this client is alone. */
  readonly coordinator?: CoordinatorFactory;
  readonly clock?: Clock;
  readonly wake?: Wake;
  /** 0 ≤ random() < 1, for jitter. */
  readonly random?: () => number;
  /** Makes `clientMessageId`s. Defaults to random UUIDs. */
  readonly createId?: () => string;
  /** Confirm delivery of others' messages by itself. Defaults to true. */
  readonly confirmDelivery?: boolean;
}

/** A selector reads one part of a snapshot; it must be pure. */
export type Selector<T> = (snapshot: Snapshot) => T;

/** The readable side of the state. `subscribe` and `getSnapshot` fit React's `useSyncExternalStore`. */
export interface ReadableStore {
  getSnapshot(): Snapshot;
  /** Calls back after every change. The answer unsubscribes. */
  subscribe(listener: () => void): () => void;
  /** Calls back when what the selector reads changed, by `isEqual` (`Object.is`). Not called at once. */
  select<T>(
    selector: Selector<T>,
    listener: (value: T, previous: T) => void,
    isEqual?: (a: T, b: T) => boolean,
  ): () => void;
}

/** What `client.on` tells. The state is already changed when a listener is called. */
export interface ClientEvents {
  /** A message by somebody else arrived live (not by paging, not by catching up on history). */
  message: { readonly conversationId: string; readonly message: Message };
  /** One's own send was stored. */
  sent: { readonly conversationId: string; readonly message: Message; readonly clientMessageId: string };
  /** Something one did was refused and rolled back (a send stays in the outbox as failed). */
  refused: { readonly item: OutboxItem; readonly error: ParleyError };
  /** One was added to a conversation. */
  added: { readonly conversation: Conversation };
  /** One is no longer in a conversation, or it is gone. */
  removed: { readonly conversationId: string };
  connection: ConnectionState;
  /** The session is over; sign in again. */
  ended: { readonly error: ParleyError };
  /** Something went wrong that nobody waits for (storage, a listener that threw). For logging. */
  error: { readonly error: unknown; readonly during: string };
  /** Every event of the server, as it came. For tools and tests. */
  wire: { [Name in EventName]: { readonly name: Name; readonly payload: EventPayload<Name> } }[EventName];
}

/** Something that was asked for and shows already. Resolves when the server confirmed it. */
export interface Operation<T> extends Promise<T> {
  /** Id of its item in the outbox; for a send the `clientMessageId`. */
  readonly id: string;
  /** Takes it back if it has not left yet. Then the promise rejects with `aborted`. Answers whether it could. */
  cancel(): boolean;
}

/** Aborts a call that waits for the network. */
export interface CallOptions {
  readonly signal?: AbortSignal;
}

/** Which messages `history` walks over. */
export interface HistoryOptions extends CallOptions {
  /** `backward` (default) goes from the newest, or from below `from`, to older ones; `forward` from above `from`, or the first. */
  readonly direction?: 'backward' | 'forward';
  readonly from?: number;
  /** Messages for each request, at most 200. */
  readonly pageSize?: number;
}

/** One conversation: what a person can do there. Cheap; holds no state but its id. Methods that take `CallOptions` or
 * return a plain promise ask the server and reject with `ParleyError`; those that return an `Operation` show at once. */
export interface ConversationHandle {
  readonly id: string;

  /**
   * Call when it comes on the screen: loads the newest messages (unless they are), keeps it caught up and its people known.
   * With `at` it loads the surroundings of that message instead. The answer closes it. Opening twice is fine.
   */
  open(options?: { readonly at?: number }): () => void;

  /** Sends a message: shown at once, kept until stored, never twice. Rejects with the refusal. */
  send(draft: Draft): Operation<Message>;
  /** Tries a failed send again, with the same key. */
  retry(outboxId: string): Operation<Message>;
  /** Changes a send that failed or has not left yet, and sends it under a new key. */
  editOutgoing(outboxId: string, draft: Draft): Operation<Message>;
  /** Forgets a failed send, or one that has not left yet. Answers whether it could. */
  discard(outboxId: string): boolean;

  edit(messageId: string, content: string, options?: { readonly ifRev?: number }): Operation<Message>;
  /** With `undoMs` it shows as deleted at once and leaves after that time; `cancel()` brings it back. */
  delete(messageId: string, options?: { readonly reason?: string; readonly undoMs?: number }): Operation<Message>;
  react(messageId: string, emoji: string): Operation<Message>;
  unreact(messageId: string, emoji: string): Operation<Message>;

  /** Moves one's own read pointer forward; without `seq` to the newest message. Asking for less than is read does nothing. */
  markRead(seq?: number): void;
  /** Makes this message the first unread one. */
  markUnread(seq: number): Operation<void>;
  /** Pin, mute, archive, notify. */
  settings(settings: ConversationSettings): Operation<void>;

  /** Call on every keystroke; tells the others as often as needed and stops by itself. */
  typing(): void;
  /** No longer typing (the field was emptied). A send implies it. */
  stopTyping(): void;

  /** Loads older messages before the first loaded one (or before the gap nearest to the newest window). */
  loadOlder(options?: CallOptions & { readonly limit?: number }): Promise<void>;
  /** Loads newer messages after the last loaded one. */
  loadNewer(options?: CallOptions & { readonly limit?: number }): Promise<void>;
  /** Shows the surroundings of a message: replaces the loaded window unless `seq` is in it. */
  loadAround(seq: number, options?: CallOptions & { readonly limit?: number }): Promise<void>;
  /** Back to the newest messages: replaces the loaded window unless they are in it. */
  loadNewest(options?: CallOptions): Promise<void>;
  /** Fetches into a gap, from its newer end (`end: 'to'`, default) or its older end (`'from'`). */
  fillGap(
    gap: { readonly fromSeq: number; readonly toSeq: number },
    options?: CallOptions & { readonly end?: 'from' | 'to' },
  ): Promise<void>;
  /** Forgets loaded messages beyond `keep` on the side away from `around` (memory; the gap shows). */
  trim(options: { readonly around: number; readonly keep: number }): void;

  /** Walks over the history page by page, without touching the store. */
  history(options?: HistoryOptions): AsyncIterableIterator<Message>;
  message(messageId: string, options?: CallOptions): Promise<Message>;
  /** The texts a message had, first text first. */
  revisions(messageId: string, options?: CallOptions): Promise<readonly Revision[]>;
  /** Tells the administrators of a message. Reporting it again answers with the first report. */
  report(messageId: string, reason: string, options?: CallOptions): Promise<MessageReport>;

  /** Asks the server for the conversation again. */
  refresh(options?: CallOptions): Promise<Conversation>;
  update(
    changes: {
      readonly title?: string | null;
      readonly avatarUrl?: string | null;
      readonly metadata?: Metadata;
      /** Members wait so long between two messages of theirs; 0 is off. */
      readonly slowModeSeconds?: number;
      /** Only owners and moderators write. */
      readonly readOnly?: boolean;
    },
    options?: CallOptions,
  ): Promise<Conversation>;
  /** Loads everybody who is in it into the store. */
  loadParticipants(options?: CallOptions): Promise<readonly Participant[]>;
  formerParticipants(options?: CallOptions & { readonly cursor?: string }): Promise<Page<Participant>>;
  addParticipants(userIds: readonly string[], options?: CallOptions): Promise<readonly Participant[]>;
  removeParticipant(userId: string, options?: CallOptions): Promise<void>;
  setRole(userId: string, role: Role, options?: CallOptions): Promise<Participant>;
  /** Somebody writes nothing here until that time (ISO); null ends it. */
  silence(userId: string, until: string | null, options?: CallOptions): Promise<Participant>;
  /** Joins a channel. */
  join(options?: CallOptions): Promise<void>;
  leave(options?: CallOptions): Promise<void>;
  /** Deletes the whole conversation for everybody (owner). */
  deleteForAll(options?: CallOptions): Promise<void>;
}

/** Which messages a search looks for; `q` are words, `"in quotes"` side by side. */
export interface SearchRequest extends CallOptions {
  readonly q: string;
  readonly conversationId?: string;
  readonly senderId?: string;
  /** ISO times. */
  readonly before?: string;
  readonly after?: string;
  /** Only with a file, or only without. */
  readonly hasFile?: boolean;
  /** `best`: those first that have the words most often and closest together, of the newest 500. Otherwise the newest. */
  readonly order?: 'newest' | 'best';
  /** The `nextCursor` of the page before, of the same search in the same order. */
  readonly cursor?: string;
  readonly limit?: number;
}

/** Whom one blocks. A block is not told to anybody. */
export interface Blocks {
  list(options?: CallOptions & { readonly cursor?: string; readonly limit?: number }): Promise<Page<Block>>;
  add(userId: string, options?: CallOptions): Promise<void>;
  remove(userId: string, options?: CallOptions): Promise<void>;
}

/** What parts that load later (`@parley/client/uploads`, `…/admin`) build upon, and calls the client has no method for. */
export interface ClientParts {
  /** One REST call, with the token and its renewal. */
  call<T>(call: ApiCall): Promise<T>;
  /** The token in use, and another one in place of a refused one. Null when signed out. */
  token(refused?: string): Promise<string | null>;
  /** Where the server is, with the prefix of the API. */
  readonly apiUrl: string;
  /** What this device keeps of this person. Signing out clears it. */
  storage(): Promise<ParleyStorage>;
  /** A file that sends wait for (`Draft.uploads`) is whole (its id at the server), or will never be (why). */
  uploaded(uploadId: string, outcome: string | ParleyError): void;
  /** Calls back when the client is closed. */
  onClosed(callback: () => void): void;
  readonly clock: Clock;
  readonly random: () => number;
  readonly createId: () => string;
}

/** What a new conversation is. */
export interface NewConversation {
  readonly type: ConversationType;
  readonly participantIds?: readonly string[];
  readonly title?: string;
  readonly metadata?: Metadata;
  readonly confidential?: boolean;
}

/** The client: one for each signed-in user. */
export interface ParleyClient {
  readonly store: ReadableStore;
  /** The same as `store.getSnapshot()`. */
  readonly snapshot: Snapshot;

  /** Opens storage and connects; called by the first use of anything if not before. Resolves once storage is read. */
  connect(): Promise<void>;
  /** Ends the connection and stops all work; the outbox stays in storage for the next client. */
  close(): Promise<void>;
  /** Closes and forgets everything this device keeps of this user, the outbox included. */
  signOut(): Promise<void>;
  /** Uses another token of the same user from now on. */
  setToken(token: string): void;
  /** Try now: reconnect if waiting, and let the outbox try at once. */
  wake(): void;

  on<Name extends keyof ClientEvents>(name: Name, listener: (event: ClientEvents[Name]) => void): () => void;

  conversation(id: string): ConversationHandle;
  /** Creates a conversation; a direct one that exists is returned. It is in the store when this resolves. */
  createConversation(input: NewConversation, options?: CallOptions): Promise<Conversation>;
  /** Channels open to all, by name. */
  channels(
    options?: CallOptions & { readonly query?: string; readonly cursor?: string; readonly limit?: number },
  ): Promise<Page<Conversation>>;
  /** People one may find, by name. */
  people(
    options?: CallOptions & { readonly query?: string; readonly cursor?: string; readonly limit?: number },
  ): Promise<Page<User>>;
  me(options?: CallOptions): Promise<User>;

  /** Keeps `snapshot.presence` up to date for these people (200 at most, of all who ask); the answer stops it. */
  watchPresence(userIds: readonly string[]): () => void;
  readonly search: {
    /** Messages one may see that have these words, newest first, page by page. */
    messages(request: SearchRequest): Promise<Page<SearchHit>>;
  };
  readonly blocks: Blocks;
  /** Addresses of a file and its thumbnail that need no token for a while; asked for once and kept until they end. */
  attachmentLink(attachmentId: string): Promise<AttachmentLink>;
  readonly parts: ClientParts;
}

export type { OutgoingMessage, ParleyErrorInit };
