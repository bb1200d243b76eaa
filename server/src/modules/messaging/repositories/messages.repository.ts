import { Prisma, type PrismaClient } from '../../../../prisma/generated/client.ts';
import type { MessageRow } from './rows.ts';
import { messageJson } from './sql.ts';

/** Which part of the history to read; positions are exclusive but for `around`. */
export type HistoryWindow =
  | { readonly kind: 'newest' }
  | { readonly kind: 'before'; readonly seq: number }
  | { readonly kind: 'after'; readonly seq: number }
  | { readonly kind: 'around'; readonly seq: number };

/** A text that a message had, or has. */
export interface RevisionRow {
  readonly content: string;
  readonly at: string;
  readonly by: string;
}

type Reader = Pick<PrismaClient, '$queryRaw'>;

export class MessagesRepository {
  readonly #prisma: PrismaClient;

  constructor(prisma: PrismaClient) {
    this.#prisma = prisma;
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
      SELECT ${messageJson} AS message FROM "Message" m
      WHERE m.id = ${messageId}::uuid AND m."conversationId" = ${conversationId}::uuid`;
    return row?.message ?? null;
  }

  /** Messages of these ids, in no order; unknown ones are missing. */
  async findMany(ids: readonly string[]): Promise<MessageRow[]> {
    if (ids.length === 0) return [];
    const rows = await this.#prisma.$queryRaw<{ message: MessageRow }[]>`
      SELECT ${messageJson} AS message FROM "Message" m
      JOIN "Conversation" c ON c.id = m."conversationId" AND c."deletedAt" IS NULL
      WHERE m.id = ANY(${[...ids]}::uuid[])`;
    return rows.map(({ message }) => message);
  }

  /** The message at a position; null also for position 0, which has none. */
  async findAt(conversationId: string, seq: number, reader: Reader = this.#prisma): Promise<MessageRow | null> {
    const [row] = await reader.$queryRaw<{ message: MessageRow }[]>`
      SELECT ${messageJson} AS message FROM "Message" m
      WHERE m."conversationId" = ${conversationId}::uuid AND m.seq = ${seq}`;
    return row?.message ?? null;
  }

  /** The message that was stored under a sender's key, and whether its conversation still exists. */
  async findByKey(conversationId: string, senderId: string, clientMessageId: string): Promise<MessageRow | null> {
    const [row] = await this.#prisma.$queryRaw<{ message: MessageRow }[]>`
      SELECT ${messageJson} AS message
      FROM "Message" m JOIN "Conversation" c ON c.id = m."conversationId" AND c."deletedAt" IS NULL
      WHERE m."conversationId" = ${conversationId}::uuid AND m."senderId" = ${senderId}
        AND m."clientMessageId" = ${clientMessageId}`;
    return row?.message ?? null;
  }

  /** The earlier texts of a message, first text first. */
  async findRevisions(messageId: string): Promise<RevisionRow[]> {
    const rows = await this.#prisma.$queryRaw<{ revision: RevisionRow }[]>`
      SELECT jsonb_build_object('content', v.content, 'at', v.at, 'by', v.by) AS revision
      FROM "MessageRevision" v WHERE v."messageId" = ${messageId}::uuid ORDER BY v.rev`;
    return rows.map(({ revision }) => revision);
  }

  /** The rows first, by index and limit; what is shown beside them after that. */
  async #read(conversationId: string, where: Prisma.Sql, order: 'ASC' | 'DESC', limit: number): Promise<MessageRow[]> {
    const rows = await this.#prisma.$queryRaw<{ message: MessageRow }[]>`
      SELECT ${messageJson} AS message
      FROM (
        SELECT * FROM "Message" WHERE "conversationId" = ${conversationId}::uuid AND ${where}
        ORDER BY seq ${Prisma.raw(order)} LIMIT ${limit}
      ) m
      ORDER BY m.seq ${Prisma.raw(order)}`;
    return rows.map(({ message }) => message);
  }
}
