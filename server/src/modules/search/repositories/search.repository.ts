import { Prisma, type PrismaClient } from '../../../../prisma/generated/client.ts';
import { withRetries } from '../../../infrastructure/database-errors.ts';

/** A conversation whose words are not all in the index, with the next of its messages that changed, by `rev`. */
export interface Backlog {
  readonly conversationId: string;
  /** Up to where the index knows it. */
  readonly from: number;
  /** Where it is. */
  readonly head: number;
  /** It was deleted, and nothing of it may be found. */
  readonly closed: boolean;
  /** More messages changed than this step takes. */
  readonly hasMore: boolean;
  readonly messages: readonly {
    readonly id: string;
    readonly rev: number;
    readonly senderId: string;
    readonly content: string | null;
    readonly createdAt: string;
  }[];
}

/** What the index is to be after one step through a conversation. */
export interface IndexStep {
  readonly conversationId: string;
  readonly to: number;
  readonly closed: boolean;
  /** `words`: the input of a `tsvector`; null takes the message out. */
  readonly entries: readonly {
    readonly id: string;
    readonly senderId: string;
    readonly createdAt: string;
    readonly words: string | null;
  }[];
}

/** A conversation that is searched, and whether the index is behind it. */
export interface Searchable {
  readonly id: string;
  readonly behind: boolean;
}

export interface SearchPlace {
  readonly at: string;
  readonly id: string;
}

/** A place among the best: the rank of the last hit seen, and the newest message that the search has begun with. */
export interface BestPlace extends SearchPlace {
  readonly rank: number;
  readonly newest: SearchPlace;
}

export interface SearchFilter {
  /** The input of a `tsquery` with the words alone. */
  readonly words: string;
  /** The same with the conversations as tags, where they are few; the index then looks only there. */
  readonly tagged: string;
  readonly conversationIds: readonly string[];
  readonly senderId?: string | undefined;
  readonly before?: string | undefined;
  readonly after?: string | undefined;
  readonly hasFile?: boolean | undefined;
  readonly limit: number;
}

export interface NewestFilter extends SearchFilter {
  /** Hits older than this one. */
  readonly place: SearchPlace | undefined;
  /** Hits not newer than this one. */
  readonly upTo?: SearchPlace | undefined;
}

/** A message that was found. */
export interface Found {
  readonly id: string;
  readonly createdAt: string;
}

/** One among the best, with the place after it. */
export interface Ranked extends Found {
  readonly place: BestPlace;
}

/** Messages and characters of one conversation that one step of the indexer takes. */
const STEP_MESSAGES = 25;
const STEP_CHARACTERS = 20_000;

/** So many of the newest messages are read before the index is asked: common words are found there at once. */
const WALK_MOST = 3_000;
/** And at most so many times as many where these promise to fill the page. */
const LONG_WALK = 7;
/** The best are looked for among so many of the newest hits: the rank of each has to be read from its words. */
const MOST_RANKED = 500;

const wanted = Prisma.sql`c.rev > coalesce(p.rev, 0) AND NOT c.confidential`;

export class SearchRepository {
  readonly #prisma: PrismaClient;
  readonly #walkMost: number;
  readonly #mostRanked: number;

  constructor(
    prisma: PrismaClient,
    {
      walkMost = WALK_MOST,
      mostRanked = MOST_RANKED,
    }: { readonly walkMost?: number; readonly mostRanked?: number } = {},
  ) {
    this.#prisma = prisma;
    this.#walkMost = walkMost;
    this.#mostRanked = mostRanked;
  }

