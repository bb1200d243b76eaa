import { type Call, Caller, get, newKey, type Outcome, pause, type Route, send } from '../harness/calls.ts';
import type { Cluster } from '../harness/cluster.ts';
import { Device } from '../harness/device.ts';
import type { HistoryWriter } from '../harness/history.ts';
import type { Random } from '../harness/random.ts';

/** A workload made ready: its people, conversations and devices are there, and no fault has happened yet. */
export interface Prepared {
  readonly conversations: readonly string[];
  readonly devices: readonly Device[];
  /** Works until the stage is over. */
  run(): Promise<void>;
  /** What belongs after the last fault was healed. */
  after?(): Promise<void>;
}

export interface Workload {
  readonly id: string;
  readonly title: string;
  prepare(stage: Stage): Promise<Prepared>;
}

/** What a workload works with. */
export class Stage {
  readonly caller: Caller;
  readonly cluster: Cluster;
  readonly random: Random;
  readonly history: HistoryWriter;
  /** True once the time of the round is up. */
  readonly isOver: () => boolean;
  #sent = 0;

  constructor(options: {
    cluster: Cluster;
    history: HistoryWriter;
    random: Random;
    prefix: string;
    isOver: () => boolean;
  }) {
    this.cluster = options.cluster;
    this.history = options.history;
    this.random = options.random;
    this.isOver = options.isOver;
    this.caller = new Caller({ history: options.history, cluster: options.cluster, prefix: options.prefix });
  }

  /** Enters people: they exist from then on. */
  async people(name: string, count: number): Promise<string[]> {
    const ids = Array.from({ length: count }, (_, index) => this.caller.idOf(`${name}${index + 1}`));
    for (const id of ids) await this.#mustDo(get(id, '/me', 'me'));
    return ids;
  }

  /** A conversation owned by the first of these people. */
  async conversation(type: 'group' | 'channel', people: readonly string[]): Promise<string> {
    const [owner = '', ...others] = people;
    const outcome = await this.#mustDo({
      f: 'create',
      person: owner,
      rest: {
        method: 'POST',
        path: '/conversations',
        body: { type, title: `${type} of ${owner}`, participantIds: others.slice(0, 99) },
      },
      value: { type, people },
    });
    const { id } = outcome as { id: string };
    for (let at = 99; at < others.length; at += 99) {
      await this.#mustDo({
        f: 'addMany',
        person: owner,
        rest: {
          method: 'POST',
          path: `/conversations/${id}/participants`,
          body: { userIds: others.slice(at, at + 99) },
        },
        value: { conversationId: id },
      });
    }
    return id;
  }

  /** A device of somebody, connected to a node drawn by lot. */
  async device(person: string, number = 1, more: { naps?: boolean } = {}): Promise<Device> {
    const name = `${person}#${number}`;
    const { caller, cluster } = this;
    const node = this.random.pick(cluster.nodes);
    const device = new Device({
      name,
      person,
      caller,
      random: this.random.fork(name),
      nodes: cluster.nodes,
      node,
      ...more,
    });
    await device.open();
    return device;
  }

  /** Any node and door; the socket only where one of these devices is connected. */
  route(devices: readonly Device[] = []): Route {
    const ready = devices.filter((device) => device.isReady);
    if (ready.length > 0 && this.random.chance(0.5)) return { door: 'socket', device: this.random.pick(ready) };
    return { door: 'rest', node: this.random.pick(this.cluster.nodes) };
  }

  /** Text that nobody else has sent. */
  text(person: string): string {
    this.#sent += 1;
    return `message ${this.#sent} of ${person} <3 a < b && c > ${this.random.whole(0, 999_999)}`;
  }

  /** One send, retried with its key until its outcome is certain. Answers with the call, for whoever wants to repeat it. */
  async send(
    person: string,
    conversationId: string,
    devices: readonly Device[] = [],
  ): Promise<{ call: Call; outcome: Outcome }> {
    const call = send(person, conversationId, this.text(person), newKey());
    const own = devices.filter((device) => device.person === person);
    const until = giveUp();
    return { call, outcome: await this.caller.callUntilKnown(call, () => this.route(own), until) };
  }

  /** Runs so many loops of `turn` beside each other until the stage is over, with a pause drawn up to `pauseMs`. */
  async loops(count: number, pauseMs: number, turn: (random: Random) => Promise<void>): Promise<void> {
    await Promise.all(
      Array.from({ length: count }, async (_, index) => {
        const random = this.random.fork(`loop${index}`);
        while (!this.isOver()) {
          await turn(random);
          await pause(random.whole(0, pauseMs));
        }
      }),
    );
  }

  async #mustDo(call: Call): Promise<unknown> {
    const outcome = await this.caller.callUntilKnown(
      call,
      () => ({ door: 'rest', node: this.random.pick(this.cluster.nodes) }),
      giveUp(),
    );
    if (outcome.phase !== 'ok') throw new Error(`${call.f} failed: ${JSON.stringify(outcome)}`);
    return outcome.data;
  }
}

/** A retrying client gives up after a minute; by then every fault is long over. */
export function giveUp(): () => boolean {
  const end = performance.now() + 60_000;
  return () => performance.now() > end;
}
