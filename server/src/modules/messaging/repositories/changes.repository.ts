import type { Role } from '@parley/protocol';
import { Prisma, type PrismaClient } from '../../../../prisma/generated/client.ts';
import type { Database, Statement } from '../../../infrastructure/database.ts';
import { textArray } from './array-literal.ts';
import type { ConversationRow, MessageRow, ParticipantRow } from './rows.ts';
import { lastMessageJson, messageJson, unreadCount } from './sql.ts';

/** One entry of the log as it stands now: a thing once, under the `rev` that last touched it. */
export type ChangeRow =
  | { readonly rev: number; readonly type: 'message'; readonly message: MessageRow }
  | { readonly rev: number; readonly type: 'participant'; readonly participant: ParticipantRow }
  | {
      readonly rev: number;
      readonly type: 'conversation';
      readonly conversation: ConversationRow;
      readonly lastMessage: MessageRow | null;
    };

export interface ChangesPage {
  readonly changes: ChangeRow[];
  /** Of the conversation when the page was read. */
  readonly rev: number;
  readonly lastSeq: number;
  readonly hasMore: boolean;
}

export interface SyncRow {
  readonly conversationId: string;
  readonly rev: number;
  readonly lastSeq: number;
  readonly unreadCount: number;
}

/** A conversation somebody is in, as a connection needs it. */
export interface MembershipRow {
  readonly conversationId: string;
  readonly role: Role;
  /** `rev` of the conversation when this was read. */
  readonly rev: number;
}

/** Conversations that changed lately, and people whose membership did. */
export interface Notices {
  readonly heads: readonly { readonly conversationId: string; readonly rev: number }[];
  readonly memberships: readonly { readonly conversationId: string; readonly userIds: readonly string[] }[];
  /** Where the next read goes on. */
  readonly cursor: string;
}

/** Everything that people connect for. $1 their ids. */
const MEMBERSHIPS: Statement = {
  reads: true,
  name: 'parley_memberships',
  text: `
    SELECT person.place::int AS place, json_agg(json_build_array(c.id, p.role, c.rev)) AS memberships
    FROM unnest($1::text[]) WITH ORDINALITY AS person(id, place)
    -- One look-up for each: a join might be planned as a scan of everybody's. OFFSET 0 keeps it so.
    CROSS JOIN LATERAL (
      SELECT "conversationId", role FROM "ConversationParticipant"
      WHERE "userId" = person.id AND "leftAt" IS NULL OFFSET 0
    ) p
    CROSS JOIN LATERAL (
      SELECT id, rev FROM "Conversation" WHERE id = p."conversationId" AND "deletedAt" IS NULL OFFSET 0
    ) c
    GROUP BY person.place`,
};

export class ChangesRepository {
  readonly #database: Pick<Database, 'query'>;
  readonly #prisma: PrismaClient;
  readonly #open: (row: MessageRow) => MessageRow;

  /** @param open opens a message of a confidential conversation; see `MessageOpener`. */
  constructor(database: Pick<Database, 'prisma' | 'query'>, open: (row: MessageRow) => MessageRow) {
    this.#database = database;
    this.#prisma = database.prisma;
    this.#open = open;
  }

