import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { Config } from '../../config.ts';
import type { Database } from '../../infrastructure/database.ts';
import { openStorage } from '../../infrastructure/storage.ts';
import type { RestDoorDeps, RouteHandlers } from '../../middleware/rest-door.ts';
import type { Actor } from '../../utils/actor.ts';
import type { Logger } from '../../utils/logger.ts';
import type { FileSeals } from '../confidential/index.ts';
import { presentAttachment } from '../messaging/index.ts';
import { AttachmentsRepository } from './repositories/attachments.repository.ts';
import { attachmentsRoutes, registerFileRoutes } from './routes/rest/attachments.routes.ts';
import { registerTusRoutes } from './routes/tus/tus.routes.ts';
import { AttachmentLinks } from './services/attachment-links.ts';
import { AttachmentsService } from './services/attachments.service.ts';
import { FileScanner } from './services/file-scanner.ts';
import { FileWorker } from './services/file-worker.client.ts';
import { Staging } from './services/staging.ts';

/** How often orphans are looked for. */
const SWEEP_EVERY_MS = 3_600_000;

export interface AttachmentsModuleDeps {
  readonly database: Pick<Database, 'prisma'>;
  readonly config: Pick<Config, 'dataDir' | 'storageUrl' | 'uploadMaxBytes' | 'uploadTypes' | 'scanner'>;
  readonly logger: Logger;
  /** What files are encrypted with. */
  readonly seals: FileSeals;
  /** Keeps a value under a name for good; answers with the one that was there first. */
  keepSetting(key: string, value: string): Promise<string>;
  /** Whether somebody may read a conversation now; throws the refusal (ACC-2). */
  requireReader(actor: Actor, conversationId: string): Promise<void>;
  /** Refuses somebody whose sessions were ended since. */
  refuseRevoked(actor: Actor): Promise<void> | void;
  /** Takes markup out of a text and trims it. */
  cleanText(text: string): string;
  /** The name of a file as it may be shown; throws the refusal of one that is not allowed. */
  screenName(name: string, path: string): string;
}

/** Files: how they come in, who gets them, and when they go. */
export interface AttachmentsModule {
  readonly rest: RouteHandlers;
  readonly attachments: AttachmentsService;
  /** Registers the routes that stream. */
  register(server: FastifyInstance, door: RestDoorDeps): Promise<void>;
  start(): void;
  /** Ends uploads under way, finishes what is being examined, and ends the process that examines. */
  stop(): Promise<void>;
}

export async function createAttachmentsModule(deps: AttachmentsModuleDeps): Promise<AttachmentsModule> {
  const { database, config, logger, cleanText, requireReader, refuseRevoked } = deps;
  const { uploadMaxBytes: maxBytes } = config;
  const worker = new FileWorker({ logger });
  const attachments = new AttachmentsService({
    repository: new AttachmentsRepository(database.prisma, deps.seals),
    seals: deps.seals,
    storage: await openStorage(config.storageUrl),
    staging: await Staging.open(join(config.dataDir, 'uploads')),
    worker,
    scanner: new FileScanner({ config: config.scanner, logger }),
    // In the database: a link that one node made is good on all of them.
    links: new AttachmentLinks(await deps.keepSetting('attachmentLinkSecret', randomBytes(32).toString('base64url'))),
    requireReader,
    cleanText,
    screenName: deps.screenName,
    present: presentAttachment,
    maxBytes,
    allowedTypes: config.uploadTypes,
    logger,
  });
  let endUploads = (): void => {};
  let timer: NodeJS.Timeout | undefined;
  const sweep = (): void => {
    attachments.sweep().catch((error: unknown) => logger.warn({ err: error }, 'files could not be swept'));
  };
  return {
    rest: attachmentsRoutes(attachments),
    attachments,
    register: async (server, door) => {
      await registerFileRoutes(server, { ...door, attachments, maxBytes, refuseRevoked });
      endUploads = await registerTusRoutes(server, { ...door, attachments, maxBytes, logger });
    },
    start: () => {
      sweep();
      timer = setInterval(sweep, SWEEP_EVERY_MS).unref();
    },
    stop: async () => {
      clearInterval(timer);
      endUploads();
      await worker.stop();
    },
  };
}
