import { randomBytes } from 'node:crypto';
import type { Dialect } from './dialects.ts';
import { LoadSocket } from './web-socket.ts';

/** What the load is put on. */
export interface Server {
  /** One of each node; connections are spread over them in turn. */
  readonly ports: readonly number[];
  readonly dialect: Dialect;
  /** Promises to tell messages in the order of their numbers. Where it does not, what came out of order is counted. */
  readonly keepsOrder: boolean;
}

/** Who connects, and to which conversation: everybody is in one. */
export interface FleetPlan {
  readonly conversations: readonly { readonly id: string; readonly members: readonly Person[] }[];
}

export interface Person {
  readonly id: string;
  readonly token: string;
}

/** What was seen between two moments. Times are in milliseconds. */
export interface Seen {
  readonly seconds: number;
  /** Acknowledged and delivered to every member. */
  readonly sends: number;
  readonly deliveries: number;
  readonly ackMs: Float64Array;
  /** Until the last member had it. */
  readonly deliveryMs: Float64Array;
  /** Messages that did not have the number after the one before. */
  readonly outOfOrder: number;
  /** Other commands that were answered. */
  readonly acts: number;
}

const CONTENT = 'A message as long as many a line that people write each other.';
const CONNECTING_AT_ONCE = 64;
/** Numbers of commands that are no sends. */
const FIRST_ACT = 1_000_000_000;
/** For what was sent to arrive, and for a person to be let in. */
const PATIENCE_MS = 20_000;

interface Sent {
  readonly at: number;
  readonly sender: Member;
  ackedAt: number;
  deliveredAt: number;
}

/** A message as the first member got it; the others must get the very same. */
interface Entry {
  readonly key: string;
  readonly seq: number;
  readonly bytes: Buffer;
  copies: number;
}

class Channel {
  readonly id: string;
  readonly members: Member[] = [];
  readonly log: Entry[] = [];

  constructor(id: string) {
    this.id = id;
  }
}

interface Member {
  readonly channel: Channel;
  readonly socket: LoadSocket;
  /** How many messages of the channel it has. */
  position: number;
}

/**
 * Connections that send and check what they get. Each acknowledged message must reach each member exactly once, in one
 * order for all, numbered without a gap; the first breach ends the workload.
 */
export class Fleet {
  readonly #dialect: Dialect;
  readonly #mustKeepOrder: boolean;
  readonly #channels: Channel[] = [];
  readonly #sent = new Map<string, Sent>();
  readonly #waitingAcks: (string | undefined)[] = [];
  readonly #ackMs: number[] = [];
  readonly #deliveryMs: number[] = [];
  #deliveries = 0;
  #completed = 0;
  #outOfOrder = 0;
  #breach: Error | null = null;
  #isSending = false;
  #rate: NodeJS.Timeout | undefined;
  #life: NodeJS.Timeout | undefined;
  #acts = 0;
  #nextKey = 0;
  readonly #prefix = randomBytes(6).toString('base64url');
  #onIdle: (() => void) | null = null;
  /** How often somebody was not let in and had to come back. */
  refusals = 0;
  /** Seconds from the first connection to the last one ready. */
  connectSeconds = 0;

  private constructor({ dialect, keepsOrder }: Server) {
    this.#dialect = dialect;
    this.#mustKeepOrder = keepsOrder;
  }

  /** Connects everybody, so many at once; resolves once all are ready. */
  static async connect(server: Server, plan: FleetPlan, atOnce = CONNECTING_AT_ONCE): Promise<Fleet> {
    const fleet = new Fleet(server);
    const start = performance.now();
    const people = plan.conversations.flatMap(({ id, members }) => {
      const channel = new Channel(id);
      fleet.#channels.push(channel);
      return members.map((person, nth) => ({ channel, person, port: server.ports[nth % server.ports.length]! }));
    });
    const queue = people.values();
    await Promise.all(
      Array.from({ length: atOnce }, async () => {
        for (const { channel, person, port } of queue) await fleet.#connectOne(port, channel, person);
      }),
    );
    fleet.connectSeconds = (performance.now() - start) / 1_000;
    return fleet;
  }

  get size(): number {
    return this.#channels.reduce((sum, { members }) => sum + members.length, 0);
  }

