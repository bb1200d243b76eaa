import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { type Attachment, isCleanString } from '@parley/protocol';
import { UnreadableError } from '../../../infrastructure/sealing.ts';
import type { ByteRange, Storage } from '../../../infrastructure/storage.ts';
import type { Actor } from '../../../utils/actor.ts';
import { AppError, invalidField } from '../../../utils/app-error.ts';
import { isUuid, newId } from '../../../utils/ids.ts';
import type { Logger } from '../../../utils/logger.ts';
import { type FileKind, type FileSeal, type FileSeals, unreadable } from '../../confidential/index.ts';
import { cleanFileName, isAllowedType, judgeType } from '../attachments.policy.ts';
import type {
  AttachmentRow,
  AttachmentsRepository,
  FileFacts,
  NewFile,
} from '../repositories/attachments.repository.ts';
import type { AttachmentLinks, LinkQuery } from './attachment-links.ts';
import type { FileScanner } from './file-scanner.ts';
import { FileRefused, type FileWorker } from './file-worker.client.ts';
import type { SoundFigures } from './file-worker.types.ts';
import type { Staging } from './staging.ts';

export interface AttachmentsServiceDeps {
  readonly repository: AttachmentsRepository;
  readonly storage: Storage;
  /** With a master key, every file is encrypted before it is stored. */
  readonly seals: FileSeals;
  readonly staging: Staging;
  readonly worker: FileWorker;
  readonly scanner: FileScanner;
  readonly links: AttachmentLinks;
  /** Whether somebody may read a conversation now; throws the refusal (ACC-2). */
  readonly requireReader: (actor: Actor, conversationId: string) => Promise<void>;
  /** Takes markup out of a text and trims it. */
  readonly cleanText: (text: string) => string;
  /** The name as it may be shown; throws the refusal of one that is not allowed. */
  readonly screenName: (name: string, path: string) => string;
  readonly present: (row: AttachmentRow) => Attachment;
  /** Bytes of one file. */
  readonly maxBytes: number;
  /** Types of files that are taken; empty: any. */
  readonly allowedTypes: readonly string[];
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

/** What the examination of a file brings. */
type ExaminedFacts = Omit<FileFacts, 'sha256' | 'contentHash' | 'preview'> & {
  readonly preview: Pick<Attachment, 'placeholder' | 'waveform'> | null;
};

/** What nobody has sent for this long goes. */
const ORPHAN_AFTER_MS = 24 * 3_600_000;

/** What a virus was found in is kept for so long, for the operator to look at. */
const QUARANTINE_MS = 30 * ORPHAN_AFTER_MS;

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
      await repository.create(this.#newFile(actor, id, name, size));
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
    await this.#deps.repository.create(this.#newFile(actor, id, name, size));
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
   *   pixels; of both nothing is left. `virus_found` for what the scanner takes for one, which is kept apart.
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
    const row = await this.#requireReadable(actor, id);
    const { fileName, mimeType, size, sha256, readyAt } = row;
    return this.#openFile(row, 'file', { fileName, mimeType, size, etag: `"${sha256}"`, modifiedAt: readyAt! });
  }