  /**
   * What changed after `after`, in order of `rev`, at least `limit` entries if there are so many: those of one `rev`
   * are never split over pages (contract 5, Counting). Null where there is no such conversation.
   */
  async findAfter(conversationId: string, after: number, limit: number): Promise<ChangesPage | null> {
    const [page] = await this.#prisma.$queryRaw<{ head: ConversationRow; changes: ChangeRow[] | null }[]>`
      WITH /* parley:once */ head AS (
        SELECT * FROM "Conversation" WHERE id = ${conversationId}::uuid AND "deletedAt" IS NULL
      ),
      revs AS (
        (SELECT rev, 1 AS kind, id::text AS key FROM "Message"
          WHERE "conversationId" = ${conversationId}::uuid AND rev > ${after} ORDER BY rev LIMIT ${limit + 1})
        UNION ALL
        (SELECT rev, 2, "userId" FROM "ConversationParticipant"
          WHERE "conversationId" = ${conversationId}::uuid AND rev > ${after}
          ORDER BY rev FETCH FIRST ${limit + 1} ROWS WITH TIES)
        UNION ALL
        SELECT "changedRev", 0, id::text FROM head WHERE "changedRev" > ${after}
      ),
      page AS (
        SELECT * FROM revs ORDER BY rev FETCH FIRST ${limit + 1} ROWS WITH TIES
      )
      SELECT to_json(c) AS head, (
        SELECT json_agg(CASE kind
          WHEN 0 THEN json_build_object('rev', page.rev, 'type', 'conversation', 'conversation', to_json(c),
            'lastMessage', ${lastMessageJson})
          WHEN 1 THEN (SELECT json_build_object('rev', page.rev, 'type', 'message', 'message', ${messageJson})
            FROM "Message" m WHERE m.id = page.key::uuid)
          WHEN 2 THEN (SELECT json_build_object('rev', page.rev, 'type', 'participant', 'participant', to_json(p))
            FROM "ConversationParticipant" p WHERE p."conversationId" = c.id AND p."userId" = page.key)
          END ORDER BY page.rev, kind, key)
        FROM page) AS changes
      FROM head c`;
    if (!page) return null;
    const { head } = page;
    const changes = (page.changes ?? []).map((change) => this.#opened(change));
    const cut = cutAtWholeRev(changes, limit);
    // The newest `rev` is always that of something as it is now, so there is more as long as it was not reached.
    const hasMore = cut.length > 0 && cut.at(-1)!.rev < head.rev;
    return { changes: cut, rev: head.rev, lastSeq: head.lastSeq, hasMore };
  }

  /** The present state of everything somebody is in, for a comparison with a client's cursors. */
  async findSyncRows(userId: string): Promise<SyncRow[]> {
    const [row] = await this.#prisma.$queryRaw<[{ rows: SyncRow[] | null }]>`
      SELECT /* parley:once */ json_agg(json_build_object('conversationId', c.id, 'rev', c.rev, 'lastSeq', c."lastSeq",
        'unreadCount', ${unreadCount})) AS rows
      FROM "ConversationParticipant" p
      -- One look-up for each: a join might be planned as a scan of everybody's conversations. OFFSET 0 keeps it so.
      CROSS JOIN LATERAL (SELECT * FROM "Conversation" WHERE id = p."conversationId" OFFSET 0) c
      WHERE p."userId" = ${userId} AND p."leftAt" IS NULL AND c."deletedAt" IS NULL`;
    return row!.rows ?? [];
  }

  /** Everything that connections of these people are to be told about, for each person in the order of the ids. */
  async findMemberships(userIds: readonly string[]): Promise<MembershipRow[][]> {
    const rows = await this.#database.query<{ place: number; memberships: [string, Role, number][] }>(MEMBERSHIPS, [
      textArray(userIds),
    ]);
    const found: MembershipRow[][] = userIds.map(() => []);
    for (const { place, memberships } of rows) {
      found[place - 1] = memberships.map(([conversationId, role, rev]) => ({ conversationId, role, rev }));
    }
    return found;
  }

  /** Which of these people are in the conversation, as of one moment with its `rev`; null where it is gone. */
  async findPresent(
    conversationId: string,
    userIds: readonly string[],
  ): Promise<{ rev: number; lastSeq: number; members: { userId: string; role: Role }[] } | null> {
    const [row] = await this.#prisma.$queryRaw<
      { rev: number; lastSeq: number; members: { userId: string; role: Role }[] }[]
    >`
      SELECT to_jsonb(c.rev) AS rev, to_jsonb(c."lastSeq") AS "lastSeq", coalesce((
        SELECT jsonb_agg(jsonb_build_object('userId', p."userId", 'role', p.role))
        FROM "ConversationParticipant" p
        WHERE p."conversationId" = c.id AND p."leftAt" IS NULL
          AND p."userId" IN (SELECT jsonb_array_elements_text(${JSON.stringify(userIds)}::jsonb))), '[]') AS members
      FROM "Conversation" c WHERE c.id = ${conversationId}::uuid AND c."deletedAt" IS NULL`;
    return row ?? null;
  }

  /** Where a tailer that starts now begins. */
  async findNoticeCursor(): Promise<string> {
    const [row] = await this.#prisma.$queryRaw<{ cursor: string }[]>`
      SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS cursor`;
    return row!.cursor;
  }

  /**
   * Notices of the transactions from `cursor` on. The next cursor is the oldest transaction still open, so one that
   * commits late is read then and none is ever skipped; some are read twice, which costs nothing.
   */
  async findNotices(cursor: string): Promise<Notices> {
    const [row] = await this.#prisma.$queryRaw<
      { cursor: string; heads: Notices['heads'] | null; memberships: Notices['memberships'] | null }[]
    >`
      WITH recent AS MATERIALIZED (
        SELECT * FROM "ChangeNotice" WHERE xid >= ${cursor}::bigint
      )
      SELECT
        pg_snapshot_xmin(pg_current_snapshot())::text AS cursor,
        (SELECT jsonb_agg(jsonb_build_object('conversationId', id, 'rev', rev)) FROM (
          SELECT u.id, max(u.rev) AS rev FROM recent, unnest(recent."conversationIds", recent.revs) AS u(id, rev)
          GROUP BY u.id) h) AS heads,
        (SELECT jsonb_agg(jsonb_build_object('conversationId', u.id, 'userIds', recent."userIds"))
          FROM recent, unnest(recent."conversationIds") AS u(id)
          WHERE cardinality(recent."userIds") > 0) AS memberships`;
    return { cursor: row!.cursor, heads: row!.heads ?? [], memberships: row!.memberships ?? [] };
  }

  /** Notices are for whoever looks within seconds; a minute is plenty. */
  async deleteOldNotices(): Promise<void> {
    await this.#prisma.$executeRaw(Prisma.sql`DELETE FROM "ChangeNotice" WHERE at < now() - interval '1 minute'`);
  }

  #opened(change: ChangeRow): ChangeRow {
    switch (change.type) {
      case 'message':
        return { ...change, message: this.#open(change.message) };
      case 'conversation':
        return { ...change, lastMessage: change.lastMessage && this.#open(change.lastMessage) };
      case 'participant':
        return change;
    }
  }
}

/** The first `limit` entries, and whatever else shares the last one's `rev`. */
function cutAtWholeRev(changes: ChangeRow[], limit: number): ChangeRow[] {
  if (changes.length <= limit) return changes;
  const lastRev = changes[limit - 1]!.rev;
  let end = limit;
  while (end < changes.length && changes[end]!.rev === lastRev) end++;
  return changes.slice(0, end);
}
