import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { Config } from '../../config.ts';
import type { Database } from '../../infrastructure/database.ts';
import { createJobQueue } from '../../infrastructure/job-queue.ts';
import { openStorage } from '../../infrastructure/storage.ts';
import type { RestDoorDeps, RouteHandlers } from '../../middleware/rest-door.ts';
import type { Actor } from '../../utils/actor.ts';
import type { Logger } from '../../utils/logger.ts';
import type { AttachmentsModule } from '../attachments/index.ts';
import { type AuditRecord, appendToServerChain } from '../audit/index.ts';
import type { FileSeals } from '../confidential/index.ts';
import type { MessagingModule, SentWithRevisions } from '../messaging/index.ts';
import { LegalHoldsRepository } from './repositories/legal-holds.repository.ts';
import { PersonalDataRepository } from './repositories/personal-data.repository.ts';
import { PrivacyJobsRepository } from './repositories/privacy-jobs.repository.ts';
import { RetentionRepository } from './repositories/retention.repository.ts';
import { privacyRoutes, registerExportRoute } from './routes/rest/privacy.routes.ts';
import { ERASURE_JOB, type ErasurePlace, type ErasureResult, ErasuresService } from './services/erasures.service.ts';
import {
  EXPORT_JOB,
  type ExportPlace,
  type ExportResult,
  type ExportSources,
  ExportsService,
} from './services/exports.service.ts';
import { LegalHoldsService } from './services/legal-holds.service.ts';
import { RETENTION_JOB, RetentionService } from './services/retention.service.ts';

export interface PrivacyModuleDeps {
  readonly database: Pick<Database, 'prisma' | 'runScript' | 'kind'>;
  readonly config: Pick<Config, 'dataDir' | 'storageUrl'>;
  readonly messaging: Pick<MessagingModule, 'messages' | 'withdrawal'>;
  readonly attachments: Pick<AttachmentsModule['attachments'], 'findOwn' | 'openBytes' | 'sweep'>;
  readonly seals: FileSeals;
  /** Lets nobody of that id in any more, and ends their sessions. */
  readonly ban: (actor: Actor, userId: string) => Promise<void>;
  /** Removes markup from a text and trims it. */
  readonly cleanText: (text: string) => string;
  readonly logger: Logger;
}

/** What people may ask of what is kept about them, and how long it is kept. */
export interface PrivacyModule {
  readonly rest: RouteHandlers;
  /** Registers the route that streams. */
  register(server: FastifyInstance, door: RestDoorDeps): void;
  /** For what runs by the clock and tests run by hand. */
  readonly retention: Pick<RetentionService, 'runSlice'>;
  readonly exports: Pick<ExportsService, 'sweep'>;
  start(): void;
  stop(): Promise<void>;
}

/** How often a node looks whether something is left to do: jobs of a node that is gone, and what has had its time. */
const LOOK_EVERY_MS = 3_600_000;
/** Jobs left by a process that was killed are taken up soon. */
const LOOK_FOR_JOBS_EVERY_MS = 60_000;

