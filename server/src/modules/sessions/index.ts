import type { Database } from '../../infrastructure/database.ts';
import type { Bus } from '../../infrastructure/redis-bus.ts';
import type { ParleyServer } from '../../infrastructure/socket-server.ts';
import type { RouteHandlers } from '../../middleware/rest-door.ts';
import type { Logger } from '../../utils/logger.ts';
import { SessionsRepository } from './sessions.repository.ts';
import { SessionsService } from './sessions.service.ts';

export type { SessionsService } from './sessions.service.ts';

export interface SessionsModuleDeps {
  readonly database: Pick<Database, 'prisma'>;
  readonly io: ParleyServer;
  readonly bus: Bus | null;
  readonly logger: Logger;
}

/** Sessions that an administrator ended, on all nodes. */
export function createSessionsModule({ database, io, bus, logger }: SessionsModuleDeps) {
  const sessions = new SessionsService({ repository: new SessionsRepository(database.prisma), io, bus, logger });
  const rest = {
    revokeSessions: async ({ actor, params }) => {
      await sessions.revoke(actor, params.uid);
      return { status: 204, body: null };
    },
  } satisfies RouteHandlers;
  return { sessions, rest };
}
