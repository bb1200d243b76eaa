import type { StateRecord } from '../harness/dump.ts';
import type { EventValue, HistoryRecord, Thing } from '../harness/history.ts';

/*
 * A history and a state file, put in order for the invariants. The checker knows files only: nothing of the run that made
 * them, and nothing of the server.
 */

/** A call and what became of it. */
export interface Operation {
  readonly key: string;
  readonly person: string;
  readonly node: string | null;
  readonly door: 'rest' | 'socket' | null;
  readonly f: string;
  readonly from: number;
  /** Infinity where no answer was recorded. */
  readonly to: number;
  readonly phase: 'ok' | 'fail' | 'info';
  /** Of the call. */
  readonly value: Readonly<Record<string, unknown>>;
  /** Of the answer. */
  readonly answer: Readonly<Record<string, unknown>>;
  readonly records: readonly HistoryRecord[];
}

/** Something that reached a connection. */
export interface Received {
  readonly t: number;
  readonly name: string;
  readonly value: EventValue;
  readonly record: HistoryRecord;
}

/** One connection of a device, from its first event to its end. */
export interface Connection {
  readonly id: string;
  readonly device: string;
  readonly person: string;
  readonly node: string;
  /** When the server had said `ready`; infinity where it never did. */
  readonly readyAt: number;
  readonly endedAt: number;
  readonly events: readonly Received[];
}

export interface FaultSpan {
  readonly id: string;
  readonly key: string;
  readonly from: number;
  readonly to: number;
  readonly target: string;
  readonly excuses: readonly string[];
  readonly redis: boolean;
  readonly mute: boolean;
  readonly record: HistoryRecord;
}

type StateOf<Kind extends StateRecord['kind']> = Extract<StateRecord, { kind: Kind }>;
export type MessageRow = StateOf<'message'>;
export type ParticipantRow = StateOf<'participant'>;

/** Who is in a conversation from some `rev` on, as somebody was told it. */
export interface MembershipMark {
  readonly rev: number;
  readonly present: boolean;
  readonly role: string;
  /** When it was first seen by anybody. */
  readonly t: number;
  readonly record: HistoryRecord;
}

export interface Evidence {
  readonly records: readonly HistoryRecord[];
  readonly state: readonly StateRecord[];
  readonly meta: Readonly<{
    nodes: readonly string[];
    limit: { messages: number; windowSeconds: number } | null;
    startedAt: number;
    t: number;
  }>;
  readonly operations: readonly Operation[];
  readonly connections: readonly Connection[];
  readonly faults: readonly FaultSpan[];
  readonly marks: readonly HistoryRecord[];
  /** When the system was whole and quiet; infinity where it never was. */
  readonly quietAt: number;
  /** Rows by conversation, in order of `seq`. */
  readonly messages: ReadonlyMap<string, readonly MessageRow[]>;
  readonly messageById: ReadonlyMap<string, MessageRow>;
  /** By `conversation person`, in order of `rev`. */
  readonly memberships: ReadonlyMap<string, readonly MembershipMark[]>;
  of<Kind extends StateRecord['kind']>(kind: Kind): StateOf<Kind>[];
  /** How late the run itself was between two times, in milliseconds: what it received then may have come earlier. */
  lagBetween(from: number, to: number): number;
}

/** What breaks an invariant, with the fewest lines that show it. */
export interface Anomaly {
  readonly invariant: string;
  /** A short name of the kind: `lost`, `hole`. */
  readonly name: string;
  readonly text: string;
  readonly shown: readonly (HistoryRecord | StateRecord)[];
}

export type Invariant = (evidence: Evidence) => Anomaly[];

export function pairKey(conversationId: string, userId: string): string {
  return `${conversationId} ${userId}`;
}

/** Puts a history and a state file in order. */
export function readEvidence(records: readonly HistoryRecord[], state: readonly StateRecord[]): Evidence {
  const operations = readOperations(records);
  const connections = readConnections(records);
  const marks = records.filter(({ phase }) => phase === 'mark');
  const meta = marks.find(({ f }) => f === 'meta');
  const metaValue = (meta?.value ?? {}) as Record<string, unknown>;
  const messageRows = state.filter((record) => record.kind === 'message');
  const messages = Map.groupBy(messageRows, ({ conversationId }) => conversationId);
  for (const rows of messages.values()) rows.sort((a, b) => a.seq - b.seq);
  const lags = marks.filter(({ f }) => f === 'lag').map(({ t, value }) => ({ t, ms: (value as { ms: number }).ms }));
  const quiet = marks.find(({ f, value }) => f === 'quiet' && (value as { reached: boolean }).reached);
  return {
    records,
    state,
    meta: {
      nodes: (metaValue.nodes as string[] | undefined) ?? [],
      limit: (metaValue.limit as Evidence['meta']['limit'] | undefined) ?? null,
      startedAt: Date.parse(String(metaValue.startedAt ?? 0)),
      t: meta?.t ?? 0,
    },
    operations,
    connections,
    faults: readFaults(records),
    marks,
    quietAt: quiet?.t ?? Number.POSITIVE_INFINITY,
    messages,
    messageById: new Map(messageRows.map((row) => [row.id, row])),
    memberships: readMemberships(connections, operations),
    of: <Kind extends StateRecord['kind']>(kind: Kind) =>
      state.filter((record): record is StateOf<Kind> => record.kind === kind),
    lagBetween: (from, to) => lags.reduce((sum, { t, ms }) => (t >= from && t - ms <= to ? sum + ms : sum), 0),
  };
}

