import { CAPS } from '@parley/protocol';
import { Prisma, type PrismaClient } from '../../../../prisma/generated/client.ts';
import type { Database, Statement } from '../../../infrastructure/database.ts';
import { MESSAGE_COLUMNS, type MessageColumns, messageFrom } from './message-columns.ts';
import type { KeptRevision, MessageOpener } from './message-opener.ts';
import type { ConversationRow, MessageRow, ParticipantRow, ShownMessageRow } from './rows.ts';
import { dataKeyJson, messageJson } from './sql.ts';

/** Which part of the history to read; positions are exclusive but for `around`. */
export type HistoryWindow =
  | { readonly kind: 'newest' }
  | { readonly kind: 'before'; readonly seq: number }
  | { readonly kind: 'after'; readonly seq: number }
  | { readonly kind: 'around'; readonly seq: number };

/** A page of history, with what says whether the reader may have it. */
export interface FoundPage {
  readonly conversation: ConversationRow;
  /** The reader's own row; may be that of somebody who left. */
  readonly participant: ParticipantRow | null;
  /** Oldest first. */
  readonly messages: ShownMessageRow[];
}

/** A text that a message had; null where it does not open. */
export interface RevisionRow {
  readonly content: string | null;
  readonly at: string;
  readonly by: string;
}

/** A place among everything that somebody has sent. */
export interface SentPlace {
  readonly at: string;
  readonly id: string;
}

type Reader = Pick<PrismaClient, '$queryRaw'>;

/** A message, or what is found of the reader. */
type PageRow =
  | MessageColumns
  | {
      readonly messageId: null;
      readonly message: { readonly conversation: ConversationRow; readonly participant: ParticipantRow | null };
    };

/**
 * Some of the messages of a page, by a condition such as `seq > $4`. The limit that is no parameter keeps the plan that is made
 * once the cheaper one in the eyes of the planner: to plan each page anew costs more than to read it.
 */
function messagesWhere(condition: string, order: 'ASC' | 'DESC', limit: string): string {
  return `(
    SELECT ${MESSAGE_COLUMNS} FROM (
      SELECT * FROM "Message"
      WHERE "conversationId" = $1::uuid AND ${condition}
      ORDER BY seq ${order} LIMIT ${CAPS.pageMost + 1}
    ) m LIMIT ${limit})`;
}

/**
 * One statement for the page and for who may read it, since what a page costs is above all its way there and back. The
 * row without an id has the conversation and what the reader is in it, the others are messages in no order that counts.
 *
 * $1 conversation, $2 reader, then what `messages` needs.
 */
function pageStatement(name: string, ...messages: readonly string[]): Statement {
  return {
    reads: true,
    name: `parley_page_${name}`,
    text: `
      SELECT NULL AS "messageId", NULL AS seq, NULL AS "messageRev", NULL AS "senderId", NULL AS content,
        NULL AS "clientMessageId", NULL AS "sentAt", json_build_object('conversation', to_json(c),
          'participant', CASE WHEN p."userId" IS NOT NULL THEN to_json(p) END) AS message
      FROM "Conversation" c
      LEFT JOIN "ConversationParticipant" p ON p."conversationId" = c.id AND p."userId" = $2
      WHERE c.id = $1::uuid AND c."deletedAt" IS NULL
      UNION ALL ${messages.join(' UNION ALL ')}`,
  };
}

const PAGES: { readonly [Kind in HistoryWindow['kind']]: Statement } = {
  newest: pageStatement('newest', messagesWhere('true', 'DESC', '$3')),
  before: pageStatement('before', messagesWhere('seq < $4', 'DESC', '$3')),
  after: pageStatement('after', messagesWhere('seq > $4', 'ASC', '$3')),
  around: pageStatement(
    'around',
    messagesWhere('seq <= $4', 'DESC', '($3::int + 1) / 2'),
    messagesWhere('seq > $4', 'ASC', '$3::int / 2'),
  ),
};

export class MessagesRepository {
  readonly #database: Pick<Database, 'query'>;
  readonly #prisma: PrismaClient;
  readonly #opener: MessageOpener;

  constructor(database: Pick<Database, 'prisma' | 'query'>, opener: MessageOpener) {
    this.#database = database;
    this.#prisma = database.prisma;
    this.#opener = opener;
  }

