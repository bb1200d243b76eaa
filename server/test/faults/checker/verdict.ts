import type { Anomaly, Evidence, FaultSpan, Invariant } from './evidence.ts';
import { checkDurable } from './i01-durable.ts';
import { checkOnce } from './i02-once.ts';
import { checkOrder } from './i03-order.ts';
import { checkPipeline } from './i04-pipeline.ts';
import { checkOutcome } from './i05-outcome.ts';
import { checkViews } from './i06-views.ts';
import { checkRising } from './i07-rising.ts';
import { checkStaleness, measureStaleness } from './i08-staleness.ts';
import { checkRemoved } from './i09-removed.ts';
import { checkUnread } from './i10-unread.ts';
import { checkRate } from './i11-rate.ts';
import { checkDeleted } from './i12-deleted.ts';
import { checkAudit } from './i13-audit.ts';
import { checkParticipants } from './i14-participants.ts';
import { checkProcesses } from './i15-processes.ts';
import { checkSlow, measureOthers } from './i16-slow.ts';
import { type Distribution, distribution } from './statistics.ts';

/** As workloads write of commands without an acknowledgement. */
const UNASKED = 'no answer was asked for';

/** All sixteen, by id. */
export const INVARIANTS: Readonly<Record<string, Invariant>> = {
  I1: checkDurable,
  I2: checkOnce,
  I3: checkOrder,
  I4: checkPipeline,
  I5: checkOutcome,
  I6: checkViews,
  I7: checkRising,
  I8: checkStaleness,
  I9: checkRemoved,
  I10: checkUnread,
  I11: checkRate,
  I12: checkDeleted,
  I13: checkAudit,
  I14: checkParticipants,
  I15: checkProcesses,
  I16: checkSlow,
};

/** What one history comes to. Times in milliseconds. */
export interface RoundVerdict {
  readonly round: string;
  readonly anomalies: readonly Anomaly[];
  readonly calls: Readonly<Record<'ok' | 'fail' | 'info', number>>;
  /** Sends that were stored and acknowledged. */
  readonly acked: number;
  readonly events: number;
  readonly faults: readonly {
    readonly id: string;
    readonly target: string;
    readonly ms: number;
    readonly overlapped: number;
  }[];
  readonly absent: readonly string[];
  readonly sendMs: readonly number[];
  readonly stalenessMs: readonly number[];
  /** `…AmongMs`: while something else was broken too, or of a node that has no other one beside it. */
  readonly recovery: Readonly<
    Record<'nodeMs' | 'nodeAmongMs' | 'postgresMs' | 'redisMs' | 'redisAmongMs' | 'stuckMs', readonly number[]>
  >;
  readonly slow: { readonly reading: readonly number[]; readonly stuck: readonly number[] };
  readonly quietMs: number;
  /** Joinings that left no audit entry: told, and not counted as anomalies. */
  readonly unauditedJoins: number;
}

/** Checks one history against all invariants and measures what the report tells. */
export function judge(round: string, evidence: Evidence): RoundVerdict {
  const { operations, faults, marks } = evidence;
  const sends = operations.filter(({ f, phase }) => f === 'send' && phase === 'ok');
  const count = (phase: string) => operations.filter((operation) => operation.phase === phase).length;
  return {
    round,
    anomalies: Object.values(INVARIANTS).flatMap((check) => check(evidence)),
    calls: { ok: count('ok'), fail: count('fail'), info: operations.filter(isOpen).length },
    acked: sends.filter(({ answer }) => answer.duplicate === false).length,
    events: evidence.connections.reduce((sum, { events }) => sum + events.length, 0),
    faults: faults.map(({ id, target, from, to }) => ({
      id,
      target,
      ms: Math.round(to - from),
      overlapped: operations.filter((operation) => operation.from <= to && operation.to >= from).length,
    })),
    absent: [...new Set(marks.filter(({ f }) => f === 'absent').map(({ value }) => (value as { what: string }).what))],
    sendMs: sends.map(({ from, to }) => to - from),
    stalenessMs: measureStaleness(evidence).samples,
    recovery: measureRecovery(evidence),
    slow: measureOthers(evidence),
    quietMs: evidence.of('quiet')[0]?.afterMs ?? Number.NaN,
    unauditedJoins: countUnauditedJoins(evidence),
  };
}

/** The outcome is open, although an answer was asked for. */
function isOpen({ phase, answer }: Evidence['operations'][number]): boolean {
  return phase === 'info' && answer.why !== UNASKED;
}

function measureRecovery(evidence: Evidence): RoundVerdict['recovery'] {
  const { marks, faults, operations, connections } = evidence;
  const resumed = Map.groupBy(
    marks.filter(({ f }) => f === 'resumed'),
    ({ proc }) => proc,
  );
  const naps = Map.groupBy(
    marks.filter(({ f }) => f === 'nap'),
    ({ proc }) => proc,
  );
  const isAlone = (from: number, to: number, among: readonly FaultSpan[]): boolean =>
    faults.every((other) => among.includes(other) || other.from > to || other.to < from);
  const nodeMs: number[] = [];
  const nodeAmongMs: number[] = [];
  for (const fault of faults.filter(({ id }) => id === 'F01')) {
    for (const { node, endedAt, device } of connections) {
      if (node !== fault.target || endedAt < fault.from || endedAt > fault.from + 1_000) continue;
      const back = resumed.get(device)?.find(({ t }) => t > endedAt);
      // Some devices stay away for a while by intention.
      if (!back || naps.get(device)?.some(({ t }) => t >= endedAt && t < back.t)) continue;
      const isTypical = evidence.meta.nodes.length > 1 && isAlone(fault.from, back.t, [fault]);
      (isTypical ? nodeMs : nodeAmongMs).push(back.t - endedAt);
    }
  }
  const accepts = (what: string) =>
    marks.filter(({ f, value }) => f === 'accepts' && (value as { what: string }).what === what);
  const stored = operations.filter(({ f, phase }) => f === 'send' && phase === 'ok').toSorted((a, b) => a.to - b.to);
  const postgresMs = accepts('postgres').flatMap(({ t }) => {
    const first = stored.find(({ from, to }) => to > t && from > 0);
    return first ? [first.to - t] : [];
  });
  const stuckMs = marks.flatMap(({ f, value }) => {
    const { endedAfterMs } = value as { endedAfterMs?: number | null };
    return f === 'stuck' && typeof endedAfterMs === 'number' ? [endedAfterMs] : [];
  });
  const redisMs: number[] = [];
  const redisAmongMs: number[] = [];
  for (const { t } of accepts('redis')) {
    const own = faults.filter(({ redis, from, to }) => redis && from <= t && to >= t);
    for (const after of measurePush(evidence, t)) {
      (isAlone(t - 1_000, t + after, own) ? redisMs : redisAmongMs).push(after);
    }
  }
  return { nodeMs, nodeAmongMs, postgresMs, redisMs, redisAmongMs, stuckMs };
}

