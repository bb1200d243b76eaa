import type {
  Conversation,
  Membership,
  Message,
  Participant,
  PresenceState,
  ReceiptState,
  User,
} from '@parley/protocol';
import type { ParleyErrorInit } from './error.ts';
import { type Fact, messageAfter } from './facts.ts';
import type {
  ConnectionState,
  ConversationState,
  ListState,
  OutboxItem,
  ReceiptPointers,
  Snapshot,
  TypingState,
} from './snapshot.types.ts';
import { buildTimeline, changesByMessage, type Fetch, positionOf, withPending } from './timeline.ts';

/** A conversation with what the reducer needs beside what it shows. */
export interface ConversationRecord extends ConversationState {
  /** As the server tells it, without one's own unconfirmed changes. */
  readonly base: Conversation;
  /** Every change up to this `rev` is applied. */
  readonly cursor: number;
  /** Loaded messages as the server tells them, by `seq`. */
  readonly messages: readonly Message[];
  readonly fetches: readonly Fetch[];
  /** Facts that came while a page was on its way: the page may have been read before them. */
  readonly strays: readonly Fact[];
  /** Whether unread count and number of people are certain; if not, the conversation has to be asked for. */
  readonly exact: boolean;
  /** Raised whenever one's own pointers or settings move, which no `rev` tells: answers asked for before are stale. */
  readonly ownVersion: number;
}

/** The whole state: the snapshot and what the reducer keeps beside it. */
export interface State extends Snapshot {
  readonly conversations: Readonly<Record<string, ConversationRecord>>;
}

/** What of a conversation is kept on the device. */
export interface StoredConversation {
  readonly base: Conversation;
  readonly cursor: number;
  readonly messages: readonly Message[];
  readonly participants: readonly Participant[];
  readonly participantsLoaded: boolean;
}

/**
 * What a page does to the window:
 * - `extend`: goes on from it. The window may have been moved or cut while the page was on its way: then the page would be an
 *   island beside it, and is left out.
 * - `fill`: is put where it belongs, as an island too.
 * - `replace`: takes its place, unless both together are whole.
 */
export type PageMode = 'extend' | 'fill' | 'replace';

/** Everything that can happen to the state. */
export type Action =
  | { readonly type: 'identified'; readonly userId: string; readonly me?: User }
  | { readonly type: 'hydrated'; readonly conversations: readonly StoredConversation[] }
  | { readonly type: 'connection'; readonly connection: ConnectionState }
  | { readonly type: 'syncing'; readonly syncing: boolean }
  | { readonly type: 'list'; readonly list: ListState }
  /** The server told conversations as they are at their `rev`. */
  | { readonly type: 'conversations'; readonly conversations: readonly Conversation[] }
  /** One is no longer in these. */
  | { readonly type: 'removed'; readonly conversationIds: readonly string[] }
  /** The next change, live. */
  | { readonly type: 'fact'; readonly conversationId: string; readonly fact: Fact }
  /** A page of `changes`: complete up to `cursor`. Messages above `insertAbove` are new and wanted in the window. */
  | {
      readonly type: 'changes';
      readonly conversationId: string;
      readonly facts: readonly Fact[];
      readonly cursor: number;
      readonly insertAbove: number | null;
    }
  /** A conversation that was too long away: forget the window and begin at this state. */
  | { readonly type: 'reset'; readonly conversation: Conversation }
  | { readonly type: 'behind'; readonly conversationId: string; readonly behind: boolean }
  /** Messages the server answered with, in their latest state. */
  | { readonly type: 'messages'; readonly conversationId: string; readonly messages: readonly Message[] }
  | { readonly type: 'fetch'; readonly conversationId: string; readonly fetch: Fetch }
  | {
      readonly type: 'fetched';
      readonly conversationId: string;
      readonly fetchId: string;
      readonly page: { readonly messages: readonly Message[]; readonly mode: PageMode } | null;
      readonly error: ParleyErrorInit | null;
    }
  | { readonly type: 'trim'; readonly conversationId: string; readonly around: number; readonly keep: number }
  | {
      readonly type: 'participants';
      readonly conversationId: string;
      readonly participants: readonly Participant[];
      /** They are everybody who was in it at this `rev` or later; null when they are only some. */
      readonly completeAsOf: number | null;
    }
  | { readonly type: 'users'; readonly users: readonly User[] }
  | {
      readonly type: 'receipt';
      readonly conversationId: string;
      readonly userId: string;
      readonly read?: number;
      readonly delivered?: number;
    }
  /** One's own pointers, as the server tells them. */
  | { readonly type: 'pointers'; readonly conversationId: string; readonly pointers: Partial<ReceiptState> }
  /** One's own settings, as the server tells them. */
  | { readonly type: 'membership'; readonly conversationId: string; readonly me: Membership }
  | { readonly type: 'typing'; readonly conversationId: string; readonly typing: TypingState }
  | {
      readonly type: 'typingEnded';
      readonly conversationId: string;
      readonly userId: string;
      readonly expiresAt?: number;
    }
  | { readonly type: 'presence'; readonly states: readonly PresenceState[] }
  | { readonly type: 'outbox'; readonly outbox: readonly OutboxItem[] };

