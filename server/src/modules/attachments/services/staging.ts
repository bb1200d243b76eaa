import { createHash } from 'node:crypto';
import { constants, createReadStream, createWriteStream } from 'node:fs';
import { mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AppError } from '../../../utils/app-error.ts';

/** Made from an upload beside it: the picture encoded anew, its thumbnail, and what is kept of the two, encrypted. */
const DERIVED = ['', '.picture', '.thumbnail', '.sealed', '.thumbnail-sealed'] as const;

/**
 * The folder where files are while they are uploaded and examined, one for each node. A file is named by the id of its
 * upload and by nothing that anybody sent.
 */
export class Staging {
  readonly #root: string;

  private constructor(root: string) {
    this.#root = root;
  }

  static async open(folder: string): Promise<Staging> {
    const root = resolve(folder);
    await mkdir(root, { recursive: true });
    return new Staging(root);
  }

  pathOf(id: string, derived: (typeof DERIVED)[number] = ''): string {
    return join(this.#root, `${id}${derived}`);
  }

  /** Bytes of an upload that have arrived here; 0 also where none ever did. */
  async sizeOf(id: string): Promise<number> {
    const found = await stat(this.pathOf(id)).catch(ignoreMissing);
    return found?.size ?? 0;
  }

  /**
   * Writes what a stream brings from a position on, and resolves to the position after it. What arrived before a stream
   * broke stays.
   *
   * @throws AppError `unavailable` when the disk will not take it; otherwise what broke the stream.
   */
  async write(id: string, bytes: Readable, position: number): Promise<number> {
    const handle = await open(this.pathOf(id), constants.O_WRONLY | constants.O_CREAT).catch(asUnavailable);
    let end = position;
    try {
      await pipeline(bytes, async (chunks: AsyncIterable<Buffer>) => {
        for await (const chunk of chunks) {
          end = await writeWhole(handle, chunk, end);
        }
      });
    } finally {
      await handle.close();
    }
    return end;
  }

  /** Writes a staged file anew through a transformation; `target` takes the place of what may be there. */
  async transform(path: string, target: string, through: Transform): Promise<void> {
    await pipeline(createReadStream(path), through, createWriteStream(target)).catch(asUnavailable);
  }

  /** SHA-256 of a staged file, in hexadecimal. */
  async hashOf(path: string): Promise<string> {
    const hash = createHash('sha256');
    await pipeline(createReadStream(path), hash);
    return hash.digest('hex');
  }

  async remove(id: string): Promise<void> {
    await Promise.all(DERIVED.map((derived) => rm(this.pathOf(id, derived), { force: true })));
  }

  /** Removes whatever was not written to since a moment: the process that would have finished it is long gone. */
  async removeOlderThan(moment: number): Promise<void> {
    for (const name of await readdir(this.#root)) {
      const path = join(this.#root, name);
      const found = await stat(path).catch(ignoreMissing);
      if (found && found.mtimeMs < moment) await rm(path, { force: true });
    }
  }
}

async function writeWhole(handle: Awaited<ReturnType<typeof open>>, chunk: Buffer, position: number): Promise<number> {
  let written = 0;
  while (written < chunk.length) {
    const { bytesWritten } = await handle
      .write(chunk, written, chunk.length - written, position + written)
      .catch(asUnavailable);
    written += bytesWritten;
  }
  return position + written;
}

/** A disk that is full or gone: the upload can be taken up again when it is not. */
function asUnavailable(error: unknown): never {
  throw new AppError('unavailable', { retryAfterMs: 5_000, cause: error });
}

function ignoreMissing(error: unknown): null {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
  throw error;
}
