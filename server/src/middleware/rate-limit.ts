import { createHash, randomBytes } from 'node:crypto';
import { LIMITS, type LimitName } from '@parley/protocol';
import { Redis } from 'ioredis';
import type { RedisClient } from '../infrastructure/redis.ts';
import { AppError } from '../utils/app-error.ts';
import type { Logger } from '../utils/logger.ts';

/** One limit by name; its numbers stand in `LIMITS` of the protocol package. Windows slide: no double share at an edge. */
export interface RateLimit {
  readonly name: LimitName;
  /**
   * From when on an entry ages. `settling`: it counts from being taken until one window after `settle()`, so that what
   * was done in between can never lie closer to later entries than the limit allows.
   */
  readonly ages: 'from taking' | 'from settling';
}

/*
 * With Redis, a limit is one for all nodes. Redis away: each node keeps its share, the limit divided by the last known
 * number of nodes and rounded up, in its own memory. What that means for each stands beside it.
 */

/** RATE-1, stored messages. Redis away: sends go on, at most the share on each node and never above the limit on any. */
export const messagingRateLimiter: RateLimit = { name: 'messages', ages: 'from settling' };

/** Sends whose key is known already (SEND-2). Redis away: a share each; a refused repeat has been stored all the same. */
export const repeatsRateLimiter: RateLimit = { name: 'repeats', ages: 'from taking' };

/** All REST calls. Redis away: a share each, which a person on one node notices only above limit / nodes. */
export const restCallsRateLimiter: RateLimit = { name: 'restCalls', ages: 'from taking' };

/** All commands over the socket. Redis away: a share each; a socket stays on one node, so the share is all it has. */
export const socketCommandsRateLimiter: RateLimit = { name: 'socketCommands', ages: 'from taking' };

/** `typing:start`. Redis away: a share each; what is refused is only a hint to others. */
export const typingRateLimiter: RateLimit = { name: 'typing', ages: 'from taking' };

/** Uploads. Redis away: a share each; the refused upload can be tried again. */
export const uploadsRateLimiter: RateLimit = { name: 'uploads', ages: 'from taking' };

/** `sync`. Redis away: a share each; clients come to sync when nodes go, so they space their retries by `retryAfterMs`. */
export const syncRateLimiter: RateLimit = { name: 'sync', ages: 'from taking' };

/**
 * The same text of one person, wherever it goes. Off unless `SAME_TEXT_LIMIT` says otherwise. Redis away: a share each,
 * which is a nuisance to nobody but those who repeat themselves.
 */
export const sameTextRateLimiter: RateLimit = { name: 'sameText', ages: 'from taking' };

/**
 * Messages of one person into one conversation within seconds. Off unless `FLOOD_LIMIT` says otherwise. Redis away: a share
 * each, which is all that somebody on one node notices.
 */
export const floodRateLimiter: RateLimit = { name: 'flood', ages: 'from taking' };

/** What breaks in clients. Redis away: a share each; what is refused is only missing in a log. */
export const clientErrorsRateLimiter: RateLimit = { name: 'clientErrors', ages: 'from taking' };

/**
 * Answers 403 and 404: taken when such an answer is due, and turns that answer, nothing else, into a 429. It makes
 * guessing ids slow. Redis away: a share each.
 */
export const refusalsRateLimiter: RateLimit = { name: 'refusals', ages: 'from taking' };

/** Guest sign-ins of an address. Redis away: a share each. */
export const guestSignInsRateLimiter: RateLimit = { name: 'guestSignIns', ages: 'from taking' };

/** Bad tokens of an address: taken when a token is refused. Redis away: a share each. */
export const badTokensRateLimiter: RateLimit = { name: 'badTokens', ages: 'from taking' };

/** The answer of a limit. */
export interface Permit {
  readonly allowed: boolean;
  /** Infinity where the limit is turned off. */
  readonly limit: number;
  readonly remaining: number;
  /** Milliseconds until a retry makes sense; 0 when allowed. */
  readonly retryAfterMs: number;
  /** Milliseconds until the next slot comes back. */
  readonly resetMs: number;
  /** Gives the slot back: what it was taken for did not happen. Later calls of either do nothing. */
  refund(): void;
  /** The thing happened, just now. A permit neither settled nor refunded counts for a while longer (`OPEN_MS`). */
  settle(): void;
}

