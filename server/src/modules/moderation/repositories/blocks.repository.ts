import type { Block, User } from '@parley/protocol';
import { Prisma, type PrismaClient } from '../../../../prisma/generated/client.ts';
import type { Database, Statement } from '../../../infrastructure/database.ts';
import { withRetries } from '../../../infrastructure/database-errors.ts';
import { appendToServerChain } from '../../audit/index.ts';
import type { Transaction } from './audited.ts';

/** Two people, and whether either of them blocks the other. */
export interface PairState {
  readonly pair: readonly [string, string];
  readonly cut: boolean;
}

/** A place in one's list of blocks. */
export interface BlockPlace {
  readonly at: string;
  readonly id: string;
}

/** With whom people are cut off from each other, whoever of the two began it. $1 their ids. */
const CUTS: Statement = {
  reads: true,
  name: 'parley_cuts',
  text: `
    SELECT person.id AS person, b."blockedId" AS other
    FROM unnest($1::text[]) AS person(id) JOIN "Block" b ON b."userId" = person.id AND b."endedAt" IS NULL
    UNION
    SELECT person.id, b."userId"
    FROM unnest($1::text[]) AS person(id) JOIN "Block" b ON b."blockedId" = person.id AND b."endedAt" IS NULL`,
};

export class BlocksRepository {
  readonly #database: Pick<Database, 'query'>;
  readonly #prisma: PrismaClient;

  constructor(database: Pick<Database, 'prisma' | 'query'>) {
    this.#database = database;
    this.#prisma = database.prisma;
  }

  /** Begins a block, and says so in the server's own chain; false where there is one already. */
  async begin(userId: string, blockedId: string): Promise<boolean> {
    return this.#audited(
      userId,
      'user.blocked',
      blockedId,
      (tx) => tx.$executeRaw`
      INSERT INTO "Block" AS b ("userId", "blockedId") VALUES (${userId}, ${blockedId})
      ON CONFLICT ("userId", "blockedId") DO UPDATE
      SET "createdAt" = now(), "changedAt" = now(), "endedAt" = NULL WHERE b."endedAt" IS NOT NULL`,
    );
  }

  /** Ends a block, and says so in the server's own chain; false where there is none. */
  async end(userId: string, blockedId: string): Promise<boolean> {
    return this.#audited(
      userId,
      'user.unblocked',
      blockedId,
      (tx) => tx.$executeRaw`
      UPDATE "Block" SET "endedAt" = now(), "changedAt" = now()
      WHERE "userId" = ${userId} AND "blockedId" = ${blockedId} AND "endedAt" IS NULL`,
    );
  }

  /** Whom somebody blocks, the latest first. */
  async findPage(userId: string, place: BlockPlace | undefined, limit: number): Promise<Block[]> {
    const beyond = place
      ? Prisma.sql`AND (b."createdAt", b."blockedId") < (${place.at}::timestamptz, ${place.id})`
      : Prisma.empty;
    const rows = await this.#prisma.$queryRaw<{ block: { user: User; createdAt: string } }[]>`
      SELECT jsonb_build_object('createdAt', b."createdAt", 'user', jsonb_build_object(
        'id', b."blockedId", 'name', coalesce(u.name, b."blockedId"), 'avatarUrl', u."avatarUrl")) AS block
      FROM "Block" b LEFT JOIN "User" u ON u.id = b."blockedId"
      WHERE b."userId" = ${userId} AND b."endedAt" IS NULL ${beyond}
      ORDER BY b."createdAt" DESC, b."blockedId" DESC LIMIT ${limit}`;
    return rows.map(({ block }) => ({ ...block, createdAt: new Date(block.createdAt).toISOString() }));
  }

  /** With whom these people are cut off from each other, whoever of the two began it. */
  async findCuts(userIds: readonly string[]): Promise<[person: string, other: string][]> {
    if (userIds.length === 0) return [];
    const rows = await this.#database.query<{ person: string; other: string }>(CUTS, [userIds]);
    return rows.map(({ person, other }) => [person, other]);
  }

  async isCut(one: string, other: string): Promise<boolean> {
    const [row] = await this.#prisma.$queryRaw<{ cut: boolean }[]>`
      SELECT EXISTS (
        SELECT FROM "Block" b WHERE b."endedAt" IS NULL
          AND (b."userId", b."blockedId") IN ((${one}, ${other}), (${other}, ${one}))) AS cut`;
    return row!.cut;
  }

  /** The pairs whose blocks changed within so many seconds, as they are now. */
  async findChanged(seconds: number): Promise<PairState[]> {
    const rows = await this.#prisma.$queryRaw<{ one: string; other: string; cut: boolean }[]>`
      SELECT b."userId" AS one, b."blockedId" AS other,
        b."endedAt" IS NULL OR EXISTS (
          SELECT FROM "Block" r
          WHERE r."userId" = b."blockedId" AND r."blockedId" = b."userId" AND r."endedAt" IS NULL) AS cut
      FROM "Block" b WHERE b."changedAt" > now() - make_interval(secs => ${seconds})`;
    return rows.map(({ one, other, cut }) => ({ pair: [one, other], cut }));
  }

  async #audited(
    actorId: string,
    action: string,
    targetId: string,
    write: (tx: Transaction) => Promise<number>,
  ): Promise<boolean> {
    return withRetries(() =>
      this.#prisma.$transaction(async (tx) => {
        if ((await write(tx)) === 0) return false;
        await appendToServerChain(tx, { actorId, action, targetId });
        return true;
      }),
    );
  }
}
