import type { PrismaClient } from '../../../prisma/generated/client.ts';
import type { Config } from '../../config.ts';
import { KeyRing } from '../../infrastructure/key-ring.ts';
import type { Logger } from '../../utils/logger.ts';
import { KeysRepository } from './repositories/keys.repository.ts';
import { keysRoutes } from './routes/rest/keys.routes.ts';
import { FileSeals } from './services/file-seals.ts';
import { KeysService, type KeysServiceDeps } from './services/keys.service.ts';
import { KeyRotation } from './services/rotation.ts';
import { Seals } from './services/seals.ts';

export type { ConversationSeal } from './conversation-seal.ts';
export type { FileKind, FileSeal } from './file-seal.ts';
export { listKeysCommand, rotateKeysCommand } from './keys.commands.ts';
export { isSealed, openRecord, sealRecord } from './sealed-record.ts';
export type { FileSeals, SealedFileRow } from './services/file-seals.ts';
export { type Seals, unreadable } from './services/seals.ts';

/** The confidential module: keys, and what is sealed with them (docs/encryption.md). */
export function createConfidentialModule(deps: {
  prisma: PrismaClient;
  config: Pick<Config, 'encryptionKeys'>;
  /** Writes into the server's chain of the audit trail. */
  audit: KeysServiceDeps['audit'];
  logger: Logger;
}) {
  const ring = new KeyRing(deps.config.encryptionKeys);
  const repository = new KeysRepository(deps.prisma);
  const seals = new Seals({ ring, repository, logger: deps.logger });
  const keys = new KeysService({
    rotation: new KeyRotation({ ring, repository }),
    isOn: seals.isOn,
    audit: deps.audit,
    logger: deps.logger,
  });
  return {
    seals,
    files: new FileSeals(ring),
    rest: keysRoutes(keys),
    start: () => seals.reportMissingKeys(),
    stop: () => keys.stop(),
  };
}
