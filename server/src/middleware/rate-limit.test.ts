import { once } from 'node:events';
import { LIMITS } from '@parley/protocol';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { startRedis, type TestRedis } from '../../test/support/redis.ts';
import { seed } from '../../test/support/seed.ts';
import {
  badTokensRateLimiter,
  createRateLimits,
  messagingRateLimiter,
  type Permit,
  type RateLimitOptions,
  type RateLimits,
  rateLimited,
  rateLimitHeaders,
  repeatsRateLimiter,
  typingRateLimiter,
} from './rate-limit.ts';

function createWithClock(options: Partial<RateLimitOptions> = {}) {
  let now = 1_000_000;
  const limits = createRateLimits({
    messageLimit: 30,
    messageWindowSeconds: 60,
    factor: 1,
    prefix: '',
    logger: quiet,
    clock: () => now,
    ...options,
  });
  return { limits, now: () => now, advance: (ms: number) => (now += ms) };
}

const quiet = { info() {}, warn() {} };

async function takeMany(limits: RateLimits, count: number, key = 'ada'): Promise<Permit[]> {
  return Promise.all(Array.from({ length: count }, () => limits.take(messagingRateLimiter, key)));
}

const allowedOf = (permits: Permit[]) => permits.filter((permit) => permit.allowed);