  /** Up to `limit` messages of a window, and who asks for them. Null: no such conversation. */
  async findPage(
    conversationId: string,
    userId: string,
    window: HistoryWindow,
    limit: number,
  ): Promise<FoundPage | null> {
    const values = [conversationId, userId, limit, ...(window.kind === 'newest' ? [] : [window.seq])];
    const rows = await this.#database.query<PageRow>(PAGES[window.kind], values);
    const reader = rows.find((row) => row.messageId === null);
    if (!reader) return null;
    const { conversation, participant } = reader.message;
    const messages: ShownMessageRow[] = [];
    for (const row of rows) if (row.messageId !== null) messages.push(messageFrom(row, conversation.id, this.#opener));
    messages.sort((one, other) => one.seq - other.seq);
    return { conversation, participant, messages };
  }

  async findOne(conversationId: string, messageId: string, reader: Reader = this.#prisma): Promise<MessageRow | null> {
    const [row] = await reader.$queryRaw<{ message: MessageRow }[]>`
      SELECT /* parley:once */ ${messageJson} AS message FROM "Message" m
      WHERE m.id = ${messageId}::uuid AND m."conversationId" = ${conversationId}::uuid`;
    return row ? this.#opener.open(row.message) : null;
  }

  /** What somebody has sent anywhere and is not deleted, oldest first, after a place in that order. */
  async findSentBy(userId: string, after: SentPlace | null, limit: number): Promise<MessageRow[]> {
    const beyond = after
      ? Prisma.sql`AND (s."createdAt", s.id) > (${after.at}::timestamptz, ${after.id}::uuid)`
      : Prisma.empty;
    const rows = await this.#prisma.$queryRaw<{ message: MessageRow }[]>`
      SELECT ${messageJson} AS message FROM (
        SELECT * FROM "Message" s
        WHERE s."senderId" = ${userId} AND s."deletedAt" IS NULL ${beyond}
        ORDER BY s."createdAt", s.id LIMIT ${limit}
      ) m
      ORDER BY m."createdAt", m.id`;
    return rows.map(({ message }) => this.#opener.open(message));
  }

  /** Messages of these ids, in no order; unknown ones are missing. */
  async findMany(ids: readonly string[]): Promise<MessageRow[]> {
    if (ids.length === 0) return [];
    const rows = await this.#prisma.$queryRaw<{ message: MessageRow }[]>`
      SELECT ${messageJson} AS message FROM "Message" m
      JOIN "Conversation" c ON c.id = m."conversationId" AND c."deletedAt" IS NULL
      WHERE m.id = ANY(${[...ids]}::uuid[])`;
    return rows.map(({ message }) => this.#opener.open(message));
  }

  /** The message at a position; null also for position 0, which has none. */
  async findAt(conversationId: string, seq: number, reader: Reader = this.#prisma): Promise<MessageRow | null> {
    const [row] = await reader.$queryRaw<{ message: MessageRow }[]>`
      SELECT /* parley:once */ ${messageJson} AS message FROM "Message" m
      WHERE m."conversationId" = ${conversationId}::uuid AND m.seq = ${seq}`;
    return row ? this.#opener.open(row.message) : null;
  }

  /** The message that was stored under a sender's key, and whether its conversation still exists. */
  async findByKey(conversationId: string, senderId: string, clientMessageId: string): Promise<MessageRow | null> {
    const [row] = await this.#prisma.$queryRaw<{ message: MessageRow }[]>`
      SELECT ${messageJson} AS message
      FROM "Message" m JOIN "Conversation" c ON c.id = m."conversationId" AND c."deletedAt" IS NULL
      WHERE m."conversationId" = ${conversationId}::uuid AND m."senderId" = ${senderId}
        AND m."clientMessageId" = ${clientMessageId}`;
    return row ? this.#opener.open(row.message) : null;
  }

  /** The earlier texts of a message, first text first. */
  async findRevisions(messageId: string): Promise<RevisionRow[]> {
    const rows = await this.#prisma.$queryRaw<{ revision: KeptRevision & Pick<RevisionRow, 'at' | 'by'> }[]>`
      SELECT to_jsonb(m) || jsonb_build_object(
        'dataKey', CASE WHEN m.sealed IS NOT NULL THEN ${dataKeyJson} END) AS revision
      FROM "MessageRevision" m WHERE m."messageId" = ${messageId}::uuid ORDER BY m.rev`;
    return rows.map(({ revision }) => {
      const { at, by } = revision;
      return { content: this.#opener.openRevision(revision), at, by };
    });
  }
}
