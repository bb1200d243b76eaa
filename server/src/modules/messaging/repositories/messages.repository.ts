import { Prisma, type PrismaClient } from '../../../../prisma/generated/client.ts';
import type { KeptRevision, MessageOpener } from './message-opener.ts';
import type { MessageRow } from './rows.ts';
import { dataKeyJson, messageJson } from './sql.ts';

/** Which part of the history to read; positions are exclusive but for `around`. */
export type HistoryWindow =
  | { readonly kind: 'newest' }
  | { readonly kind: 'before'; readonly seq: number }
  | { readonly kind: 'after'; readonly seq: number }
  | { readonly kind: 'around'; readonly seq: number };

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

export class MessagesRepository {
  readonly #prisma: PrismaClient;
  readonly #opener: MessageOpener;

  constructor(prisma: PrismaClient, opener: MessageOpener) {
    this.#prisma = prisma;
    this.#opener = opener;
  }

  /** Up to `limit` messages of a window, oldest first. */
  async findPage(conversationId: string, window: HistoryWindow, limit: number): Promise<MessageRow[]> {
    switch (window.kind) {
      case 'newest':
        return (await this.#read(conversationId, Prisma.sql`true`, 'DESC', limit)).reverse();
      case 'before':
        return (await this.#read(conversationId, Prisma.sql`seq < ${window.seq}`, 'DESC', limit)).reverse();
      case 'after':
        return this.#read(conversationId, Prisma.sql`seq > ${window.seq}`, 'ASC', limit);
      case 'around': {
        const half = Math.ceil(limit / 2);
        const [upTo, above] = await Promise.all([
          this.#read(conversationId, Prisma.sql`seq <= ${window.seq}`, 'DESC', half),
          this.#read(conversationId, Prisma.sql`seq > ${window.seq}`, 'ASC', limit - half),
        ]);
        return [...upTo.reverse(), ...above];
      }
    }
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

  /** The rows first, by index and limit; what is shown beside them after that. */
  async #read(conversationId: string, where: Prisma.Sql, order: 'ASC' | 'DESC', limit: number): Promise<MessageRow[]> {
    const [row] = await this.#prisma.$queryRaw<[{ messages: MessageRow[] | null }]>`
      SELECT /* parley:once */ json_agg(${messageJson} ORDER BY m.seq ${Prisma.raw(order)}) AS messages
      FROM (
        SELECT * FROM "Message" WHERE "conversationId" = ${conversationId}::uuid AND ${where}
        ORDER BY seq ${Prisma.raw(order)} LIMIT ${limit}
      ) m`;
    return (row!.messages ?? []).map(this.#opener.open);
  }
}