export const INITIAL_STATE: State = {
  userId: null,
  me: null,
  connection: { status: 'idle' },
  syncing: false,
  hydrated: false,
  conversations: {},
  conversationOrder: [],
  conversationList: 'empty',
  users: {},
  outbox: [],
  unread: { messages: 0, conversations: 0, mentions: 0 },
  presence: {},
};

/**
 * The state after these actions, taken as one step: pure, and everything that did not change keeps its identity. `now` is the
 * time of the step in milliseconds; it decides only whether a mute is over.
 */
export function reduce(state: State, actions: readonly Action[], now: number): State {
  const after = actions.reduce(step, state);
  return after === state ? state : withTotals(state, after, now);
}

function step(state: State, action: Action): State {
  switch (action.type) {
    case 'identified': {
      const me = action.me ?? state.me;
      if (state.userId === action.userId && state.me === me) return state;
      return { ...withUsers(state, me === null ? [] : [me]), userId: action.userId, me };
    }
    case 'hydrated':
      return hydrate(state, action.conversations);
    case 'connection': {
      // Whatever was typed while we could not hear the end of it has ended.
      // So has whatever was known of who is there.
      const online = action.connection.status === 'online';
      const silent = online ? state : { ...withoutTyping(state), presence: INITIAL_STATE.presence };
      return { ...silent, connection: action.connection };
    }
    case 'syncing':
      return state.syncing === action.syncing ? state : { ...state, syncing: action.syncing };
    case 'list':
      return state.conversationList === action.list ? state : { ...state, conversationList: action.list };
    case 'conversations':
      return action.conversations.reduce(withConversation, state);
    case 'removed':
      return without(state, action.conversationIds);
    case 'reset':
      return withConversation(without(state, [action.conversation.id]), action.conversation);
    case 'users':
      return withUsers(state, action.users);
    case 'presence':
      return withPresence(state, action.states);
    case 'outbox':
      return withOutbox(state, action.outbox);
    case 'fact':
      return change(
        state,
        action.conversationId,
        (record) => withFact(record, action.fact, state.userId),
        usersOf([action.fact]),
      );
    case 'changes':
      return change(
        state,
        action.conversationId,
        (record) => withChanges(record, action, state.userId),
        usersOf(action.facts),
      );
    case 'behind':
      return change(state, action.conversationId, (record) => patch(record, { behind: action.behind }));
    case 'messages':
      return change(state, action.conversationId, (record) => withAnswers(record, action.messages, state.userId));
    case 'fetch':
      return change(state, action.conversationId, (record) => ({
        ...record,
        fetches: [...record.fetches, action.fetch],
      }));
    case 'fetched':
      return change(state, action.conversationId, (record) => withPage(record, action, state.userId));
    case 'trim':
      return change(state, action.conversationId, (record) => trimmed(record, action.around, action.keep));
    case 'participants':
      return change(
        state,
        action.conversationId,
        (record) => withParticipants(record, action.participants, action.completeAsOf),
        action.participants.map((participant) => participant.user),
      );
    case 'receipt':
      return change(state, action.conversationId, (record) => withReceipt(record, action));
    case 'pointers':
      return change(state, action.conversationId, (record) => withPointers(record, action.pointers, state.userId));
    case 'membership':
      return change(state, action.conversationId, (record) => {
        const { mutedUntil, pinnedAt, archivedAt, notify } = action.me;
        return record.base.me === null ? record : touched(withMe(record, { mutedUntil, pinnedAt, archivedAt, notify }));
      });
    case 'typing':
      return change(state, action.conversationId, (record) => {
        const others = record.typing.filter(({ userId }) => userId !== action.typing.userId);
        return { ...record, typing: [...others, action.typing] };
      });
    case 'typingEnded':
      return change(state, action.conversationId, (record) => noLongerTyping(record, action.userId, action.expiresAt));
  }
}

/* Conversations */

/** One conversation changed by `work`, with what is shown of it brought in step. */
function change(
  state: State,
  id: string,
  work: (record: ConversationRecord) => ConversationRecord,
  users: readonly User[] = [],
): State {
  const record = state.conversations[id];
  if (record === undefined) return state;
  const worked = work(record);
  const known = withUsers(state, users);
  if (worked === record) return known;
  return put(known, worked);
}

