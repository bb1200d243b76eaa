import { randomBytes } from 'node:crypto';
import { NODE_LEASE_SECONDS } from '../infrastructure/node-registry.ts';
import type { RedisClient } from '../infrastructure/redis.ts';
import { AppError } from '../utils/app-error.ts';

/** How many sockets each person, and each address, has open: MAX_CONNECTIONS_PER_USER, MAX_CONNECTIONS_PER_ADDRESS. */
export interface ConnectionSlots {
  /**
   * Counts one more of a person; resolves to how to give it back, which works once.
   *
   * @throws AppError `too_many_connections`.
   */
  take(userId: string): Promise<() => void>;
  /**
   * Counts one more of an address, by this node alone; answers how to give it back, which works once. It is asked
   * before anybody knows who comes, so that no address can take all that the node has.
   *
   * @throws AppError `too_many_connections`.
   */
  takeAddress(address: string): () => void;
  /** With every heartbeat: what this node holds, it goes on holding. */
  renew(): Promise<void>;
}

export interface ConnectionSlotsOptions {
  /** MAX_CONNECTIONS_PER_USER. */
  readonly most: number;
  /** MAX_CONNECTIONS_PER_ADDRESS. */
  readonly mostOfAddress: number;
  /** Null: this is the only node. */
  readonly client: RedisClient | null;
  /** Before every key. */
  readonly prefix: string;
}

/** Renewals under way at the same time. */
const RENEWED_AT_ONCE = 500;
const RETRY_AFTER_MS = 10_000;

/**
 * Counts the connections of people: in this process always, and over all nodes with Redis. There each connection is a
 * lease that this node renews, so those of a killed node are free after NODE_LEASE_SECONDS. Redis away: each node counts
 * its own; back, the renewal says everything again, and nobody is cut off for having come in meanwhile.
 */
export function createConnectionSlots({
  most,
  mostOfAddress,
  client,
  prefix,
}: ConnectionSlotsOptions): ConnectionSlots {
  /** Person → their leases here. */
  const held = new Map<string, Set<string>>();
  /** Address → how many it has open here. */
  const addresses = new Map<string, number>();
  const node = randomBytes(6).toString('base64url');
  const keyOf = (userId: string) => `${prefix}connections:{${userId}}`;
  let taken = 0;
  let away = false;

  const takeShared = async (userId: string, lease: string): Promise<boolean> => {
    if (!client || away) return true;
    try {
      return (await client.eval(TAKE, 1, keyOf(userId), NODE_LEASE_SECONDS, most, lease)) === 1;
    } catch {
      // Others report the outage. Nobody after this one waits for a Redis that hangs: the next heartbeat looks again.
      away = true;
      return true;
    }
  };

  const release = (userId: string, lease: string): void => {
    const leases = held.get(userId);
    if (!leases?.delete(lease)) return;
    if (leases.size === 0) held.delete(userId);
    // Where it fails the lease runs out by itself.
    client?.zrem(keyOf(userId), lease).catch(() => {});
  };

  return {
    take: async (userId) => {
      const leases = held.get(userId) ?? new Set();
      if (leases.size >= most) throw tooMany();
      const lease = `${node}${(taken++).toString(36)}`;
      // Taken before it is asked for, so that those who come meanwhile are counted as well.
      held.set(userId, leases.add(lease));
      if (!(await takeShared(userId, lease))) {
        release(userId, lease);
        throw tooMany();
      }
      return () => release(userId, lease);
    },

    takeAddress: (address) => {
      const open = addresses.get(address) ?? 0;
      if (open >= mostOfAddress) throw tooMany();
      addresses.set(address, open + 1);
      let isOpen = true;
      return () => {
        if (!isOpen) return;
        isOpen = false;
        const left = addresses.get(address)! - 1;
        if (left === 0) addresses.delete(address);
        else addresses.set(address, left);
      };
    },

    renew: async () => {
      if (!client) return;
      const people = [...held];
      try {
        // The first one alone: a Redis that does not answer is asked once, and not for everybody.
        for (let done = 0; done < people.length; done += done === 0 ? 1 : RENEWED_AT_ONCE) {
          const some = people.slice(done, done === 0 ? 1 : done + RENEWED_AT_ONCE);
          await Promise.all(
            some.map(([userId, leases]) => client.eval(RENEW, 1, keyOf(userId), NODE_LEASE_SECONDS, ...leases)),
          );
        }
        if (people.length === 0) await client.ping();
        away = false;
      } catch (error) {
        away = true;
        throw error;
      }
    },
  };
}

function tooMany(): AppError {
  return new AppError('too_many_connections', { retryAfterMs: RETRY_AFTER_MS });
}

/** Leases by the second in which they end, on Redis's clock. */
const TAKE = `
  local now = tonumber(redis.call('TIME')[1])
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
  if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
  redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[3])
  redis.call('EXPIRE', KEYS[1], ARGV[1])
  return 1`;

const RENEW = `
  local now = tonumber(redis.call('TIME')[1])
  for place = 2, #ARGV do redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[place]) end
  redis.call('EXPIRE', KEYS[1], ARGV[1])
  return 1`;
