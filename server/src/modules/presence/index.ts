import type { Database } from '../../infrastructure/database.ts';
import type { NodeRegistry } from '../../infrastructure/node-registry.ts';
import type { RedisClient } from '../../infrastructure/redis.ts';
import type { Bus } from '../../infrastructure/redis-bus.ts';
import type { ParleySocket } from '../../infrastructure/socket-server.ts';
import type { SocketWriter } from '../../infrastructure/socket-writer.ts';
import type { CommandHandlers } from '../../middleware/socket-door.ts';
import type { Logger } from '../../utils/logger.ts';
import { createRedisLeases, noLeases } from './presence.leases.ts';
import { PresenceRepository } from './presence.repository.ts';
import { PresenceService } from './presence.service.ts';

export interface PresenceModuleDeps {
  readonly database: Pick<Database, 'prisma'>;
  readonly redis: { readonly client: RedisClient; readonly prefix: string } | null;
  readonly bus: Bus | null;
  readonly writer: SocketWriter;
  readonly registry: NodeRegistry;
  readonly logger: Logger;
}

/** Who is online, over nodes and devices. */
export function createPresenceModule({ database, redis, bus, writer, registry, logger }: PresenceModuleDeps) {
  const leases = redis ? createRedisLeases(redis.client, registry, redis.prefix) : noLeases;
  const presence = new PresenceService({
    repository: new PresenceRepository(database.prisma),
    leases,
    bus,
    writer,
    logger,
  });
  registry.onHeartbeat(() => presence.review());
  const commands: CommandHandlers = {
    'presence:watch': async ({ socket, input }) => ({ states: await presence.watch(socket, input.userIds) }),
  };
  return {
    commands,
    connect: (socket: ParleySocket) => presence.connect(socket),
    disconnect: (socket: ParleySocket) => presence.disconnect(socket),
    refresh: (userId: string) => presence.refresh(userId),
  };
}
