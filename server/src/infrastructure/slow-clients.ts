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
  /** Those for whom something was left waiting since this was asked last. Whoever else has something is found later. */
  takeWaiting(): Iterable<Client>;
  connectionOf(client: Client): Pick<EngineConnection, 'writeBuffer' | 'transport'>;
  /** Ends the session of one that cannot keep up. */
  end(client: Client): void;
}

/** Every client is looked at this often only: to look at thousands that have nothing waiting is most of their idle cost. */
const ROUNDS_BETWEEN_ALL = 10;

/**
 * Looks once a second at the clients that have something waiting, since Engine.IO's buffer has no bound of its own.
 * Returns how to stop it.
 */
export function watchSlowClients<Client extends object>(sampler: SlowClientSampler<Client>): () => void {
  const watch = new SlowClientWatch<Client>();
  let waiting = new Set<Client>();
  let round = 0;
  const timer = setInterval(() => {
    const now = performance.now();
    for (const client of sampler.takeWaiting()) waiting.add(client);
    const looked = round++ % ROUNDS_BETWEEN_ALL === 0 ? sampler.clients() : waiting;
    const still = new Set<Client>();
    for (const client of looked) {
      const connection = sampler.connectionOf(client);
      if (!hasWaiting(connection) && !waiting.has(client)) continue;
      if (watch.isTooSlow(client, connection, now)) sampler.end(client);
      else if (hasWaiting(connection)) still.add(client);
    }
    waiting = still;
  }, SAMPLE_MS);
  timer.unref();
  return () => clearInterval(timer);
}

function hasWaiting({ writeBuffer, transport }: Pick<EngineConnection, 'writeBuffer' | 'transport'>): boolean {
  return writeBuffer.length > 0 || (transport.socket?.bufferedAmount ?? 0) > 0;
}
