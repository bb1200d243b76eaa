import type { User } from '@parley/protocol';
import type { Database, Statement } from '../../infrastructure/database.ts';

/** A person as the directory has them. */
export type UserRow = Pick<User, 'id' | 'name' | 'avatarUrl'>;

/** What is to be entered. Null leaves what is there; somebody new without a name is called by their id. */
export interface UserEntry {
  readonly id: string;
  readonly name: string | null;
  readonly avatarUrl: string | null;
}

export interface FindUsersOptions {
  /** Somewhere in the name, in any case. */
  readonly query: string | undefined;
  /** Only people who share a conversation with this one now; themselves left out. */
  readonly sharedWith: string | undefined;
  /** Name and id of the last one before. */
  readonly after: readonly [name: string, id: string] | undefined;
  readonly limit: number;
}

export type UsersRepository = ReturnType<typeof createUsersRepository>;

/** People are looked up with nearly everything that is read. */
const PEOPLE: Statement = {
  reads: true,
  name: 'parley_people',
  text: `SELECT id, name, "avatarUrl" FROM "User" WHERE id = ANY ($1::text[])`,
};

/** $1 the entries, as JSON. */
const ENTER: Statement = {
  name: 'parley_enter',
  text: `
    WITH entry AS MATERIALIZED (
      SELECT x.* FROM jsonb_to_recordset($1::jsonb) AS x(id text, name text, "avatarUrl" text)
      LEFT JOIN LATERAL (SELECT * FROM "User" WHERE id = x.id OFFSET 0) known ON true
      WHERE known.id IS NULL
        OR x.name IS DISTINCT FROM known.name AND x.name IS NOT NULL
        OR x."avatarUrl" IS DISTINCT FROM known."avatarUrl" AND x."avatarUrl" IS NOT NULL
    )
    INSERT INTO "User" AS u (id, name, "avatarUrl")
    SELECT id, coalesce(name, id), "avatarUrl" FROM entry ORDER BY id
    ON CONFLICT (id) DO UPDATE
    SET name = coalesce((SELECT name FROM entry WHERE entry.id = u.id), u.name),
        "avatarUrl" = coalesce(excluded."avatarUrl", u."avatarUrl"),
        "updatedAt" = now()`,
};

/** The directory's table, and the settings that identity keeps in the database. */
export function createUsersRepository({ prisma, query }: Pick<Database, 'prisma' | 'query'>) {
  return {
    /**
     * Enters people, or writes what is new; of several entries of one person the last. One atomic statement, in order of
     * their ids; people of whom nothing is new are not even locked.
     */
    async enterAll(entries: readonly UserEntry[]): Promise<void> {
      const people = [...new Map(entries.map((entry) => [entry.id, entry])).values()];
      await query(ENTER, [JSON.stringify(people)]);
    },

    /** Enters or changes somebody at an administrator's word. Undefined leaves a field, null clears the picture. */
    async put(
      id: string,
      { name, avatarUrl }: { name?: string | undefined; avatarUrl?: string | null | undefined },
    ): Promise<{ user: UserRow; created: boolean }> {
      const [row] = await prisma.$queryRaw<(UserRow & { created: boolean })[]>`
        INSERT INTO "User" AS u ("id", "name", "avatarUrl")
        VALUES (${id}, COALESCE(${name ?? null}::text, ${id}), ${avatarUrl ?? null}::text)
        ON CONFLICT ("id") DO UPDATE
        SET "name" = COALESCE(${name ?? null}::text, u."name"),
            "avatarUrl" = CASE WHEN ${avatarUrl !== undefined} THEN ${avatarUrl ?? null}::text ELSE u."avatarUrl" END,
            "updatedAt" = now()
        RETURNING u."id", u."name", u."avatarUrl", (u.xmax = 0) AS "created"`;
      const { created, ...user } = row!;
      return { user, created };
    },

    /** Oneself, with what others are not shown. */
    async findMe(id: string): Promise<(UserRow & { invisible: boolean }) | undefined> {
      const [row] = await prisma.$queryRaw<(UserRow & { invisible: boolean })[]>`
        SELECT id, name, "avatarUrl", invisible FROM "User" WHERE id = ${id}`;
      return row;
    },

    /** True when that changed something. */
    async setInvisible(id: string, invisible: boolean): Promise<boolean> {
      const changed = await prisma.$executeRaw`
        UPDATE "User" SET invisible = ${invisible} WHERE id = ${id} AND invisible <> ${invisible}`;
      return changed > 0;
    },

    async findMany(ids: readonly string[]): Promise<UserRow[]> {
      return ids.length === 0 ? [] : query<UserRow>(PEOPLE, [ids]);
    },

    /** Ordered by name, then id. */
    async find({ query, sharedWith, after, limit }: FindUsersOptions): Promise<UserRow[]> {
      const pattern = query === undefined ? null : `%${query.replaceAll(/[\\%_]/g, '\\$&')}%`;
      const [afterName, afterId] = after ?? [null, null];
      return prisma.$queryRaw<UserRow[]>`
        SELECT u."id", u."name", u."avatarUrl"
        FROM "User" u
        WHERE (${pattern}::text IS NULL OR u."name" ILIKE ${pattern}::text)
          AND (${afterName}::text IS NULL OR (u."name", u."id") > (${afterName}::text, ${afterId}::text))
          AND (${sharedWith ?? null}::text IS NULL OR u."id" IN (
            SELECT other."userId"
            FROM "ConversationParticipant" mine
            JOIN "Conversation" c ON c."id" = mine."conversationId" AND c."deletedAt" IS NULL
            JOIN "ConversationParticipant" other
              ON other."conversationId" = mine."conversationId" AND other."leftAt" IS NULL
            WHERE mine."userId" = ${sharedWith ?? null}::text AND mine."leftAt" IS NULL
              AND other."userId" <> ${sharedWith ?? null}::text))
        ORDER BY u."name", u."id"
        LIMIT ${limit}`;
    },

    /** The value kept under a key: the first one ever offered, so that nodes starting together agree. */
    async keepSetting(key: string, value: string): Promise<string> {
      await prisma.$executeRaw`
        INSERT INTO "ServerSetting" ("key", "value") VALUES (${key}, ${value}) ON CONFLICT ("key") DO NOTHING`;
      const row = await prisma.serverSetting.findUniqueOrThrow({ where: { key } });
      return row.value;
    },
  };
}