export async function createPrivacyModule(deps: PrivacyModuleDeps): Promise<PrivacyModule> {
  const { database, config, messaging, attachments, seals, ban, cleanText, logger } = deps;
  const { prisma } = database;
  const data = new PersonalDataRepository(prisma);
  const holdsRepository = new LegalHoldsRepository(prisma);
  const exportJobs = new PrivacyJobsRepository<ExportPlace, ExportResult>(prisma, 'export');
  const erasureJobs = new PrivacyJobsRepository<ErasurePlace, ErasureResult>(prisma, 'erasure');
  const queue = createJobQueue({
    database,
    logger,
    handlers: {
      [EXPORT_JOB]: ({ id, signal }) => exports.runSlice(id, signal),
      [ERASURE_JOB]: ({ id, signal }) => erasures.runSlice(id, signal),
      [RETENTION_JOB]: ({ signal }) => retention.runSlice(signal),
    },
  });
  const audit = async (record: AuditRecord): Promise<void> => {
    await prisma.$transaction((tx) => appendToServerChain(tx, record));
  };
  const exports = new ExportsService({
    jobs: exportJobs,
    sources: createSources({ data, messaging, attachments }),
    queue,
    storage: await openStorage(config.storageUrl),
    seals,
    folder: join(config.dataDir, 'exports'),
    audit,
  });
  const erasures = new ErasuresService({
    jobs: erasureJobs,
    data,
    holds: holdsRepository,
    withdrawal: messaging.withdrawal,
    queue,
    ban,
    audit,
    sweepFiles: () => attachments.sweep(),
    cleanText,
  });
  const retention = new RetentionService({
    repository: new RetentionRepository(prisma),
    withdrawal: messaging.withdrawal,
    queue,
  });
  const holds = new LegalHoldsService({ holds: holdsRepository, data, cleanText });

  const takeUpJobs = async (): Promise<void> => {
    for (const id of await exportJobs.findUnfinished()) await queue.add(EXPORT_JOB, id);
    for (const id of await erasureJobs.findUnfinished()) await queue.add(ERASURE_JOB, id);
  };
  const tidy = async (): Promise<void> => {
    if (await retention.isNeeded()) await queue.add(RETENTION_JOB, RETENTION_JOB);
    await exports.sweep();
  };
  const timers: NodeJS.Timeout[] = [];
  const running = new Set<Promise<void>>();
  const inBackground = (work: () => Promise<void>): void => {
    const under = work()
      .catch((error: unknown) => logger.warn({ err: error }, 'privacy jobs could not be looked for'))
      .finally(() => running.delete(under));
    running.add(under);
  };
  return {
    rest: privacyRoutes({ exports, erasures, retention, holds }),
    register: (server, door) => registerExportRoute(server, exports, door),
    retention,
    exports,
    start: () => {
      inBackground(takeUpJobs);
      inBackground(tidy);
      timers.push(setInterval(() => inBackground(takeUpJobs), LOOK_FOR_JOBS_EVERY_MS).unref());
      timers.push(setInterval(() => inBackground(tidy), LOOK_EVERY_MS).unref());
    },
    stop: async () => {
      for (const timer of timers) clearInterval(timer);
      await Promise.all(running);
      await queue.stop();
    },
  };
}

function createSources(deps: {
  data: PersonalDataRepository;
  messaging: Pick<MessagingModule, 'messages'>;
  attachments: Pick<AttachmentsModule['attachments'], 'findOwn' | 'openBytes'>;
}): ExportSources {
  const { data, messaging, attachments } = deps;
  return {
    data,
    findMessages: async (userId, after, limit) => {
      const place = after as { at: string; id: string } | null;
      const sent = await messaging.messages.findSentBy(userId, place, limit);
      const last = sent.at(-1)?.message;
      const next = last && sent.length === limit ? { at: last.createdAt, id: last.id } : null;
      return { lines: sent.map(toLine), next };
    },
    findFiles: async (userId, after, limit) => {
      const rows = await attachments.findOwn(userId, after, limit);
      const files = rows.map(({ id, fileName, mimeType, size, conversationId, messageId, createdAt }) => ({
        id,
        size,
        line: { id, fileName, mimeType, size, conversationId, messageId, createdAt, file: `files/${id}` },
      }));
      return { files, next: rows.length < limit ? null : rows.at(-1)!.id };
    },
    openFile: (id) => attachments.openBytes(id),
  };
}

/** What of a message is its sender's own: not what others quoted, or how they reacted. */
function toLine({ message, revisions }: SentWithRevisions) {
  const { id, conversationId, seq, content, metadata, mentions, attachments, createdAt, editedAt, replyTo } = message;
  return {
    ...{ id, conversationId, seq, content, metadata, mentions, createdAt, editedAt },
    replyToId: replyTo?.id ?? null,
    attachmentIds: attachments.map((attachment) => attachment.id),
    earlierTexts: revisions.map((revision) => ({ content: revision.content, at: new Date(revision.at).toISOString() })),
  };
}
