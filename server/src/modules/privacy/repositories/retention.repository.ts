import type { ConversationType, Retention } from '@parley/protocol';
import type { PrismaClient } from '../../../../prisma/generated/client.ts';
import { withRetries } from '../../../infrastructure/database-errors.ts';
import { appendToServerChain } from '../../audit/index.ts';

/** What would go of a batch of conversations. */
export interface ExpiredCount {
  /** The last conversation that was looked at; null at the end. */
  readonly last: string | null;
  readonly messages: number;
  readonly conversations: number;
  readonly held: number;
  readonly oldest: string | null;
}

const SETTING = 'retention';
const FOR_EVER: Retention = { direct: null, group: null, channel: null };

export class RetentionRepository {
  readonly #prisma: PrismaClient;

  constructor(prisma: PrismaClient) {
    this.#prisma = prisma;
  }

  async find(): Promise<Retention> {
    const row = await this.#prisma.serverSetting.findUnique({ where: { key: SETTING } });
    return row ? (JSON.parse(row.value) as Retention) : FOR_EVER;
  }

  /** Sets what is given; the rest stays. */
  async change(wanted: Partial<Retention>, actorId: string): Promise<Retention> {
    return withRetries(() =>
      this.#prisma.$transaction(async (tx) => {
        const [row] = await tx.$queryRaw<{ value: string }[]>`
          INSERT INTO "ServerSetting" AS s (key, value) VALUES (${SETTING}, ${JSON.stringify(FOR_EVER)})
          ON CONFLICT (key) DO UPDATE SET value = s.value RETURNING value`;
        const before = JSON.parse(row!.value) as Retention;
        const after: Retention = { ...before, ...wanted };
        if (JSON.stringify(after) === JSON.stringify(before)) return before;
        await tx.$executeRaw`UPDATE "ServerSetting" SET value = ${JSON.stringify(after)} WHERE key = ${SETTING}`;
        await appendToServerChain(tx, { actorId, action: 'retention.changed', before, after });
        return after;
      }),
    );
  }

  /** What is older than a moment in the next conversations of a type, in order of id. */
  async countExpired(
    type: ConversationType,
    moment: string,
    after: string | null,
    limit: number,
  ): Promise<ExpiredCount> {
    const [row] = await this.#prisma.$queryRaw<ExpiredCount[]>`
      WITH batch AS (
        SELECT c.id FROM "Conversation" c
        WHERE c.type = ${type}::"ConversationType" AND c."deletedAt" IS NULL AND (${after}::uuid IS NULL OR c.id > ${after}::uuid)
        ORDER BY c.id LIMIT ${limit}
      ), expired AS (
        SELECT m."conversationId", m."createdAt", EXISTS (
          SELECT FROM "LegalHold" h WHERE h."releasedAt" IS NULL
            AND (h."conversationId" = m."conversationId" OR h."userId" = m."senderId")) AS held
        FROM batch JOIN "Message" m ON m."conversationId" = batch.id
        WHERE m."createdAt" < ${moment}::timestamptz AND m."deletedAt" IS NULL
      )
      SELECT (SELECT max(id::text) FROM batch) AS last,
        count(*) FILTER (WHERE NOT held)::int AS messages,
        count(DISTINCT "conversationId") FILTER (WHERE NOT held)::int AS conversations,
        count(*) FILTER (WHERE held)::int AS held,
        to_json(min("createdAt") FILTER (WHERE NOT held)) #>> '{}' AS oldest
      FROM expired`;
    return row!;
  }

  /** The next conversations of a type in which something is older than a moment and no legal hold keeps it. */
  async findExpired(
    type: ConversationType,
    moment: string,
    after: string | null,
    limit: number,
  ): Promise<{ last: string | null; ids: string[] }> {
    const [row] = await this.#prisma.$queryRaw<{ last: string | null; ids: string[] | null }[]>`
      WITH batch AS (
        SELECT c.id FROM "Conversation" c
        WHERE c.type = ${type}::"ConversationType" AND c."deletedAt" IS NULL AND (${after}::uuid IS NULL OR c.id > ${after}::uuid)
        ORDER BY c.id LIMIT ${limit}
      )
      SELECT (SELECT max(id::text) FROM batch) AS last, (
        SELECT array_agg(batch.id::text ORDER BY batch.id) FROM batch
        WHERE EXISTS (
          SELECT FROM "Message" m
          WHERE m."conversationId" = batch.id AND m."createdAt" < ${moment}::timestamptz AND m."deletedAt" IS NULL
            AND NOT EXISTS (SELECT FROM "LegalHold" h WHERE h."releasedAt" IS NULL
              AND (h."conversationId" = m."conversationId" OR h."userId" = m."senderId")))) AS ids`;
    return { last: row!.last, ids: row!.ids ?? [] };
  }
}