/** From Redis's return to the first send that a device on another node heard of at once. */
function measurePush({ operations, connections }: Evidence, since: number): number[] {
  const AT_ONCE_MS = 250;
  const sends = operations.filter(
    ({ f, phase, to }) => f === 'send' && phase === 'ok' && to > since && to < since + 10_000,
  );
  for (const send of sends) {
    for (const { node, events } of connections) {
      if (node === send.node) continue;
      const heard = events.find(
        ({ value }) => value.conversationId === send.value.conversationId && value.rev === send.answer.rev,
      );
      if (heard && heard.t - send.to < AT_ONCE_MS) return [heard.t - since];
    }
  }
  return [];
}

function countUnauditedJoins(evidence: Evidence): number {
  const added = new Map<string, number>();
  for (const { action, conversationId, targetId } of evidence.of('audit')) {
    if (action !== 'participant.added') continue;
    const key = `${conversationId} ${targetId}`;
    added.set(key, (added.get(key) ?? 0) + 1);
  }
  let missing = 0;
  for (const [key, marks] of evidence.memberships) {
    const joined = marks.filter(
      ({ present, rev }, index) => present && rev > 1 && marks[index - 1]?.present === false,
    ).length;
    missing += Math.max(0, joined - (added.get(key) ?? 0));
  }
  return missing;
}

/** What a whole run comes to: the verdict file. */
export interface Verdict extends Totals {
  readonly result: 'valid' | 'anomalies' | 'unknown';
  /** Why a run without anomalies proves nothing. */
  readonly doubts: readonly string[];
  readonly anomalies: readonly (Anomaly & { readonly round: string })[];
}

/** All rounds together. Times in milliseconds. */
export interface Totals {
  readonly rounds: readonly {
    readonly round: string;
    readonly acked: number;
    readonly calls: RoundVerdict['calls'];
    readonly events: number;
    readonly faults: Readonly<Record<string, number>>;
    readonly anomalies: number;
    readonly quietMs: number;
    readonly send: Distribution;
    readonly staleness: Distribution;
  }[];
  readonly acked: number;
  readonly calls: RoundVerdict['calls'];
  readonly events: number;
  /** How often each fault was inflicted. */
  readonly faults: Readonly<Record<string, number>>;
  readonly absent: readonly string[];
  readonly unauditedJoins: number;
  readonly staleness: Distribution;
  readonly recovery: Readonly<Record<keyof RoundVerdict['recovery'], Distribution>>;
  readonly slow: Readonly<Record<'reading' | 'stuck', Distribution>>;
}

export function totals(rounds: readonly RoundVerdict[]): Totals {
  const sum = (read: (round: RoundVerdict) => number): number => rounds.reduce((all, round) => all + read(round), 0);
  const all = (read: (round: RoundVerdict) => readonly number[]): Distribution => distribution(rounds.flatMap(read));
  return {
    rounds: rounds.map((round) => ({
      round: round.round,
      acked: round.acked,
      calls: round.calls,
      events: round.events,
      faults: countFaults([round]),
      anomalies: round.anomalies.length,
      quietMs: round.quietMs,
      send: distribution(round.sendMs),
      staleness: distribution(round.stalenessMs),
    })),
    acked: sum(({ acked }) => acked),
    calls: {
      ok: sum(({ calls }) => calls.ok),
      fail: sum(({ calls }) => calls.fail),
      info: sum(({ calls }) => calls.info),
    },
    events: sum(({ events }) => events),
    faults: countFaults(rounds),
    absent: [...new Set(rounds.flatMap(({ absent }) => absent))],
    unauditedJoins: sum(({ unauditedJoins }) => unauditedJoins),
    staleness: all(({ stalenessMs }) => stalenessMs),
    recovery: {
      nodeMs: all(({ recovery }) => recovery.nodeMs),
      nodeAmongMs: all(({ recovery }) => recovery.nodeAmongMs),
      postgresMs: all(({ recovery }) => recovery.postgresMs),
      redisMs: all(({ recovery }) => recovery.redisMs),
      redisAmongMs: all(({ recovery }) => recovery.redisAmongMs),
      stuckMs: all(({ recovery }) => recovery.stuckMs),
    },
    slow: { reading: all(({ slow }) => slow.reading), stuck: all(({ slow }) => slow.stuck) },
  };
}

function countFaults(rounds: readonly RoundVerdict[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { faults } of rounds) for (const { id } of faults) counts[id] = (counts[id] ?? 0) + 1;
  return Object.fromEntries(Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1)));
}
