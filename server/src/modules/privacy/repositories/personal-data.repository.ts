import { Prisma, type PrismaClient } from '../../../../prisma/generated/client.ts';

/** A page of lines of a copy, and where the next one goes on; null at the end. */
export interface DataPage {
  readonly lines: readonly unknown[];
  readonly next: unknown;
}

/** What of somebody's own stands in tables that no other module reads by the person. */
export class PersonalDataRepository {
  readonly #prisma: PrismaClient;

  constructor(prisma: PrismaClient) {
    this.#prisma = prisma;
  }

  async isKnown(userId: string): Promise<boolean> {
    return (await this.#prisma.user.count({ where: { id: userId } })) > 0;
  }

  async isErased(userId: string): Promise<boolean> {
    return (await this.#prisma.user.count({ where: { id: userId, erasedAt: { not: null } } })) > 0;
  }

  /** About how many lines a copy will have. */
  async countLines(userId: string): Promise<number> {
    const [row] = await this.#prisma.$queryRaw<{ lines: number }[]>`
      SELECT ((SELECT count(*) FROM "Message" WHERE "senderId" = ${userId} AND "deletedAt" IS NULL)
        + (SELECT count(*) FROM "ConversationParticipant" WHERE "userId" = ${userId})
        + (SELECT count(*) FROM "Reaction" WHERE "userId" = ${userId})
        + (SELECT count(*) FROM "Attachment" WHERE "uploaderId" = ${userId}) + 1)::int AS lines`;
    return row!.lines;
  }

  async findProfile(userId: string): Promise<DataPage> {
    const rows = await this.#prisma.$queryRaw<{ line: unknown }[]>`
      SELECT jsonb_build_object('id', id, 'name', name, 'avatarUrl', "avatarUrl", 'invisible', invisible,
        'createdAt', "createdAt", 'lastSeenAt', "lastSeenAt", 'silencedUntil', "silencedUntil", 'bannedAt', "bannedAt") AS line
      FROM "User" WHERE id = ${userId}`;
    return { lines: rows.map(({ line }) => line), next: null };
  }

  findMemberships(userId: string, after: string | null, limit: number): Promise<DataPage> {
    return this.#page(
      Prisma.sql`
        SELECT p."conversationId"::text AS key, jsonb_build_object('conversationId', p."conversationId", 'type', c.type,
          'title', c.title, 'role', p.role, 'joinedAt', p."joinedAt", 'leftAt', p."leftAt", 'lastReadSeq', p."lastReadSeq",
          'lastDeliveredSeq', p."lastDeliveredSeq", 'mutedUntil', p."mutedUntil", 'pinnedAt', p."pinnedAt",
          'archivedAt', p."archivedAt", 'notify', p.notify, 'silencedUntil', p."silencedUntil") AS line
        FROM "ConversationParticipant" p JOIN "Conversation" c ON c.id = p."conversationId"
        WHERE p."userId" = ${userId} AND (${after}::uuid IS NULL OR p."conversationId" > ${after}::uuid)
        ORDER BY p."conversationId" LIMIT ${limit}`,
      limit,
    );
  }

  findReactions(userId: string, after: string | null, limit: number): Promise<DataPage> {
    const [messageId = null, ...rest] = after === null ? [] : after.split(' ');
    const emoji = rest.join(' ');
    return this.#page(
      Prisma.sql`
        SELECT r."messageId" || ' ' || r.emoji AS key, jsonb_build_object('conversationId', r."conversationId",
          'messageId', r."messageId", 'emoji', r.emoji, 'createdAt', r."createdAt") AS line
        FROM "Reaction" r
        WHERE r."userId" = ${userId}
          AND (${messageId}::uuid IS NULL OR (r."messageId", r.emoji) > (${messageId}::uuid, ${emoji}))
        ORDER BY r."messageId", r.emoji LIMIT ${limit}`,
      limit,
    );
  }

  async findBlocks(userId: string): Promise<DataPage> {
    const rows = await this.#prisma.$queryRaw<{ line: unknown }[]>`
      SELECT jsonb_build_object('userId', b."blockedId", 'createdAt', b."createdAt") AS line
      FROM "Block" b WHERE b."userId" = ${userId} AND b."endedAt" IS NULL ORDER BY b."createdAt", b."blockedId"`;
    return { lines: rows.map(({ line }) => line), next: null };
  }

  /** Reports that the person made, and messages of theirs that wait for a decision. */
  async findReports(userId: string): Promise<DataPage> {
    const rows = await this.#prisma.$queryRaw<{ line: unknown }[]>`
      SELECT jsonb_build_object('conversationId', r."conversationId", 'messageId', r."messageId", 'reason', r.reason,
        'createdAt', r."createdAt") AS line
      FROM "Report" r WHERE r."reporterId" = ${userId} ORDER BY r."createdAt", r.id`;
    return { lines: rows.map(({ line }) => line), next: null };
  }

  async findHeld(userId: string): Promise<DataPage> {
    const rows = await this.#prisma.$queryRaw<{ line: unknown }[]>`
      SELECT jsonb_build_object('conversationId', h."conversationId", 'content', h.command -> 'content',
        'createdAt', h."createdAt", 'decision', h.decision) AS line
      FROM "HeldMessage" h WHERE h."senderId" = ${userId} ORDER BY h."createdAt", h.id`;
    return { lines: rows.map(({ line }) => line), next: null };
  }

  /** The next conversation in which something of the person stands, after one; all that they ever were in or wrote in. */
  async findConversation(userId: string, after: string | null): Promise<string | null> {
    const [row] = await this.#prisma.$queryRaw<{ id: string }[]>`
      SELECT id::text AS id FROM (
        SELECT p."conversationId" AS id FROM "ConversationParticipant" p WHERE p."userId" = ${userId}
        UNION SELECT m."conversationId" FROM "Message" m WHERE m."senderId" = ${userId}
        UNION SELECT r."conversationId" FROM "Reaction" r WHERE r."userId" = ${userId}
      ) touched
      WHERE (${after}::uuid IS NULL OR id > ${after}::uuid)
        -- One that was deleted cannot be reached by anybody any more; its texts go below.
        AND EXISTS (SELECT FROM "Conversation" c WHERE c.id = touched.id AND c."deletedAt" IS NULL)
      ORDER BY id LIMIT 1`;
    return row?.id ?? null;
  }

  /** Messages of the person that are there still: a legal hold keeps them. */
  async countMessages(userId: string): Promise<number> {
    const [row] = await this.#prisma.$queryRaw<{ kept: number }[]>`
      SELECT count(*)::int AS kept FROM "Message" m JOIN "Conversation" c ON c.id = m."conversationId"
      WHERE m."senderId" = ${userId} AND m."deletedAt" IS NULL AND (c."deletedAt" IS NULL OR EXISTS (
        SELECT FROM "LegalHold" h WHERE h."conversationId" = c.id AND h."releasedAt" IS NULL))`;
    return row!.kept;
  }

  /** What of the person stands outside of conversations that live, in one transaction with the entry that proves it. */
  async eraseRest(
    userId: string,
    pseudonym: string,
    prove: (tx: Pick<PrismaClient, '$queryRaw' | '$executeRaw'>) => Promise<void>,
  ): Promise<void> {
    await this.#prisma.$transaction(async (tx) => {
      // Conversations that were deleted: nobody follows their log.
      const dead = Prisma.sql`"conversationId" IN (
        SELECT m."conversationId" FROM "Message" m JOIN "Conversation" c ON c.id = m."conversationId"
        WHERE m."senderId" = ${userId} AND c."deletedAt" IS NOT NULL AND NOT EXISTS (
          SELECT FROM "LegalHold" h WHERE h."conversationId" = c.id AND h."releasedAt" IS NULL))`;
      await tx.$executeRaw`
        DELETE FROM "MessageRevision" v
        WHERE v."messageId" IN (SELECT m.id FROM "Message" m WHERE m."senderId" = ${userId} AND m.${dead})`;
      await tx.$executeRaw`
        UPDATE "Attachment" a SET "deletedAt" = coalesce("deletedAt", now()) WHERE a."uploaderId" = ${userId} AND a.${dead}`;
      await tx.$executeRaw`
        UPDATE "Message" SET content = NULL, sealed = NULL, metadata = NULL, "clientMessageId" = NULL, "requestDigest" = NULL,
          "senderId" = ${pseudonym}, "deletedAt" = coalesce("deletedAt", now())
        WHERE "senderId" = ${userId} AND ${dead}`;
      await tx.$executeRaw`
        UPDATE "Attachment" SET "deletedAt" = now()
        WHERE "uploaderId" = ${userId} AND "messageId" IS NULL AND "deletedAt" IS NULL`;
      await tx.$executeRaw`DELETE FROM "HeldMessage" WHERE "senderId" = ${userId}`;
      await tx.$executeRaw`
        UPDATE "Block" SET "endedAt" = now(), "changedAt" = now() WHERE "userId" = ${userId} AND "endedAt" IS NULL`;
      await tx.$executeRaw`
        UPDATE "Report" SET "reporterId" = ${pseudonym}, reason = '' WHERE "reporterId" = ${userId}`;
      await tx.$executeRaw`
        UPDATE "ConversationParticipant"
        SET "mutedUntil" = NULL, "pinnedAt" = NULL, "archivedAt" = NULL, notify = 'all' WHERE "userId" = ${userId}`;
      await tx.$executeRaw`
        UPDATE "User" SET name = 'Erased user', "avatarUrl" = NULL, "lastSeenAt" = NULL, "restrictionReason" = NULL,
          "erasedAt" = now(), "updatedAt" = now()
        WHERE id = ${userId}`;
      await prove(tx);
    });
  }

  async #page(query: Prisma.Sql, limit: number): Promise<DataPage> {
    const rows = await this.#prisma.$queryRaw<{ key: string; line: unknown }[]>(query);
    return { lines: rows.map(({ line }) => line), next: rows.length < limit ? null : rows.at(-1)!.key };
  }
}
