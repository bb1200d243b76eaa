import { Redis } from 'ioredis';
import type { Logger } from '../utils/logger.ts';

/** The connection to Redis. Nothing rests on it: every call may fail, and the caller has an answer to that. */
export interface RedisConnection {
  /** For commands: fails at once while there is no connection, and after a quarter of a second when there is no answer. */
  readonly client: Redis;
  /** The milliseconds of one round trip. Rejects while Redis is away. */
  ping(): Promise<number>;
  close(): Promise<void>;
}

/** Opens the connection in the background; a Redis that is away delays no start. Comes back by itself. */
export function openRedis(url: string, logger: Pick<Logger, 'info' | 'warn'>): RedisConnection {
  const client = new Redis(url, {
    connectionName: 'parley',
    connectTimeout: 2_000,
    // A call waits for nobody: queueing or resending would turn an outage into hanging sends and double counts.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 1,
    commandTimeout: 250,
    retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 5), 1_000) * (0.5 + Math.random() / 2),
  });
  let away = false;
  // Without a listener an error would end the process; one line for each outage is enough.
  client.on('error', (error) => {
    if (!away) logger.warn({ err: error }, 'redis is away');
    away = true;
  });
  client.on('ready', () => {
    logger.info(away ? 'redis is back' : 'redis connected');
    away = false;
  });
  return {
    client,
    ping: async () => {
      const start = performance.now();
      await client.ping();
      return performance.now() - start;
    },
    close: async () => {
      client.disconnect();
    },
  };
}