  /**
   * From here on each sender keeps one message in flight: the next goes when the one before is acknowledged and
   * delivered to all. Ends with `finish`.
   */
  startClosed(senders: number): void {
    this.#isSending = true;
    for (const { members } of this.#channels) for (const member of members.slice(0, senders)) this.#send(member);
  }

  /** From here on sends go at a fixed rate, in turn, whatever comes back. Ends with `finish`. */
  startOpen(senders: number, perSecond: number): void {
    const members = this.#channels.flatMap((channel) => channel.members.slice(0, senders));
    const start = performance.now();
    let count = 0;
    this.#rate = setInterval(() => {
      const due = ((performance.now() - start) * perSecond) / 1_000;
      // Timed from when it was due, so that a generator that comes late hides no waiting.
      for (; count < due; count += 1) {
        this.#send(members[count % members.length]!, start + (count * 1_000) / perSecond);
      }
    }, 1);
  }

  /**
   * Beside the sends: people type, mark what they have read, and react to the newest message, at a fixed rate and in
   * turn. Ends with `finish`.
   */
  startLife(perSecond: number): void {
    const members = this.#channels.flatMap((channel) => channel.members);
    const start = performance.now();
    let count = 0;
    this.#life = setInterval(() => {
      const due = ((performance.now() - start) * perSecond) / 1_000;
      for (; count < due; count += 1) this.#act(members[(count * 7) % members.length]!, count);
    }, 5);
  }

  #act({ channel, socket, position }: Member, count: number): void {
    const newest = channel.log[position - 1];
    const conversationId = channel.id;
    const [name, input] =
      newest === undefined || count % 2 === 0
        ? (['typing:start', { conversationId }] as const)
        : count % 20 === 1
          ? (['reaction:add', { conversationId, messageId: idOf(newest), emoji: EMOJI[count % EMOJI.length] }] as const)
          : (['conversation:read', { conversationId, seq: newest.seq }] as const);
    socket.send(this.#dialect.command!(FIRST_ACT + count, name, input));
  }

  /** What is seen while `during` lasts. Throws at the first breach. */
  async watch(during: () => Promise<void>): Promise<Seen> {
    this.#forget();
    const start = performance.now();
    await during();
    if (this.#breach) throw this.#breach;
    return {
      seconds: (performance.now() - start) / 1_000,
      sends: this.#completed,
      deliveries: this.#deliveries,
      ackMs: Float64Array.from(this.#ackMs),
      deliveryMs: Float64Array.from(this.#deliveryMs),
      outOfOrder: this.#outOfOrder,
      acts: this.#acts,
    };
  }

  /** Begins counting anew, so that what came before (warming up) is left out. */
  #forget(): void {
    this.#ackMs.length = 0;
    this.#deliveryMs.length = 0;
    this.#deliveries = 0;
    this.#completed = 0;
    this.#outOfOrder = 0;
    this.#acts = 0;
  }

  /** Waits until all that was sent is acknowledged and delivered, checks it, and disconnects. */
  async finish(): Promise<void> {
    this.#isSending = false;
    clearInterval(this.#rate);
    clearInterval(this.#life);
    try {
      if (this.#sent.size > 0) await this.#untilIdle();
      if (this.#breach) throw this.#breach;
      for (const { id, log, members } of this.#channels) {
        const behind = members.filter((member) => member.position !== log.length).length;
        if (behind > 0) throw new Error(`${behind} members of ${id} did not get every message`);
      }
    } finally {
      this.disconnect();
    }
  }

  /** Cuts all connections. */
  disconnect(): void {
    clearInterval(this.#rate);
    clearInterval(this.#life);
    for (const { members } of this.#channels) for (const { socket } of members) socket.destroy();
  }

  #untilIdle(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`${this.#sent.size} messages were not acknowledged and delivered to all`)),
        PATIENCE_MS,
      );
      this.#onIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Until the person is let in: who is refused comes back after a while, as any client does. */
  async #connectOne(port: number, channel: Channel, person: Person): Promise<void> {
    for (const start = performance.now(); ; ) {
      try {
        await this.#tryToConnect(port, channel, person);
        return;
      } catch (error) {
        if (performance.now() - start > PATIENCE_MS) throw error;
        this.refusals += 1;
        await new Promise((resolve) => setTimeout(resolve, 500 + Math.random() * 1_000));
      }
    }
  }

  async #tryToConnect(port: number, channel: Channel, { token }: Person): Promise<void> {
    let member: Member | null = null;
    const dialect = this.#dialect;
    const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
    const socket = await LoadSocket.open(port, dialect.path({ conversationId: channel.id }), (text, from) => {
      if (member && dialect.mayBeMessage(text)) {
        this.#receive(member, text);
        return;
      }
      const heard = dialect.read(text);
      if (heard.kind === 'ready') resolve();
      else if (heard.kind === 'reply') from.send(heard.text);
      else if (heard.kind === 'acknowledged') this.#acknowledge(heard.id, heard.refusal);
      else if (heard.kind === 'refused') {
        if (member) this.#fail(`sent away: ${heard.text}`);
        reject(new Error(`refused: ${heard.text}`));
        from.destroy();
      }
    });
    socket.closed.then(() => reject(new Error('the server closed a connection')));
    const greeting = dialect.greeting(token);
    if (greeting !== null) socket.send(greeting);
    await ready;
    // Nobody sends before all are ready, so none was missed.
    member = { channel, socket, position: 0 };
    channel.members.push(member);
  }

  #send(sender: Member, at = performance.now()): void {
    const id = this.#nextKey++;
    const clientMessageId = `${this.#prefix}-${id}`;
    this.#waitingAcks[id] = clientMessageId;
    this.#sent.set(clientMessageId, { at, sender, ackedAt: 0, deliveredAt: 0 });
    sender.socket.send(
      this.#dialect.send(id, { conversationId: sender.channel.id, content: CONTENT, clientMessageId }),
    );
  }

  #acknowledge(id: number, refusal: string | null): void {
    if (id >= FIRST_ACT) {
      if (refusal !== null) this.#fail(refusal);
      this.#acts += 1;
      return;
    }
    const key = this.#waitingAcks[id];
    const sent = key === undefined ? undefined : this.#sent.get(key);
    if (!sent || refusal !== null) {
      this.#fail(`${refusal ?? 'acknowledged twice'}: send ${id}`);
      return;
    }
    this.#waitingAcks[id] = undefined;
    sent.ackedAt = performance.now();
    this.#ackMs.push(sent.ackedAt - sent.at);
    if (sent.deliveredAt > 0) this.#complete(key!, sent);
  }

  /** A text that is, most of the time, the next message of the channel: then it is compared and not parsed. */
  #receive(member: Member, text: Buffer): void {
    const { channel } = member;
    const next = channel.log[member.position];
    if (next?.bytes.equals(text)) {
      this.#deliver(member, next);
      return;
    }
    const heard = this.#dialect.read(text);
    if (heard.kind !== 'message') return;
    if (next) {
      if (next.key === heard.key) this.#deliver(member, next);
      else this.#fail(`${channel.id}: ${heard.key} came in place of ${next.key}`);
      return;
    }
    const last = channel.log.at(-1);
    if (last && heard.seq !== last.seq + 1) {
      this.#outOfOrder += 1;
      if (this.#mustKeepOrder) this.#fail(`${channel.id}: seq ${heard.seq} after ${last.seq}`);
    }
    const entry = { key: heard.key, seq: heard.seq, bytes: Buffer.from(text), copies: 0 };
    channel.log.push(entry);
    this.#deliver(member, entry);
  }

  #deliver(member: Member, entry: Entry): void {
    member.position += 1;
    entry.copies += 1;
    this.#deliveries += 1;
    if (entry.copies < member.channel.members.length) return;
    const sent = this.#sent.get(entry.key);
    if (!sent) {
      this.#fail(`${entry.key} came and was never sent`);
      return;
    }
    sent.deliveredAt = performance.now();
    this.#deliveryMs.push(sent.deliveredAt - sent.at);
    if (sent.ackedAt > 0) this.#complete(entry.key, sent);
  }

  #complete(key: string, { sender }: Sent): void {
    this.#sent.delete(key);
    this.#completed += 1;
    if (this.#isSending) this.#send(sender);
    else if (this.#sent.size === 0) this.#onIdle?.();
  }

  #fail(message: string): void {
    this.#breach ??= new Error(message);
  }
}

const EMOJI = ['👍', '🎉', '❤️', '😀', '🙏'];

function idOf(entry: Entry): string {
  const [, { message }] = JSON.parse(entry.bytes.toString('utf8', 2)) as [string, { message: { id: string } }];
  return message.id;
}
