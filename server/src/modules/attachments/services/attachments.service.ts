import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { type Attachment, isCleanString } from '@parley/protocol';
import type { ByteRange, Storage } from '../../../infrastructure/storage.ts';
import type { Actor } from '../../../utils/actor.ts';
import { AppError, invalidField } from '../../../utils/app-error.ts';
import { isUuid, newId } from '../../../utils/ids.ts';
import type { Logger } from '../../../utils/logger.ts';
import { cleanFileName, judgeType } from '../attachments.policy.ts';
import type { AttachmentRow, AttachmentsRepository, FileFacts } from '../repositories/attachments.repository.ts';
import type { AttachmentLinks, LinkQuery } from './attachment-links.ts';
import { FileRefused, type FileWorker } from './file-worker.client.ts';
import type { Staging } from './staging.ts';

export interface AttachmentsServiceDeps {
  readonly repository: AttachmentsRepository;
  readonly storage: Storage;
  readonly staging: Staging;
  readonly worker: FileWorker;
  readonly links: AttachmentLinks;
  /** Whether somebody may read a conversation now; throws the refusal (ACC-2). */
  readonly requireReader: (actor: Actor, conversationId: string) => Promise<void>;
  /** Takes markup out of a text and trims it. */
  readonly cleanText: (text: string) => string;
  readonly present: (row: AttachmentRow) => Attachment;
  /** Bytes of one file. */
  readonly maxBytes: number;
  readonly logger: Logger;
}

/** A file as it is handed out. */
export interface OpenFile {
  readonly fileName: string;
  readonly mimeType: string;
  readonly size: number;
  /** Names these very bytes. */
  readonly etag: string;
  readonly modifiedAt: Date;
  /** Its bytes, or a part of them. */
  open(range?: ByteRange): Promise<Readable>;
}

/** An upload that comes in parts. */
export interface UploadState {
  readonly id: string;
  readonly uploaderId: string;
  readonly fileName: string;
  readonly size: number;
  readonly offset: number;
  readonly createdAt: Date;
}

/** What nobody has sent for this long goes. */
const ORPHAN_AFTER_MS = 24 * 3_600_000;

/** Files removed in one go of the sweep. */
const SWEEP_BATCH = 100;

const THUMBNAIL_TYPE = 'image/webp';

/** Uploading, fetching and removing files: one method for each thing that happens to them. */
export class AttachmentsService {
  readonly #deps: AttachmentsServiceDeps;
  /** Uploads that are being examined and stored, by id: whoever asks for one meanwhile waits for the same end. */
  readonly #finishing = new Map<string, Promise<AttachmentRow>>();

  constructor(deps: AttachmentsServiceDeps) {
    this.#deps = deps;
  }

  /** Takes a whole file in one go; whoever hands it over ends the stream of one that is too large with an error. Nothing is left of one that breaks off or is refused. */
  async upload(actor: Actor, fileName: string, bytes: Readable): Promise<Attachment> {
    const { staging, repository } = this.#deps;
    const name = this.#requireName(fileName, 'file');
    const id = newId();
    try {
      const size = await staging.write(id, bytes, 0);
      if (size === 0) throw invalidField('file', 'The file is empty.');
      await repository.create({ id, uploaderId: actor.id, fileName: name, size });
    } catch (error) {
      await staging.remove(id);
      throw error;
    }
    try {
      return this.#deps.present(await this.finish(id));
    } catch (error) {
      // Nobody can take it up again, so what a later try could use goes too; failing that, the sweep takes it.
      await this.cancel(id).catch(() => {});
      throw error;
    }
  }