function put(state: State, record: ConversationRecord): State {
  const items = state.outbox.filter((item) => item.conversationId === record.id);
  return { ...state, conversations: { ...state.conversations, [record.id]: show(record, items, state.userId) } };
}

function hydrate(state: State, stored: readonly StoredConversation[]): State {
  const conversations: Record<string, ConversationRecord> = { ...state.conversations };
  let known = withUsers(
    state,
    stored.flatMap((entry) => entry.participants.map((participant) => participant.user)),
  );
  for (const entry of stored) {
    // What came over the network meanwhile is newer.
    if (conversations[entry.base.id] !== undefined) continue;
    const record = withParticipants(
      newRecord(entry.base, entry.cursor),
      entry.participants,
      entry.participantsLoaded ? 0 : null,
    );
    const items = state.outbox.filter((item) => item.conversationId === entry.base.id);
    conversations[entry.base.id] = show({ ...record, messages: entry.messages, exact: true }, items, state.userId);
  }
  if (stored.length > 0 && known.conversationList === 'empty') known = { ...known, conversationList: 'cached' };
  return { ...known, conversations, hydrated: true };
}

/**
 * A conversation as the server tells it. Taken whole when it is no older than what we have and either nothing is loaded or it
 * is exactly as new: with messages loaded, the changes in between have to come first.
 */
function withConversation(state: State, told: Conversation): State {
  const { participants = [], ...base } = told;
  const record = state.conversations[told.id];
  const completeAsOf = told.participantCount <= participants.length ? told.rev : null;
  const known = withUsers(
    state,
    participants.map((participant) => participant.user),
  );
  if (record === undefined) {
    return put(known, withParticipants(newRecord(base, told.rev), participants, completeAsOf));
  }
  const fresh = told.rev === record.cursor || (told.rev > record.cursor && record.messages.length === 0);
  if (!fresh) return known;
  // Over a jump people may have come and gone that are not among those told.
  const jumped = told.rev > record.cursor;
  const taken: ConversationRecord = {
    ...record,
    base: sameValue(record.base, base) ? record.base : base,
    cursor: told.rev,
    ownVersion: record.ownVersion + (base.me?.lastReadSeq === record.base.me?.lastReadSeq ? 0 : 1),
    exact: true,
    behind: false,
    participantsLoaded: record.participantsLoaded && !jumped,
  };
  return put(known, withParticipants(taken, participants, completeAsOf));
}

function without(state: State, ids: readonly string[]): State {
  if (!ids.some((id) => state.conversations[id] !== undefined)) return state;
  const conversations = { ...state.conversations };
  for (const id of ids) delete conversations[id];
  return { ...state, conversations };
}

function newRecord(base: Conversation, cursor: number): ConversationRecord {
  return {
    id: base.id,
    base,
    cursor,
    messages: [],
    fetches: [],
    strays: [],
    exact: true,
    ownVersion: 0,
    conversation: base,
    timeline: [],
    loaded: null,
    atNewest: false,
    atOldest: false,
    participants: {},
    participantsLoaded: false,
    receipts: {},
    typing: [],
    behind: false,
    error: null,
    activityAt: 0,
  };
}

/* Changes */

function withFact(record: ConversationRecord, fact: Fact, userId: string | null): ConversationRecord {
  // An old or repeated one still carries its entity in a state that may be later than ours.
  const next = fact.rev === record.cursor + 1;
  const counted = next ? counting(record, fact, userId) : record;
  const applied = applyFact(counted, fact, record.atNewest ? record.base.lastSeq : null, userId);
  if (!next) return applied;
  const moved = { ...applied, cursor: fact.rev };
  // What is left of a deleted message no longer says whom it mentioned.
  const deleted = fact.kind === 'message' && fact.message.deletedAt !== null;
  return deleted ? recounted(moved, userId, moved.base.me?.mentionCount === 0) : moved;
}

function withChanges(
  record: ConversationRecord,
  { facts, cursor, insertAbove }: Extract<Action, { type: 'changes' }>,
  userId: string | null,
): ConversationRecord {
  const newer = facts.filter((fact) => fact.rev > record.cursor);
  // The window may have been moved or cut while the page was on its way: then new messages would be an island in it.
  const above = insertAbove !== null && (record.messages.at(-1)?.seq ?? 0) >= insertAbove ? insertAbove : null;
  const applied = newer.reduce((after, fact) => applyFact(after, fact, above, userId), record);
  const moved = cursor > applied.cursor ? { ...applied, cursor } : applied;
  // Entries tell how things stand, not what happened in between: count again, or say that it has to be asked for.
  return newer.length === 0 ? moved : recounted(withPeopleCounted(moved, newer), userId);
}

