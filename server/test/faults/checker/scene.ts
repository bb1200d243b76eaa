import type { StateRecord } from '../harness/dump.ts';
import type { HistoryRecord, Phase, Thing } from '../harness/history.ts';
import { type Anomaly, type Invariant, readEvidence } from './evidence.ts';

/** The conversation of all hand-made histories. */
export const ROOM = 'c1';

/** Writes a history by hand, one line after the other; each takes ten milliseconds unless a time is given. */
export class Scene {
  readonly records: HistoryRecord[] = [];
  readonly state: StateRecord[] = [];
  #t = 0;
  #keys = 0;

  constructor() {
    this.mark('meta', { nodes: ['n1', 'n2'], limit: null, startedAt: '2026-01-01T00:00:00.000Z' });
  }

  get now(): number {
    return this.#t;
  }

  /** Lets time go by. */
  wait(ms: number): this {
    this.#t += ms;
    return this;
  }

  write(
    proc: string,
    f: string,
    phase: Phase,
    key: string,
    value: unknown,
    node = 'n1',
    door: 'rest' | 'socket' = 'rest',
  ) {
    this.#t += 10;
    this.records.push({ t: this.#t, proc, node, door, f, phase, key, value });
  }

  mark(f: string, value: unknown, proc = 'run'): this {
    this.write(proc, f, 'mark', '', value);
    return this;
  }

  /** A call and its answer; `between` happens while it is under way. */
  call(
    person: string,
    f: string,
    value: Record<string, unknown>,
    phase: 'ok' | 'fail' | 'info',
    answer: unknown,
    between: () => void = () => {},
    door: 'rest' | 'socket' = 'rest',
  ): this {
    const key = `k${++this.#keys}`;
    this.write(person, f, 'invoke', key, { conversationId: ROOM, ...value }, 'n1', door);
    between();
    this.write(person, f, phase, key, answer, 'n1', door);
    return this;
  }

  /** A send that is answered well. */
  send(
    person: string,
    content: string,
    seq: number,
    more: { key?: string; rev?: number; duplicate?: boolean; id?: string } = {},
  ): this {
    const { key = content, rev = seq + 1, duplicate = false, id = `m${seq}` } = more;
    const thing = messageThing(person, content, seq, { rev, id });
    return this.call(person, 'send', { content, clientMessageId: key }, 'ok', {
      ...thing,
      duplicate,
      clientMessageId: key,
    });
  }

  /** Something reaches a device's first connection. */
  event(device: string, f: string, value: object, node = 'n2'): this {
    this.write(device, f, 'event', `${device}.1`, { conversationId: ROOM, ...value }, node, 'socket');
    return this;
  }

  /** An event that tells a thing. */
  tell(device: string, f: string, thing: Thing, node = 'n2'): this {
    return this.event(device, f, { rev: thing.rev, thing }, node);
  }

  fault(id: string, injury: object, during: () => void): this {
    const key = `f${++this.#keys}`;
    this.write('nemesis', id, 'invoke', key, injury);
    during();
    this.write('nemesis', id, 'ok', key, {});
    return this;
  }

  quiet(): this {
    this.state.push({ kind: 'quiet', afterMs: 5, reached: true });
    return this.mark('quiet', { afterMs: 5, reached: true });
  }

  row(
    senderId: string,
    content: string | null,
    seq: number,
    more: Partial<Extract<StateRecord, { kind: 'message' }>> = {},
  ): this {
    this.state.push({
      kind: 'message',
      conversationId: ROOM,
      id: `m${seq}`,
      seq,
      rev: seq + 1,
      senderId,
      content,
      clientMessageId: content,
      createdAt: Date.parse('2026-01-01T00:00:00.000Z') + this.#t,
      edited: false,
      deleted: content === null,
      reactions: [],
      revisions: 0,
      ...more,
    });
    return this;
  }

  room(lastSeq: number, more: Partial<Extract<StateRecord, { kind: 'conversation' }>> = {}): this {
    const whole = {
      kind: 'conversation',
      id: ROOM,
      type: 'group',
      title: null,
      lastSeq,
      rev: lastSeq + 1,
      auditCount: 0,
    } as const;
    this.state.push({ ...whole, ...more });
    return this;
  }

  person(userId: string, more: Partial<Extract<StateRecord, { kind: 'participant' }>> = {}): this {
    const row = { role: 'member', present: true, removed: false, rev: 1, lastReadSeq: 0 };
    this.state.push({ kind: 'participant', conversationId: ROOM, userId, ...row, ...more });
    return this;
  }

  check(invariant: Invariant): Anomaly[] {
    return invariant(readEvidence(this.records, this.state));
  }

  /** The names of what an invariant finds. */
  names(invariant: Invariant): string[] {
    return this.check(invariant).map(({ name }) => name);
  }
}

export function messageThing(
  senderId: string,
  content: string | null,
  seq: number,
  more: { rev?: number; id?: string; reactions?: string[] } = {},
): Thing {
  const { rev = seq + 1, id = `m${seq}`, reactions = [] } = more;
  return { type: 'message', rev, id, seq, senderId, content, deleted: content === null, reactions };
}

export function participantThing(userId: string, rev: number, present: boolean, role = 'member'): Thing {
  return { type: 'participant', rev, userId, role, present };
}
