// `node scripts/run.mjs bench/pubsub.ts`: what hints between nodes cost, plain against sharded publish/subscribe, on one
// Redis and on a Redis Cluster of three. Starts and ends its own Redis processes on the loopback interface.
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { Cluster, Redis } from 'ioredis';
import { startRedis, startRedisCluster } from '../server/test/support/redis.ts';

const CHANNELS = 1_000;
const MESSAGES = 40_000;
const BYTES = 600;
const ROUNDS = 3;
const SUBSCRIBERS = 4;
/** Publications under way at the same time. */
const WINDOW = 200;

type Client = Redis | Cluster;
type Way = 'plain' | 'sharded';

interface Result {
  readonly perSecond: number;
  /** Seconds of Redis' own processor time for a thousand messages, over all its processes. */
  readonly cpu: number;
}

const alone = await startRedis();
const cluster = await startRedisCluster(3);
try {
  await measure('one Redis', (): Client => new Redis(alone.url), [alone.pid]);
  await measure(
    'a cluster of three',
    (): Client =>
      new Cluster(
        cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port })),
        { shardedSubscribers: true },
      ),
    cluster.nodes.map(({ pid }) => pid),
  );
} finally {
  await cluster.stop();
  await alone.stop();
}

async function measure(name: string, open: () => Client, pids: readonly number[]): Promise<void> {
  const results = new Map<Way, Result[]>([
    ['plain', []],
    ['sharded', []],
  ]);
  // In turn, so that what else the machine does meets both.
  for (let round = 0; round < ROUNDS; round++) {
    for (const [way, list] of results) list.push(await run(open, way, pids));
  }
  for (const [way, list] of results) {
    const middle = list.sort((a, b) => a.perSecond - b.perSecond)[Math.floor(list.length / 2)]!;
    const spread = list.map(({ perSecond }) => Math.round(perSecond)).join(', ');
    console.log(
      `${name}, ${way}: ${Math.round(middle.perSecond)} messages/s (${spread}), Redis ${(middle.cpu * 1e6).toFixed(1)} µs of processor each`,
    );
  }
}

/** Each subscriber follows a quarter of the channels, as nodes follow the conversations of those connected to them. */
async function run(open: () => Client, way: Way, pids: readonly number[]): Promise<Result> {
  const prefix = randomUUID();
  const channels = Array.from({ length: CHANNELS }, (_, number) => `${prefix}:${number}`);
  const subscribers = Array.from({ length: SUBSCRIBERS }, open);
  const publisher = open();
  let received = 0;
  const all = Promise.withResolvers<void>();
  await Promise.all(
    subscribers.map(async (subscriber, index) => {
      subscriber.on(way === 'plain' ? 'message' : 'smessage', () => {
        received += 1;
        if (received === MESSAGES) all.resolve();
      });
      const own = channels.filter((_, number) => number % SUBSCRIBERS === index);
      if (way === 'plain') await subscriber.subscribe(...own);
      else await Promise.all(own.map((channel) => subscriber.ssubscribe(channel)));
    }),
  );
  const payload = 'x'.repeat(BYTES);
  const publish = way === 'plain' ? 'publish' : 'spublish';
  const cpuBefore = processorSeconds(pids);
  const begun = performance.now();
  for (let sent = 0; sent < MESSAGES; sent += WINDOW) {
    await Promise.all(
      Array.from({ length: WINDOW }, (_, index) => publisher[publish](channels[(sent + index) % CHANNELS]!, payload)),
    );
  }
  await all.promise;
  const seconds = (performance.now() - begun) / 1000;
  const cpu = processorSeconds(pids) - cpuBefore;
  for (const client of [publisher, ...subscribers]) client.disconnect();
  return { perSecond: MESSAGES / seconds, cpu: cpu / MESSAGES };
}

/** User and system time of processes, which Linux counts in hundredths. */
function processorSeconds(pids: readonly number[]): number {
  const ticks = pids.map((pid) => {
    const fields = execFileSync('cat', [`/proc/${pid}/stat`])
      .toString()
      .split(') ')[1]!
      .split(' ');
    return Number(fields[11]) + Number(fields[12]);
  });
  return ticks.reduce((sum, value) => sum + value, 0) / 100;
}
