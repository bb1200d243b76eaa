import type { Logger } from '../utils/logger.ts';
import type { RedisClient } from './redis.ts';

/** A node that says nothing for this long is gone, and what it said of others with it. */
export const NODE_LEASE_SECONDS = 15;
const HEARTBEAT_MS = 5_000;

/** Which nodes there are. Everything it knows is a few seconds old at best. */
export interface NodeRegistry {
  readonly nodeId: string;
  /** Nodes alive when Redis was last heard of, this one included. */
  nodeCount(): number;
  /** The others, as Redis has them now. */
  findOthers(): Promise<string[]>;
  /** Runs with every heartbeat, after the lease was renewed. What it throws is logged and forgotten. */
  onHeartbeat(work: () => Promise<void>): void;
  start(): void;
  stop(): Promise<void>;
}

export interface NodeRegistryOptions {
  readonly nodeId: string;
  /** Null: this is the only node. */
  readonly client: RedisClient | null;
  readonly prefix: string;
  readonly logger: Pick<Logger, 'debug'>;
}

/** Keeps this node's lease in Redis: a key that expires with the node, and a set that names all nodes. */
export function createNodeRegistry({ nodeId, client, prefix, logger }: NodeRegistryOptions): NodeRegistry {
  const nodes = `${prefix}nodes`;
  const leaseOf = (id: string) => `${prefix}node:${id}`;
  const works: (() => Promise<void>)[] = [];
  let count = 1;
  let timer: NodeJS.Timeout | null = null;
  let beating: Promise<void> = Promise.resolve();

  const findOthers = async (): Promise<string[]> => {
    if (!client) return [];
    const others = (await client.smembers(nodes)).filter((id) => id !== nodeId);
    if (others.length === 0) return [];
    // One by one: in a Redis Cluster the leases lie in different slots.
    const alive = await Promise.all(others.map(async (id) => (await client.exists(leaseOf(id))) === 1));
    const gone = others.filter((_, index) => !alive[index]);
    if (gone.length > 0) await client.srem(nodes, ...gone);
    return others.filter((_, index) => alive[index]);
  };

  const renew = async (): Promise<void> => {
    if (!client) return;
    await client.set(leaseOf(nodeId), '1', 'EX', NODE_LEASE_SECONDS);
    await client.sadd(nodes, nodeId);
    await client.expire(nodes, NODE_LEASE_SECONDS);
    count = 1 + (await findOthers()).length;
  };

  const beat = async (): Promise<void> => {
    for (const work of [renew, ...works]) {
      try {
        await work();
      } catch (error) {
        // Redis or the database is away, which others report; the next heartbeat tries again.
        logger.debug({ err: error }, 'part of a heartbeat failed');
      }
    }
  };
  const beatNow = () => {
    beating = beat();
  };

  return {
    nodeId,
    nodeCount: () => count,
    findOthers,
    onHeartbeat: (work) => works.push(work),
    start: () => {
      beatNow();
      timer = setInterval(beatNow, HEARTBEAT_MS);
      timer.unref();
      // A Redis that comes back empty knows of no nodes.
      client?.on('ready', beatNow);
    },
    stop: async () => {
      if (timer) clearInterval(timer);
      client?.off('ready', beatNow);
      await beating;
      // Gone at once, and not when the lease runs out. Redis may be away: then it runs out.
      await client?.del(leaseOf(nodeId)).catch(() => {});
    },
  };
}
