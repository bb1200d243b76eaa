import type { ConversationsQuery, ConversationType, Metadata } from '@parley/protocol';
import { CAPS } from '@parley/protocol';
import { Prisma, type PrismaClient } from '../../../../prisma/generated/client.ts';
import type { Database, Statement } from '../../../infrastructure/database.ts';
import { withRetries } from '../../../infrastructure/database-errors.ts';
import type { WrappedKey } from '../../../infrastructure/key-ring.ts';
import { gatherCalls } from '../../../utils/gather-calls.ts';
import { plainArray, textArray } from './array-literal.ts';
import { MESSAGE_COLUMNS, type MessageColumns, messageFrom } from './message-columns.ts';
import type {
  ConversationRow,
  MembershipCounts,
  OwnParticipantRow,
  ParticipantRow,
  RowOpener,
  SharedParticipantRow,
  ShownConversationRow,
  ShownMessageRow,
} from './rows.ts';
import { lastMessageJson, MENTION_COUNT, mentionCount, UNREAD_COUNT, unreadCount } from './sql.ts';

/** A conversation with what the asking person sees beside it. `mine` is null for somebody who is not in it. */
export interface ConversationView {
  conversation: ShownConversationRow;
  lastMessage: ShownMessageRow | null;
  /** The first present participants. */
  participants: SharedParticipantRow[];
  mine: (OwnParticipantRow & MembershipCounts) | null;
}

/** A conversation of a list, and its place there. */
export interface ListedView extends ConversationView {
  readonly place: ActivityPlace;
}

export interface NewConversation {
  readonly id: string;
  readonly type: ConversationType;
  readonly title: string | null;
  readonly metadata: Metadata;
  readonly directKey: string | null;
  /** Of a confidential conversation: its data key. */
  readonly dataKey: WrappedKey | null;
  readonly createdBy: string;
  readonly participants: readonly { readonly userId: string; readonly role: 'owner' | 'member' }[];
}

/** A place in a list of conversations: latest activity first, then by id. */
export interface ActivityPlace {
  readonly at: string;
  readonly id: string;
}

const ACTIVITY = `coalesce(c."lastMessageAt", c."createdAt")`;

/** The people shown with a conversation: in order of joining, so that the list stays the same between reads. */
const FIRST_PARTICIPANTS = `
  (SELECT coalesce(json_agg(f ORDER BY f."joinedAt", f."userId"), '[]') FROM (
    SELECT "userId", role, "joinedAt", "leftAt", "lastReadSeq", "lastDeliveredSeq", "silencedUntil", rev
    FROM "ConversationParticipant" f
    WHERE f."conversationId" = c.id AND f."leftAt" IS NULL
    ORDER BY f."joinedAt", f."userId" LIMIT ${CAPS.participantsInConversation}) f)`;
const firstParticipants = Prisma.raw(FIRST_PARTICIPANTS);

const viewJson = Prisma.sql`
  json_build_object(
    'conversation', to_json(c),
    'lastMessage', ${lastMessageJson},
    'participants', ${firstParticipants},
    'mine', CASE WHEN p."userId" IS NOT NULL AND p."leftAt" IS NULL THEN (
      SELECT to_json(mine)
      FROM (SELECT p.*, ${unreadCount} AS "unreadCount", ${mentionCount} AS "mentionCount") mine) END)`;

/** Whose are in a list: a condition on one's own participant `p`, and on the conversation `c`. */
const LISTED: { readonly [Filter in ConversationsQuery['filter']]: { readonly own: string; readonly all?: string } } = {
  all: { own: 'AND p."archivedAt" IS NULL' },
  archived: { own: 'AND p."archivedAt" IS NOT NULL' },
  pinned: { own: 'AND p."pinnedAt" IS NOT NULL' },
  unread: {
    own: '',
    all: `AND (
      SELECT ${UNREAD_COUNT} > 0 FROM "ConversationParticipant" p WHERE p."conversationId" = c.id AND p."userId" = $1)`,
  },
};

/**
 * One page of somebody's list. It is found first, from the rows alone; what is shown beside it is read for the page only, as
 * columns where they cost less than JSON.
 *
 * $1 who asks, $2 how many; $3 and $4 a place to go on from.
 */