/** Counts what exactly one live change adds to unread messages and people. */
function counting(record: ConversationRecord, fact: Fact, userId: string | null): ConversationRecord {
  const { base } = record;
  if (fact.kind === 'participant') {
    const by = fact.how === 'joined' ? 1 : fact.how === 'left' ? -1 : 0;
    return by === 0
      ? record
      : { ...record, base: { ...base, participantCount: Math.max(0, base.participantCount + by) } };
  }
  if (fact.kind !== 'message' || base.me === null) return record;
  const { message } = fact;
  const isNew = message.seq > base.lastSeq;
  if (message.senderId === userId || message.seq <= base.me.lastReadSeq) return record;
  if (isNew) {
    const mention = userId !== null && message.mentions.includes(userId) ? 1 : 0;
    const { unreadCount, mentionCount } = base.me;
    return withMe(record, { unreadCount: unreadCount + 1, mentionCount: mentionCount + mention });
  }
  if (message.deletedAt === null) return record;
  return withMe(record, { unreadCount: Math.max(0, base.me.unreadCount - 1) });
}

/** What a fact says, put where it belongs. Idempotent: an entity changes only to a later state of itself. */
function applyFact(
  record: ConversationRecord,
  fact: Fact,
  insertAbove: number | null,
  userId: string | null,
): ConversationRecord {
  switch (fact.kind) {
    case 'message': {
      const noted = noteStray(noLongerTyping(record, fact.message.senderId), fact);
      const placed = withMessage(noted, fact.message, insertAbove);
      return withHead(placed, fact.message, userId);
    }
    case 'reaction': {
      const noted = noteStray(record, fact);
      const message = findMessage(noted, fact.messageId);
      const after = message === undefined ? undefined : messageAfter(message, fact);
      const placed = after === undefined || after === message ? noted : withMessage(noted, after, null);
      const last = placed.base.lastMessage;
      return last === null ? placed : withLastMessage(placed, messageAfter(last, fact));
    }
    case 'participant':
      return withParticipants(record, [fact.participant], null, userId);
    case 'conversation': {
      const { type, title, avatarUrl, metadata, confidential, slowModeSeconds, readOnly, updatedAt } =
        fact.conversation;
      if (fact.rev < record.cursor) return record;
      const told = { type, title, avatarUrl, metadata, confidential, slowModeSeconds, readOnly, updatedAt };
      return { ...record, base: { ...record.base, ...told } };
    }
  }
}

function noteStray(record: ConversationRecord, fact: Fact): ConversationRecord {
  return record.fetches.length === 0 ? record : { ...record, strays: [...record.strays, fact] };
}

/**
 * The head of the log: last position, last message, and one's own pointer, which moves with one's own messages (SEND-3). Where
 * something before was unread the server tells so with `unread:changed`; this fact may be older than a mark as unread.
 */
function withHead(record: ConversationRecord, message: Message, userId: string | null): ConversationRecord {
  const { base } = record;
  const moved = message.seq > base.lastSeq;
  const last = base.lastMessage;
  let after = moved ? { ...record, base: { ...base, lastSeq: message.seq } } : record;
  if (last === null || message.seq > last.seq) after = withLastMessage(after, message);
  else if (message.id === last.id && message.rev > last.rev) after = withLastMessage(after, message);
  const { me } = base;
  if (message.senderId !== userId || me === null) return after;
  const lastReadSeq = moved && me.lastReadSeq >= base.lastSeq ? Math.max(me.lastReadSeq, message.seq) : me.lastReadSeq;
  const lastDeliveredSeq = Math.max(me.lastDeliveredSeq, message.seq);
  if (lastReadSeq === me.lastReadSeq && lastDeliveredSeq === me.lastDeliveredSeq) return after;
  const own = withMe(after, { lastReadSeq, lastDeliveredSeq });
  return lastReadSeq === me.lastReadSeq ? own : recounted(own, userId);
}

function withLastMessage(record: ConversationRecord, lastMessage: Message): ConversationRecord {
  if (record.base.lastMessage === lastMessage) return record;
  return { ...record, base: { ...record.base, lastMessage } };
}

/** Answers of the server to one's own calls: may be ahead of the changes seen so far, so only the one that is next counts. */
function withAnswers(
  record: ConversationRecord,
  messages: readonly Message[],
  userId: string | null,
): ConversationRecord {
  return messages.reduce((after, message) => {
    const fact: Fact = { kind: 'message', rev: message.rev, message };
    if (message.rev === after.cursor + 1) return withFact(after, fact, userId);
    const newest = after.messages.at(-1);
    const wanted = after.atNewest && newest !== undefined && message.seq > newest.seq;
    return withMessage(noteStray(after, fact), message, wanted ? newest.seq : null);
  }, record);
}

