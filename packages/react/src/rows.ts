import type { TimelineGap, TimelineItem, TimelineMessage, TimelineOutgoing } from '@parley/client';
import { startOfDay } from './format.ts';

/** Messages of one author this close together form a group. */
const GROUP_MS = 5 * 60_000;

/** One row of a thread: what stands above it, and how it joins its neighbours. */
export interface Row {
  readonly key: string;
  readonly item: TimelineItem;
  /** A new day begins here: its time. */
  readonly day: number | null;
  /** The first unread message is this one. */
  readonly unread: boolean;
  /** First and last of a group of messages of one author. */
  readonly first: boolean;
  readonly last: boolean;
}

/** What rows are made from besides the timeline. */
export interface RowOptions {
  readonly userId: string | null;
  /** The divider stands above the first message after this position; null where there is none. */
  readonly unreadAfterSeq: number | null;
  /** Gaps at both ends are the thread's own affair (it pages), so they make no rows. */
  readonly previous?: readonly Row[];
}

/** The rows of a timeline, top to bottom. A row that did not change keeps its identity if `previous` is given. */
export function buildRows(timeline: readonly TimelineItem[], options: RowOptions): readonly Row[] {
  const inner = withoutEndGaps(timeline);
  const known = new Map(options.previous?.map((row) => [row.key, row]));
  let marked = options.unreadAfterSeq === null;
  let day: number | null = null;

  return inner.map((item, index) => {
    const before = inner[index - 1];
    const at = timeOf(item);
    const today = at === null ? null : startOfDay(at);
    const newDay = at !== null && today !== day;
    if (today !== null) day = today;
    const unread =
      !marked &&
      item.kind === 'message' &&
      item.message.seq > options.unreadAfterSeq! &&
      item.message.senderId !== options.userId;
    if (unread) marked = true;
    const row: Row = {
      key: item.key,
      item,
      day: newDay ? at : null,
      unread,
      first: newDay || unread || !joins(before, item, options.userId),
      last: !joins(item, inner[index + 1], options.userId) || startsDay(item, inner[index + 1]),
    };
    const old = known.get(row.key);
    return old && same(old, row) ? old : row;
  });
}

function same(a: Row, b: Row): boolean {
  return a.item === b.item && a.day === b.day && a.unread === b.unread && a.first === b.first && a.last === b.last;
}

function withoutEndGaps(timeline: readonly TimelineItem[]): readonly TimelineItem[] {
  const messages = timeline.some((item) => item.kind === 'message');
  if (!messages) return timeline.filter((item) => item.kind === 'outgoing');
  const lastMessage = timeline.findLastIndex((item) => item.kind === 'message');
  const firstMessage = timeline.findIndex((item) => item.kind === 'message');
  return timeline.filter((item, index) => item.kind !== 'gap' || (index > firstMessage && index < lastMessage));
}

function startsDay(item: TimelineItem, next: TimelineItem | undefined): boolean {
  const at = timeOf(item);
  const then = next && timeOf(next);
  return at !== null && then !== null && then !== undefined && startOfDay(at) !== startOfDay(then);
}

function joins(before: TimelineItem | undefined, item: TimelineItem | undefined, userId: string | null): boolean {
  if (!before || !item || before.kind === 'gap' || item.kind === 'gap') return false;
  if (authorOf(before, userId) !== authorOf(item, userId)) return false;
  return Math.abs(timeOf(item)! - timeOf(before)!) < GROUP_MS;
}

function authorOf(item: TimelineMessage | TimelineOutgoing, userId: string | null): string | null {
  return item.kind === 'message' ? item.message.senderId : userId;
}

function timeOf(item: TimelineMessage | TimelineOutgoing): number;
function timeOf(item: TimelineItem): number | null;
function timeOf(item: TimelineItem): number | null {
  if (item.kind === 'gap') return null;
  return item.kind === 'message' ? Date.parse(item.message.createdAt) : item.item.createdAt;
}

/** Whether a row stands for messages that are not loaded. */
export function isGapRow(row: Row): row is Row & { readonly item: TimelineGap } {
  return row.item.kind === 'gap';
}

/** Position of the row that shows a message, -1 when it is not loaded. */
export function indexOfSeq(rows: readonly Row[], seq: number): number {
  return rows.findIndex(({ item }) => item.kind === 'message' && item.message.seq === seq);
}
