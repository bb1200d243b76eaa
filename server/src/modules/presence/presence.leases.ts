import { NODE_LEASE_SECONDS, type NodeRegistry } from '../../infrastructure/node-registry.ts';
import type { RedisClient } from '../../infrastructure/redis.ts';

/** How somebody is on one node; nobody is offline there, they are not there. */
export type NodeStatus = 'online' | 'away';

/** What nodes tell each other about the people connected to them. It ends with the node that said it. */
export interface PresenceLeases {
  /** What this node says of somebody from now on; null takes it back. Never throws. */
  set(userId: string, status: NodeStatus | null): void;
  /** Everything this node says, again: for the heartbeat. */
  renew(statuses: ReadonlyMap<string, NodeStatus>): Promise<void>;
  /** What the other nodes say of these people. */
  findElsewhere(userIds: readonly string[]): Promise<Map<string, NodeStatus>>;
}

/** For a single node there is no elsewhere. */
export const noLeases: PresenceLeases = {
  set: () => {},
  renew: async () => {},
  findElsewhere: async () => new Map(),
};

/** Leases in Redis: one hash for each node, which expires unless the node goes on renewing it. */
export function createRedisLeases(client: RedisClient, registry: NodeRegistry, prefix: string): PresenceLeases {
  const keyOf = (nodeId: string) => `${prefix}presence:${nodeId}`;
  const mine = keyOf(registry.nodeId);
  return {
    set: (userId, status) => {
      const written =
        status === null
          ? client.hdel(mine, userId)
          : client.multi().hset(mine, userId, status).expire(mine, NODE_LEASE_SECONDS).exec();
      // Redis is away: the next heartbeat says everything again.
      written.catch(() => {});
    },
    renew: async (statuses) => {
      const transaction = client.multi().del(mine);
      if (statuses.size > 0) transaction.hset(mine, Object.fromEntries(statuses)).expire(mine, NODE_LEASE_SECONDS);
      await transaction.exec();
    },
    findElsewhere: async (userIds) => {
      const found = new Map<string, NodeStatus>();
      if (userIds.length === 0) return found;
      for (const nodeId of await registry.findOthers()) {
        const statuses = await client.hmget(keyOf(nodeId), ...userIds);
        for (const [index, userId] of userIds.entries()) {
          const status = statuses[index];
          if (status === 'online' || (status === 'away' && !found.has(userId))) found.set(userId, status);
        }
      }
      return found;
    },
  };
}
