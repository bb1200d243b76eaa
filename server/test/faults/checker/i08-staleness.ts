import { type Anomaly, type Connection, type Evidence, pairKey } from './evidence.ts';

/** DLV-3. */
const WITHIN_MS = 5_000;
/** After a node's link to the database is back: what hangs in it runs into its timeouts first, then it reads again. */
const RECOVERY_MS = 4_500;

/** How long connections took to know of changes, in milliseconds, those of faulty links left out. */
export interface Staleness {
  readonly samples: number[];
  readonly anomalies: Anomaly[];
}

/** I8 (DLV-3): five seconds after a commit every connected member knows its `rev`, by the event or by a head. */
export function checkStaleness(evidence: Evidence): Anomaly[] {
  return measureStaleness(evidence).anomalies;
}

export function measureStaleness(evidence: Evidence): Staleness {
  const samples: number[] = [];
  const anomalies: Anomaly[] = [];
  const commits = commitTimes(evidence);
  const steady = steadyMembers(evidence);
  for (const connection of evidence.connections) {
    for (const [conversationId, revs] of commits) {
      if (!steady.has(pairKey(conversationId, connection.person))) continue;
      const known = knowledgeOf(connection, conversationId);
      let next = 0;
      for (const { rev, t } of revs) {
        // Both lists rise by `rev`.
        while (next < known.length && known[next]!.rev < rev) next++;
        if (t < connection.readyAt || t > connection.endedAt) continue;
        const due = dueTime(evidence, connection, t);
        const at = known[next]?.t ?? Number.POSITIVE_INFINITY;
        const excused = due > t + WITHIN_MS;
        if (at < Number.POSITIVE_INFINITY && !excused) samples.push(Math.max(0, at - t));
        const last = Math.min(at, connection.endedAt, evidence.quietAt);
        if (last <= due || last - evidence.lagBetween(t, last) <= due) continue;
        const text = `${connection.id} did not know rev ${rev} of ${conversationId} ${Math.round(last - t)} ms after it was committed`;
        const later = known.find((one) => one.t > t);
        const shown = later ? [connection.events[0]!.record, later.record] : [connection.events[0]!.record];
        anomalies.push({ invariant: 'I8', name: 'stale', text, shown });
        // One is enough for each connection and conversation: the ones after it have the same cause.
        break;
      }
    }
  }
  return { samples, anomalies };
}

/** For each conversation the `rev`s somebody knows of, with the first time they were known to be committed. */
function commitTimes(evidence: Evidence): Map<string, { rev: number; t: number }[]> {
  const first = new Map<string, Map<number, number>>();
  const note = (conversationId: string, rev: number, t: number): void => {
    const revs = first.get(conversationId) ?? new Map<number, number>();
    first.set(conversationId, revs);
    revs.set(rev, Math.min(t, revs.get(rev) ?? Number.POSITIVE_INFINITY));
  };
  for (const { f, phase, to, value, answer } of evidence.operations) {
    if (phase !== 'ok' || answer.duplicate === true) continue;
    if (['send', 'edit', 'delete', 'role'].includes(f)) note(String(value.conversationId), Number(answer.rev), to);
  }
  for (const { events } of evidence.connections) {
    for (const { t, value } of events) if (value.thing) note(value.conversationId!, value.thing.rev, t);
  }
  return new Map(
    [...first].map(([id, revs]) => [id, [...revs].map(([rev, t]) => ({ rev, t })).sort((a, b) => a.rev - b.rev)]),
  );
}

/** Those who were in a conversation all the time: in at the end, and never in or out by anybody's account. */
function steadyMembers(evidence: Evidence): Set<string> {
  const moved = new Set<string>();
  for (const [key, marks] of evidence.memberships)
    if (marks.some(({ rev, present }) => rev > 1 && !present)) moved.add(key);
  for (const { f, value } of evidence.operations) {
    if (f === 'remove' || f === 'add') moved.add(pairKey(String(value.conversationId), String(value.userId)));
  }
  return new Set(
    evidence
      .of('participant')
      .filter(({ present }) => present)
      .map(({ conversationId, userId }) => pairKey(conversationId, userId))
      .filter((key) => !moved.has(key)),
  );
}

/** Rising: what a connection knew of a conversation, and from when on. */
function knowledgeOf({ events }: Connection, conversationId: string) {
  const known: { rev: number; t: number; record: Connection['events'][number]['record'] }[] = [];
  for (const { t, value, record } of events) {
    if (value.conversationId !== conversationId || value.rev === undefined) continue;
    if (value.rev > (known.at(-1)?.rev ?? 0)) known.push({ rev: value.rev, t, record });
  }
  return known;
}

/** When it has to be known: later where the node itself, its link to the database or to its clients failed meanwhile. */
function dueTime({ faults }: Evidence, { node }: Connection, t: number): number {
  let base = t;
  for (const fault of faults) {
    const touches = fault.excuses.includes('*') || fault.excuses.includes(node);
    if (touches && fault.from <= base + WITHIN_MS && fault.to + RECOVERY_MS > base) base = fault.to + RECOVERY_MS;
  }
  return base + WITHIN_MS;
}
