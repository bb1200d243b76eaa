import type { Message } from '@parley/protocol';
import { withReaction } from './facts.ts';
import { isOutgoing } from './selectors.ts';
import type { OutboxItem, TimelineGap, TimelineItem, TimelineMessage, TimelineOutgoing } from './snapshot.types.ts';

/** A range of positions that is being fetched. */
export interface Fetch {
  readonly id: string;
  readonly fromSeq: number;
  readonly toSeq: number;
}

/** Everything a timeline is made from. */
export interface TimelineParts {
  /** By `seq`, each once. */
  readonly messages: readonly Message[];
  readonly lastSeq: number;
  readonly fetches: readonly Fetch[];
  /** Outbox items of this conversation, in order. */
  readonly items: readonly OutboxItem[];
  readonly userId: string | null;
}

/**
 * The timeline. Since positions have no gaps (ORD-1), every missing number is a message that exists and is not loaded:
 * holes need no book-keeping of their own and cannot be forgotten.
 */
export function buildTimeline(parts: TimelineParts, previous: readonly TimelineItem[]): readonly TimelineItem[] {
  const { messages, lastSeq, fetches, items, userId } = parts;
  const gaps = new Map<string, TimelineGap>();
  const outgoing = new Map<string, TimelineOutgoing>();
  for (const item of previous) {
    if (item.kind === 'gap') gaps.set(item.key, item);
    else if (item.kind === 'outgoing') outgoing.set(item.key, item);
  }
  const changes = changesByMessage(items);
  const kept = unchangedStart(parts, changes === null, previous);
  const timeline = previous.slice(0, kept.items);

  let next = (messages[kept.messages - 1]?.seq ?? 0) + 1;
  for (let index = kept.messages; index < messages.length; index++) {
    const message = messages[index]!;
    if (message.seq > next) timeline.push(gapItem(next, message.seq - 1, fetches, gaps));
    timeline.push(messageItem(message, changes?.get(message.id) ?? NOTHING, userId));
    next = message.seq + 1;
  }
  if (next <= lastSeq) timeline.push(gapItem(next, lastSeq, fetches, gaps));
  for (const item of waitingSends(parts)) {
    const key = `${userId}:${item.id}`;
    const before = outgoing.get(key);
    timeline.push(before?.item === item ? before : ({ kind: 'outgoing', key, item } satisfies TimelineOutgoing));
  }
  const same =
    timeline.length === previous.length &&
    timeline.every((item, index) => index < kept.items || item === previous[index]);
  const shown = same ? previous : timeline;
  madeFrom.set(shown, { messages, fetches, userId, plain: changes === null });
  return shown;
}

/** What a timeline was made from; `plain`: without changes of one's own. */
interface Source extends Pick<TimelineParts, 'messages' | 'fetches' | 'userId'> {
  readonly plain: boolean;
}

const madeFrom = new WeakMap<readonly TimelineItem[], Source>();

/** How much at the start is as it was: most changes are at the end, and a long history is not made anew for each. */
function unchangedStart(parts: TimelineParts, plain: boolean, previous: readonly TimelineItem[]) {
  const source = madeFrom.get(previous);
  const comparable = plain && source?.plain && source.fetches === parts.fetches && source.userId === parts.userId;
  if (!comparable) return { messages: 0, items: 0 };
  const { messages } = parts;
  let same = 0;
  while (same < messages.length && messages[same] === source.messages[same]) same++;
  let seen = 0;
  let items = 0;
  while (seen < same) if (previous[items++]?.kind === 'message') seen++;
  return { messages: same, items };
}

/** The message as it will be once one's own changes are confirmed. */
export function withPending(message: Message, changes: readonly OutboxItem[], userId: string | null): Message {
  let after = message;
  for (const { intent } of changes) {
    if (after.deletedAt !== null) break;
    if (intent.kind === 'edit') after = { ...after, content: intent.content };
    if (intent.kind === 'delete') after = asDeleted(after, userId);
    if (intent.kind === 'react' && userId !== null) {
      after = withReaction(after, { emoji: intent.emoji, userId, on: intent.on });
    }
  }
  return after;
}

/** Own changes of stored messages that wait, by message; null when there are none. */
export function changesByMessage(items: readonly OutboxItem[]): Map<string, readonly OutboxItem[]> | null {
  let found: Map<string, readonly OutboxItem[]> | null = null;
  for (const item of items) {
    if (item.status === 'failed' || !('messageId' in item.intent)) continue;
    found ??= new Map();
    found.set(item.intent.messageId, [...(found.get(item.intent.messageId) ?? []), item]);
  }
  return found;
}

/** Where a `seq` is, or where it would be put. */
export function positionOf(messages: readonly Message[], seq: number): number {
  let low = 0;
  let high = messages.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((messages[middle]?.seq ?? 0) < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

const NOTHING: readonly OutboxItem[] = [];

/** What was shown for a message last time, so that it stays the same object while nothing about it changed. */
const shown = new WeakMap<Message, { changes: readonly OutboxItem[]; item: TimelineMessage }>();

function messageItem(message: Message, changes: readonly OutboxItem[], userId: string | null): TimelineMessage {
  const last = shown.get(message);
  if (last !== undefined && sameItems(last.changes, changes)) return last.item;
  const key = message.clientMessageId === null ? message.id : `${message.senderId}:${message.clientMessageId}`;
  const kinds = changes.map((change) => change.intent);
  const item: TimelineMessage = {
    kind: 'message',
    key,
    message: withPending(message, changes, userId),
    pending:
      changes.length === 0
        ? null
        : {
            edit: kinds.some((intent) => intent.kind === 'edit'),
            delete: kinds.some((intent) => intent.kind === 'delete'),
            reactions: kinds.flatMap((intent) => (intent.kind === 'react' ? [intent.emoji] : [])),
          },
  };
  shown.set(message, { changes, item });
  return item;
}

function sameItems(a: readonly OutboxItem[], b: readonly OutboxItem[]): boolean {
  // What a change does never changes once it waits, so its id is enough.
  return a.length === b.length && a.every((item, index) => item.id === b[index]?.id);
}

function gapItem(
  fromSeq: number,
  toSeq: number,
  fetches: readonly Fetch[],
  before: Map<string, TimelineGap>,
): TimelineGap {
  const loading = fetches.some((fetch) => fetch.fromSeq <= toSeq && fetch.toSeq >= fromSeq);
  const key = `gap:${fromSeq}-${toSeq}`;
  const last = before.get(key);
  return last?.loading === loading ? last : { kind: 'gap', key, fromSeq, toSeq, loading };
}

/** Sends whose message has not come by another way yet: the event may be here before the answer. */
function waitingSends({ items, messages, userId }: TimelineParts) {
  const sends = items.filter(isOutgoing);
  if (sends.length === 0) return sends;
  const stored = new Set(
    messages.flatMap((m) => (m.senderId === userId && m.clientMessageId ? [m.clientMessageId] : [])),
  );
  return sends.filter((item) => !stored.has(item.id));
}

function asDeleted(message: Message, userId: string | null): Message {
  return {
    ...message,
    content: null,
    attachments: [],
    reactions: [],
    replyTo: null,
    mentions: [],
    metadata: null,
    deletedAt: message.createdAt,
    deletedBy: userId,
  };
}