  /** Begins an upload that comes in parts; its id is that of the file it will be. */
  async begin(actor: Actor, id: string, fileName: string, size: number): Promise<void> {
    const name = this.#requireName(fileName, 'filename');
    if (size === 0) throw invalidField('file', 'The file is empty.');
    if (size > this.#deps.maxBytes) throw new AppError('payload_too_large');
    await this.#deps.repository.create({ id, uploaderId: actor.id, fileName: name, size });
  }

  /**
   * How far an upload has come; one that is done is at its end, also when it has been sent by now. Where all bytes arrived
   * and the process ended before it could look at them, they are looked at now.
   */
  async findUpload(id: string): Promise<UploadState | null> {
    const row = await this.#find(id);
    if (!row) return null;
    const { uploaderId, fileName, createdAt } = row;
    if (row.readyAt) return { id, uploaderId, fileName, size: row.size, offset: row.size, createdAt };
    const offset = await this.#deps.staging.sizeOf(id);
    if (offset >= row.size) await this.finish(id);
    return { id, uploaderId, fileName, size: row.size, offset, createdAt };
  }

  /** 404 unless this is an upload of this person's. */
  async requireUploader(actor: Actor, id: string): Promise<void> {
    const row = await this.#find(id);
    if (row?.uploaderId !== actor.id) throw new AppError('not_found');
  }

  /** Adds bytes to an upload; resolves to the new offset. */
  append(id: string, bytes: Readable, offset: number): Promise<number> {
    return this.#deps.staging.write(id, bytes, offset);
  }

  /** Gives an upload up, finished or not. 409 once it belongs to a message. */
  async cancel(id: string): Promise<void> {
    if (!(await this.#deps.repository.giveUp(id))) throw new AppError('attachment_in_use');
    await this.#removeBytes(id);
  }

  /**
   * Looks at a file whose bytes are all here, and stores it. A second call answers with what the first one found.
   *
   * @throws AppError `unsupported_media_type` for a picture that cannot be decoded, `payload_too_large` for one of too many
   *   pixels; of both nothing is left.
   */
  finish(id: string): Promise<AttachmentRow> {
    const underWay = this.#finishing.get(id);
    if (underWay) return underWay;
    const finishing = this.#store(id).finally(() => this.#finishing.delete(id));
    this.#finishing.set(id, finishing);
    return finishing;
  }

  /** What a file is, and addresses of it that need no token for a while. */
  async getLink(actor: Actor, id: string) {
    const row = await this.#requireReadable(actor, id);
    const attachment = this.#deps.present(row);
    const { query, expiresAt } = this.#deps.links.sign(actor, id);
    return {
      attachment,
      url: `${attachment.url}?${query}`,
      thumbnailUrl: attachment.thumbnailUrl && `${attachment.thumbnailUrl}?${query}`,
      expiresAt: new Date(expiresAt).toISOString(),
    };
  }

  /** The person for whom a signed address was made. */
  verifyLink(id: string, link: LinkQuery): Actor {
    return this.#deps.links.verify(id, link);
  }

  /** A file, for whoever may read it at this moment. */
  async getFile(actor: Actor, id: string): Promise<OpenFile> {
    const { fileName, mimeType, size, sha256, readyAt } = await this.#requireReadable(actor, id);
    return this.#openFile(id, { fileName, mimeType, size, etag: `"${sha256}"`, modifiedAt: readyAt! });
  }

  /** The small picture of a file that has one. */
  async getThumbnail(actor: Actor, id: string): Promise<OpenFile> {
    const { fileName, thumbnailSize, sha256, readyAt } = await this.#requireReadable(actor, id);
    if (thumbnailSize === null) throw new AppError('not_found');
    return this.#openFile(`${id}.thumbnail`, {
      fileName: `${fileName}.webp`,
      mimeType: THUMBNAIL_TYPE,
      size: thumbnailSize,
      etag: `"${sha256}-thumbnail"`,
      modifiedAt: readyAt!,
    });
  }

  /** Removes the files of a deleted message. Never rejects: what could not be removed now goes with the next sweep. */
  async removeDeleted(messageId: string): Promise<void> {
    try {
      for (const id of await this.#deps.repository.findDeleted(messageId, SWEEP_BATCH)) await this.#removeBytes(id);
    } catch (error) {
      this.#deps.logger.warn({ err: error }, 'the files of a deleted message could not be removed yet');
    }
  }

  /** Removes what nobody sent within a day, what deleted messages left behind, and remains of uploads. */
  async sweep(now: number = Date.now()): Promise<void> {
    const { repository, staging } = this.#deps;
    const longAgo = now - ORPHAN_AFTER_MS;
    await repository.giveUpOrphans(new Date(longAgo));
    for (;;) {
      const ids = await repository.findDeleted(undefined, SWEEP_BATCH);
      for (const id of ids) await this.#removeBytes(id);
      if (ids.length < SWEEP_BATCH) break;
    }
    await staging.removeOlderThan(longAgo);
  }

  async #store(id: string): Promise<AttachmentRow> {
    const { repository, staging, storage } = this.#deps;
    const row = await this.#find(id);
    if (!row) throw new AppError('not_found');
    if (row.readyAt) return row;
    try {
      const { path, facts } = await this.#examine(id);
      if (facts.thumbnailSize !== null) await storage.put(`${id}.thumbnail`, staging.pathOf(id, '.thumbnail'));
      await storage.put(id, path);
      const ready = await repository.markReady(id, facts);
      if (!ready) throw new AppError('not_found');
      await staging.remove(id);
      return ready;
    } catch (error) {
      // What may succeed another time keeps its bytes, for a client that takes the upload up again.
      const isFinal = error instanceof AppError && error.status < 500;
      if (isFinal && (await repository.giveUp(id))) await this.#removeBytes(id);
      throw error;
    }
  }

  /** What the bytes are, whatever their name says, and where those are that will be kept. */
  async #examine(id: string): Promise<{ path: string; facts: FileFacts }> {
    const { worker, staging } = this.#deps;
    const uploaded = staging.pathOf(id);
    const { kind, mimeType } = judgeType(await worker.run({ task: 'type', path: uploaded }).catch(asRefusal));
    if (kind === 'picture') {
      const picture = staging.pathOf(id, '.picture');
      const figures = await worker
        .run({ task: 'picture', path: uploaded, output: picture, thumbnail: staging.pathOf(id, '.thumbnail') })
        .catch(asRefusal);
      return { path: picture, facts: { ...(await this.#measure(picture)), ...figures, mimeType, durationMs: null } };
    }
    const durationMs =
      kind === 'media' ? await worker.run({ task: 'duration', path: uploaded }).catch(asUnknownDuration) : null;
    const facts = { mimeType, durationMs, width: null, height: null, thumbnailSize: null };
    return { path: uploaded, facts: { ...(await this.#measure(uploaded)), ...facts } };
  }

  async #measure(path: string): Promise<{ size: number; sha256: string }> {
    const [{ size }, sha256] = await Promise.all([stat(path), this.#deps.staging.hashOf(path)]);
    return { size, sha256 };
  }

  /** The bytes first: as long as they may be there, their row is. */
  async #removeBytes(id: string): Promise<void> {
    const { storage, staging, repository } = this.#deps;
    await Promise.all([storage.remove(id), storage.remove(`${id}.thumbnail`), staging.remove(id)]);
    await repository.forget(id);
  }

  #openFile(key: string, file: Omit<OpenFile, 'open'>): OpenFile {
    return {
      ...file,
      open: async (range) => {
        const bytes = await this.#deps.storage.open(key, range);
        // Deleted since the row was read.
        if (!bytes) throw new AppError('not_found');
        return bytes;
      },
    };
  }

  /**
   * A stored file that somebody may read: their own until it is sent, then that of a message which they can read. Asked of
   * the rows on each call, and of no cache.
   */
  async #requireReadable(actor: Actor, id: string): Promise<AttachmentRow> {
    const row = await this.#find(id);
    if (!row?.readyAt) throw new AppError('not_found');
    if (row.conversationId !== null) await this.#deps.requireReader(actor, row.conversationId);
    else if (row.uploaderId !== actor.id) throw new AppError('not_found');
    return row;
  }

  async #find(id: string): Promise<AttachmentRow | null> {
    return isUuid(id) ? this.#deps.repository.find(id.toLowerCase()) : null;
  }

  #requireName(given: string, path: string): string {
    if (!isCleanString(given)) throw invalidField(path, 'The name must not contain NUL or lone surrogates.');
    return cleanFileName(given, this.#deps.cleanText);
  }
}

function asRefusal(error: unknown): never {
  if (!(error instanceof FileRefused)) throw error;
  if (error.reason === 'too_large') {
    throw new AppError('payload_too_large', { detail: 'The picture has too many pixels.', cause: error });
  }
  throw new AppError('unsupported_media_type', { detail: 'The file is damaged.', cause: error });
}

/** Not every recording says how long it is, and none is refused over it. */
function asUnknownDuration(error: unknown): null {
  if (error instanceof FileRefused) return null;
  throw error;
}
