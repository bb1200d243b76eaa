import { Cluster, Redis } from 'ioredis';
import type { Logger } from '../utils/logger.ts';
import { parseRedisUrl, type RedisAddress } from '../utils/redis-url.ts';

/** One Redis, or a Redis Cluster: the commands are the same, as long as each names keys of one slot only. */
export type RedisClient = Redis | Cluster;

/** The connection to Redis. Nothing rests on it: every call may fail, and the caller has an answer to that. */
export interface RedisConnection {
  /** For commands: fails at once while there is no connection, and after a quarter of a second when there is no answer. */
  readonly client: RedisClient;
  /** True for a Redis Cluster, where hints go by sharded publish/subscribe. */
  readonly isCluster: boolean;
  /** One more connection, for subscribing only. It waits for Redis as long as it takes, and subscribes anew by itself. */
  openSubscriber(): RedisClient;
  /** The milliseconds of one round trip. Rejects while Redis is away. */
  ping(): Promise<number>;
  close(): Promise<void>;
}

/** Opens the connection in the background; a Redis that is away delays no start. Comes back by itself. */
export function openRedis(url: string, logger: Pick<Logger, 'info' | 'warn'>): RedisConnection {
  const address = parseRedisUrl(url);
  const client = connect(address, 'commands');
  let away = false;
  // Without a listener an error would end the process; one line for each outage is enough.
  client.on('error', (error: unknown) => {
    if (!away) logger.warn({ err: error }, 'redis is away');
    away = true;
  });
  client.on('ready', () => {
    logger.info(away ? 'redis is back' : 'redis connected');
    away = false;
    // The nodes of a cluster are connected to when first used, which would count against that call's quarter of a second.
    if (client instanceof Cluster) for (const node of client.nodes('master')) node.ping().catch(() => {});
  });
  return {
    client,
    isCluster: address.isCluster,
    openSubscriber: () => {
      const subscriber = connect(address, 'subscriptions');
      subscriber.on('error', () => {
        // The command client reports the same outage; this one only has to live through it.
      });
      return subscriber;
    },
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

const backOff = (times: number): number => Math.min(50 * 2 ** Math.min(times, 5), 1_000) * (0.5 + Math.random() / 2);

/** A call waits for nobody: queueing or resending would turn an outage into hanging sends and double counts. */
const FAILING_FAST = { autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 1, commandTimeout: 250 };
/** Subscribing late loses only hints. */
const WAITING = { maxRetriesPerRequest: null, autoResubscribe: true };

function connect(address: RedisAddress, use: 'commands' | 'subscriptions'): RedisClient {
  const forCommands = use === 'commands';
  const shared = {
    connectionName: forCommands ? 'parley' : 'parley-subscriber',
    connectTimeout: 2_000,
    ...(address.username !== undefined && { username: address.username }),
    ...(address.password !== undefined && { password: address.password }),
    ...(address.tls && { tls: {} }),
    ...(forCommands ? FAILING_FAST : WAITING),
  };
  if (address.isCluster) {
    return new Cluster([...address.nodes], {
      enableOfflineQueue: !forCommands,
      shardedSubscribers: !forCommands,
      clusterRetryStrategy: backOff,
      slotsRefreshTimeout: 2_000,
      redisOptions: shared,
    });
  }
  return new Redis({
    ...address.nodes[0],
    ...shared,
    db: address.database,
    enableOfflineQueue: !forCommands,
    retryStrategy: backOff,
  });
}
