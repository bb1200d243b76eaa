import type { PrismaClient } from '../../../prisma/generated/client.ts';
import { AuditRepository } from './audit.repository.ts';
import { AuditService, type ConfidentialReads } from './audit.service.ts';

export { verifyAuditCommand } from './audit.commands.ts';
export { type AuditRecord, appendToChain, appendToServerChain } from './audit.repository.ts';
export { AuditService } from './audit.service.ts';
export type { ChainHead } from './audit-chain.ts';

/** The audit module: reading and checking the trail. */
export function createAuditModule({ prisma, ...confidential }: { prisma: PrismaClient } & ConfidentialReads) {
  return { service: new AuditService(new AuditRepository(prisma), confidential) };
}