describe('limits in the process', () => {
  it('RATE-1: 30 messages in any 60 seconds, and no 60 around the edge of a minute', async () => {
    const { limits, advance } = createWithClock();
    advance(59_000);
    for (const permit of await takeMany(limits, 30)) permit.settle();
    advance(2_000);
    const refused = await limits.take(messagingRateLimiter, 'ada');
    expect(refused).toMatchObject({ allowed: false, limit: 30, remaining: 0, retryAfterMs: 58_000 });
    expect((await limits.take(messagingRateLimiter, 'bob')).allowed).toBe(true);
    advance(57_999);
    expect((await limits.take(messagingRateLimiter, 'ada')).allowed).toBe(false);
    advance(1);
    expect(allowedOf(await takeMany(limits, 31))).toHaveLength(30);
  });

  it('RATE-1: a message counts from its commit, however long that took', async () => {
    const { limits, advance } = createWithClock({ messageLimit: 1 });
    const first = await limits.take(messagingRateLimiter, 'ada');
    advance(10_000);
    first.settle();
    advance(59_999);
    expect((await limits.take(messagingRateLimiter, 'ada')).allowed).toBe(false);
    advance(1);
    expect((await limits.take(messagingRateLimiter, 'ada')).allowed).toBe(true);
  });

  it('SEND-2: a refunded slot does not count, and settles nothing afterwards', async () => {
    const { limits } = createWithClock({ messageLimit: 1 });
    for (let repeat = 0; repeat < 5; repeat++) {
      const permit = await limits.take(messagingRateLimiter, 'ada');
      expect(permit.allowed).toBe(true);
      permit.refund();
      permit.settle();
      permit.refund();
    }
    const kept = await limits.take(messagingRateLimiter, 'ada');
    kept.settle();
    kept.refund();
    expect((await limits.take(messagingRateLimiter, 'ada')).allowed).toBe(false);
  });

  it('an entry whose outcome was never told is let go in the end', async () => {
    const { limits, advance } = createWithClock({ messageLimit: 1 });
    await limits.take(messagingRateLimiter, 'ada');
    advance(60_000);
    expect((await limits.take(messagingRateLimiter, 'ada')).allowed).toBe(false);
    advance(30_000);
    expect((await limits.take(messagingRateLimiter, 'ada')).allowed).toBe(true);
  });

  it('RATE-2: each limit of the table holds its own number for its own key', async () => {
    const { limits } = createWithClock();
    const { limit } = LIMITS.repeats;
    for (let n = 0; n < limit; n++)
      expect((await limits.take(repeatsRateLimiter, 'ada')).remaining).toBe(limit - n - 1);
    expect((await limits.take(repeatsRateLimiter, 'ada')).allowed).toBe(false);
    expect((await limits.take(repeatsRateLimiter, 'bob')).allowed).toBe(true);
    expect((await limits.take(typingRateLimiter, 'ada')).allowed).toBe(true);
  });

  it('RATE_LIMIT_FACTOR multiplies all but messages, and 0 turns all but messages off', async () => {
    const half = createWithClock({ factor: 0.5 }).limits;
    expect((await half.take(badTokensRateLimiter, '::1')).limit).toBe(15);
    expect((await half.take(messagingRateLimiter, 'ada')).limit).toBe(30);

    const off = createWithClock({ factor: 0 }).limits;
    for (let n = 0; n < 500; n++) expect((await off.take(typingRateLimiter, 'ada')).allowed).toBe(true);
    expect(rateLimitHeaders(await off.take(typingRateLimiter, 'ada'))).toEqual({});
    expect(allowedOf(await takeMany(off, 40))).toHaveLength(30);
  });

  it.each([
    { what: 'messages, which age from settling', limiter: messagingRateLimiter, holds: true },
    { what: 'a limit that ages from taking', limiter: typingRateLimiter, holds: false },
  ])(`agrees with a list of all that ever happened: $what (seed ${seed})`, async ({ limiter, holds }) => {
    // Typing has 120 a minute: 0.025 of it is 3, the number of messages here.
    const limit = 3;
    const key = fc.constantFrom('ada', 'bob', 'cy', 'di', 'ed');
    const step = fc.oneof(
      fc.record({ do: fc.constant('take' as const), key }),
      fc.record({ do: fc.constantFrom('settle' as const, 'refund' as const), which: fc.nat() }),
      fc.record({
        do: fc.constant('wait' as const),
        ms: fc.oneof(fc.nat(100), fc.nat(30_000), fc.constantFrom(59_999, 60_000)),
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 200 }), async (steps) => {
        const { limits, now, advance } = createWithClock({ messageLimit: limit, factor: 0.025 });
        const history: { key: string; permit: Permit; agesFrom: number; open: boolean; counts: boolean }[] = [];
        for (const step of steps) {
          if (step.do === 'wait') advance(step.ms);
          else if (step.do === 'take') {
            const counting = history.filter(
              (entry) =>
                entry.key === step.key &&
                entry.counts &&
                entry.agesFrom + (holds && entry.open ? 90_000 : 60_000) > now(),
            );
            const permit = await limits.take(limiter, step.key);
            expect(permit.allowed).toBe(counting.length < limit);
            expect(permit.remaining).toBe(Math.max(0, limit - counting.length - 1));
            if (permit.allowed) history.push({ key: step.key, permit, agesFrom: now(), open: true, counts: true });
          } else if (history.length > 0) {
            const entry = history[step.which % history.length]!;
            entry.permit[step.do]();
            if (!entry.open) continue;
            entry.open = false;
            if (step.do === 'refund') entry.counts = false;
            else if (holds) entry.agesFrom = now();
          }
        }
      }),
      { seed, numRuns: 300 },
    );
  });

  it(`RATE-1: whatever is waited by retryAfterMs is enough, and never more than the limit settles in a window (seed ${seed})`, async () => {
    const arrival = fc.record({ gap: fc.nat(5_000), commit: fc.nat(3_000) });
    await fc.assert(
      fc.asyncProperty(fc.array(arrival, { maxLength: 150 }), async (arrivals) => {
        const { limits, now, advance } = createWithClock({ messageLimit: 5 });
        const settled: number[] = [];
        for (const { gap, commit } of arrivals) {
          advance(gap);
          let permit = await limits.take(messagingRateLimiter, 'ada');
          if (!permit.allowed) {
            advance(permit.retryAfterMs);
            permit = await limits.take(messagingRateLimiter, 'ada');
          }
          expect(permit.allowed).toBe(true);
          advance(commit);
          permit.settle();
          settled.push(now());
        }
        settled.forEach((at, index) => {
          const sixth = settled[index + 5];
          if (sixth !== undefined) expect(sixth - at).toBeGreaterThanOrEqual(60_000);
        });
      }),
      { seed, numRuns: 100 },
    );
  });

  it('forgets nobody who counts while many others come and go', async () => {
    const { limits, advance } = createWithClock({ messageLimit: 1 });
    for (let n = 0; n < 20_000; n++) {
      (await limits.take(messagingRateLimiter, `user ${n}`)).settle();
      advance(10);
      // 60 s are 6,000 users ago.
      const ago = n - 5_999;
      if (ago >= 0 && n % 500 === 0) {
        expect((await limits.take(messagingRateLimiter, `user ${ago + 1}`)).allowed).toBe(false);
        const free = await limits.take(messagingRateLimiter, `user ${ago}`);
        expect(free.allowed).toBe(true);
        free.refund();
      }
    }
  });
});

