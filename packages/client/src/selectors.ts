import type { Message, Participant, User } from '@parley/protocol';
import type {
  ConversationState,
  OutboxItem,
  OutgoingMessage,
  Snapshot,
  TimelineItem,
  TypingState,
} from './snapshot.types.ts';

/** Which conversations of the list. */
export type ConversationFilter = 'all' | 'unread' | 'pinned' | 'archived';

const NO_ITEMS: readonly TimelineItem[] = [];
const NO_TYPING: readonly TypingState[] = [];

/**
 * Remembers the last answer for the last inputs, so that a selector that builds a list answers with the same list until
 * something it reads changed.
 */
function remember<Inputs extends readonly unknown[], T>(
  inputs: (snapshot: Snapshot) => Inputs,
  build: (...inputs: Inputs) => T,
): (snapshot: Snapshot) => T {
  let last: { inputs: Inputs; value: T } | null = null;
  return (snapshot) => {
    const current = inputs(snapshot);
    if (last === null || current.some((input, index) => !Object.is(input, last?.inputs[index]))) {
      last = { inputs: current, value: build(...current) };
    }
    return last.value;
  };
}

/**
 * The conversation list: pinned ones first, then by activity. `all` leaves archived ones out. Make it once for each list and
 * keep it: the answer keeps its identity while nothing in it changed.
 *
 * @example
 * const unread = conversationsSelector('unread');
 * client.store.select(unread, (list) => render(list));
 */
export function conversationsSelector(
  filter: ConversationFilter = 'all',
): (snapshot: Snapshot) => readonly ConversationState[] {
  return remember(
    (snapshot): [readonly string[], Snapshot['conversations']] => [snapshot.conversationOrder, snapshot.conversations],
    (order, byId) => {
      const shown = order.flatMap((id) => {
        const state = byId[id];
        return state !== undefined && state.conversation.me !== null && fits(state, filter) ? [state] : [];
      });
      const pinned = shown.filter((state) => state.conversation.me?.pinnedAt);
      return pinned.length === 0 ? shown : [...pinned, ...shown.filter((state) => !state.conversation.me?.pinnedAt)];
    },
  );
}

function fits({ conversation: { me } }: ConversationState, filter: ConversationFilter): boolean {
  if (me === null) return false;
  switch (filter) {
    case 'all':
      return me.archivedAt === null;
    case 'unread':
      return me.archivedAt === null && me.unreadCount > 0;
    case 'pinned':
      return me.pinnedAt !== null;
    case 'archived':
      return me.archivedAt !== null;
  }
}

/** One conversation, undefined while it is not known. */
export function selectConversation(snapshot: Snapshot, id: string): ConversationState | undefined {
  return snapshot.conversations[id];
}

/** What the thread shows. */
export function selectTimeline(snapshot: Snapshot, id: string): readonly TimelineItem[] {
  return snapshot.conversations[id]?.timeline ?? NO_ITEMS;
}

/** Who is typing there, not counting oneself. */
export function selectTyping(snapshot: Snapshot, id: string): readonly TypingState[] {
  return snapshot.conversations[id]?.typing ?? NO_TYPING;
}

/** A person by id, undefined when never met. */
export function selectUser(snapshot: Snapshot, id: string): User | undefined {
  return snapshot.users[id];
}

/** Sends that wait or failed; of one conversation or of all. */
export function outgoingSelector(conversationId?: string): (snapshot: Snapshot) => readonly OutgoingMessage[] {
  return remember(
    (snapshot): [Snapshot['outbox']] => [snapshot.outbox],
    (outbox) =>
      outbox.filter(
        (item): item is OutgoingMessage =>
          isOutgoing(item) && (conversationId === undefined || item.conversationId === conversationId),
      ),
  );
}

/** Whether an item of the outbox is a send. */
export function isOutgoing(item: OutboxItem): item is OutgoingMessage {
  return item.intent.kind === 'send';
}

/** People other than the sender and oneself who have read a message, by the pointers known. */
export function readersOf(state: ConversationState, message: Message, userId: string | null): readonly Participant[] {
  return Object.values(state.participants).filter(
    ({ user }) =>
      user.id !== message.senderId && user.id !== userId && (state.receipts[user.id]?.lastReadSeq ?? 0) >= message.seq,
  );
}

/** How far one's own message got with the others: to the server, to some device of everybody, read by everybody. */
export function receiptOf(state: ConversationState, message: Message): 'sent' | 'delivered' | 'read' {
  const others = Object.entries(state.receipts).filter(([id]) => id !== message.senderId);
  if (others.length === 0) return 'sent';
  if (others.every(([, pointers]) => pointers.lastReadSeq >= message.seq)) return 'read';
  return others.every(([, pointers]) => pointers.lastDeliveredSeq >= message.seq) ? 'delivered' : 'sent';
}

/** What to call a conversation: its title, else the names of the others in it. Empty when neither is known. */
export function titleOf(state: ConversationState, userId: string | null): string {
  if (state.conversation.title) return state.conversation.title;
  return Object.values(state.participants)
    .filter((participant) => participant.leftAt === null || state.conversation.type === 'direct')
    .filter((participant) => participant.user.id !== userId)
    .map((participant) => participant.user.name)
    .join(', ');
}