/* Messages */

function findMessage(record: ConversationRecord, id: string): Message | undefined {
  return record.messages.findLast((message) => message.id === id);
}

/**
 * Puts a message into the window: over an earlier state of itself, or as a new one where it is wanted (`insertAbove`), or
 * where it is the first of all.
 */
function withMessage(record: ConversationRecord, message: Message, insertAbove: number | null): ConversationRecord {
  const { messages } = record;
  const index = positionOf(messages, message.seq);
  const present = messages[index]?.seq === message.seq ? messages[index] : undefined;
  if (present === undefined) {
    const first = message.seq === 1 && messages.length === 0 && record.base.lastSeq <= 1;
    const wanted = insertAbove !== null && message.seq > insertAbove && messages.length > 0;
    if (!first && !wanted) return withQuotes(record, message);
    return withQuotes({ ...record, messages: messages.toSpliced(index, 0, quotingNow(message, messages)) }, message);
  }
  if (present.rev >= message.rev) return withQuotes(record, present);
  return withQuotes({ ...record, messages: messages.with(index, quotingNow(message, messages)) }, message);
}

/** A message that was read before the one it quotes was changed, with the quote as it is by now. */
function quotingNow(message: Message, messages: readonly Message[]): Message {
  const { replyTo } = message;
  if (replyTo === null || replyTo.deletedAt !== null) return message;
  const quoted = messages[positionOf(messages, replyTo.seq)];
  return quoted?.id === replyTo.id ? (requoted([message], quoted)[0] ?? message) : message;
}

/** Brings the quotes of a message in other messages up to date: a deleted text must be gone there too (DEL-1). */
function withQuotes(record: ConversationRecord, quoted: Message): ConversationRecord {
  const messages = requoted(record.messages, quoted);
  const last = record.base.lastMessage;
  const lastAfter = last === null ? null : (requoted([last], quoted)[0] ?? last);
  const after = lastAfter === last || lastAfter === null ? record : withLastMessage(record, lastAfter);
  return messages === record.messages ? after : { ...after, messages };
}

function requoted(messages: readonly Message[], quoted: Message): readonly Message[] {
  if (quoted.deletedAt === null && quoted.editedAt === null) return messages;
  let changed = false;
  const after = messages.map((message) => {
    if (message.replyTo?.id !== quoted.id) return message;
    const content = quoted.content === null ? null : preview(quoted.content);
    if (message.replyTo.content === content && message.replyTo.deletedAt === quoted.deletedAt) return message;
    changed = true;
    return { ...message, replyTo: { ...message.replyTo, content, deletedAt: quoted.deletedAt } };
  });
  return changed ? after : messages;
}

/** As the server cuts it. */
const PREVIEW_CHARACTERS = 200;

function preview(content: string): string {
  if (content.length <= PREVIEW_CHARACTERS) return content;
  return Array.from(content.slice(0, PREVIEW_CHARACTERS * 2))
    .slice(0, PREVIEW_CHARACTERS)
    .join('');
}

function withPage(
  record: ConversationRecord,
  { fetchId, page, error }: Extract<Action, { type: 'fetched' }>,
  userId: string | null,
): ConversationRecord {
  const fetches = record.fetches.filter((fetch) => fetch.id !== fetchId);
  const strays = fetches.length === 0 ? [] : record.strays;
  const ended: ConversationRecord = { ...record, fetches, strays, error: page === null ? error : null };
  if (page === null || page.messages.length === 0) return ended;

  const current = page.messages.map((message) => record.strays.reduce(messageAfter, message));
  const apart = record.messages.length > 0 && !touches(record.messages, current);
  if (apart && page.mode === 'extend') return ended;
  const messages = apart && page.mode === 'replace' ? current : merged(record.messages, current);
  const quoted = record.strays.reduce(
    (after, fact) => (fact.kind === 'message' ? requoted(after, fact.message) : after),
    messages,
  );
  const told = quoted.map((message) => quotingNow(message, quoted));
  return recounted({ ...ended, messages: told }, userId, record.exact);
}

/** Whether two windows are neighbours or overlap, so that together they are whole. */
function touches(a: readonly Message[], b: readonly Message[]): boolean {
  const [firstA, lastA, firstB, lastB] = [a[0], a.at(-1), b[0], b.at(-1)];
  if (!firstA || !lastA || !firstB || !lastB) return false;
  return firstA.seq <= lastB.seq + 1 && firstB.seq <= lastA.seq + 1;
}

function merged(a: readonly Message[], b: readonly Message[]): readonly Message[] {
  const bySeq = new Map(a.map((message) => [message.seq, message]));
  for (const message of b) {
    const present = bySeq.get(message.seq);
    if (present === undefined || present.rev < message.rev) bySeq.set(message.seq, message);
  }
  return [...bySeq.values()].sort((x, y) => x.seq - y.seq);
}

