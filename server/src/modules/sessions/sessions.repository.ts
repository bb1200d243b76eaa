import type { PrismaClient } from '../../../prisma/generated/client.ts';
import { appendToServerChain } from '../audit/index.ts';

/** Tokens of this person that were issued before `revokedAt` (milliseconds since the epoch) are of no more use. */
export interface Revocation {
  readonly userId: string;
  readonly revokedAt: number;
}

/** Whether somebody is let in at all. */
export interface Ban {
  readonly userId: string;
  readonly banned: boolean;
}

/** What a reader has seen so far: an instant of the database's clock, ISO 8601. Null: nothing yet. */
export type RevocationCursor = string | null;

/**
 * How far a reader looks back behind its cursor. A revocation gets its time before it is committed; no transaction stays
 * open for longer than its statement and idle timeouts together allow.
 */
const LATE_COMMIT = '15 seconds';

export class SessionsRepository {
  readonly #prisma: PrismaClient;

  constructor(prisma: PrismaClient) {
    this.#prisma = prisma;
  }

  /** Ends all sessions of a person as of now, and says so in the audit trail. Null where there is nobody of that id. */
  async revoke(userId: string, actorId: string): Promise<Revocation | null> {
    return this.#prisma.$transaction(async (tx) => {
      const [row] = await tx.$queryRaw<{ revokedAt: number }[]>`
        UPDATE "User" SET "sessionsRevokedAt" = greatest("sessionsRevokedAt", clock_timestamp())
        WHERE id = ${userId}
        RETURNING (extract(epoch FROM "sessionsRevokedAt") * 1000)::float8 AS "revokedAt"`;
      if (!row) return null;
      await appendToServerChain(tx, { actorId, action: 'sessions.revoked', targetId: userId });
      return { userId, revokedAt: row.revokedAt };
    });
  }

  /**
   * The revocations and the bans begun or ended since the cursor, some of them perhaps once more, and where to go on.
   * Served by two partial indexes.
   */
  async findSince(cursor: RevocationCursor): Promise<{ revocations: Revocation[]; bans: Ban[]; cursor: string }> {
    const [row] = await this.#prisma.$queryRaw<{ now: string; revocations: Revocation[]; bans: Ban[] }[]>`
      SELECT to_json(statement_timestamp()) #>> '{}' AS now,
        (SELECT coalesce(jsonb_agg(jsonb_build_object(
            'userId', id, 'revokedAt', extract(epoch FROM "sessionsRevokedAt") * 1000)), '[]')
         FROM "User"
         WHERE "sessionsRevokedAt" IS NOT NULL
           AND "sessionsRevokedAt" > coalesce(${cursor}::timestamptz - ${LATE_COMMIT}::interval, '-infinity')) AS revocations,
        (SELECT coalesce(jsonb_agg(jsonb_build_object('userId', id, 'banned', "bannedAt" IS NOT NULL)), '[]')
         FROM "User"
         WHERE "banChangedAt" IS NOT NULL
           AND "banChangedAt" > coalesce(${cursor}::timestamptz - ${LATE_COMMIT}::interval, '-infinity')) AS bans`;
    return { revocations: row!.revocations, bans: row!.bans, cursor: row!.now };
  }
}
