import type { Attachment as AttachmentRecord, PrismaClient } from '../../../../prisma/generated/client.ts';
import type { WrappedKey } from '../../../infrastructure/key-ring.ts';
import type { FileSeals } from '../../confidential/index.ts';

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

/** A file that is about to come. */
export interface NewFile {
  readonly id: string;
  readonly uploaderId: string;
  /** Sealed where there is a key. */
  readonly fileName: string;
  readonly size: number;
  readonly key: WrappedKey | null;
}

export class AttachmentsRepository {
  readonly #prisma: PrismaClient;
  readonly #seals: Pick<FileSeals, 'openName'>;

  constructor(prisma: PrismaClient, seals: Pick<FileSeals, 'openName'>) {
    this.#prisma = prisma;
    this.#seals = seals;
  }

  /** Enters a file before its bytes: so there are never bytes in the storage of which no row knows. */
  async create({ key, ...row }: NewFile): Promise<void> {
    await this.#prisma.attachment.create({
      data: { ...row, keyId: key?.keyId ?? null, wrappedKey: key?.wrapped ?? null },
    });
  }

  /** The first of these files that is kept unencrypted; null where none is, or none is there. */
  async findUnsealed(ids: readonly string[]): Promise<string | null> {
    const found = await this.#prisma.attachment.findFirst({
      where: { id: { in: [...ids] }, keyId: null },
      select: { id: true },
    });
    return found?.id ?? null;
  }

  /** A file that is not to be removed, its name opened. */
  async find(id: string): Promise<AttachmentRow | null> {
    const row = await this.#prisma.attachment.findUnique({ where: { id } });
    return row && row.deletedAt === null ? this.#seals.openName({ ...row, size: Number(row.size) }) : null;
  }

  /** What somebody uploaded and is there, in order of id. */
  async findOwn(uploaderId: string, after: string | null, limit: number): Promise<AttachmentRow[]> {
    const rows = await this.#prisma.attachment.findMany({
      where: { uploaderId, readyAt: { not: null }, deletedAt: null, ...(after !== null && { id: { gt: after } }) },
      orderBy: { id: 'asc' },
      take: limit,
    });
    return rows.map((row) => this.#seals.openName({ ...row, size: Number(row.size) }));
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

  /**
   * Gives up what nobody sent since a moment, and what belonged to conversations that are deleted. The files of a message
   * that waits for a moderator were sent.
   */
  async giveUpOrphans(createdBefore: Date): Promise<void> {
    await this.#prisma.$executeRaw`
      UPDATE "Attachment" a SET "deletedAt" = now()
      WHERE a."messageId" IS NULL AND a."deletedAt" IS NULL AND a."createdAt" < ${createdBefore.toISOString()}::timestamptz
        AND NOT EXISTS (
          SELECT FROM "HeldMessage" h
          WHERE h."senderId" = a."uploaderId" AND jsonb_exists(h.command -> 'attachmentIds', a.id::text))`;
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