/** All limits of a process. */
export interface RateLimits {
  /**
   * Takes a slot of `limit` for a user's id or an address. Never rejects: where Redis does not answer in time, the
   * process decides by itself. A refused permit has taken nothing.
   */
  take(limit: RateLimit, key: string): Promise<Permit>;
}

export interface RateLimitOptions {
  /** `MESSAGE_RATE_LIMIT`. */
  readonly messageLimit: number;
  /** `MESSAGE_RATE_WINDOW_SECONDS`. */
  readonly messageWindowSeconds: number;
  /** `SAME_TEXT_LIMIT`; 0, which is the default, turns it off. */
  readonly sameTextLimit?: number;
  /** `SAME_TEXT_WINDOW_SECONDS`. */
  readonly sameTextWindowSeconds?: number;
  /** `FLOOD_LIMIT`; 0, which is the default, turns it off. */
  readonly floodLimit?: number;
  /** `FLOOD_WINDOW_SECONDS`. */
  readonly floodWindowSeconds?: number;
  /** `RATE_LIMIT_FACTOR`: multiplies every limit but that of messages, 0 turns them off. */
  readonly factor: number;
  /** Must fail fast: needs `commandTimeout` and no offline queue. Without it, this process is the only node. */
  readonly redis?: RedisClient;
  /** Before every key in Redis. */
  readonly prefix: string;
  /** Nodes alive when Redis was last heard of. */
  readonly nodeCount?: () => number;
  /** Milliseconds, never going back. */
  readonly clock?: () => number;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
}

/** How much longer than a window an entry counts that was never settled: more than a commit can take to be decided. */
const OPEN_MS = 30_000;

/** How often Redis is asked whether it is back. */
const PROBE_EVERY_MS = 1_000;

/** Addresses, unlike users, can be made up: past this many, the one that has been known longest is forgotten. */
const MOST_ADDRESSES = 100_000;

/**
 * The limits of a process, over Redis where there is one. State is bounded: a sliding log holds no more timestamps than
 * its limit allows and goes when it is empty; in Redis every key expires.
 */
export function createRateLimits(options: RateLimitOptions): RateLimits {
  const { redis, nodeCount = () => 1, clock = () => performance.now(), logger } = options;
  const table = new Map(Object.keys(LIMITS).map((name) => [name, createRule(name as LimitName, options, clock)]));
  const shared = redis && createSharedLog(redis, options.prefix);
  let away = false;
  let probing = false;
  let lastProbe = 0;

  return {
    async take(limit, key) {
      const rule = table.get(limit.name)!;
      if (rule.limit === 0) return unlimited;
      const holds = limit.ages === 'from settling';
      if (!shared) return takeAlone(rule, key, holds);
      if (!away) return takeShared(rule, key, holds);
      probe();
      return takeShare(rule, key, holds);
    },
  };

  function takeAlone({ own, limit }: Rule, key: string, holds: boolean): Permit {
    const state = own.look(key, limit);
    return state.count < limit ? new Granted(limit, state, own.add(key, holds)) : refused(limit, state.freeInMs);
  }

  async function takeShared(rule: Rule, key: string, holds: boolean): Promise<Permit> {
    // What was let through while Redis was away is not in Redis: it goes off the limit until it has aged.
    const unknown = rule.alone.look(key, rule.limit);
    const limit = rule.limit - unknown.count;
    if (limit <= 0) return refused(rule.limit, unknown.freeInMs);
    // A Redis that was flushed, or came back empty, knows less than this process.
    const own = rule.own.look(key, rule.limit);
    if (own.count >= rule.limit) return refused(rule.limit, own.freeInMs);

    try {
      const answer = await shared!.take(rule, key, limit, holds);
      if (!answer.entry) return refused(rule.limit, answer.freeInMs);
      const state = { count: answer.count + unknown.count, freeInMs: answer.freeInMs };
      return new Granted(rule.limit, state, answer.entry, rule.own.add(key, holds));
    } catch (error) {
      leave(error);
      return takeShare(rule, key, holds);
    }
  }

  /**
   * Redis is away: of what this node lets through from now on no more than its share, and together with what it let
   * through before no more than the limit.
   */
  function takeShare({ own, alone, limit }: Rule, key: string, holds: boolean): Permit {
    const share = Math.ceil(limit / Math.max(1, nodeCount()));
    const state = alone.look(key, share);
    if (state.count >= share) return refused(share, state.freeInMs);
    const ownState = own.look(key, limit);
    if (ownState.count >= limit) return refused(share, ownState.freeInMs);
    return new Granted(share, state, alone.add(key, holds), own.add(key, holds));
  }

  function leave(error: unknown): void {
    if (away) return;
    away = true;
    lastProbe = clock();
    logger.warn({ err: error }, 'Redis does not answer: this process keeps its share of the rate limits by itself');
  }

  /** Beside the calls, not in their way: none of them waits for a Redis that hangs. */
  function probe(): void {
    if (probing || clock() - lastProbe < PROBE_EVERY_MS) return;
    probing = true;
    lastProbe = clock();
    redis!.ping().then(
      () => {
        probing = false;
        away = false;
        logger.info('Redis answers again: rate limits are shared between nodes');
      },
      () => {
        // Still away, as was said when it went.
        probing = false;
      },
    );
  }
}