function trimmed(record: ConversationRecord, around: number, keep: number): ConversationRecord {
  const { messages } = record;
  if (messages.length <= keep) return record;
  const middle = positionOf(messages, around);
  const start = Math.max(0, Math.min(middle - Math.floor(keep / 2), messages.length - keep));
  return { ...record, messages: messages.slice(start, start + keep) };
}

/* People */

function withParticipants(
  record: ConversationRecord,
  told: readonly Participant[],
  completeAsOf: number | null,
  userId: string | null = null,
): ConversationRecord {
  const participants: Record<string, Participant> = { ...record.participants };
  const receipts: Record<string, ReceiptPointers> = { ...record.receipts };
  const participantsLoaded = record.participantsLoaded || completeAsOf !== null;
  let changed = participantsLoaded !== record.participantsLoaded;
  let { me } = record.base;
  if (completeAsOf !== null) {
    const present = new Set(told.map((participant) => participant.user.id));
    for (const [id, { rev, leftAt }] of Object.entries(participants)) {
      if (present.has(id) || leftAt !== null || rev > completeAsOf) continue;
      delete participants[id];
      delete receipts[id];
      changed = true;
    }
  }
  for (const participant of told) {
    const { id } = participant.user;
    const before = participants[id];
    if (before !== undefined && before.rev > participant.rev) continue;
    if (before === undefined || !sameValue(before, participant)) {
      participants[id] = participant;
      changed = true;
    }
    const pointers = furthest(receipts[id], participant);
    if (participant.leftAt !== null) {
      changed ||= receipts[id] !== undefined;
      delete receipts[id];
    } else if (pointers !== receipts[id]) {
      receipts[id] = pointers;
      changed = true;
    }
    if (id === userId && me !== null && participant.leftAt === null) {
      const { role, joinedAt } = participant;
      if (me.role !== role || me.joinedAt !== joinedAt) me = { ...me, role, joinedAt };
    }
  }
  if (me !== record.base.me)
    return { ...record, base: { ...record.base, me }, participants, receipts, participantsLoaded };
  return changed ? { ...record, participants, receipts, participantsLoaded } : record;
}

function furthest(known: ReceiptPointers | undefined, told: ReceiptPointers): ReceiptPointers {
  const { lastReadSeq, lastDeliveredSeq } = told;
  if (known === undefined) return { lastReadSeq, lastDeliveredSeq };
  if (known.lastReadSeq >= lastReadSeq && known.lastDeliveredSeq >= lastDeliveredSeq) return known;
  return {
    lastReadSeq: Math.max(known.lastReadSeq, lastReadSeq),
    lastDeliveredSeq: Math.max(known.lastDeliveredSeq, lastDeliveredSeq),
  };
}

function withReceipt(
  record: ConversationRecord,
  { userId, read = 0, delivered = 0 }: Extract<Action, { type: 'receipt' }>,
) {
  const known = record.receipts[userId];
  const pointers = furthest(known, { lastReadSeq: read, lastDeliveredSeq: Math.max(read, delivered) });
  return pointers === known ? record : { ...record, receipts: { ...record.receipts, [userId]: pointers } };
}

/** After entries about people: their number is certain only when everybody is known. */
function withPeopleCounted(record: ConversationRecord, facts: readonly Fact[]): ConversationRecord {
  if (!facts.some((fact) => fact.kind === 'participant')) return record;
  if (!record.participantsLoaded) return { ...record, exact: false };
  const participantCount = Object.values(record.participants).filter(({ leftAt }) => leftAt === null).length;
  return { ...record, base: { ...record.base, participantCount } };
}

function noLongerTyping(
  record: ConversationRecord,
  userId: string,
  expiresAt = Number.POSITIVE_INFINITY,
): ConversationRecord {
  const typing = record.typing.filter((state) => state.userId !== userId || state.expiresAt > expiresAt);
  return typing.length === record.typing.length ? record : { ...record, typing };
}

function withoutTyping(state: State): State {
  return Object.values(state.conversations).reduce(
    (after, record) => (record.typing.length === 0 ? after : put(after, { ...record, typing: [] })),
    state,
  );
}

function withUsers(state: State, told: readonly User[]): State {
  let users = state.users;
  for (const user of told) {
    const known = users[user.id];
    if (known !== undefined && known.name === user.name && known.avatarUrl === user.avatarUrl) continue;
    users = { ...users, [user.id]: user };
  }
  return users === state.users ? state : { ...state, users };
}

