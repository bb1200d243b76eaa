import { Redis } from 'ioredis';
import { pause } from '../harness/calls.ts';
import type { Filter } from '../harness/proxy.ts';
import { isPublished, splitRedis } from '../harness/wire.ts';
import { type Fault, note } from './fault.ts';

export const F05: Fault = {
  id: 'F05',
  title: 'Redis is killed, comes back, is killed again, comes back',
  touches: 'redis',
  run: async (site, begin) => {
    const { cluster, random, scale } = site;
    begin({ target: 'redis', excuses: [], redis: true });
    for (let time = 0; time < 2; time++) {
      await cluster.redis!.kill9();
      await pause(random.whole(2_000, 6_000) * scale);
      await cluster.redis!.restart();
      note(site, 'accepts', { what: 'redis' });
      await pause(1_500 * scale);
    }
    await pause(3_000 * scale);
  },
};

export const F06: Fault = {
  id: 'F06',
  title: 'Redis forgets everything, drops its subscribers, and is slow by 500 ms',
  touches: 'redis',
  run: async ({ cluster, scale }, begin) => {
    begin({ target: 'redis', excuses: [], redis: true });
    const redis = new Redis(cluster.redis!.url, { lazyConnect: true, retryStrategy: () => null });
    redis.on('error', () => {});
    await redis.connect();
    await redis.flushall();
    await redis.call('SCRIPT', 'FLUSH');
    await pause(1_000 * scale);
    await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await pause(1_000 * scale);
    redis.disconnect();
    for (const { redis: link } of cluster.nodes) link!.set({ kind: 'delay', ms: 500, jitter: 0 });
    await pause(4_000 * scale);
    for (const { redis: link } of cluster.nodes) link!.set({ kind: 'open' });
    await pause(1_000 * scale);
  },
};

export const F07: Fault = {
  id: 'F07',
  title: 'Redis accepts and never answers, for one node only',
  touches: 'redis',
  run: async ({ cluster, random, scale }, begin) => {
    const node = random.pick(cluster.nodes);
    begin({ target: `${node.name}:redis`, excuses: [], redis: true });
    node.redis!.set({ kind: 'blackhole' });
    await pause(random.whole(4_000, 8_000) * scale);
    node.redis!.set({ kind: 'open' });
    await pause(2_000 * scale);
  },
};

/** Lets three in ten published messages never arrive. */
function dropPublished(active: { now: boolean }, draw: () => number): () => Filter {
  return () => {
    let rest: Buffer = Buffer.alloc(0);
    return (chunk) => {
      const split = splitRedis(Buffer.concat([rest, chunk]));
      rest = Buffer.from(split.rest);
      return {
        pass: Buffer.concat(split.replies.filter((reply) => !active.now || !isPublished(reply) || draw() >= 0.3)),
      };
    };
  };
}

export const F08: Fault = {
  id: 'F08',
  title: '30 % of what is published does not arrive',
  touches: 'redis',
  run: async ({ cluster, random, scale }, begin) => {
    begin({ target: 'redis', excuses: [], redis: true });
    const active = { now: true };
    for (const { redis: link } of cluster.nodes) link!.filter(dropPublished(active, random.next));
    await pause(8_000 * scale);
    active.now = false;
    for (const { redis: link } of cluster.nodes) link!.filter(null);
  },
};

export const FX: Fault = {
  id: 'FX',
  title: 'Redis is dead while a node is far from PostgreSQL (300 ms a round trip)',
  touches: 'redis',
  run: async ({ cluster, random, scale }, begin) => {
    const node = random.pick(cluster.nodes);
    begin({ target: `redis, ${node.name}:postgres`, excuses: [], redis: true });
    await cluster.redis!.kill9();
    node.postgres!.set({ kind: 'delay', ms: 150, jitter: 20 });
    await pause(15_000 * scale);
    node.postgres!.set({ kind: 'open' });
    await cluster.redis!.restart();
    await pause(2_000 * scale);
  },
};
