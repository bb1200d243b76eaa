import type { Attachment as AttachmentRecord, PrismaClient } from '../../../../prisma/generated/client.ts';

/** A file as its row says. Numbers are below 2^53. */
export type AttachmentRow = Omit<AttachmentRecord, 'size'> & { readonly size: number };

/** What became known of a file once its bytes were there. */
export interface FileFacts {
  readonly mimeType: string;
  readonly size: number;
  readonly sha256: string;
  readonly width: number | null;
  readonly height: number | null;
  readonly durationMs: number | null;
  readonly thumbnailSize: number | null;
}

export class AttachmentsRepository {
  readonly #prisma: PrismaClient;

  constructor(prisma: PrismaClient) {
    this.#prisma = prisma;
  }

  /** Enters a file before its bytes: so there are never bytes in the storage of which no row knows. */
  async create(row: { id: string; uploaderId: string; fileName: string; size: number }): Promise<void> {
    await this.#prisma.attachment.create({ data: row });
  }

  /** A file that is not to be removed. */
  async find(id: string): Promise<AttachmentRow | null> {
    const row = await this.#prisma.attachment.findUnique({ where: { id } });
    return row && row.deletedAt === null ? { ...row, size: Number(row.size) } : null;
  }

  /** The bytes are kept. Null where the file was given up meanwhile. */
  async markReady(id: string, facts: FileFacts): Promise<AttachmentRow | null> {
    const { count } = await this.#prisma.attachment.updateMany({
      where: { id, readyAt: null, deletedAt: null },
      data: { ...facts, readyAt: new Date() },
    });
    return count === 0 ? null : this.find(id);
  }

  /** Gives a file up that was not sent. False where it belongs to a message, or is gone. */
  async giveUp(id: string): Promise<boolean> {
    const { count } = await this.#prisma.attachment.updateMany({
      where: { id, messageId: null, deletedAt: null },
      data: { deletedAt: new Date() },
    });
    return count > 0;
  }

  /** Gives up what nobody sent since a moment, and what belonged to conversations that are deleted. */
  async giveUpOrphans(createdBefore: Date): Promise<void> {
    await this.#prisma.attachment.updateMany({
      where: { messageId: null, deletedAt: null, createdAt: { lt: createdBefore } },
      data: { deletedAt: new Date() },
    });
    await this.#prisma.$executeRaw`
      UPDATE "Attachment" a SET "deletedAt" = c."deletedAt"
      FROM "Conversation" c
      WHERE c."deletedAt" IS NOT NULL AND a."conversationId" = c.id AND a."deletedAt" IS NULL`;
  }

  /** Ids of files whose bytes are to be removed, of one message or of any. */
  async findDeleted(messageId: string | undefined, limit: number): Promise<string[]> {
    const rows = await this.#prisma.attachment.findMany({
      where: { deletedAt: { not: null }, ...(messageId !== undefined && { messageId }) },
      select: { id: true },
      orderBy: { deletedAt: 'asc' },
      take: limit,
    });
    return rows.map(({ id }) => id);
  }

  /** Forgets a file whose bytes are gone. */
  async forget(id: string): Promise<void> {
    await this.#prisma.attachment.deleteMany({ where: { id, deletedAt: { not: null } } });
  }
}
