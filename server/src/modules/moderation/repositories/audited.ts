import type { PrismaClient } from '../../../../prisma/generated/client.ts';
import { withRetries } from '../../../infrastructure/database-errors.ts';
import { type AuditRecord, appendToChain } from '../../audit/index.ts';

export type Transaction = Pick<PrismaClient, '$queryRaw' | '$executeRaw'>;

/**
 * A transaction under a conversation's lock, which its chain of audit entries needs. It may be a deleted one. What `work`
 * throws rolls everything back; conflicts run it again from the start.
 */
export async function audited<Answer>(
  prisma: PrismaClient,
  conversationId: string,
  work: (tx: Transaction, audit: (record: AuditRecord) => Promise<void>) => Promise<Answer>,
): Promise<Answer> {
  return withRetries(() =>
    prisma.$transaction(async (tx) => {
      const [locked] = await tx.$queryRaw<{ count: number; hash: string; moment: string }[]>`
        SELECT c."auditCount" AS count, c."auditHash" AS hash,
          to_jsonb(date_trunc('milliseconds', clock_timestamp())) AS moment
        FROM "Conversation" c WHERE c.id = ${conversationId}::uuid FOR NO KEY UPDATE`;
      let { count, hash } = locked!;
      const at = new Date(locked!.moment).toISOString();
      const answer = await work(tx, async (record) => {
        ({ count, hash } = await appendToChain(tx, conversationId, { count, hash }, at, record));
      });
      await tx.$executeRaw`
        UPDATE "Conversation" SET "auditCount" = ${count}, "auditHash" = ${hash}
        WHERE id = ${conversationId}::uuid AND "auditCount" <> ${count}`;
      return answer;
    }),
  );
}