  /** The small picture of a file that has one. */
  async getThumbnail(actor: Actor, id: string): Promise<OpenFile> {
    const row = await this.#requireReadable(actor, id);
    const { fileName, thumbnailSize, sha256, readyAt } = row;
    if (thumbnailSize === null) throw new AppError('not_found');
    return this.#openFile(row, 'thumbnail', {
      fileName: `${fileName}.webp`,
      mimeType: THUMBNAIL_TYPE,
      size: thumbnailSize,
      etag: `"${sha256}-thumbnail"`,
      modifiedAt: readyAt!,
    });
  }

  /** What somebody uploaded and is there, in order of id, for a copy of what is theirs. */
  findOwn(uploaderId: string, after: string | null, limit: number): Promise<AttachmentRow[]> {
    return this.#deps.repository.findOwn(uploaderId, after, limit);
  }

  /** The bytes of a file whose reader the caller has decided on; null where it is gone. */
  async openBytes(id: string): Promise<Readable | null> {
    const row = await this.#find(id);
    if (!row?.readyAt) return null;
    const { fileName, mimeType, size, sha256, readyAt } = row;
    return this.#openFile(row, 'file', { fileName, mimeType, size, etag: `"${sha256}"`, modifiedAt: readyAt })
      .open()
      .catch((error: unknown) => {
        if (error instanceof AppError && error.code === 'not_found') return null;
        throw error;
      });
  }

  /** The first of these files that is kept unencrypted, from before there was a key; null where none is. */
  findUnsealed(ids: readonly string[]): Promise<string | null> {
    return this.#deps.repository.findUnsealed(ids.map((id) => id.toLowerCase()));
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
    await repository.giveUpOrphans(new Date(longAgo), new Date(now - QUARANTINE_MS));
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
    let isSettled = false;
    try {
      const virus = await this.#deps.scanner.findVirus(staging.pathOf(id));
      if (virus !== null) return await this.#quarantine(row, virus);
      // One with a key of its own shares its bytes with none, and its hash would tell what is in it.
      const contentHash = row.keyId === null ? await staging.hashOf(staging.pathOf(id)) : null;
      const shared = contentHash === null ? null : await this.#shareBytes(row, contentHash);
      if (shared) return shared;
      const { path, facts } = await this.#examine(id);
      const kept = await this.#sealed(row, path, facts);
      // While it is there: the storage may take the file itself.
      const sha256 = await staging.hashOf(kept.file);
      if (facts.thumbnailSize !== null) await storage.put(`${id}.thumbnail`, kept.thumbnail);
      await storage.put(id, kept.file);
      const preview = this.#sealPreview(row, facts.preview);
      const outcome = await repository.markReady(id, { ...facts, preview, sha256, contentHash });
      isSettled = true;
      if (outcome !== 'own') await this.#removeStored(id);
      await staging.remove(id);
      const ready = outcome === 'gone' ? null : await this.#find(id);
      if (!ready) throw new AppError('not_found');
      return ready;
    } catch (error) {
      // What may succeed another time keeps its bytes, for a client that takes the upload up again.
      const isFinal = error instanceof AppError && error.status < 500;
      if (isFinal && (await repository.giveUp(id))) await this.#removeBytes(id);
      // Given up meanwhile: what was stored since is known to nobody. Once settled, another file may share it.
      else if (!isSettled && !(await this.#find(id))) await Promise.all([this.#removeStored(id), staging.remove(id)]);
      throw error;
    }
  }

  /** The second upload of the same bytes by the same person stores them no second time. */
  async #shareBytes(row: AttachmentRow, contentHash: string): Promise<AttachmentRow | null> {
    const { repository, staging, allowedTypes } = this.#deps;
    const same = await repository.findSame(row.uploaderId, contentHash);
    // What is taken may have changed since.
    if (!same || !isAllowedType(same.mimeType, allowedTypes)) return null;
    const shared = await repository.share(row.id, contentHash);
    if (shared) await staging.remove(row.id);
    return shared;
  }

  /** Kept under a name that is never served. Its row goes on before the uploader is told: nobody can send or fetch it. */
  async #quarantine(row: AttachmentRow, virus: string): Promise<never> {
    const { staging, storage, repository, logger } = this.#deps;
    const { id, uploaderId } = row;
    const { file } = await this.#sealed(row, staging.pathOf(id), { thumbnailSize: null });
    await storage.put(`${id}.quarantine`, file);
    await repository.quarantine(id, virus);
    await staging.remove(id);
    logger.warn({ attachmentId: id, userId: uploaderId, virus }, 'a virus was found in a file');
    throw new AppError('virus_found');
  }

  /** What the bytes are, whatever their name says, and where those are that will be kept. */
  async #examine(id: string): Promise<{ path: string; facts: ExaminedFacts }> {
    const { worker, staging } = this.#deps;
    const uploaded = staging.pathOf(id);
    const { kind, mimeType } = judgeType(await worker.run({ task: 'type', path: uploaded }).catch(asRefusal));
    if (!isAllowedType(mimeType, this.#deps.allowedTypes)) {
      throw new AppError('unsupported_media_type', { detail: 'Files of this type are not taken here.' });
    }
    if (kind === 'picture') {
      const picture = staging.pathOf(id, '.picture');
      const { placeholder, ...figures } = await worker
        .run({ task: 'picture', path: uploaded, output: picture, thumbnail: staging.pathOf(id, '.thumbnail') })
        .catch(asRefusal);
      const { size } = await stat(picture);
      return { path: picture, facts: { size, ...figures, mimeType, durationMs: null, preview: { placeholder } } };
    }
    const { durationMs, waveform } =
      kind === 'media'
        ? await worker.run({ task: 'sound', path: uploaded, mimeType }).catch(asUnknownSound)
        : UNKNOWN_SOUND;
    const { size } = await stat(uploaded);
    return {
      path: uploaded,
      facts: {
        ...{ size, mimeType, durationMs, width: null, height: null, thumbnailSize: null },
        preview: waveform && { waveform },
      },
    };
  }

  #sealPreview(row: AttachmentRow, preview: ExaminedFacts['preview']): string | null {
    if (preview === null) return null;
    const text = JSON.stringify(preview);
    return this.#sealOf(row)?.sealPreview(text) ?? text;
  }

  /** What is to be kept of a file and its thumbnail, and where: encrypted where the file has a key. */
  async #sealed(
    row: AttachmentRow,
    path: string,
    { thumbnailSize }: Pick<FileFacts, 'thumbnailSize'>,
  ): Promise<Record<FileKind, string>> {
    const { staging } = this.#deps;
    const seal = this.#sealOf(row);
    const plain = { file: path, thumbnail: staging.pathOf(row.id, '.thumbnail') };
    if (!seal) return plain;
    const kept = { file: staging.pathOf(row.id, '.sealed'), thumbnail: staging.pathOf(row.id, '.thumbnail-sealed') };
    await staging.transform(plain.file, kept.file, seal.sealBytes('file'));
    if (thumbnailSize !== null) await staging.transform(plain.thumbnail, kept.thumbnail, seal.sealBytes('thumbnail'));
    return kept;
  }

  /** 503 where the file's key is lost. */
  #sealOf(row: AttachmentRow): FileSeal | null {
    try {
      return this.#deps.seals.of(row);
    } catch (error) {
      throw unreadable(error);
    }
  }

  /** The row of a file that is about to come, its name encrypted where there is a key. */
  #newFile({ id: uploaderId }: Actor, id: string, name: string, size: number): NewFile {
    const made = this.#deps.seals.create(id);
    const fileName = made ? made.seal.sealName(name) : name;
    return { id, uploaderId, fileName, size, key: made?.key ?? null };
  }

  /** The bytes first: as long as they may be there, a row of theirs is. */
  async #removeBytes(id: string): Promise<void> {
    const { staging, storage, repository } = this.#deps;
    const { unused } = await repository.release(id);
    const stored = unused.map((bytesId) => this.#removeStored(bytesId));
    await Promise.all([staging.remove(id), storage.remove(`${id}.quarantine`), ...stored]);
    await repository.forget(id);
  }

  async #removeStored(bytesId: string): Promise<void> {
    const { storage } = this.#deps;
    await Promise.all([storage.remove(bytesId), storage.remove(`${bytesId}.thumbnail`)]);
  }

  #openFile(row: AttachmentRow, kind: FileKind, file: Omit<OpenFile, 'open'>): OpenFile {
    const bytesId = row.bytesId ?? row.id;
    const key = kind === 'file' ? bytesId : `${bytesId}.thumbnail`;
    const read = (range?: ByteRange) => this.#deps.storage.open(key, range);
    const seal = this.#sealOf(row);
    return {
      ...file,
      open: async (range) => {
        const bytes = seal ? await seal.openBytes(kind, file.size, read, range).catch(asUnreadable) : await read(range);
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
    return this.#deps.screenName(cleanFileName(given, this.#deps.cleanText), path);
  }
}

function asUnreadable(error: unknown): never {
  throw error instanceof UnreadableError ? unreadable(error) : error;
}

function asRefusal(error: unknown): never {
  if (!(error instanceof FileRefused)) throw error;
  if (error.reason === 'too_large') {
    throw new AppError('payload_too_large', { detail: 'The picture has too many pixels.', cause: error });
  }
  throw new AppError('unsupported_media_type', { detail: 'The file is damaged.', cause: error });
}

const UNKNOWN_SOUND: SoundFigures = { durationMs: null, waveform: null };

/** Not every recording says how long it is, and none is refused over it. */
function asUnknownSound(error: unknown): SoundFigures {
  if (error instanceof FileRefused) return UNKNOWN_SOUND;
  throw error;
}
