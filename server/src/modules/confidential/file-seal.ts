import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import { Transform, type TransformCallback } from 'node:stream';
import { deriveKey, open, seal, UnreadableError } from '../../infrastructure/sealing.ts';

/** What of an attachment is kept as a file. */
export type FileKind = 'file' | 'thumbnail';

/** A part of a file, both ends counted. */
interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Reads a stored file as it is, or a part of it; null where there is none. */
type ReadStored = (range?: ByteRange) => Promise<Readable | null>;

/** Of the text, in one chunk. */
const CHUNK_BYTES = 64 * 1024;
const TAG_BYTES = 16;
const SALT_BYTES = 32;
const VERSION = 1;
const HEAD_BYTES = 1 + SALT_BYTES;

/**
 * Seals and opens one attachment with a key of its own: its name, its preview, its bytes and those of its thumbnail.
 *
 * A sealed file is a version byte and a random salt, then chunks of 64 KiB, each with its tag (AES-256-GCM). The key of the
 * chunks comes from the file's key, the salt, the attachment and the kind, so no two writings share one; the nonce of a chunk
 * is its number and whether it is the last. So any part can be opened alone, and chunks that were changed, moved, left out or
 * cut off do not open.
 */
export class FileSeal {
  readonly #id: string;
  readonly #key: Buffer;

  constructor(id: string, key: Buffer) {
    this.#id = id;
    this.#key = key;
  }

  sealName(name: string): string {
    return seal(this.#key, Buffer.from(name), ['file name', this.#id]);
  }

  openName(sealed: string): string {
    return open(this.#key, sealed, ['file name', this.#id]).toString();
  }

  /** What is shown of a file before its bytes are there gives away something of them. */
  sealPreview(preview: string): string {
    return seal(this.#key, Buffer.from(preview), ['file preview', this.#id]);
  }

  openPreview(sealed: string): string {
    return open(this.#key, sealed, ['file preview', this.#id]).toString();
  }

  /** Turns the bytes of a file into what is kept of it. */
  sealBytes(kind: FileKind): Transform {
    const salt = randomBytes(SALT_BYTES);
    return new ChunkSealer(this.#chunkKey(kind, salt), Buffer.concat([Buffer.from([VERSION]), salt]));
  }

  /**
   * The bytes of a kept file of `size` bytes, or a part of them; null where there is none. What does not open ends the
   * stream with an UnreadableError.
   */
  async openBytes(kind: FileKind, size: number, read: ReadStored, range?: ByteRange): Promise<Readable | null> {
    const { start, end } = range ?? { start: 0, end: size - 1 };
    const first = Math.floor(start / CHUNK_BYTES);
    const last = Math.floor(end / CHUNK_BYTES);
    const chunks = Math.ceil(size / CHUNK_BYTES);
    const stored = HEAD_BYTES + size + chunks * TAG_BYTES;
    const chunkAt = (index: number): number => HEAD_BYTES + index * (CHUNK_BYTES + TAG_BYTES);

    const head = await readAll(await read({ start: 0, end: HEAD_BYTES - 1 }));
    if (head === null) return null;
    if (head.length !== HEAD_BYTES || head[0] !== VERSION)
      throw new UnreadableError('damage', 'this is no sealed file');
    const sealed = await read({ start: chunkAt(first), end: Math.min(chunkAt(last + 1), stored) - 1 });
    if (sealed === null) return null;
    const opener = new ChunkOpener({
      key: this.#chunkKey(kind, head.subarray(1)),
      first,
      last,
      final: chunks - 1,
      skip: start - first * CHUNK_BYTES,
      take: end - start + 1,
    });
    sealed.on('error', (error) => opener.destroy(error));
    opener.on('close', () => sealed.destroy());
    return sealed.pipe(opener);
  }

  #chunkKey(kind: FileKind, salt: Uint8Array): Buffer {
    return deriveKey(this.#key, ['file bytes', this.#id, kind], salt);
  }
}

/** Gathers bytes into pieces of one size; the last one is what is left. */
abstract class Chunker extends Transform {
  readonly #size: number;
  #parts: Buffer[] = [];
  #length = 0;

  constructor(size: number) {
    super();
    this.#size = size;
  }

  /** A piece, in order. `isRest`: no more bytes will come. */
  protected abstract handle(piece: Buffer, isRest: boolean): void;

  override _transform(bytes: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    try {
      this.#parts.push(bytes);
      this.#length += bytes.length;
      // A full piece may be the last one, so it is kept until more has come.
      if (this.#length > this.#size) this.#cut();
      done();
    } catch (error) {
      done(error as Error);
    }
  }

  override _flush(done: TransformCallback): void {
    try {
      this.handle(Buffer.concat(this.#parts), true);
      done();
    } catch (error) {
      done(error as Error);
    }
  }

  #cut(): void {
    let bytes = Buffer.concat(this.#parts);
    for (; bytes.length > this.#size; bytes = bytes.subarray(this.#size)) {
      this.handle(bytes.subarray(0, this.#size), false);
    }
    this.#parts = [bytes];
    this.#length = bytes.length;
  }
}

class ChunkSealer extends Chunker {
  readonly #key: Buffer;
  #index = 0;

  constructor(key: Buffer, head: Buffer) {
    super(CHUNK_BYTES);
    this.#key = key;
    this.push(head);
  }

  protected override handle(piece: Buffer, isRest: boolean): void {
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonceOf(this.#index, isRest));
    this.push(Buffer.concat([cipher.update(piece), cipher.final(), cipher.getAuthTag()]));
    this.#index += 1;
  }
}

interface ChunkWindow {
  readonly key: Buffer;
  /** Numbers of the chunks that come. */
  readonly first: number;
  readonly last: number;
  /** Number of the file's last chunk. */
  readonly final: number;
  /** Bytes of the first chunk that are not wanted, and how many are. */
  readonly skip: number;
  readonly take: number;
}

class ChunkOpener extends Chunker {
  readonly #window: ChunkWindow;
  #index: number;
  #skip: number;
  #left: number;

  constructor(window: ChunkWindow) {
    super(CHUNK_BYTES + TAG_BYTES);
    this.#window = window;
    this.#index = window.first;
    this.#skip = window.skip;
    this.#left = window.take;
  }

  protected override handle(piece: Buffer, isRest: boolean): void {
    const { key, last, final } = this.#window;
    if (isRest !== (this.#index === last)) throw new UnreadableError('damage', 'the file is not as long as it was');
    const bytes = openChunk(key, nonceOf(this.#index, this.#index === final), piece);
    const wanted = bytes.subarray(this.#skip, this.#skip + this.#left);
    this.push(wanted);
    this.#skip = 0;
    this.#left -= wanted.length;
    this.#index += 1;
  }
}

function openChunk(key: Buffer, nonce: Buffer, piece: Buffer): Buffer {
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAuthTag(piece.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(piece.subarray(0, -TAG_BYTES)), decipher.final()]);
  } catch (error) {
    throw new UnreadableError('damage', 'a part of the file was changed', { cause: error });
  }
}

/** 96 bits: the number of the chunk and whether it is the last one. No key seals two files. */
function nonceOf(index: number, isFinal: boolean): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32BE(index, 7);
  nonce.writeUInt8(isFinal ? 1 : 0, 11);
  return nonce;
}

async function readAll(stream: Readable | null): Promise<Buffer | null> {
  if (stream === null) return null;
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