function listStatement(filter: ConversationsQuery['filter'], goesOn: boolean): Statement {
  const { own, all = '' } = LISTED[filter];
  return {
    reads: true,
    name: `parley_list_${filter}${goesOn ? '_on' : ''}`,
    text: `
      SELECT c.id, c.type, c.title, c."avatarUrl", c.metadata, c.confidential, c."slowModeSeconds", c."readOnly",
        c."createdBy", c."createdAt"::text, c."updatedAt"::text, c."lastSeq"::float8, c.rev::float8, c."participantCount",
        page.at::text, p.role, p."joinedAt"::text, p."lastReadSeq"::float8, p."lastDeliveredSeq"::float8,
        p."mutedUntil"::text, p."pinnedAt"::text, p."archivedAt"::text, p.notify,
        ${UNREAD_COUNT} AS "unreadCount", ${MENTION_COUNT} AS "mentionCount", ${FIRST_PARTICIPANTS} AS participants,
        ${MESSAGE_COLUMNS}
      FROM (
        SELECT c.id, ${ACTIVITY} AS at
        FROM "Conversation" c
        -- By their ids, all at once: a join might be planned as a scan of everybody's conversations, and a look-up for each
        -- takes twice the time.
        WHERE c.id = ANY (ARRAY(
          SELECT p."conversationId" FROM "ConversationParticipant" p
          WHERE p."userId" = $1 AND p."leftAt" IS NULL ${own}))
          AND c."deletedAt" IS NULL ${all} ${goesOn ? `AND (${ACTIVITY}, c.id) < ($3::timestamptz, $4::uuid)` : ''}
        ORDER BY at DESC, c.id DESC LIMIT $2
      ) page
      CROSS JOIN LATERAL (SELECT * FROM "Conversation" WHERE id = page.id OFFSET 0) c
      CROSS JOIN LATERAL (
        SELECT * FROM "ConversationParticipant" WHERE "conversationId" = page.id AND "userId" = $1 OFFSET 0
      ) p
      LEFT JOIN LATERAL (
        SELECT * FROM "Message" WHERE "conversationId" = page.id AND seq = c."lastSeq" OFFSET 0
      ) m ON true
      ORDER BY page.at DESC, page.id DESC`,
  };
}

type ListRow = ShownConversationRow &
  Omit<OwnParticipantRow & MembershipCounts & MessageColumns, 'messageId'> & {
    readonly at: string;
    readonly participants: SharedParticipantRow[];
    /** Null where nothing was ever sent. */
    readonly messageId: string | null;
  };

/** Conversations, each with the row of the one who wants to reach it. $1 the conversations, $2 the people. */
const ACCESS: Statement = {
  reads: true,
  name: 'parley_access',
  text: `
    SELECT asked.place::int AS place, to_json(c) AS conversation,
      CASE WHEN p."userId" IS NOT NULL THEN to_json(p) END AS participant
    -- In SELECT the planner does not see how many there are, and keeps the plan made once.
    FROM unnest((SELECT $1::uuid[]), (SELECT $2::text[])) WITH ORDINALITY AS asked(conversation, person, place)
    -- One look-up for each: a join might be planned as a scan of all. OFFSET 0 keeps it so.
    CROSS JOIN LATERAL (
      SELECT * FROM "Conversation" WHERE id = asked.conversation AND "deletedAt" IS NULL OFFSET 0
    ) c
    LEFT JOIN LATERAL (
      SELECT * FROM "ConversationParticipant" WHERE "conversationId" = c.id AND "userId" = asked.person OFFSET 0
    ) p ON true`,
};

/** Conversations are reached together with others in a batch, which waits so long for the one before it. */
const ACCESS_PATIENCE_MS = 20;

interface AccessRow {
  readonly conversation: ConversationRow;
  readonly participant: ParticipantRow | null;
}

