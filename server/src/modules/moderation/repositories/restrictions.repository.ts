import type { ModeratedUser, Restrictions } from '@parley/protocol';
import { Prisma, type PrismaClient } from '../../../../prisma/generated/client.ts';
import { withRetries } from '../../../infrastructure/database-errors.ts';
import { appendToServerChain } from '../../audit/index.ts';

/** What is to be otherwise; undefined leaves it. */
export interface RestrictionsChange {
  readonly silencedUntil?: string | null | undefined;
  readonly banned?: boolean | undefined;
  readonly reason: string | null;
}

interface RestrictionsRow {
  readonly userId: string;
  readonly silencedUntil: string | null;
  readonly bannedAt: string | null;
  readonly reason: string | null;
}

type PersonRow = RestrictionsRow & {
  readonly name: string;
  readonly avatarUrl: string | null;
  readonly createdAt: string;
  readonly lastSeenAt: string | null;
};

export interface PeopleFilter {
  readonly query: string | undefined;
  readonly restricted: boolean;
  /** Name and id of the last one before. */
  readonly after: readonly [name: string, id: string] | undefined;
  readonly limit: number;
}

const restrictions = Prisma.sql`
  'userId', u.id, 'silencedUntil', CASE WHEN u."silencedUntil" > now() THEN u."silencedUntil" END,
  'bannedAt', u."bannedAt", 'reason', u."restrictionReason"`;

/** What people are kept from everywhere. */
export class RestrictionsRepository {
  readonly #prisma: PrismaClient;

  constructor(prisma: PrismaClient) {
    this.#prisma = prisma;
  }

  async find(userId: string): Promise<Restrictions | null> {
    const [row] = await this.#prisma.$queryRaw<{ found: RestrictionsRow }[]>`
      SELECT jsonb_build_object(${restrictions}) AS found FROM "User" u WHERE u.id = ${userId}`;
    return row ? present(row.found) : null;
  }

  /** By name, then id. */
  async findPeople({ query, restricted, after, limit }: PeopleFilter): Promise<ModeratedUser[]> {
    const conditions = [Prisma.sql`true`];
    if (query) conditions.push(Prisma.sql`u.name ILIKE ${`%${query.replaceAll(/[\\%_]/g, '\\$&')}%`}`);
    if (restricted) conditions.push(Prisma.sql`(u."bannedAt" IS NOT NULL OR u."silencedUntil" > now())`);
    if (after) conditions.push(Prisma.sql`(u.name, u.id) > (${after[0]}, ${after[1]})`);
    const rows = await this.#prisma.$queryRaw<{ found: PersonRow }[]>`
      SELECT jsonb_build_object(${restrictions}, 'name', u.name, 'avatarUrl', u."avatarUrl",
        'createdAt', u."createdAt", 'lastSeenAt', u."lastSeenAt") AS found
      FROM "User" u WHERE ${Prisma.join(conditions, ' AND ')}
      ORDER BY u.name, u.id LIMIT ${limit}`;
    return rows.map(({ found }) => {
      const { userId: id, ...rest } = present(found);
      const user = { id, name: found.name, avatarUrl: found.avatarUrl };
      return { user, ...rest, createdAt: time(found.createdAt)!, lastSeenAt: time(found.lastSeenAt) };
    });
  }

  /**
   * Writes what is new, with an entry of the server's own chain for each thing that changed. Null where there is nobody of
   * that id.
   */
  async change(userId: string, actorId: string, wanted: RestrictionsChange): Promise<Restrictions | null> {
    return withRetries(() =>
      this.#prisma.$transaction(async (tx) => {
        const [row] = await tx.$queryRaw<{ found: RestrictionsRow }[]>`
          SELECT jsonb_build_object(${restrictions}) AS found FROM "User" u WHERE u.id = ${userId} FOR NO KEY UPDATE`;
        if (!row) return null;
        const before = present(row.found);
        const until = wanted.silencedUntil === undefined ? before.silencedUntil : toFuture(wanted.silencedUntil);
        const isBanned = before.bannedAt !== null;
        const bans = wanted.banned ?? isBanned;
        const silences = until !== before.silencedUntil;
        if (!silences && bans === isBanned) return before;

        const [written] = await tx.$queryRaw<{ found: RestrictionsRow }[]>`
          UPDATE "User" u SET "silencedUntil" = ${until}::timestamptz, "restrictionReason" = ${wanted.reason},
            "bannedAt" = CASE WHEN ${bans} THEN coalesce("bannedAt", clock_timestamp()) END,
            "banChangedAt" = CASE WHEN ${bans !== isBanned} THEN clock_timestamp() ELSE "banChangedAt" END,
            "erasedAt" = CASE WHEN ${bans} THEN "erasedAt" END
          WHERE id = ${userId} RETURNING jsonb_build_object(${restrictions}) AS found`;
        const after = present(written!.found);
        const by = { actorId, targetId: userId, reason: wanted.reason };
        if (silences) {
          const [was, is] = [before, after].map(({ silencedUntil }) => ({ silencedUntil }));
          await appendToServerChain(tx, { ...by, action: 'user.silenced', before: was, after: is });
        }
        if (bans !== isBanned) await appendToServerChain(tx, { ...by, action: bans ? 'user.banned' : 'user.unbanned' });
        return after;
      }),
    );
  }
}

function present({ userId, silencedUntil, bannedAt, reason }: RestrictionsRow): Restrictions {
  return { userId, silencedUntil: time(silencedUntil), bannedAt: time(bannedAt), reason };
}

function time(value: string | null): string | null {
  return value === null ? null : new Date(value).toISOString();
}

/** A time that has passed silences nobody. */
function toFuture(until: string | null): string | null {
  return until !== null && Date.parse(until) > Date.now() ? new Date(until).toISOString() : null;
}
