import { type Anomaly, type Evidence, type MessageRow, type Operation, pairKey } from './evidence.ts';

const MARKS = ['read', 'delivered', 'unread'];

/**
 * I10 (READ-1, READ-2): pointers move forward only, every unread count fits some instant between call and answer, and in
 * the end it is exact on every node.
 */
export function checkUnread(evidence: Evidence): Anomaly[] {
  return [...movedBack(evidence), ...misfits(evidence), ...finalCounts(evidence)];
}

function movedBack({ operations }: Evidence): Anomaly[] {
  const anomalies: Anomaly[] = [];
  const marks = operations.filter(({ f }) => MARKS.includes(f));
  for (const own of Map.groupBy(marks, keyOf).values()) {
    const undone = own.filter(({ f, phase }) => f === 'unread' && phase !== 'fail');
    const ended = own.filter(({ phase }) => phase === 'ok').toSorted((a, b) => a.to - b.to);
    for (const later of own) {
      if (later.phase !== 'ok') continue;
      const earlier = ended.filter(({ to }) => to < later.from).at(-1);
      if (!earlier || Number(earlier.answer.lastReadSeq) <= Number(later.answer.lastReadSeq)) continue;
      // Only an explicit mark as unread may move it back.
      if (undone.some(({ from, to }) => from <= later.to && to >= earlier.from)) continue;
      const text = `the pointer went from ${earlier.answer.lastReadSeq} back to ${later.answer.lastReadSeq}`;
      anomalies.push({ invariant: 'I10', name: 'moved-back', text, shown: [...earlier.records, ...later.records] });
    }
  }
  return anomalies;
}

/** When a message was stored and deleted, as far as calls and answers tell. */
interface Life {
  readonly row: MessageRow;
  /** Stored no earlier than, no later than; the same for its deletion. */
  readonly storedFrom: number;
  storedBy: number;
  deletedFrom: number;
  deletedBy: number;
}

function misfits(evidence: Evidence): Anomaly[] {
  const anomalies: Anomaly[] = [];
  const lives = livesOf(evidence);
  for (const mark of evidence.operations) {
    if (!MARKS.includes(mark.f) || mark.phase !== 'ok') continue;
    const { lastReadSeq, unreadCount } = mark.answer as { lastReadSeq: number; unreadCount: number };
    let least = 0;
    let most = 0;
    for (const life of lives.get(String(mark.value.conversationId)) ?? []) {
      if (life.row.seq <= lastReadSeq || life.row.senderId === mark.person) continue;
      if (life.storedBy <= mark.from && life.deletedFrom > mark.to) least += 1;
      if (life.storedFrom <= mark.to && life.deletedBy >= mark.from) most += 1;
    }
    if (unreadCount >= least && unreadCount <= most) continue;
    const text = `${mark.person} was told ${unreadCount} unread after ${lastReadSeq}; it was ${least === most ? least : `${least} to ${most}`}`;
    anomalies.push({ invariant: 'I10', name: 'wrong-count', text, shown: mark.records });
  }
  return anomalies;
}

function livesOf({ messages, operations, connections }: Evidence): Map<string, Life[]> {
  const began = new Map<string, number>();
  for (const { f, person, value, from } of operations) {
    if (f !== 'send') continue;
    const key = `${person} ${value.content}`;
    began.set(key, Math.min(from, began.get(key) ?? Number.POSITIVE_INFINITY));
  }
  const byId = new Map<string, Life>();
  const lives = new Map<string, Life[]>();
  for (const [conversationId, rows] of messages) {
    const list = rows.map((row) => {
      const none = Number.POSITIVE_INFINITY;
      const life: Life = {
        row,
        storedFrom: Number.NEGATIVE_INFINITY,
        storedBy: none,
        deletedFrom: none,
        deletedBy: none,
      };
      byId.set(row.id, life);
      return life;
    });
    lives.set(conversationId, list);
  }
  for (const { f, phase, value, answer, from, to } of operations) {
    if (f === 'send' && phase === 'ok') {
      const life = byId.get(String(answer.id));
      if (life) life.storedBy = Math.min(life.storedBy, to);
    }
    const life = f === 'delete' && phase !== 'fail' ? byId.get(String(value.messageId)) : undefined;
    if (!life?.row.deleted) continue;
    life.deletedFrom = Math.min(life.deletedFrom, from);
    if (phase === 'ok') life.deletedBy = Math.min(life.deletedBy, to);
  }
  for (const { events } of connections) {
    for (const { t, value } of events) {
      const life = value.thing?.type === 'message' ? byId.get(value.thing.id) : undefined;
      if (life) life.storedBy = Math.min(life.storedBy, t);
    }
  }
  // Contents are unique: the first call with that content is the earliest that it can have been stored.
  for (const [conversationId, list] of lives) {
    lives.set(
      conversationId,
      list.map((life) => ({
        ...life,
        storedFrom: began.get(`${life.row.senderId} ${life.row.content}`) ?? life.storedFrom,
      })),
    );
  }
  return lives;
}

function finalCounts(evidence: Evidence): Anomaly[] {
  const anomalies: Anomaly[] = [];
  const rows = new Map(
    evidence.of('participant').map((row) => [pairKey(row.conversationId, row.userId), row] as const),
  );
  for (const mine of evidence.of('mine')) {
    const row = rows.get(pairKey(mine.conversationId, mine.person));
    const unread = (evidence.messages.get(mine.conversationId) ?? []).filter(
      ({ seq, senderId, deleted }) => seq > mine.lastReadSeq && senderId !== mine.person && !deleted,
    ).length;
    if (row && row.lastReadSeq !== mine.lastReadSeq) {
      const text = `${mine.node} says that ${mine.person} has read up to ${mine.lastReadSeq}; stored is ${row.lastReadSeq}`;
      anomalies.push({ invariant: 'I10', name: 'wrong-pointer', text, shown: [mine, row] });
    } else if (unread !== mine.unreadCount) {
      const text = `${mine.node} says ${mine.unreadCount} unread for ${mine.person}; it is ${unread}`;
      anomalies.push({ invariant: 'I10', name: 'wrong-final-count', text, shown: [mine, ...(row ? [row] : [])] });
    }
  }
  return anomalies;
}

function keyOf({ person, value }: Operation): string {
  return pairKey(String(value.conversationId), person);
}