describe('what a permit looks like at the doors', () => {
  it('RATE-1: headers in whole seconds, rounded up, and the problem with retryAfterMs', async () => {
    const { limits, advance } = createWithClock({ messageLimit: 2 });
    (await limits.take(messagingRateLimiter, 'ada')).settle();
    advance(500);
    const second = await limits.take(messagingRateLimiter, 'ada');
    expect(rateLimitHeaders(second)).toEqual({
      'RateLimit-Limit': '2',
      'RateLimit-Remaining': '0',
      'RateLimit-Reset': '60',
    });
    advance(500);
    const refused = await limits.take(messagingRateLimiter, 'ada');
    expect(rateLimitHeaders(refused)).toEqual({
      'RateLimit-Limit': '2',
      'RateLimit-Remaining': '0',
      'RateLimit-Reset': '59',
      'Retry-After': '59',
    });
    const error = rateLimited(refused);
    expect(error.options.headers).toEqual(rateLimitHeaders(refused));
    expect(error.toProblem('r')).toMatchObject({ status: 429, code: 'rate_limited', retryAfterMs: 59_000 });
  });
});

describe('limits over Redis', () => {
  let server: TestRedis;
  let files = 0;
  let prefix: string;
  const clients: Redis[] = [];

  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());
  beforeEach(() => {
    prefix = `test${files++}:`;
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.disconnect();
  });

  async function connect(): Promise<Redis> {
    const client = new Redis(server.url, {
      commandTimeout: 250,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 1,
      autoResendUnfulfilledCommands: false,
      retryStrategy: () => 20,
    });
    clients.push(client);
    client.on('error', () => {
      // The tests take Redis away on purpose.
    });
    await once(client, 'ready');
    return client;
  }

  async function createNode(options: Partial<RateLimitOptions> = {}) {
    const log: string[] = [];
    const logger = {
      info: (message: string) => void log.push(message),
      warn: (_: object, message: string) => void log.push(message),
    } as RateLimitOptions['logger'];
    const redis = await connect();
    const limits = createRateLimits({
      messageLimit: 30,
      messageWindowSeconds: 60,
      factor: 1,
      prefix,
      redis,
      nodeCount: () => 2,
      logger,
      ...options,
    });
    return { limits, redis, log };
  }

  const backAgain = 'Redis answers again: rate limits are shared between nodes';

  /** Asks until the node has noticed that Redis is back; somebody else's key, so that nothing here counts. */
  async function untilShared({ limits, log }: { limits: RateLimits; log: string[] }): Promise<void> {
    await vi.waitFor(
      async () => {
        await limits.take(typingRateLimiter, 'somebody else');
        expect(log.at(-1)).toBe(backAgain);
      },
      { timeout: 10_000, interval: 50 },
    );
  }

  it('RATE-1: two nodes share one limit, exactly, with many at once', async () => {
    const [a, b] = await Promise.all([createNode(), createNode()]);
    const permits = await Promise.all(
      [...Array(100).keys()].map((n) => (n % 2 ? a : b).limits.take(messagingRateLimiter, 'ada')),
    );
    expect(allowedOf(permits)).toHaveLength(30);
    expect(new Set(allowedOf(permits).map((permit) => permit.remaining)).size).toBe(30);

    const [first, ...others] = allowedOf(permits);
    for (const permit of others) permit.settle();
    first!.refund();
    // On the connection that gave it back, the slot is free for whatever is asked next.
    const [giver, other] = permits.indexOf(first!) % 2 ? [a, b] : [b, a];
    expect(allowedOf(await takeMany(giver.limits, 5))).toHaveLength(1);
    expect(allowedOf(await takeMany(other.limits, 5))).toHaveLength(0);
  });

  it('RATE-1: a slot comes back one window after the commit, by the clock of Redis', async () => {
    const { limits } = await createNode({ messageLimit: 2, messageWindowSeconds: 1 });
    const [first, second] = await takeMany(limits, 2);
    first!.settle();
    second!.settle();
    const refused = await limits.take(messagingRateLimiter, 'ada');
    expect(refused.allowed).toBe(false);
    expect(refused.retryAfterMs).toBeGreaterThan(0);
    expect(refused.retryAfterMs).toBeLessThanOrEqual(1000);
    await vi.waitFor(async () => expect((await limits.take(messagingRateLimiter, 'ada')).allowed).toBe(true), 5_000);
  });

  it('leaves no key without an end', async () => {
    const { limits, redis } = await createNode();
    const [settled] = await takeMany(limits, 2);
    settled!.settle();
    await limits.take(typingRateLimiter, 'a}b{c');
    const keys = await redis.keys(`${prefix}*`);
    expect(keys).toHaveLength(3);
    for (const key of keys) expect(await redis.pttl(key)).toBeGreaterThan(0);
  });

  it('goes on after SCRIPT FLUSH and FLUSHALL', async () => {
    const { limits, redis, log } = await createNode();
    const [open] = await takeMany(limits, 1);
    await redis.script('FLUSH');
    await redis.flushall();
    open!.settle();
    expect(await limits.take(messagingRateLimiter, 'ada')).toMatchObject({ allowed: true, remaining: 28 });
    expect(log).toEqual([]);
  });

  it('RATE-3: Redis killed, each process keeps its share; Redis back, the limit is shared again', async () => {
    const [a, b] = await Promise.all([createNode({ messageLimit: 5 }), createNode({ messageLimit: 5 })]);
    const before = await a.limits.take(messagingRateLimiter, 'ada');
    await server.kill9();

    before.settle();
    const alone = await takeMany(a.limits, 10);
    expect(allowedOf(alone)).toHaveLength(3);
    expect(alone[0]!.limit).toBe(3);
    expect(allowedOf(await takeMany(b.limits, 10))).toHaveLength(3);
    expect(a.log).toHaveLength(1);

    await server.restart();
    await Promise.all([untilShared(a), untilShared(b)]);
    // Redis is empty: what each let through alone still counts there.
    const back = await takeMany(a.limits, 10);
    expect(allowedOf(back)).toHaveLength(2);
    expect(back[0]!.limit).toBe(5);
    expect(allowedOf(await takeMany(b.limits, 10))).toHaveLength(0);
    expect(a.log).toHaveLength(2);
  });

  it('RATE-3: with one node, Redis killed in mid-window leaves the limit what it was', async () => {
    const { limits } = await createNode({ nodeCount: () => 1 });
    for (const permit of await takeMany(limits, 20)) permit.settle();
    await server.kill9();
    onTestFinished(() => server.restart());
    expect(allowedOf(await takeMany(limits, 40))).toHaveLength(10);
  });

  it('RATE-3: Redis that hangs holds up no more than the first call, and takes back what it does too late', async () => {
    const node = await createNode({ messageLimit: 5 });
    const [before] = await takeMany(node.limits, 1);
    process.kill(server.pid, 'SIGSTOP');
    onTestFinished(() => void process.kill(server.pid, 'SIGCONT'));

    const alone = await takeMany(node.limits, 10);
    expect(allowedOf(alone)).toHaveLength(3);
    // Decided without asking: answered before any timer or input can run.
    const order: string[] = [];
    const immediate = new Promise<void>((resolve) => setImmediate(() => resolve(void order.push('event loop'))));
    await node.limits.take(messagingRateLimiter, 'bob').then(() => order.push('permit'));
    await immediate;
    expect(order).toEqual(['permit', 'event loop']);

    process.kill(server.pid, 'SIGCONT');
    await untilShared(node);
    before!.refund();
    for (const permit of alone) permit.refund();
    expect(allowedOf(await takeMany(node.limits, 10))).toHaveLength(5);
  });

  it('a client that would wait for Redis is refused at once', () => {
    const redis = new Redis(server.url, { lazyConnect: true });
    clients.push(redis);
    const create = () =>
      createRateLimits({ messageLimit: 1, messageWindowSeconds: 1, factor: 1, prefix, redis, logger: quiet });
    expect(create).toThrow(/commandTimeout/);
  });
});
