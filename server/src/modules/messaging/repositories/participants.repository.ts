import { Prisma, type PrismaClient } from '../../../../prisma/generated/client.ts';
import type { ConversationChange } from './conversation-log.ts';
import type { ParticipantRow } from './rows.ts';

/** A place in a list of participants: in order of joining. */
export interface JoinPlace {
  readonly at: string;
  readonly id: string;
}

export class ParticipantsRepository {
  readonly #prisma: PrismaClient;

  constructor(prisma: PrismaClient) {
    this.#prisma = prisma;
  }

  /** Present ones in order of joining, or those who left. */
  async findPage(
    conversationId: string,
    state: 'present' | 'former',
    place: JoinPlace | undefined,
    limit: number,
  ): Promise<ParticipantRow[]> {
    const which = state === 'present' ? Prisma.sql`p."leftAt" IS NULL` : Prisma.sql`p."leftAt" IS NOT NULL`;
    const beyond = place
      ? Prisma.sql`AND (p."joinedAt", p."userId") > (${place.at}::timestamptz, ${place.id})`
      : Prisma.empty;
    const rows = await this.#prisma.$queryRaw<{ participant: ParticipantRow }[]>`
      SELECT to_jsonb(p) AS participant FROM "ConversationParticipant" p
      WHERE p."conversationId" = ${conversationId}::uuid AND ${which} ${beyond}
      ORDER BY p."joinedAt", p."userId" LIMIT ${limit}`;
    return rows.map(({ participant }) => participant);
  }

  /** Whether somebody present may write nothing now: a member of a read-only conversation, or silenced. */
  async isSilent(conversationId: string, userId: string): Promise<boolean> {
    const [row] = await this.#prisma.$queryRaw<{ silent: boolean }[]>`
      SELECT (c."readOnly" AND p.role = 'member') OR coalesce(p."silencedUntil" > now(), false)
        OR coalesce(u."silencedUntil" > now(), false) AS silent
      FROM "ConversationParticipant" p JOIN "Conversation" c ON c.id = p."conversationId"
        JOIN "User" u ON u.id = p."userId"
      WHERE p."conversationId" = ${conversationId}::uuid AND p."userId" = ${userId} AND p."leftAt" IS NULL`;
    return row?.silent ?? false;
  }

  /** My settings of a conversation: no change of it, so no `rev`. */
  async configure(
    conversationId: string,
    userId: string,
    settings: {
      readonly mutedUntil?: string | null | undefined;
      readonly pinned?: boolean | undefined;
      readonly archived?: boolean | undefined;
      readonly notify?: string | undefined;
    },
  ): Promise<void> {
    const assignments: Prisma.Sql[] = [];
    if (settings.mutedUntil !== undefined) {
      assignments.push(Prisma.sql`"mutedUntil" = ${settings.mutedUntil}::timestamptz`);
    }
    if (settings.pinned !== undefined) {
      assignments.push(
        settings.pinned ? Prisma.sql`"pinnedAt" = coalesce("pinnedAt", now())` : Prisma.sql`"pinnedAt" = NULL`,
      );
    }
    if (settings.archived !== undefined) {
      assignments.push(
        settings.archived ? Prisma.sql`"archivedAt" = coalesce("archivedAt", now())` : Prisma.sql`"archivedAt" = NULL`,
      );
    }
    if (settings.notify !== undefined) assignments.push(Prisma.sql`notify = ${settings.notify}::"NotifyLevel"`);
    if (assignments.length === 0) return;
    await this.#prisma.$executeRaw`
      UPDATE "ConversationParticipant" SET ${Prisma.join(assignments)}
      WHERE "conversationId" = ${conversationId}::uuid AND "userId" = ${userId} AND "leftAt" IS NULL`;
  }
}

/**
 * Brings somebody in by one atomic upsert. Who comes back keeps the row, and with it the role: nothing is raised or
 * lowered on the way. The read pointer starts at the end (contract 5, Pointers).
 */
export async function upsertParticipant(change: ConversationChange, userId: string): Promise<ParticipantRow> {
  const rev = change.nextRev();
  change.affects(userId);
  const { id, lastSeq } = change.conversation;
  const [row] = await change.tx.$queryRaw<{ participant: ParticipantRow }[]>`
    INSERT INTO "ConversationParticipant" AS p
      ("conversationId", "userId", "joinedAt", "lastReadSeq", "lastDeliveredSeq", rev)
    VALUES (${id}::uuid, ${userId}, ${change.moment}::timestamptz, ${lastSeq}, ${lastSeq}, ${rev})
    ON CONFLICT ("conversationId", "userId") DO UPDATE SET
      "leftAt" = NULL, "removedBy" = NULL, "joinedAt" = excluded."joinedAt",
      "lastReadSeq" = excluded."lastReadSeq", "lastDeliveredSeq" = excluded."lastDeliveredSeq", rev = excluded.rev
    RETURNING to_jsonb(p) AS participant`;
  return row!.participant;
}

/** Takes somebody out. Owners and moderators who come back come back as members; `readonly` stays. */
export async function markLeft(
  change: ConversationChange,
  userId: string,
  removedBy: string | null,
): Promise<ParticipantRow> {
  const rev = change.nextRev();
  change.affects(userId);
  const [row] = await change.tx.$queryRaw<{ participant: ParticipantRow }[]>`
    UPDATE "ConversationParticipant" p
    SET "leftAt" = ${change.moment}::timestamptz, "removedBy" = ${removedBy}, rev = ${rev},
      role = CASE WHEN p.role = 'readonly' THEN p.role ELSE 'member' END
    WHERE p."conversationId" = ${change.conversation.id}::uuid AND p."userId" = ${userId}
    RETURNING to_jsonb(p) AS participant`;
  return row!.participant;
}

export async function setRole(
  change: ConversationChange,
  userId: string,
  role: ParticipantRow['role'],
): Promise<ParticipantRow> {
  const rev = change.nextRev();
  const [row] = await change.tx.$queryRaw<{ participant: ParticipantRow }[]>`
    UPDATE "ConversationParticipant" p SET role = ${role}::"ParticipantRole", rev = ${rev}
    WHERE p."conversationId" = ${change.conversation.id}::uuid AND p."userId" = ${userId}
    RETURNING to_jsonb(p) AS participant`;
  return row!.participant;
}

/** Silences somebody until then; null ends it. */
export async function setSilence(
  change: ConversationChange,
  userId: string,
  silencedUntil: string | null,
): Promise<ParticipantRow> {
  const rev = change.nextRev();
  const [row] = await change.tx.$queryRaw<{ participant: ParticipantRow }[]>`
    UPDATE "ConversationParticipant" p SET "silencedUntil" = ${silencedUntil}::timestamptz, rev = ${rev}
    WHERE p."conversationId" = ${change.conversation.id}::uuid AND p."userId" = ${userId}
    RETURNING to_jsonb(p) AS participant`;
  return row!.participant;
}

/** Who becomes owner when the last one leaves: the longest-standing moderator, else member. */
export async function findHeir(change: ConversationChange): Promise<string | null> {
  const [row] = await change.tx.$queryRaw<{ userId: string }[]>`
    SELECT p."userId" FROM "ConversationParticipant" p
    WHERE p."conversationId" = ${change.conversation.id}::uuid AND p."leftAt" IS NULL
      AND p.role IN ('moderator', 'member')
    ORDER BY p.role = 'moderator' DESC, p."joinedAt", p."userId" LIMIT 1`;
  return row?.userId ?? null;
}

export async function countOwners(change: ConversationChange): Promise<number> {
  const [row] = await change.tx.$queryRaw<{ owners: number }[]>`
    SELECT count(*)::int AS owners FROM "ConversationParticipant" p
    WHERE p."conversationId" = ${change.conversation.id}::uuid AND p."leftAt" IS NULL AND p.role = 'owner'`;
  return row!.owners;
}