export class ConversationsRepository {
  readonly #database: Pick<Database, 'query'>;
  readonly #prisma: PrismaClient;
  readonly #opener: RowOpener;
  readonly #gatherAccess = gatherCalls<readonly [conversationId: string, userId: string], AccessRow | null>(
    async (asked) => {
      const rows = await this.#database.query<AccessRow & { readonly place: number }>(ACCESS, [
        plainArray(asked.map(([conversationId]) => conversationId)),
        textArray(asked.map(([, userId]) => userId)),
      ]);
      const found = asked.map((): AccessRow | null => null);
      for (const { place, conversation, participant } of rows) found[place - 1] = { conversation, participant };
      return found;
    },
    { restless: true, patienceMs: ACCESS_PATIENCE_MS },
  );

  constructor(database: Pick<Database, 'prisma' | 'query'>, opener: RowOpener) {
    this.#database = database;
    this.#prisma = database.prisma;
    this.#opener = opener;
  }

  /** The conversation and what the person is in it; `participant` may be one who left. Null: no such conversation. */
  findAccess(conversationId: string, userId: string): Promise<AccessRow | null> {
    return this.#gatherAccess([conversationId, userId]);
  }

  /** The conversation as several people see it, by person; in one query. */
  async findViews(conversationId: string, userIds: readonly string[]): Promise<Map<string, ConversationView>> {
    const rows = await this.#prisma.$queryRaw<{ reader: string; view: ConversationView }[]>`
      SELECT /* parley:once */ reader, ${viewJson} AS view
      FROM "Conversation" c
      CROSS JOIN jsonb_array_elements_text(${JSON.stringify(userIds)}::jsonb) AS reader
      LEFT JOIN "ConversationParticipant" p ON p."conversationId" = c.id AND p."userId" = reader
      WHERE c.id = ${conversationId}::uuid AND c."deletedAt" IS NULL`;
    return new Map(rows.map(({ reader, view }) => [reader, this.#opened(view)]));
  }

  async findView(conversationId: string, userId: string): Promise<ConversationView | null> {
    return (await this.findViews(conversationId, [userId])).get(userId) ?? null;
  }

  async findDirect(directKey: string): Promise<string | null> {
    const [row] = await this.#prisma.$queryRaw<{ id: string }[]>`
      SELECT id::text AS id FROM "Conversation" WHERE "directKey" = ${directKey} AND "deletedAt" IS NULL`;
    return row?.id ?? null;
  }

  /** Latest activity first, with unread counts, in one query whatever the length. */
  async findPage(
    userId: string,
    filter: ConversationsQuery['filter'],
    place: ActivityPlace | undefined,
    limit: number,
  ): Promise<ListedView[]> {
    const values = [userId, limit, ...(place ? [place.at, place.id] : [])];
    const rows = await this.#database.query<ListRow>(listStatement(filter, place !== undefined), values);
    return rows.map((row) => ({
      // Each takes its own of the columns.
      conversation: row,
      mine: row,
      participants: row.participants,
      lastMessage: isWithMessage(row) ? messageFrom(row, row.id, this.#opener) : null,
      place: { at: row.at, id: row.id },
    }));
  }

  /** Channels by title, whether or not the person is in them. */
  async findChannels(
    userId: string,
    query: string | undefined,
    place: { title: string; id: string } | undefined,
    limit: number,
  ): Promise<ConversationView[]> {
    const matching = query ? Prisma.sql`AND c.title ILIKE ${`%${escapeLike(query)}%`}` : Prisma.empty;
    const beyond = place
      ? Prisma.sql`AND (coalesce(c.title, ''), c.id) > (${place.title}, ${place.id}::uuid)`
      : Prisma.empty;
    const rows = await this.#prisma.$queryRaw<{ view: ConversationView }[]>`
      SELECT ${viewJson} AS view
      FROM (
        SELECT * FROM "Conversation" c
        WHERE c.type = 'channel' AND c."deletedAt" IS NULL ${matching} ${beyond}
        ORDER BY coalesce(c.title, ''), c.id LIMIT ${limit}
      ) c
      LEFT JOIN "ConversationParticipant" p ON p."conversationId" = c.id AND p."userId" = ${userId}
      ORDER BY coalesce(c.title, ''), c.id`;
    return rows.map(({ view }) => this.#opened(view));
  }

  /**
   * Stores a conversation with its first participants, `rev` 1 for all of it. Answers false where the pair of a
   * `direct` one has a conversation already, also when both come at the same moment.
   */
  async create(created: NewConversation, nodeId: string): Promise<boolean> {
    return withRetries(() =>
      this.#prisma.$transaction(async (tx) => {
        const stored = await tx.$executeRaw`
          INSERT INTO "Conversation"
            (id, type, title, metadata, "directKey", "createdBy", "participantCount", confidential)
          VALUES (${created.id}::uuid, ${created.type}::"ConversationType", ${created.title},
            ${JSON.stringify(created.metadata)}::jsonb, ${created.directKey}, ${created.createdBy},
            ${created.participants.length}, ${created.dataKey !== null})
          ON CONFLICT ("directKey") DO NOTHING`;
        if (stored === 0) return false;
        if (created.dataKey) {
          const { keyId, wrapped } = created.dataKey;
          await tx.$executeRaw`
            INSERT INTO "ConversationKey" ("conversationId", "keyId", wrapped)
            VALUES (${created.id}::uuid, ${keyId}, ${wrapped})`;
        }
        await tx.$executeRaw`
          INSERT INTO "ConversationParticipant" ("conversationId", "userId", role)
          SELECT ${created.id}::uuid, x."userId", x.role
          FROM jsonb_to_recordset(${JSON.stringify(created.participants)}::jsonb)
            AS x("userId" text, role "ParticipantRole")`;
        await tx.$executeRaw`
          INSERT INTO "ChangeNotice" (xid, "nodeId", "conversationIds", revs, "userIds")
          SELECT pg_current_xact_id()::text::bigint, ${nodeId}, ARRAY[${created.id}::uuid], ARRAY[1::bigint],
            ARRAY(SELECT jsonb_array_elements_text(${JSON.stringify(created.participants.map((p) => p.userId))}::jsonb))`;
        return true;
      }),
    );
  }

  #opened(view: ConversationView): ConversationView {
    return view.lastMessage ? { ...view, lastMessage: this.#opener.open(view.lastMessage) } : view;
  }
}

function isWithMessage(row: ListRow): row is ListRow & MessageColumns {
  return row.messageId !== null;
}

/** Text as a literal part of a LIKE pattern. */
export function escapeLike(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&');
}
