import type { Badge, ReceiptState } from '@parley/protocol';
import { Prisma, type PrismaClient } from '../../../../prisma/generated/client.ts';
import { mentionCount, unreadCount } from './sql.ts';

/** Pointers after a mark; `readMoved` and `deliveredMoved` say whether this call moved them. */
export interface MarkedPointers extends ReceiptState {
  readonly readMoved: boolean;
  readonly deliveredMoved: boolean;
}

/** How a mark sets the pointers, `to` being the position asked for, taken as the last one where it lies beyond it. */
const pointers = {
  read: {
    read: Prisma.sql`greatest(p."lastReadSeq", target.seq)`,
    delivered: Prisma.sql`greatest(p."lastDeliveredSeq", target.seq)`,
  },
  delivered: {
    read: Prisma.sql`p."lastReadSeq"`,
    delivered: Prisma.sql`greatest(p."lastDeliveredSeq", target.seq)`,
  },
  unread: {
    read: Prisma.sql`greatest(target.seq - 1, 0)`,
    delivered: Prisma.sql`greatest(p."lastDeliveredSeq", target.seq - 1, 0)`,
  },
} as const;

export type Mark = keyof typeof pointers;

export class ReceiptsRepository {
  readonly #prisma: PrismaClient;

  constructor(prisma: PrismaClient) {
    this.#prisma = prisma;
  }

  /**
   * Moves the pointers of a present participant (READ-1), and reads the unread count that follows. Null where the person
   * is not in the conversation.
   *
   * The row is locked first, so that the answer says what this call did even when two devices mark at once. The count is
   * a statement of its own: a statement sees the conversation as of its start but a row that it waited for as of the end
   * of the wait, and the difference of the two would be a number that never was, less than nothing among them.
   */
  async mark(conversationId: string, userId: string, mark: Mark, seq: number): Promise<MarkedPointers | null> {
    const { read, delivered } = pointers[mark];
    const [moved] = await this.#prisma.$queryRaw<{ moved: Pick<MarkedPointers, 'readMoved' | 'deliveredMoved'> }[]>`
      WITH /* parley:once */ old AS MATERIALIZED (
        SELECT p."lastReadSeq", p."lastDeliveredSeq" FROM "ConversationParticipant" p
        WHERE p."conversationId" = ${conversationId}::uuid AND p."userId" = ${userId} AND p."leftAt" IS NULL
        FOR NO KEY UPDATE
      ),
      target AS (
        SELECT least(${seq}::bigint, c."lastSeq") AS seq FROM "Conversation" c
        WHERE c.id = ${conversationId}::uuid AND c."deletedAt" IS NULL
      ),
      p AS (
        UPDATE "ConversationParticipant" p SET "lastReadSeq" = ${read}, "lastDeliveredSeq" = ${delivered}
        FROM old, target
        WHERE p."conversationId" = ${conversationId}::uuid AND p."userId" = ${userId}
        RETURNING p.*
      )
      SELECT json_build_object(
        'readMoved', p."lastReadSeq" <> old."lastReadSeq",
        'deliveredMoved', p."lastDeliveredSeq" <> old."lastDeliveredSeq") AS moved
      FROM p CROSS JOIN old`;
    if (!moved) return null;
    const [row] = await this.#prisma.$queryRaw<{ state: ReceiptState }[]>`
      SELECT /* parley:once */ json_build_object(
        'lastReadSeq', p."lastReadSeq", 'lastDeliveredSeq', p."lastDeliveredSeq", 'unreadCount', ${unreadCount}) AS state
      FROM "ConversationParticipant" p JOIN "Conversation" c ON c.id = p."conversationId"
      WHERE p."conversationId" = ${conversationId}::uuid AND p."userId" = ${userId} AND p."leftAt" IS NULL
        AND c."deletedAt" IS NULL`;
    return row ? { ...row.state, ...moved.moved } : null;
  }

  /** The badge over all conversations; muted ones count only their mentions. */
  async findBadge(userId: string): Promise<Badge> {
    const [row] = await this.#prisma.$queryRaw<{ badge: Badge }[]>`
      SELECT /* parley:once */ json_build_object(
        'messages', coalesce(sum(counted), 0), 'conversations', count(*) FILTER (WHERE counted > 0),
        'mentions', coalesce(sum(mentions), 0)) AS badge
      FROM (
        SELECT mentions, CASE WHEN muted THEN mentions ELSE unread END AS counted
        FROM (
          SELECT ${unreadCount} AS unread, ${mentionCount} AS mentions,
            coalesce(p."mutedUntil" > now(), false) AS muted
          FROM "ConversationParticipant" p
          CROSS JOIN LATERAL (SELECT * FROM "Conversation" WHERE id = p."conversationId" OFFSET 0) c
          WHERE p."userId" = ${userId} AND p."leftAt" IS NULL AND c."deletedAt" IS NULL
        ) each
      ) total`;
    return row!.badge;
  }
}