/** Headers of an answer under a limit; none where the limit is turned off. Seconds, rounded up. */
export function rateLimitHeaders(permit: Permit): Record<string, string> {
  if (permit.limit === Number.POSITIVE_INFINITY) return {};
  const headers: Record<string, string> = {
    'RateLimit-Limit': String(permit.limit),
    'RateLimit-Remaining': String(permit.remaining),
    'RateLimit-Reset': String(Math.ceil(permit.resetMs / 1000)),
  };
  if (!permit.allowed) headers['Retry-After'] = String(Math.ceil(permit.retryAfterMs / 1000));
  return headers;
}

/** The error of a refused permit, the same at both doors; REST takes its headers along. */
export function rateLimited(permit: Permit): AppError {
  return new AppError('rate_limited', { retryAfterMs: permit.retryAfterMs, headers: rateLimitHeaders(permit) });
}

interface Rule {
  readonly name: LimitName;
  /** 0: turned off. */
  readonly limit: number;
  readonly windowMs: number;
  /** What this process let through. */
  readonly own: SlidingLog;
  /** Of it, what Redis was not asked about. */
  readonly alone: SlidingLog;
}

function createRule(name: LimitName, options: RateLimitOptions, clock: () => number): Rule {
  const { per } = LIMITS[name];
  const { limit, windowSeconds } = numbersOf(name, options);
  const windowMs = windowSeconds * 1000;
  const mostKeys = per === 'address' ? MOST_ADDRESSES : Number.POSITIVE_INFINITY;
  return {
    name,
    limit,
    windowMs,
    own: createSlidingLog({ windowMs, mostKeys, clock }),
    alone: createSlidingLog({ windowMs, mostKeys, clock }),
  };
}

/** Some limits have settings of their own; all others follow one factor. */
function numbersOf(name: LimitName, options: RateLimitOptions): { limit: number; windowSeconds: number } {
  const { limit, windowSeconds } = LIMITS[name];
  switch (name) {
    case messagingRateLimiter.name:
      return { limit: options.messageLimit, windowSeconds: options.messageWindowSeconds };
    case sameTextRateLimiter.name:
      return { limit: options.sameTextLimit ?? 0, windowSeconds: options.sameTextWindowSeconds ?? windowSeconds };
    case floodRateLimiter.name:
      return { limit: options.floodLimit ?? 0, windowSeconds: options.floodWindowSeconds ?? windowSeconds };
    default:
      return { limit: Math.ceil(limit * options.factor), windowSeconds };
  }
}

/** A slot that was taken. Each of the two works once, whichever comes first. */
interface Entry {
  settle(): void;
  refund(): void;
}

/** How full a log is: entries that count, and the milliseconds until there are fewer of them than the limit, or than now. */
interface Fill {
  readonly count: number;
  readonly freeInMs: number;
}

const nothing = (): void => {};

