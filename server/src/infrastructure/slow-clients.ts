import type { EngineConnection } from './socket-server.ts';

/** Bounds of what may wait for one client (DLV-5). */
export const SLOW_CLIENT_BOUNDS = { packets: 1_000, bytes: 1024 * 1024, ageMs: 10_000 } as const;

const SAMPLE_MS = 1_000;

/** What was seen of a connection that had something waiting. */
interface Backlog {
  readonly head: unknown;
  readonly buffered: number;
  readonly since: number;
}

/** Judges connections by successive looks at them. */
export class SlowClientWatch<Key extends object> {
  readonly #backlogs = new WeakMap<Key, Backlog>();

  /**
   * Whether this connection has too much waiting, or something for too long.
   *
   * Age is told without a clock on each packet: while the same packet stands first, or not one byte of the last write has
   * left, nothing has moved since it was first seen so.
   *
   * @param key the connection's identity between looks.
   * @param now milliseconds of a monotonic clock.
   */
  isTooSlow(key: Key, connection: Pick<EngineConnection, 'writeBuffer' | 'transport'>, now: number): boolean {
    const { writeBuffer, transport } = connection;
    const buffered = transport.socket?.bufferedAmount ?? 0;
    if (writeBuffer.length === 0 && buffered === 0) {
      this.#backlogs.delete(key);
      return false;
    }
    if (writeBuffer.length > SLOW_CLIENT_BOUNDS.packets) return true;
    if (buffered + waitingBytes(writeBuffer) > SLOW_CLIENT_BOUNDS.bytes) return true;

    const head = writeBuffer[0];
    const last = this.#backlogs.get(key);
    const stands = last && last.head === head && (head !== undefined || last.buffered === buffered);
    if (!stands) {
      this.#backlogs.set(key, { head, buffered, since: now });
      return false;
    }
    return now - last.since >= SLOW_CLIENT_BOUNDS.ageMs;
  }
}

/** Code units stand for bytes: the bound is about memory, and most text is ASCII. */
function waitingBytes(writeBuffer: EngineConnection['writeBuffer']): number {
  let bytes = 0;
  for (const { data } of writeBuffer) bytes += data?.length ?? 0;
  return bytes;
}

export interface SlowClientSampler<Client extends object> {
  clients(): Iterable<Client>;
  connectionOf(client: Client): Pick<EngineConnection, 'writeBuffer' | 'transport'>;
  /** Ends the session of one that cannot keep up. */
  end(client: Client): void;
}

/** Looks at every client once a second, since Engine.IO's buffer has no bound of its own. Returns how to stop it. */
export function watchSlowClients<Client extends object>(sampler: SlowClientSampler<Client>): () => void {
  const watch = new SlowClientWatch<Client>();
  const timer = setInterval(() => {
    const now = performance.now();
    for (const client of sampler.clients()) {
      if (watch.isTooSlow(client, sampler.connectionOf(client), now)) sampler.end(client);
    }
  }, SAMPLE_MS);
  timer.unref();
  return () => clearInterval(timer);
}
