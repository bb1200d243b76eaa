import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** What a link does with bytes that pass. Both directions are treated alike. */
export type LinkMode =
  | { readonly kind: 'open' }
  /** Connections are accepted and nothing passes. Bytes wait and go on when the link opens again. */
  | { readonly kind: 'blackhole' }
  | { readonly kind: 'refuse' }
  | { readonly kind: 'delay'; readonly ms: number; readonly jitter: number }
  | { readonly kind: 'throttle'; readonly bytesPerSecond: number }
  /** Each byte a segment of its own, for the first `bytes` of each chunk. */
  | { readonly kind: 'bytewise'; readonly bytes: number };

/**
 * Looks at what comes from the server of a link, and may hold it back or end the connection.
 *
 * Answers with what is to be passed on; `cut` ends the connection by a reset afterwards.
 */
export type Filter = (chunk: Buffer) => { readonly pass: Buffer; readonly cut?: boolean };

/** A TCP proxy on a port of its own: one link of the system, which a run breaks in whatever way. */
export interface Link {
  readonly name: string;
  readonly port: number;
  readonly connections: number;
  set(mode: LinkMode): void;
  /** Where new connections go. */
  aim(port: number): void;
  /** Ends what is connected: in order, by a reset, or only on the server's side (`half`: the client is told nothing). */
  cut(how: 'end' | 'reset' | 'half'): void;
  /**
   * From here on each new connection's bytes from the server go through a filter of its own. What is open is reset, so
   * that a filter sees its connection from the first byte. Null: new connections have none.
   */
  filter(make: (() => Filter) | null): void;
  close(): Promise<void>;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  readonly filter: Filter | null;
  /** The server's side was cut and the client was not told. */
  half: boolean;
}

/** Opens a link to a port of the loopback interface. `random` draws the jitter. */
export async function openLink(options: { name: string; target: number; random: () => number }): Promise<Link> {
  const pairs = new Set<Pair>();
  let { target } = options;
  let mode: LinkMode = { kind: 'open' };
  let makeFilter: (() => Filter) | null = null;
  let wake: (() => void)[] = [];

  /** Resolves when the link lets bytes pass. */
  const passable = async (): Promise<void> => {
    while (mode.kind === 'blackhole') await new Promise<void>((resolve) => wake.push(resolve));
  };

  const pass = async (to: Socket, chunk: Buffer): Promise<void> => {
    await passable();
    if (mode.kind === 'delay') await sleep(Math.max(0, mode.ms + (options.random() * 2 - 1) * mode.jitter));
    if (mode.kind === 'throttle') await sleep((chunk.length / mode.bytesPerSecond) * 1_000);
    if (mode.kind === 'bytewise') {
      for (const byte of chunk.subarray(0, mode.bytes)) if (to.writable) to.write(Buffer.of(byte));
      chunk = chunk.subarray(mode.bytes);
    }
    if (chunk.length > 0 && to.writable && !to.write(chunk)) await once(to, 'drain', { signal: closing(to) });
  };

  /** Bytes of one direction, one chunk after the other; reading stops while one is on its way. */
  const pump = (from: Socket, to: Socket, look: ((chunk: Buffer) => { pass: Buffer; cut?: boolean }) | null): void => {
    from.on('data', (chunk: Buffer) => {
      const seen = look ? look(chunk) : { pass: chunk };
      from.pause();
      pass(to, seen.pass)
        .catch(() => {
          // The other side is gone; its close ends this one.
        })
        .finally(() => {
          if (seen.cut) {
            from.resetAndDestroy();
            to.resetAndDestroy();
          }
          from.resume();
        });
    });
  };

  const accept = (client: Socket): void => {
    if (mode.kind === 'refuse') {
      client.on('error', () => {});
      client.resetAndDestroy();
      return;
    }
    const server = connect({ host: '127.0.0.1', port: target, noDelay: true });
    client.setNoDelay(true);
    const pair: Pair = { client, server, filter: makeFilter?.() ?? null, half: false };
    pairs.add(pair);
    pump(client, server, null);
    pump(server, client, (chunk) =>
      pair.half ? { pass: Buffer.alloc(0) } : (pair.filter?.(chunk) ?? { pass: chunk }),
    );
    const end = (other: Socket) => () => {
      if (other === client && pair.half) return;
      pairs.delete(pair);
      if (!other.destroyed) other.end();
      // Whoever does not end in turn is ended: neither side has anything to say that could still be read.
      setTimeout(() => other.destroy(), 200).unref();
    };
    client.on('error', () => server.resetAndDestroy());
    server.on('error', () => !pair.half && client.resetAndDestroy());
    client.on('close', end(server));
    server.on('close', end(client));
    client.on('end', end(server));
    server.on('end', end(client));
  };

  const listener = createServer({ allowHalfOpen: true }, accept);
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('no port');

  return {
    name: options.name,
    port: address.port,
    get connections() {
      return pairs.size;
    },
    set: (next) => {
      mode = next;
      const waiting = wake;
      wake = [];
      for (const go of waiting) go();
      // A peer that was left hanging learns of it now, as by a keep-alive.
      if (next.kind === 'open') for (const pair of pairs) if (pair.half) pair.client.resetAndDestroy();
    },
    aim: (port) => {
      target = port;
    },
    cut: (how) => {
      for (const pair of pairs) {
        if (how === 'half') {
          pair.half = true;
          pair.server.destroy();
        } else if (how === 'reset') {
          pair.client.resetAndDestroy();
          pair.server.resetAndDestroy();
        } else {
          pair.client.end();
          pair.server.end();
        }
      }
    },
    filter: (make) => {
      makeFilter = make;
      if (!make) return;
      for (const pair of pairs) {
        pair.client.resetAndDestroy();
        pair.server.resetAndDestroy();
      }
    },
    close: async () => {
      for (const pair of pairs) {
        pair.client.destroy();
        pair.server.destroy();
      }
      pairs.clear();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

/** Aborts when the socket closes, so that nobody waits for a `drain` that cannot come. */
function closing(socket: Socket): AbortSignal {
  const controller = new AbortController();
  socket.once('close', () => controller.abort());
  return controller.signal;
}