function readOperations(records: readonly HistoryRecord[]): Operation[] {
  const open = new Map<string, HistoryRecord>();
  const operations: Operation[] = [];
  const add = (invoke: HistoryRecord, end: HistoryRecord | null): void => {
    operations.push({
      key: invoke.key,
      person: invoke.proc,
      node: invoke.node,
      door: invoke.door,
      f: invoke.f,
      from: invoke.t,
      to: end?.t ?? Number.POSITIVE_INFINITY,
      phase: end ? (end.phase as Operation['phase']) : 'info',
      value: (invoke.value ?? {}) as Record<string, unknown>,
      answer: (end?.value ?? {}) as Record<string, unknown>,
      records: end ? [invoke, end] : [invoke],
    });
  };
  for (const record of records) {
    if (record.proc === 'nemesis') continue;
    if (record.phase === 'invoke') open.set(record.key, record);
    else if (record.phase === 'ok' || record.phase === 'fail' || record.phase === 'info') {
      const invoke = open.get(record.key);
      if (!invoke) continue;
      open.delete(record.key);
      add(invoke, record);
    }
  }
  for (const invoke of open.values()) add(invoke, null);
  return operations.sort((a, b) => a.from - b.from);
}

function readConnections(records: readonly HistoryRecord[]): Connection[] {
  const connections = new Map<
    string,
    { -readonly [Key in keyof Connection]: Connection[Key] } & { events: Received[] }
  >();
  for (const record of records) {
    if (record.phase === 'event') {
      let connection = connections.get(record.key);
      if (!connection) {
        connection = {
          id: record.key,
          device: record.proc,
          person: record.proc.slice(0, record.proc.lastIndexOf('#')),
          node: record.node ?? '',
          readyAt: Number.POSITIVE_INFINITY,
          endedAt: Number.POSITIVE_INFINITY,
          events: [],
        };
        connections.set(record.key, connection);
      }
      if (record.f === 'ready') connection.readyAt = record.t;
      connection.events.push({ t: record.t, name: record.f, value: record.value as EventValue, record });
    } else if (record.phase === 'mark' && record.f === 'disconnect') {
      const connection = connections.get(record.key);
      if (connection) connection.endedAt = record.t;
    }
  }
  return [...connections.values()];
}

function readFaults(records: readonly HistoryRecord[]): FaultSpan[] {
  const ends = new Map(
    records.filter(({ proc, phase }) => proc === 'nemesis' && phase === 'ok').map(({ key, t }) => [key, t]),
  );
  return records
    .filter(({ proc, phase }) => proc === 'nemesis' && phase === 'invoke')
    .map((record) => {
      const { target = '', excuses = [], redis = false, mute = false } = record.value as Partial<FaultSpan>;
      const to = ends.get(record.key) ?? Number.POSITIVE_INFINITY;
      return { id: record.f, key: record.key, from: record.t, to, target, excuses, redis, mute, record };
    });
}

function readMemberships(
  connections: readonly Connection[],
  operations: readonly Operation[],
): Map<string, MembershipMark[]> {
  const byRev = new Map<string, Map<number, MembershipMark>>();
  const note = (conversationId: string, thing: Thing, t: number, record: HistoryRecord): void => {
    if (thing.type !== 'participant') return;
    const key = pairKey(conversationId, thing.userId);
    const marks = byRev.get(key) ?? new Map<number, MembershipMark>();
    byRev.set(key, marks);
    const known = marks.get(thing.rev);
    const { rev, present, role } = thing;
    if (!known || t < known.t) marks.set(rev, { rev, present, role, t, record });
  };
  for (const { events } of connections) {
    for (const { t, value, record } of events) {
      if (value.thing && value.conversationId !== undefined) note(value.conversationId, value.thing, t, record);
    }
  }
  for (const { f, value, answer, to, phase, records } of operations) {
    if (phase !== 'ok') continue;
    const things = f === 'changes' || f === 'snapshot' ? answer.changes : f === 'add' ? answer.items : undefined;
    for (const thing of (things as Thing[] | undefined) ?? [])
      note(String(value.conversationId), thing, to, records.at(-1)!);
  }
  return new Map([...byRev].map(([key, marks]) => [key, [...marks.values()].sort((a, b) => a.rev - b.rev)]));
}
