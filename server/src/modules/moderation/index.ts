import type { User } from '@parley/protocol';
import type { Config } from '../../config.ts';
import type { Database } from '../../infrastructure/database.ts';
import type { Bus } from '../../infrastructure/redis-bus.ts';
import type { RateLimits } from '../../middleware/rate-limit.ts';
import type { Logger } from '../../utils/logger.ts';
import type { MessagingModule } from '../messaging/index.ts';
import type { MessagePolicy } from './moderation.policy-hook.ts';
import { BlocksRepository } from './repositories/blocks.repository.ts';
import { HeldRepository } from './repositories/held.repository.ts';
import { ReportsRepository } from './repositories/reports.repository.ts';
import { RestrictionsRepository } from './repositories/restrictions.repository.ts';
import { RulesRepository } from './repositories/rules.repository.ts';
import {
  blocksRoutes,
  heldRoutes,
  reportsRoutes,
  restrictionsRoutes,
  rulesRoutes,
} from './routes/rest/moderation.routes.ts';
import { BlockList } from './services/block-list.ts';
import { BlocksService, type Directory } from './services/blocks.service.ts';
import { HeldService } from './services/held.service.ts';
import { createHttpPolicy } from './services/http-policy.ts';
import { type ReportedMessages, ReportsService } from './services/reports.service.ts';
import { RestrictionsService } from './services/restrictions.service.ts';
import { RuleBook } from './services/rule-book.ts';
import { RulesService } from './services/rules.service.ts';
import { MessageScreening } from './services/screening.ts';

export type { MessagePolicy, PolicyRequest, PolicyVerdict } from './moderation.policy-hook.ts';

export interface BlocksDeps {
  readonly database: Pick<Database, 'prisma' | 'query'>;
  /** To the other nodes; null where this is the only one. */
  readonly bus: Bus | null;
  readonly directory: Directory;
  /** What the two may see of each other is otherwise now. */
  readonly onChanged: (one: string, other: string) => void;
  readonly logger: Logger;
}

/** Blocks between people: the calls, and the list that receipts and typing marks are held against. */
export function createBlocks({ database, bus, directory, onChanged, logger }: BlocksDeps) {
  const repository = new BlocksRepository(database);
  const list = new BlockList({ repository, bus, logger });
  return {
    rest: blocksRoutes(new BlocksService({ repository, list, directory, onChanged })),
    list,
  };
}

export interface ScreeningDeps {
  readonly database: Pick<Database, 'prisma'>;
  /** To the other nodes; null where this is the only one. */
  readonly bus: Bus | null;
  readonly config: Pick<Config, 'policyHook' | 'policyHookOnFailure' | 'sameTextLimit' | 'floodLimit'>;
  /** The host product's own, in this process; else the one of the settings is asked, if there is one. */
  readonly policy: MessagePolicy | undefined;
  readonly limits: RateLimits;
  readonly logger: Logger;
}

/** What stands between a text and the log: rules, the policy of the host product, and the same text over and over. */
export function createScreening({ database, bus, config, policy, limits, logger }: ScreeningDeps) {
  const repository = new RulesRepository(database.prisma);
  const book = new RuleBook({ repository, bus, logger });
  const screening = new MessageScreening({
    book,
    held: new HeldRepository(database.prisma),
    policy: policy ?? (config.policyHook ? createHttpPolicy(config.policyHook) : null),
    onPolicyFailure: config.policyHookOnFailure,
    limits,
    limitsSameText: config.sameTextLimit > 0,
    limitsFlood: config.floodLimit > 0,
    logger,
  });
  return { screening, book, rest: rulesRoutes(new RulesService({ repository, book })) };
}

export interface ModerationDeps {
  readonly database: Pick<Database, 'prisma'>;
  readonly messaging: Pick<MessagingModule, 'access' | 'messages' | 'membership'>;
  readonly findPeople: (ids: readonly string[]) => Promise<Map<string, User>>;
  /** Somebody is banned now, or no longer: ends their sessions here, and has the other nodes do the same. */
  readonly onBansChanged: () => Promise<void>;
  /** Removes markup from a text and trims it. */
  readonly cleanText: (text: string) => string;
  readonly logger: Logger;
}

/** What administrators and moderators do: reports, messages that wait, and what people are kept from. */
export function createModeration(deps: ModerationDeps) {
  const { database, messaging, findPeople, onBansChanged, cleanText, logger } = deps;
  const { access, membership } = messaging;
  const messages: ReportedMessages = {
    ...messaging.messages,
    findReportable: async (actor, conversationId, messageId) => {
      // Who may mark may report: every participant, readers too, and nobody else.
      await access.require(actor, conversationId, 'mark');
      return messaging.messages.getMessage(actor, conversationId, messageId);
    },
  };
  const repository = new RestrictionsRepository(database.prisma);
  const restrictions = new RestrictionsService({ repository, onBansChanged, cleanText });
  const reports = new ReportsService({
    repository: new ReportsRepository(database.prisma),
    messages,
    members: {
      silence: async (actor, { conversationId, userId }, silencedUntil, reason) => {
        await membership.updateParticipant(actor, conversationId, userId, { silencedUntil, reason });
      },
    },
    restrictions,
    cleanText,
  });
  const held = new HeldService({
    repository: new HeldRepository(database.prisma),
    send: (draft) => messaging.messages.sendHeld(draft),
    findPeople,
    cleanText,
    logger,
  });
  return {
    rest: { ...reportsRoutes(reports), ...restrictionsRoutes(restrictions), ...heldRoutes(held) },
    held,
    restrictions,
  };
}
