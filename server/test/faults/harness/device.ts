import { io, type Socket } from 'socket.io-client';
import { type Caller, changes, pause } from './calls.ts';
import type { Node } from './cluster.ts';
import type { Random } from './random.ts';
import { eventValue } from './things.ts';

/** An acknowledgement of the socket door. */
export type Ack =
  | { readonly ok: true; readonly data: unknown }
  | { readonly ok: false; readonly error: { readonly status: number; readonly code: string } };

/** How long a connection may take before the next node is tried. */
const CONNECT_WITHIN_MS = 3_000;

/**
 * A person's device, written from the contract alone: it stays connected to some node, keeps for each conversation the
 * `rev` it knows, asks `changes` where it sees a gap or is told a head, and after each reconnection. Everything it
 * receives goes into the history; what it makes of it is the checker's to work out.
 */
export class Device {
  readonly name: string;
  readonly person: string;
  readonly #caller: Caller;
  readonly #random: Random;
  readonly #nodes: readonly Node[];
  /** The `rev` known without a gap, by conversation. */
  readonly known = new Map<string, number>();
  /** The highest `rev` that something was heard of, by conversation. */
  readonly #heard = new Map<string, number>();
  readonly #catching = new Set<string>();
  /** How often its person was taken out of a conversation: an answer asked for before that is of another membership. */
  readonly #removals = new Map<string, number>();
  readonly #pending = new Set<(ack: 'disconnected') => void>();
  #socket: Socket | null = null;
  #node: Node;
  #connections = 0;
  #isReady = false;
  #closed = false;
  readonly #naps: boolean;
  #running: Promise<void> = Promise.resolve();

  constructor(options: {
    name: string;
    person: string;
    caller: Caller;
    random: Random;
    nodes: readonly Node[];
    node: Node;
    /** Now and then stays away for a while once its connection has ended, as a phone in a pocket does. */
    naps?: boolean;
  }) {
    this.name = options.name;
    this.person = options.person;
    this.#caller = options.caller;
    this.#random = options.random;
    this.#nodes = options.nodes;
    this.#node = options.node;
    this.#naps = options.naps ?? false;
  }

