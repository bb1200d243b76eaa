import type { Attachment as AttachmentRecord, Prisma, PrismaClient } from '../../../../prisma/generated/client.ts';
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
  /** Sealed where there is a key. */
  readonly preview: string | null;
  /** Of the bytes as they were uploaded; null where they are shared with no other file. */
  readonly contentHash: string | null;
}

/** Under which ids nobody keeps bytes any more once a file is gone. */
export interface Release {
  readonly unused: readonly string[];
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
  readonly #seals: Pick<FileSeals, 'openTexts'>;

  constructor(prisma: PrismaClient, seals: Pick<FileSeals, 'openTexts'>) {
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

  /** A file that is not to be removed and has no virus, its name and preview opened. */
  async find(id: string): Promise<AttachmentRow | null> {
    const row = await this.#prisma.attachment.findFirst({ where: { id, deletedAt: null, quarantinedAt: null } });
    return row && this.#seals.openTexts({ ...row, size: Number(row.size) });
  }

  /** A file of the same person with the same content, whose bytes are there to be shared. */
  async findSame(uploaderId: string, contentHash: string): Promise<Pick<AttachmentRow, 'id' | 'mimeType'> | null> {
    return this.#prisma.attachment.findFirst({
      where: { uploaderId, contentHash, readyAt: { not: null }, deletedAt: null },
      select: { id: true, mimeType: true },
    });
  }

  /** What somebody uploaded and is there, in order of id. */
  async findOwn(uploaderId: string, after: string | null, limit: number): Promise<AttachmentRow[]> {
    const rows = await this.#prisma.attachment.findMany({
      where: { uploaderId, readyAt: { not: null }, deletedAt: null, ...(after !== null && { id: { gt: after } }) },
      orderBy: { id: 'asc' },
      take: limit,
    });
    return rows.map((row) => this.#seals.openTexts({ ...row, size: Number(row.size) }));
  }

  /** Takes over the bytes, and what is known of them, from a file of the same person and content. Null where there is none. */
  async share(id: string, contentHash: string): Promise<AttachmentRow | null> {
    const isShared = await this.#prisma.$transaction(async (tx) => {
      await lockContent(tx, contentHash);
      return takeOver(tx, id, contentHash);
    });
    return isShared ? this.find(id) : null;
  }

  /**
   * The bytes are kept: `own` its own, or, where another upload of the same content was faster, `shared` those of that one.
   * `gone` where the file was given up meanwhile. Only of `own` are the bytes that were stored for it needed.
   */
  async markReady(id: string, facts: FileFacts): Promise<'own' | 'shared' | 'gone'> {
    const { contentHash } = facts;
    return this.#prisma.$transaction(async (tx) => {
      if (contentHash !== null) {
        await lockContent(tx, contentHash);
        if (await takeOver(tx, id, contentHash)) return 'shared';
      }
      const { count } = await tx.attachment.updateMany({
        where: { id, readyAt: null, deletedAt: null },
        data: { ...facts, readyAt: new Date() },
      });
      return count > 0 ? 'own' : 'gone';
    });
  }

  /** A virus was found in an upload: from now on it is nobody's. */
  async quarantine(id: string, virus: string): Promise<void> {
    await this.#prisma.attachment.updateMany({
      where: { id, readyAt: null, deletedAt: null },
      data: { quarantinedAt: new Date(), virus },
    });
  }

  /** Gives a file up that was not sent. False where it belongs to a message, is gone or in quarantine. */
  async giveUp(id: string): Promise<boolean> {
    const { count } = await this.#prisma.attachment.updateMany({
      where: { id, messageId: null, deletedAt: null, quarantinedAt: null },
      data: { deletedAt: new Date() },
    });
    return count > 0;
  }

  /**
   * Gives up what nobody sent since a moment, and what belonged to conversations that are deleted. The files of a message
   * that waits for a moderator were sent. What is in quarantine stays there for longer.
   */
  async giveUpOrphans(createdBefore: Date, quarantinedBefore: Date): Promise<void> {
    await this.#prisma.$executeRaw`
      UPDATE "Attachment" a SET "deletedAt" = now()
      WHERE a."messageId" IS NULL AND a."deletedAt" IS NULL AND a."createdAt" < ${createdBefore.toISOString()}::timestamptz
        AND (a."quarantinedAt" IS NULL OR a."quarantinedAt" < ${quarantinedBefore.toISOString()}::timestamptz)
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

  /**
   * Looks whose bytes go with a file that was given up. Those that others share stay, and the file is forgotten at once: so of
   * several that go at the same moment, the last one sees that it is the last.
   */
  async release(id: string): Promise<Release> {
    return this.#prisma.$transaction(async (tx): Promise<Release> => {
      const row = await tx.attachment.findUnique({ where: { id }, select: { bytesId: true, contentHash: true } });
      // Bytes without a hash are shared by nobody.
      if (!row || row.contentHash === null) return { unused: [id] };
      await lockContent(tx, row.contentHash);
      const bytesId = row.bytesId ?? id;
      const other = await tx.attachment.findFirst({
        where: { id: { not: id }, OR: [{ bytesId }, { id: bytesId }] },
        select: { id: true },
      });
      if (!other) return { unused: [...new Set([id, bytesId])] };
      await tx.attachment.deleteMany({ where: { id, deletedAt: { not: null } } });
      // Left over where a process ended between keeping its own and taking over those of another.
      return { unused: bytesId === id ? [] : [id] };
    });
  }

  /** Forgets a file whose bytes are gone. */
  async forget(id: string): Promise<void> {
    await this.#prisma.attachment.deleteMany({ where: { id, deletedAt: { not: null } } });
  }
}

/** Uploads and removals of the same content, one after the other, until the transaction ends. */
async function lockContent(tx: Prisma.TransactionClient, contentHash: string): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${contentHash}, 0))`;
}

/** False where there is no file to take over from, or this one is not waited for any more. With the content locked. */
async function takeOver(tx: Prisma.TransactionClient, id: string, contentHash: string): Promise<boolean> {
  const count = await tx.$executeRaw`
    UPDATE "Attachment" a
    SET "bytesId" = coalesce(same."bytesId", same.id), "contentHash" = same."contentHash", "mimeType" = same."mimeType",
      size = same.size, sha256 = same.sha256, width = same.width, height = same.height,
      "durationMs" = same."durationMs", "thumbnailSize" = same."thumbnailSize", preview = same.preview,
      "readyAt" = now()
    FROM (
      SELECT s.* FROM "Attachment" s JOIN "Attachment" own ON own.id = ${id}::uuid AND own."uploaderId" = s."uploaderId"
      WHERE s."contentHash" = ${contentHash} AND s.id <> own.id AND s."readyAt" IS NOT NULL AND s."deletedAt" IS NULL
      ORDER BY s.id LIMIT 1
    ) same
    WHERE a.id = ${id}::uuid AND a."readyAt" IS NULL AND a."deletedAt" IS NULL AND a."keyId" IS NULL`;
  return count > 0;
}