  /** What somebody may search: conversations they are in and channels, confidential ones left out. */
  async findSearchable(userId: string): Promise<Searchable[]> {
    return this.#prisma.$queryRaw<Searchable[]>`
      SELECT c.id::text AS id, c.rev > coalesce(p.rev, 0) AS behind
      FROM (
        SELECT "conversationId" AS id FROM "ConversationParticipant" WHERE "userId" = ${userId} AND "leftAt" IS NULL
        UNION SELECT id FROM "Conversation" WHERE type = 'channel' AND "deletedAt" IS NULL
      ) mine
      JOIN "Conversation" c ON c.id = mine.id AND c."deletedAt" IS NULL AND NOT c.confidential
      LEFT JOIN "SearchProgress" p ON p."conversationId" = c.id`;
  }

  /**
   * The newest hits. Common words are found among the newest messages, rare ones by the index; where the newest messages have
   * some, so many more of them are read as should fill the page.
   */
  async find(filter: NewestFilter): Promise<Found[]> {
    const most = this.#walkMost;
    const { found, isAll } = await this.#findAmongNewest(filter, most);
    if (found.length === filter.limit || isAll) return found;
    const enough = found.length === 0 ? Infinity : Math.ceil((1.5 * most * filter.limit) / found.length);
    if (enough <= LONG_WALK * most) {
      const more = await this.#findAmongNewest(filter, enough);
      if (more.found.length === filter.limit || more.isAll) return more.found;
    }
    return this.#findByIndex(filter);
  }

  /**
   * The best of the newest 500 hits: `ts_rank_cd`, the cover density of Clarke, Cormack and Tudhope, divided by the logarithm of
   * the length. Which 500 these are is in the place, so that a message that comes later moves no page.
   */
  async findBest(filter: SearchFilter, place: BestPlace | undefined): Promise<Ranked[]> {
    const candidates = await this.find({ ...filter, place: undefined, upTo: place?.newest, limit: this.#mostRanked });
    const [first] = candidates;
    if (!first) return [];
    const newest = place?.newest ?? { at: first.createdAt, id: first.id };
    const after = place
      ? Prisma.sql`(rank, "createdAt", id) < (${place.rank}::float8, ${place.at}::timestamptz, ${place.id}::uuid)`
      : Prisma.sql`true`;
    const rows = await this.#prisma.$queryRaw<(Found & { rank: number })[]>`
      SELECT id::text AS id, to_jsonb("createdAt") AS "createdAt", rank FROM (
        SELECT e."messageId" AS id, e."createdAt", ts_rank_cd(e.words, ${filter.words}::tsquery, 1)::float8 AS rank
        FROM "SearchEntry" e WHERE e."messageId" = ANY(${candidates.map(({ id }) => id)}::uuid[])
      ) hit
      WHERE ${after}
      ORDER BY rank DESC, "createdAt" DESC, id DESC LIMIT ${filter.limit}`;
    return rows.map(({ id, createdAt, rank }) => ({ id, createdAt, place: { rank, at: createdAt, id, newest } }));
  }

  /** Hits among so many of the newest messages, and whether there are no older ones. It stops where the page is full. */
  async #findAmongNewest(filter: NewestFilter, most: number): Promise<{ found: Found[]; isAll: boolean }> {
    const [only, second] = filter.conversationIds;
    const within = second === undefined ? Prisma.sql`AND w."conversationId" = ${only}::uuid` : Prisma.empty;
    const where = Prisma.sql`${timesOf(filter, Prisma.sql`w`)} ${within}`;
    const [row] = await this.#prisma.$queryRaw<{ found: Found[] | null; walked: number }[]>`
      SELECT jsonb_agg(jsonb_build_object('id', hit."messageId", 'createdAt', hit."createdAt")) AS found,
        (SELECT count(*) FROM (SELECT FROM "SearchEntry" w WHERE ${where} LIMIT ${most}) walked)::int AS walked
      FROM (
        SELECT e."messageId", e."createdAt" FROM (
          SELECT * FROM "SearchEntry" w WHERE ${where}
          ORDER BY w."createdAt" DESC, w."messageId" DESC LIMIT ${most}
        ) e
        WHERE e.words @@ ${filter.words}::tsquery AND ${scopeOf(filter)}
        ORDER BY e."createdAt" DESC, e."messageId" DESC LIMIT ${filter.limit}
      ) hit`;
    return { found: row!.found ?? [], isAll: row!.walked < most };
  }

  /**
   * All hits by the index, then the newest of them. Materialized: else the planner may walk all messages by time, or look up
   * every message of a thousand conversations.
   */
  async #findByIndex(filter: NewestFilter): Promise<Found[]> {
    return this.#prisma.$queryRaw<Found[]>`
      WITH e AS MATERIALIZED (
        SELECT s."messageId", s."createdAt", s."conversationId", s."senderId" FROM "SearchEntry" s
        WHERE s.words @@ ${filter.tagged}::tsquery AND ${timesOf(filter, Prisma.sql`s`)}
      )
      SELECT e."messageId"::text AS id, to_jsonb(e."createdAt") AS "createdAt" FROM e WHERE ${scopeOf(filter)}
      ORDER BY e."createdAt" DESC, e."messageId" DESC LIMIT ${filter.limit}`;
  }

  /** Of these conversations, the next step of those that the index is behind. */
  async findBacklog(conversationIds: readonly string[]): Promise<Backlog[]> {
    const rows = await this.#prisma.$queryRaw<
      { backlog: Omit<Backlog, 'messages'> & { messages: Backlog['messages'] | null } }[]
    >`
      SELECT jsonb_build_object(
        'conversationId', b.id, 'from', b.base, 'head', b.rev, 'closed', b."deletedAt" IS NOT NULL,
        'hasMore', b."deletedAt" IS NULL AND EXISTS (
          SELECT FROM "Message" m WHERE m."conversationId" = b.id AND m.rev > coalesce(step.reached, b.base)),
        'messages', step.messages) AS backlog
      FROM (
        SELECT c.id, c.rev, c."deletedAt", coalesce(p.rev, 0) AS base
        FROM "Conversation" c LEFT JOIN "SearchProgress" p ON p."conversationId" = c.id
        WHERE c.id = ANY(${[...conversationIds]}::uuid[]) AND ${wanted}
        ORDER BY c.id
      ) b
      CROSS JOIN LATERAL (
        SELECT max(m.rev) AS reached, jsonb_agg(jsonb_build_object('id', m.id, 'rev', m.rev, 'senderId', m."senderId",
          'content', m.content, 'createdAt', m."createdAt") ORDER BY m.rev) AS messages
        FROM (
          SELECT *, sum(char_length(content)) OVER (ORDER BY rev ROWS UNBOUNDED PRECEDING EXCLUDE CURRENT ROW) AS before
          FROM (
            SELECT * FROM "Message" m
            WHERE m."conversationId" = b.id AND m.rev > b.base AND b."deletedAt" IS NULL
            ORDER BY m.rev LIMIT ${STEP_MESSAGES}
          ) next
        ) m
        WHERE coalesce(m.before, 0) < ${STEP_CHARACTERS}
      ) step`;
    return rows.map(({ backlog }) => ({ ...backlog, messages: backlog.messages ?? [] }));
  }

  /**
   * Takes steps, in one statement. A conversation that somebody else took further meanwhile is left as it is: what they
   * wrote is newer.
   */
  async take(steps: readonly IndexStep[]): Promise<void> {
    const moves = steps.map(({ conversationId, to, closed }) => ({ conversationId, to, closed }));
    const entries = steps.flatMap(({ conversationId, entries }) =>
      entries.map((entry) => ({ conversationId, ...entry })),
    );
    await withRetries(
      () => this.#prisma.$executeRaw`
        WITH move AS (
          SELECT * FROM jsonb_to_recordset(${JSON.stringify(moves)}::jsonb)
            AS x("conversationId" uuid, "to" bigint, closed boolean)
        ),
        entry AS (
          SELECT * FROM jsonb_to_recordset(${JSON.stringify(entries)}::jsonb)
            AS x("conversationId" uuid, id uuid, "senderId" text, "createdAt" timestamptz, words text)
        ),
        moved AS (
          INSERT INTO "SearchProgress" AS p ("conversationId", rev)
          SELECT "conversationId", "to" FROM move ORDER BY "conversationId"
          ON CONFLICT ("conversationId") DO UPDATE SET rev = excluded.rev WHERE p.rev < excluded.rev
          RETURNING "conversationId"
        ),
        taken_out AS (
          DELETE FROM "SearchEntry" e USING entry JOIN moved ON moved."conversationId" = entry."conversationId"
          WHERE entry.words IS NULL AND e."messageId" = entry.id
        ),
        emptied AS (
          DELETE FROM "SearchEntry" e USING move JOIN moved ON moved."conversationId" = move."conversationId"
          WHERE move.closed AND e."conversationId" = move."conversationId"
        )
        INSERT INTO "SearchEntry" AS e ("messageId", "conversationId", "senderId", "createdAt", words)
        SELECT entry.id, entry."conversationId", entry."senderId", entry."createdAt", entry.words::tsvector
        FROM entry JOIN moved ON moved."conversationId" = entry."conversationId"
        WHERE entry.words IS NOT NULL
        ON CONFLICT ("messageId") DO UPDATE SET words = excluded.words WHERE e.words <> excluded.words`,
    );
  }

  /** Stems by the dictionary of a language; a word that it passes over has none. */
  async findStems(language: string, words: readonly string[]): Promise<[word: string, stem: string][]> {
    const rows = await this.#prisma.$queryRaw<{ word: string; stem: string }[]>`
      SELECT word, stem FROM (
        SELECT word, (ts_lexize(${`${language}_stem`}::regdictionary, word))[1] AS stem
        FROM jsonb_array_elements_text(${JSON.stringify(words)}::jsonb) AS word
      ) found WHERE stem IS NOT NULL`;
    return rows.map(({ word, stem }) => [word, stem]);
  }

  /** Notes the language of the index. Where it was another one the index begins anew; then the answer is true. */
  async changeLanguage(language: string): Promise<boolean> {
    return this.#prisma.$transaction(async (tx) => {
      const changed = await tx.$executeRaw`
        INSERT INTO "ServerSetting" AS s (key, value) VALUES ('searchLanguage', ${language})
        ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE s.value <> excluded.value`;
      // A fresh index has nothing to lose; one from before there was a choice was made without a language.
      if (changed === 0) return false;
      const [{ filled } = { filled: false }] = await tx.$queryRaw<{ filled: boolean }[]>`
        SELECT EXISTS (SELECT FROM "SearchProgress") AS filled`;
      if (!filled) return false;
      await tx.$executeRaw`TRUNCATE "SearchEntry", "SearchProgress"`;
      return true;
    });
  }

  /** Conversations that the index is behind, whoever changed them, in order of id after `after`. */
  async findBehind(after: string | null, limit: number): Promise<string[]> {
    const rows = await this.#prisma.$queryRaw<{ id: string }[]>`
      SELECT c.id::text AS id FROM "Conversation" c LEFT JOIN "SearchProgress" p ON p."conversationId" = c.id
      WHERE ${wanted} AND (${after}::uuid IS NULL OR c.id > ${after}::uuid)
      ORDER BY c.id LIMIT ${limit}`;
    return rows.map(({ id }) => id);
  }
}

function timesOf({ before, after, place, upTo }: NewestFilter, entry: Prisma.Sql): Prisma.Sql {
  const conditions = [Prisma.sql`true`];
  if (before !== undefined) conditions.push(Prisma.sql`${entry}."createdAt" < ${before}::timestamptz`);
  if (after !== undefined) conditions.push(Prisma.sql`${entry}."createdAt" > ${after}::timestamptz`);
  const key = Prisma.sql`(${entry}."createdAt", ${entry}."messageId")`;
  if (place) conditions.push(Prisma.sql`${key} < (${place.at}::timestamptz, ${place.id}::uuid)`);
  if (upTo) conditions.push(Prisma.sql`${key} <= (${upTo.at}::timestamptz, ${upTo.id}::uuid)`);
  return Prisma.join(conditions, ' AND ');
}

function scopeOf({ conversationIds, senderId, hasFile }: SearchFilter): Prisma.Sql {
  const conditions = [Prisma.sql`e."conversationId" = ANY(${[...conversationIds]}::uuid[])`];
  if (senderId !== undefined) conditions.push(Prisma.sql`e."senderId" = ${senderId}`);
  if (hasFile !== undefined) {
    const file = Prisma.sql`EXISTS (SELECT FROM "Attachment" a WHERE a."messageId" = e."messageId")`;
    conditions.push(hasFile ? file : Prisma.sql`NOT ${file}`);
  }
  return Prisma.join(conditions, ' AND ');
}
