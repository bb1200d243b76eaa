import type { Redis } from 'ioredis';
import type { Logger } from '../utils/logger.ts';

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
  /** For publishing: fails fast. */
  readonly client: Redis;
  /** Before every channel. */
  readonly prefix: string;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
  /** Told of every publication that did not reach Redis. */
  readonly onLost?: () => void;
}

/** A bus over Redis publish/subscribe. The subscriptions come back by themselves with the connection. */
export function createRedisBus({ client, prefix, logger, onLost = () => {} }: RedisBusOptions): Bus {
  // A connection that subscribes can do nothing else. It may queue while it connects: subscribing late loses only hints.
  const subscriber = client.duplicate({
    connectionName: 'parley-subscriber',
    enableOfflineQueue: true,
    maxRetriesPerRequest: null,
    autoResubscribe: true,
  });
  // `commandTimeout` of the command client would count against subscriptions that wait for the connection.
  delete subscriber.options.commandTimeout;
  subscriber.on('error', () => {
    // The command client reports the same outage; this one only has to live through it.
  });
  const wanted = new Map<string, 'subscribe' | 'unsubscribe'>();
  let flushing = false;
  let losing = false;

  /** Subscriptions of one turn go together: a connection joins hundreds of channels at once. */
  const flush = () => {
    flushing = false;
    const changes = Map.groupBy(wanted, ([, what]) => what);
    wanted.clear();
    for (const [what, entries] of changes) {
      const channels = entries.map(([channel]) => prefix + channel);
      subscriber[what](...channels).catch((error: unknown) => {
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
      client.publish(prefix + channel, payload).then(
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
      subscriber.on('message', (channel: string, payload: string) => listener(channel.slice(prefix.length), payload));
    },
    close: () => subscriber.disconnect(),
  };
}
