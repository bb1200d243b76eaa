import { type Anomaly, type Evidence, type Operation, pairKey } from './evidence.ts';
import { percentile } from './statistics.ts';

const QUIET_WITHIN_MS = 250;
/** Where Redis or anything else was away around that time. */
const QUIET_WITHIN_FAULT_MS = 5_000;

/**
 * I9 (DLV-4): nothing above the `rev` of a removal reaches the removed person; what has no `rev` stops within 250 ms of
 * the acknowledgement. A removal that somebody undid meanwhile, or may have undone, does not count.
 */
export function checkRemoved(evidence: Evidence): Anomaly[] {
  const anomalies: Anomaly[] = [];
  const joins = joinsOf(evidence);
  const removals = removalsOf(evidence);
  for (const { id, person, events } of evidence.connections) {
    for (const { t, name, value, record } of events) {
      const { conversationId, thing } = value;
      if (conversationId === undefined) continue;
      const key = pairKey(conversationId, person);
      if (thing) {
        const mark = evidence.memberships.get(key)?.findLast(({ rev }) => rev <= thing.rev);
        if (!mark || mark.present || mark.rev >= thing.rev) continue;
        if ((joins.get(key) ?? []).some((join) => mayUndo(join, person, mark, t))) continue;
        const text = `${id} got rev ${thing.rev} of ${conversationId}, of which ${person} was out since rev ${mark.rev}`;
        anomalies.push({ invariant: 'I9', name: 'told-after-removal', text, shown: [mark.record, record] });
      } else if (name.startsWith('typing:') || name.startsWith('receipt:')) {
        const removal = (removals.get(key) ?? []).findLast((one) => one.to < t);
        if (!removal || (joins.get(key) ?? []).some((join) => join.from < t && join.to > removal.from)) continue;
        const limit = evidence.faults.some(({ from, to }) => from <= t && to + 1_000 >= removal.from)
          ? QUIET_WITHIN_FAULT_MS
          : QUIET_WITHIN_MS;
        const late = evidence.lagBetween(removal.to, t) + usualMs(evidence, removal.to, t);
        if (t - removal.to - late <= limit) continue;
        const text = `${id} got ${name} of ${conversationId} ${Math.round(t - removal.to)} ms after ${person} was removed`;
        anomalies.push({ invariant: 'I9', name: 'hint-after-removal', text, shown: [...removal.records, record] });
      }
    }
  }
  return anomalies;
}

/** What any call took around then: on a machine that is busy with other things, everything is so much later. */
function usualMs({ operations }: Evidence, from: number, to: number): number {
  const around = operations.filter((one) => one.phase === 'ok' && one.to > from - 500 && one.to < to + 500);
  const median = percentile(
    around.map((one) => one.to - one.from),
    50,
  );
  return Number.isNaN(median) ? 0 : median;
}

/** Operations that may bring somebody in, by conversation and person. */
function joinsOf({ operations }: Evidence): Map<string, Operation[]> {
  const joins = operations.filter(({ f, phase }) => (f === 'add' || f === 'send') && phase !== 'fail');
  return Map.groupBy(joins, ({ f, person, value }) =>
    pairKey(String(value.conversationId), f === 'add' ? String(value.userId) : person),
  );
}

function removalsOf({ operations }: Evidence): Map<string, Operation[]> {
  const removals = operations.filter(({ f, phase }) => f === 'remove' && phase === 'ok');
  removals.sort((a, b) => a.to - b.to);
  return Map.groupBy(removals, ({ value }) => pairKey(String(value.conversationId), String(value.userId)));
}

/**
 * Whether an operation may have brought the person in again before they were told. What was said while they were out is
 * theirs to read from then on, and their node may learn of removal and return together, and of what lies between.
 */
function mayUndo(join: Operation, person: string, removal: { rev: number; t: number }, receivedAt: number): boolean {
  if (join.from > receivedAt || join.to < removal.t - 60_000) return false;
  if (join.phase === 'info') return true;
  const items = (join.answer.items ?? []) as readonly { userId: string; rev: number }[];
  const rev = join.f === 'send' ? join.answer.rev : items.find(({ userId }) => userId === person)?.rev;
  return Number(rev) > removal.rev;
}
