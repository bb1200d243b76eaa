import type { Logger } from '../utils/logger.ts';
import type { RedisConnection } from './redis.ts';

/**
 * Messages between nodes: each arrives at most once, and may not arrive at all. Nothing that must be right may rest on
 * one having arrived.
 */
export interface Bus {
  /** Never throws and never waits. */
  publish(channel: string, payload: string): void;
  subscribe(channel: string): void;
  unsubscribe(channel: string): void;
  /** Every listener hears every message, those that this node published itself among them. */
  listen(listener: (channel: string, payload: string) => void): void;
  close(): void;
}

export interface RedisBusOptions {
  readonly redis: RedisConnection;
  /** Before every channel. */
  readonly prefix: string;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
  /** Told of every publication that did not reach Redis. */
  readonly onLost: () => void;
}

/**
 * A bus over Redis publish/subscribe: plain on one Redis, sharded on a cluster (docs/decisions/0007). The subscriptions
 * come back by themselves with the connection.
 */
export function createRedisBus({ redis, prefix, logger, onLost }: RedisBusOptions): Bus {
  const { client, isCluster } = redis;
  // A connection that subscribes can do nothing else.
  const subscriber = redis.openSubscriber();
  const wanted = new Map<string, 'subscribe' | 'unsubscribe'>();
  let flushing = false;
  let losing = false;

  const tell = (what: 'subscribe' | 'unsubscribe', channels: readonly string[]): Promise<unknown> => {
    if (!isCluster) return subscriber[what](...channels);
    // The channels of one sharded call must lie in one slot.
    return Promise.all(channels.map((channel) => subscriber[`s${what}`](channel)));
  };
  /** Subscriptions of one turn go together: a connection joins hundreds of channels at once. */
  const flush = () => {
    flushing = false;
    const changes = Map.groupBy(wanted, ([, what]) => what);
    wanted.clear();
    for (const [what, entries] of changes) {
      const channels = entries.map(([channel]) => prefix + channel);
      tell(what, channels).catch((error: unknown) => {
        // Comes back with the connection, and the tailer sees to it until then.
        logger.warn({ err: error, channels: channels.length }, `redis ${what} failed`);
      });
    }
  };
  const want = (channel: string, what: 'subscribe' | 'unsubscribe') => {
    wanted.set(channel, what);
    if (flushing) return;
    flushing = true;
    setImmediate(flush);
  };

  return {
    publish: (channel, payload) => {
      client[isCluster ? 'spublish' : 'publish'](prefix + channel, payload).then(
        () => {
          if (losing) logger.info('hints between nodes go through again');
          losing = false;
        },
        (error: unknown) => {
          if (!losing) logger.warn({ err: error }, 'hints between nodes are lost; the tailer makes up for them');
          losing = true;
          onLost();
        },
      );
    },
    subscribe: (channel) => want(channel, 'subscribe'),
    unsubscribe: (channel) => want(channel, 'unsubscribe'),
    listen: (listener) => {
      subscriber.on(isCluster ? 'smessage' : 'message', (channel: string, payload: string) =>
        listener(channel.slice(prefix.length), payload),
      );
    },
    close: () => subscriber.disconnect(),
  };
}
