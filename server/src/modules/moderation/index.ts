import type { Database } from '../../infrastructure/database.ts';
import type { Bus } from '../../infrastructure/redis-bus.ts';
import type { Logger } from '../../utils/logger.ts';
import type { MessagingModule } from '../messaging/index.ts';
import { BlocksRepository } from './repositories/blocks.repository.ts';
import { ReportsRepository } from './repositories/reports.repository.ts';
import { blocksRoutes, reportsRoutes } from './routes/rest/moderation.routes.ts';
import { BlockList } from './services/block-list.ts';
import { BlocksService, type Directory } from './services/blocks.service.ts';
import { type ReportedMessages, ReportsService } from './services/reports.service.ts';

export interface BlocksDeps {
  readonly database: Pick<Database, 'prisma'>;
  /** To the other nodes; null where this is the only one. */
  readonly bus: Bus | null;
  readonly directory: Directory;
  /** What the two may see of each other is otherwise now. */
  readonly onChanged: (one: string, other: string) => void;
  readonly logger: Logger;
}

/** Blocks between people: the calls, and the list that receipts and typing marks are held against. */
export function createBlocks({ database, bus, directory, onChanged, logger }: BlocksDeps) {
  const repository = new BlocksRepository(database.prisma);
  const list = new BlockList({ repository, bus, logger });
  return {
    rest: blocksRoutes(new BlocksService({ repository, list, directory, onChanged })),
    list,
  };
}

export interface ReportsDeps {
  readonly database: Pick<Database, 'prisma'>;
  readonly messaging: Pick<MessagingModule, 'access' | 'messages'>;
  /** Removes markup from a text and trims it. */
  readonly cleanText: (text: string) => string;
}

/** Reports of messages, and the queue of administrators. */
export function createReports({ database, messaging, cleanText }: ReportsDeps) {
  const { access } = messaging;
  const messages: ReportedMessages = {
    ...messaging.messages,
    findReportable: async (actor, conversationId, messageId) => {
      // Who may mark may report: every participant, readers too, and nobody else.
      await access.require(actor, conversationId, 'mark');
      return messaging.messages.getMessage(actor, conversationId, messageId);
    },
  };
  const reports = new ReportsService({ repository: new ReportsRepository(database.prisma), messages, cleanText });
  return { rest: reportsRoutes(reports) };
}