function withPresence(state: State, told: readonly PresenceState[]): State {
  const news = told.filter((known) => !sameValue(state.presence[known.userId], known));
  if (news.length === 0) return state;
  return {
    ...state,
    presence: { ...state.presence, ...Object.fromEntries(news.map((known) => [known.userId, known])) },
  };
}

function usersOf(facts: readonly Fact[]): readonly User[] {
  return facts.flatMap((fact) => (fact.kind === 'participant' ? [fact.participant.user] : []));
}

/* One's own pointers */

function withMe(record: ConversationRecord, me: Partial<Membership>): ConversationRecord {
  if (record.base.me === null) return record;
  return { ...record, base: { ...record.base, me: { ...record.base.me, ...me } } };
}

function withPointers(
  record: ConversationRecord,
  told: Partial<ReceiptState>,
  userId: string | null,
): ConversationRecord {
  const { me } = record.base;
  if (me === null) return record;
  const lastReadSeq = told.lastReadSeq ?? me.lastReadSeq;
  const lastDeliveredSeq = Math.max(me.lastDeliveredSeq, told.lastDeliveredSeq ?? 0, lastReadSeq);
  const unreadCount = told.unreadCount ?? me.unreadCount;
  if (lastReadSeq === me.lastReadSeq && lastDeliveredSeq === me.lastDeliveredSeq && unreadCount === me.unreadCount) {
    // News all the same: an answer that was asked for before may still say otherwise.
    return told.lastReadSeq === undefined ? record : touched(record);
  }
  return recounted(
    touched(withMe(record, { lastReadSeq, lastDeliveredSeq, unreadCount })),
    userId,
    lastReadSeq === me.lastReadSeq,
  );
}

function touched(record: ConversationRecord): ConversationRecord {
  return { ...record, ownVersion: record.ownVersion + 1 };
}

/** Counts unread messages again where the loaded messages allow it; else keeps the figure and says whether it is certain. */
function recounted(record: ConversationRecord, userId: string | null, exactOtherwise = false): ConversationRecord {
  const { me, lastSeq } = record.base;
  if (me === null) return record;
  const counted = countUnread(record.messages, me.lastReadSeq, lastSeq, userId);
  if (counted === null) {
    const unreadCount = Math.min(me.unreadCount, Math.max(0, lastSeq - me.lastReadSeq));
    const kept = unreadCount === me.unreadCount ? record : withMe(record, { unreadCount });
    return patch(kept, { exact: kept.exact && exactOtherwise });
  }
  if (counted.unreadCount === me.unreadCount && counted.mentionCount === me.mentionCount) return record;
  return withMe(record, counted);
}

/** Messages of others after the pointer that are not deleted (READ-2); null when not all of them are loaded. */
function countUnread(messages: readonly Message[], after: number, lastSeq: number, userId: string | null) {
  if (after >= lastSeq) return { unreadCount: 0, mentionCount: 0 };
  const start = positionOf(messages, after + 1);
  const end = start + (lastSeq - after);
  if (messages[start]?.seq !== after + 1 || messages[end - 1]?.seq !== lastSeq) return null;
  const unread = messages
    .slice(start, end)
    .filter((message) => message.senderId !== userId && message.deletedAt === null);
  const mentions = userId === null ? [] : unread.filter((message) => message.mentions.includes(userId));
  return { unreadCount: unread.length, mentionCount: mentions.length };
}

/* What is shown */

/** The record with everything that is derived brought in step. */
function show(record: ConversationRecord, items: readonly OutboxItem[], userId: string | null): ConversationRecord {
  const { base, messages, fetches } = record;
  const conversation = shownConversation(record, items, userId);
  const timeline = buildTimeline({ messages, lastSeq: base.lastSeq, fetches, items, userId }, record.timeline);
  const [first, last] = [messages[0], messages.at(-1)];
  const loaded = first === undefined || last === undefined ? null : { fromSeq: first.seq, toSeq: last.seq };
  const { me } = conversation;
  const own = userId === null ? undefined : record.receipts[userId];
  const ownMoved = me !== null && own !== undefined && own.lastReadSeq !== me.lastReadSeq;
  return {
    ...record,
    conversation: sameValue(record.conversation, conversation) ? record.conversation : conversation,
    timeline,
    loaded: sameValue(record.loaded, loaded) ? record.loaded : loaded,
    atNewest: last === undefined ? base.lastSeq === 0 : last.seq >= base.lastSeq,
    atOldest: first === undefined ? base.lastSeq === 0 : first.seq === 1,
    receipts:
      ownMoved && userId !== null
        ? { ...record.receipts, [userId]: { lastReadSeq: me.lastReadSeq, lastDeliveredSeq: me.lastDeliveredSeq } }
        : record.receipts,
    activityAt: Math.max(
      Date.parse(base.lastMessage?.createdAt ?? base.createdAt),
      ...items.flatMap((item) => (item.intent.kind === 'send' ? [item.createdAt] : [])),
    ),
  };
}