  get nodeName(): string {
    return this.#node.name;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** Names the connection of this moment in the history. */
  get connection(): string {
    return `${this.name}.${this.#connections}`;
  }

  /** Connects; resolves once it is ready and has caught up. Stays connected from then on, here or elsewhere. */
  async open(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#running = this.#stayConnected(resolve);
    });
  }

  /** Leaves for good. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#socket?.disconnect();
    await this.#running;
  }

  /** Sends a command. Null where there is no connection. */
  command(name: string, input: object, patienceMs: number): Promise<Ack | 'timeout' | 'disconnected' | null> {
    const socket = this.#socket;
    if (!socket || !this.#isReady) return Promise.resolve(null);
    return new Promise((resolve) => {
      const done = (ack: Ack | 'timeout' | 'disconnected') => {
        clearTimeout(timer);
        this.#pending.delete(done);
        resolve(ack);
      };
      const timer = setTimeout(done, patienceMs, 'timeout');
      this.#pending.add(done);
      socket.emit(name, input, done);
    });
  }

  /** Sends a command and asks for no acknowledgement. */
  tell(name: string, input: unknown): void {
    if (this.#isReady) this.#socket?.emit(name, input);
  }

  async #stayConnected(onFirst: () => void): Promise<void> {
    let first = onFirst;
    while (!this.#closed) {
      const connected = await this.#connect();
      if (connected) {
        await this.#resume();
        first();
        first = () => {};
        await connected.ended;
        if (this.#naps && !this.#closed && this.#random.chance(0.6)) {
          this.#note('nap', {});
          await pause(this.#random.whole(500, 3_000));
        }
      } else {
        await pause(this.#random.whole(20, 120));
      }
      // Mostly elsewhere; now and then to the same node again, with the same session of the client library.
      if (this.#nodes.length > 1 && this.#random.chance(this.#naps ? 0.4 : 0.7)) {
        this.#node = this.#random.pick(this.#nodes.filter((node) => node !== this.#node));
        this.#drop();
      }
    }
    this.#drop();
  }

  /** Connects to the node of this moment. Null where that fails; else `ended` resolves when the connection has ended. */
  async #connect(): Promise<{ ended: Promise<void> } | null> {
    const socket = this.#socket ?? (await this.#makeSocket());
    if (this.#closed) return null;
    this.#connections += 1;
    const connection = this.connection;
    const node = this.#node.name;
    const line = { proc: this.name, node, door: 'socket', key: connection } as const;
    const ready = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(resolve, CONNECT_WITHIN_MS, false);
      const settle = (value: boolean) => () => {
        clearTimeout(timer);
        resolve(value);
      };
      socket.once('ready', () => {
        this.#isReady = true;
        settle(true)();
      });
      socket.once('connect_error', settle(false));
      socket.once('disconnect', settle(false));
      // Before the connection, so that nothing that follows `ready` in the same packet is missed.
      socket.onAny((name: string, payload: Record<string, unknown>) => this.#receive(line, name, payload));
      socket.connect();
    });
    if (!ready || !socket.connected) {
      this.#isReady = false;
      socket.offAny();
      socket.disconnect();
      this.#drop();
      return null;
    }
    const ended = new Promise<void>((resolve) => {
      socket.once('disconnect', (reason) => {
        this.#isReady = false;
        socket.offAny();
        this.#caller.history.write({ ...line, f: 'disconnect', phase: 'mark', value: { reason } });
        for (const done of this.#pending) done('disconnected');
        resolve();
      });
    });
    return { ended };
  }

  async #makeSocket(): Promise<Socket> {
    const socket = io(this.#node.url, {
      auth: { token: await this.#caller.token(this.person) },
      transports: ['websocket'],
      reconnection: false,
      forceNew: true,
      autoConnect: false,
    });
    this.#socket = socket;
    return socket;
  }

  #drop(): void {
    this.#socket?.disconnect();
    this.#socket = null;
  }

  #receive(
    line: { proc: string; node: string; door: 'socket'; key: string },
    name: string,
    payload: Record<string, unknown>,
  ) {
    const value = eventValue(name, payload ?? {});
    this.#caller.history.write({ ...line, f: name, phase: 'event', value });
    const { conversationId, rev } = value;
    if (conversationId === undefined) return;
    if (name === 'conversation:removed') {
      this.#forget(conversationId);
    } else if (name === 'conversation:created') {
      void this.#catchUp(conversationId);
    } else if (rev !== undefined) {
      const known = this.known.get(conversationId);
      this.#heard.set(conversationId, Math.max(this.#heard.get(conversationId) ?? 0, rev));
      if (known !== undefined && rev === known + 1 && value.thing) this.known.set(conversationId, rev);
      else if (known === undefined || rev > known) void this.#catchUp(conversationId);
    }
  }

  #forget(conversationId: string): void {
    this.known.delete(conversationId);
    this.#heard.delete(conversationId);
    this.#removals.set(conversationId, (this.#removals.get(conversationId) ?? 0) + 1);
  }

  /** After a connection: what is behind, gone or new. */
  async #resume(): Promise<void> {
    while (this.#isReady && !this.#closed) {
      const cursors = Object.fromEntries(this.known);
      const outcome = await this.#caller.call(
        {
          f: 'sync',
          person: this.person,
          rest: { method: 'POST', path: '/sync', body: { cursors } },
          value: { device: this.name },
        },
        { door: 'rest', node: this.#node },
      );
      if (outcome.phase !== 'ok') {
        await pause(this.#random.whole(50, 150));
        continue;
      }
      const { behind, gone, added } = outcome.data as {
        behind: { conversationId: string; rev: number }[];
        gone: string[];
        added: string[];
      };
      for (const id of gone) this.#forget(id);
      for (const { conversationId, rev } of behind) this.#heard.set(conversationId, rev);
      await Promise.all([...behind.map((one) => one.conversationId), ...added].map((id) => this.#catchUp(id)));
      if (this.#isReady) this.#note('resumed', {});
      return;
    }
  }

  #note(f: string, value: unknown): void {
    const { name, nodeName, connection } = this;
    this.#caller.history.write({
      proc: name,
      node: nodeName,
      door: 'socket',
      f,
      phase: 'mark',
      key: connection,
      value,
    });
  }

  /** Asks what came after the `rev` known, until that is the conversation's. One flight for each conversation. */
  async #catchUp(conversationId: string): Promise<void> {
    if (this.#catching.has(conversationId)) return;
    this.#catching.add(conversationId);
    try {
      const connections = this.#connections;
      while (!this.#closed && this.#isReady && connections === this.#connections) {
        const after = this.known.get(conversationId) ?? 0;
        const removals = this.#removals.get(conversationId);
        const call = changes(this.person, conversationId, after);
        const outcome = await this.#caller.call(
          { ...call, value: { ...call.value, device: this.name } },
          { door: 'rest', node: this.#node },
        );
        if (outcome.phase === 'fail') return;
        if (outcome.phase === 'info') {
          await pause(this.#random.whole(50, 150));
          continue;
        }
        if (this.#removals.get(conversationId) !== removals) continue;
        const page = outcome.data as { changes: { rev: number }[]; rev: number; hasMore: boolean };
        const reached = page.hasMore ? (page.changes.at(-1)?.rev ?? page.rev) : page.rev;
        this.known.set(conversationId, Math.max(this.known.get(conversationId) ?? 0, reached));
        if (!page.hasMore && reached >= (this.#heard.get(conversationId) ?? 0)) return;
      }
    } finally {
      this.#catching.delete(conversationId);
    }
  }
}