const unlimited: Permit = {
  allowed: true,
  limit: Number.POSITIVE_INFINITY,
  remaining: Number.POSITIVE_INFINITY,
  retryAfterMs: 0,
  resetMs: 0,
  refund: nothing,
  settle: nothing,
};

/** A slot of every log that counts it. */
class Granted implements Permit {
  readonly allowed = true;
  readonly limit: number;
  readonly remaining: number;
  readonly retryAfterMs = 0;
  readonly resetMs: number;
  #entries: readonly Entry[];

  /** @param before how full it was before the entries went in. */
  constructor(limit: number, before: Fill, ...entries: readonly Entry[]) {
    this.limit = limit;
    this.remaining = limit - before.count - 1;
    this.resetMs = before.freeInMs;
    this.#entries = entries;
  }

  refund(): void {
    for (const entry of this.#take()) entry.refund();
  }

  settle(): void {
    for (const entry of this.#take()) entry.settle();
  }

  /** Once. */
  #take(): readonly Entry[] {
    const entries = this.#entries;
    this.#entries = [];
    return entries;
  }
}

function refused(limit: number, freeInMs: number): Permit {
  return {
    allowed: false,
    limit,
    remaining: 0,
    retryAfterMs: freeInMs,
    resetMs: freeInMs,
    refund: nothing,
    settle: nothing,
  };
}

interface SlidingLog {
  look(key: string, limit: number): Fill;
  /** Without asking the limit: the caller looked first, and nothing comes between. */
  add(key: string, holds: boolean): Entry;
}

/** The entries of one key. */
interface KeyLog {
  /** Times from which entries age, rising; those before `first` have aged. */
  times: number[];
  first: number;
  /** Entries not settled yet, by the time they were taken, rising: few, and those in front are settled first. */
  readonly open: OpenEntry[];
}

interface OpenEntry {
  readonly taken: number;
}

/** Sliding logs of timestamps in memory, exact. No timers: each call clears away a little of what has aged. */
function createSlidingLog({
  windowMs,
  mostKeys,
  clock,
}: {
  windowMs: number;
  mostKeys: number;
  clock: () => number;
}): SlidingLog {
  const logs = new Map<string, KeyLog>();
  let sweep = logs.entries();

  return {
    look(key, limit) {
      const now = clock();
      const log = logs.get(key);
      if (!log) return { count: 0, freeInMs: windowMs };
      age(log, now);
      const settled = log.times.length - log.first;
      const count = settled + log.open.length;
      // Open entries leave last: none of them can be settled before now.
      const leaving = log.times[log.first + Math.max(0, count - limit)];
      return { count, freeInMs: leaving === undefined ? windowMs : leaving + windowMs - now };
    },

    add(key, holds) {
      const now = clock();
      sweepSome(now);
      const log = logOf(key);
      if (!holds) {
        log.times.push(now);
        return { settle: nothing, refund: () => removeTime(log, now) };
      }
      const entry: OpenEntry = { taken: now };
      log.open.push(entry);
      return {
        settle: () => {
          removeOpen(log, entry);
          // The log may have been cleared away, had it been open for too long; what happened counts all the same.
          const current = logOf(key);
          current.times.push(clock());
        },
        refund: () => removeOpen(log, entry),
      };
    },
  };

  function logOf(key: string): KeyLog {
    let log = logs.get(key);
    if (!log) {
      log = { times: [], first: 0, open: [] };
      logs.set(key, log);
      if (logs.size > mostKeys) logs.delete(logs.keys().next().value!);
    }
    return log;
  }

  function age(log: KeyLog, now: number): void {
    while (log.first < log.times.length && log.times[log.first]! <= now - windowMs) log.first++;
    if (log.first > 16 && log.first * 2 > log.times.length) {
      log.times = log.times.slice(log.first);
      log.first = 0;
    }
    while (log.open.length > 0 && log.open[0]!.taken <= now - windowMs - OPEN_MS) log.open.shift();
  }

  /** Two keys for each one that can come in: the logs of all who have gone are cleared away faster than new ones come. */
  function sweepSome(now: number): void {
    for (let looked = 0; looked < 2; looked++) {
      const next = sweep.next();
      if (next.done) {
        sweep = logs.entries();
        return;
      }
      const [key, log] = next.value;
      age(log, now);
      if (log.first === log.times.length && log.open.length === 0) logs.delete(key);
    }
  }
}

function removeOpen({ open }: KeyLog, entry: OpenEntry): void {
  const at = open.indexOf(entry);
  if (at >= 0) open.splice(at, 1);
}

function removeTime(log: KeyLog, time: number): void {
  const at = log.times.lastIndexOf(time);
  if (at >= log.first) log.times.splice(at, 1);
}

interface SharedLog {
  /** Rejects when Redis does not answer; nothing has been taken then. */
  take(rule: Rule, key: string, limit: number, holds: boolean): Promise<Fill & { entry: Entry | null }>;
}

/** Sliding logs in Redis, on Redis's clock: sorted sets of entries by the time from which they age, and of open ones. */
function createSharedLog(redis: RedisClient, prefix: string): SharedLog {
  const { enableOfflineQueue } = redis.options;
  const commandTimeout =
    redis instanceof Redis ? redis.options.commandTimeout : redis.options.redisOptions?.commandTimeout;
  if (!commandTimeout || enableOfflineQueue) {
    throw new Error('the Redis client of the rate limits needs commandTimeout and enableOfflineQueue: false');
  }
  // Entries of all nodes lie in one set: names must differ between nodes, and between runs of one.
  const node = randomBytes(6).toString('base64url');
  let taken = 0;

  return {
    async take({ name, windowMs }, key, limit, holds) {
      const keys = ['aging', 'open'].map((part) => `${prefix}limit:{${name}:${key}}:${part}`);
      const member = `${node}${(taken++).toString(36)}`;
      const entry: Entry = {
        settle: () => holds && inBackground(run(SETTLE, keys, [windowMs + OPEN_MS, member])),
        // Plain commands: a script that Redis does not know yet would come after what is asked next.
        refund: () => inBackground(Promise.all(keys.map((setOf) => redis.zrem(setOf, member)))),
      };
      try {
        const answer = await run(TAKE, keys, [windowMs, OPEN_MS, limit, member, holds ? 1 : 0]);
        const [allowed, count, freeInMicroseconds] = answer as [number, number, number];
        return { count, freeInMs: freeInMicroseconds / 1000, entry: allowed === 1 ? entry : null };
      } catch (error) {
        // A Redis that was only slow carries the command out yet: this one comes after it and takes it back.
        entry.refund();
        throw error;
      }
    },
  };

  async function run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    try {
      return await redis.evalsha(script.sha, keys.length, ...keys, ...args);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
      return redis.eval(script.lua, keys.length, ...keys, ...args);
    }
  }
}

