import type { PrismaClient } from '../../../prisma/generated/client.ts';

/** What is kept of somebody's presence. */
export interface PresenceRow {
  readonly userId: string;
  readonly lastSeenAt: string | null;
  readonly invisible: boolean;
}

export class PresenceRepository {
  readonly #prisma: PrismaClient;

  constructor(prisma: PrismaClient) {
    this.#prisma = prisma;
  }

  /** Those of these people who share a conversation with the one who asks, now, and no block. */
  async findVisible(userId: string, userIds: readonly string[]): Promise<PresenceRow[]> {
    const rows = await this.#prisma.$queryRaw<{ row: PresenceRow }[]>`
      SELECT jsonb_build_object('userId', u.id, 'lastSeenAt', u."lastSeenAt", 'invisible', u.invisible) AS row
      FROM "User" u
      WHERE u.id IN (SELECT jsonb_array_elements_text(${JSON.stringify(userIds)}::jsonb))
        AND (u.id = ${userId} OR EXISTS (
          SELECT FROM "ConversationParticipant" mine
          JOIN "ConversationParticipant" theirs
            ON theirs."conversationId" = mine."conversationId" AND theirs."userId" = u.id AND theirs."leftAt" IS NULL
          JOIN "Conversation" c ON c.id = mine."conversationId" AND c."deletedAt" IS NULL
          WHERE mine."userId" = ${userId} AND mine."leftAt" IS NULL))
        AND NOT EXISTS (
          SELECT FROM "Block" b WHERE b."endedAt" IS NULL
            AND (b."userId", b."blockedId") IN ((${userId}, u.id), (u.id, ${userId})))`;
    return rows.map(({ row }) => row);
  }

  /** They were here just now. */
  async touch(userIds: readonly string[]): Promise<void> {
    if (userIds.length === 0) return;
    await this.#prisma.$executeRaw`
      UPDATE "User" SET "lastSeenAt" = now()
      WHERE id IN (SELECT jsonb_array_elements_text(${JSON.stringify(userIds)}::jsonb))`;
  }
}