/** The conversation with one's own unconfirmed reads, settings and changes of its last message applied. */
function shownConversation(
  record: ConversationRecord,
  items: readonly OutboxItem[],
  userId: string | null,
): Conversation {
  if (items.length === 0) return record.base;
  let { me } = record.base;
  for (const { intent, status } of items) {
    if (status === 'failed' || me === null) continue;
    if (intent.kind === 'read' && intent.seq > me.lastReadSeq) me = movedTo(record, me, intent.seq, userId);
    if (intent.kind === 'unread') me = movedTo(record, me, Math.max(0, intent.seq - 1), userId);
    if (intent.kind === 'settings') {
      const { pinned, archived, mutedUntil = me.mutedUntil, notify = me.notify } = intent.settings;
      const since = (on: boolean | undefined, at: string | null) =>
        on === undefined ? at : on ? (at ?? record.base.updatedAt) : null;
      me = {
        ...me,
        mutedUntil,
        notify,
        pinnedAt: since(pinned, me.pinnedAt),
        archivedAt: since(archived, me.archivedAt),
      };
    }
  }
  const last = record.base.lastMessage;
  const changes = last === null ? undefined : changesByMessage(items)?.get(last.id);
  const lastMessage = last === null || changes === undefined ? last : withPending(last, changes, userId);
  return me === record.base.me && lastMessage === last ? record.base : { ...record.base, me, lastMessage };
}

function movedTo(record: ConversationRecord, me: Membership, lastReadSeq: number, userId: string | null): Membership {
  const { lastSeq } = record.base;
  const counted = countUnread(record.messages, lastReadSeq, lastSeq, userId) ?? {
    unreadCount: lastReadSeq < me.lastReadSeq ? lastSeq - lastReadSeq : Math.min(me.unreadCount, lastSeq - lastReadSeq),
    mentionCount: me.mentionCount,
  };
  return { ...me, lastReadSeq, lastDeliveredSeq: Math.max(me.lastDeliveredSeq, lastReadSeq), ...counted };
}

function withOutbox(state: State, outbox: readonly OutboxItem[]): State {
  const [before, after] = [new Set(state.outbox), new Set(outbox)];
  const changed = [...state.outbox.filter((item) => !after.has(item)), ...outbox.filter((item) => !before.has(item))];
  const sameOrder = outbox.length === state.outbox.length && changed.length === 0;
  if (sameOrder) return state;
  const ids = new Set(changed.map((item) => item.conversationId));
  return [...ids].reduce<State>(
    (next, id) => {
      const record = next.conversations[id];
      return record === undefined ? next : put(next, record);
    },
    { ...state, outbox },
  );
}

/* Across conversations */

function withTotals(before: State, after: State, now: number): State {
  if (before.conversations === after.conversations) return after;
  const records = Object.values(after.conversations);
  const moved =
    records.length !== before.conversationOrder.length ||
    records.some((record) => before.conversations[record.id]?.activityAt !== record.activityAt);
  return {
    ...after,
    conversationOrder: moved ? ordered(records) : after.conversationOrder,
    unread: totals(records, after.unread, now),
  };
}

function ordered(records: readonly ConversationRecord[]): readonly string[] {
  return records.toSorted((a, b) => b.activityAt - a.activityAt || (a.id < b.id ? 1 : -1)).map((record) => record.id);
}

function totals(records: readonly ConversationRecord[], before: Snapshot['unread'], now: number): Snapshot['unread'] {
  let [messages, conversations, mentions] = [0, 0, 0];
  for (const { conversation } of records) {
    const { me } = conversation;
    if (me === null) continue;
    const muted = me.mutedUntil !== null && Date.parse(me.mutedUntil) > now;
    const counted = muted ? me.mentionCount : me.unreadCount;
    messages += counted;
    conversations += counted > 0 ? 1 : 0;
    mentions += me.mentionCount;
  }
  const same = before.messages === messages && before.conversations === conversations && before.mentions === mentions;
  return same ? before : { messages, conversations, mentions };
}

function patch(record: ConversationRecord, part: Partial<ConversationRecord>): ConversationRecord {
  const entries = Object.entries(part) as [keyof ConversationRecord, unknown][];
  return entries.every(([key, value]) => Object.is(record[key], value)) ? record : { ...record, ...part };
}

/** Whether two plain values hold the same, so that the older one can stay. */
function sameValue(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  const [keysA, keysB] = [Object.keys(a), Object.keys(b)];
  return (
    keysA.length === keysB.length &&
    keysA.every((key) => sameValue((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]))
  );
}