/** Nobody waits for it, and a failure is harmless: an entry left open counts for a while longer, then expires. */
function inBackground(work: Promise<unknown>): void {
  work.catch(nothing);
}

interface Script {
  readonly lua: string;
  readonly sha: string;
}

/** Times are whole microseconds, which a double still holds exactly. */
const TAKE = script(`
  local time = redis.call('TIME')
  local now = time[1] * 1000000 + time[2]
  local window, open, limit = ARGV[1] * 1000, ARGV[2] * 1000, tonumber(ARGV[3])
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - window - open)
  local count = redis.call('ZCARD', KEYS[1]) + redis.call('ZCARD', KEYS[2])
  local place = math.max(0, count - limit)
  local leaving = redis.call('ZRANGE', KEYS[1], place, place, 'WITHSCORES')[2]
  local free = leaving and leaving + window - now or window
  if count >= limit then return { 0, count, free } end
  local key = ARGV[5] == '1' and KEYS[2] or KEYS[1]
  redis.call('ZADD', key, now, ARGV[4])
  redis.call('PEXPIRE', key, math.ceil((window + open) / 1000))
  return { 1, count, free }`);

const SETTLE = script(`
  local time = redis.call('TIME')
  redis.call('ZREM', KEYS[2], ARGV[2])
  redis.call('ZADD', KEYS[1], time[1] * 1000000 + time[2], ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  return 1`);

function script(lua: string): Script {
  return { lua, sha: createHash('sha1').update(lua).digest('hex') };
}
