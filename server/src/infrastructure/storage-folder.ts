import { constants, createReadStream } from 'node:fs';
import { copyFile, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { AppError } from '../utils/app-error.ts';
import type { Storage } from './storage.ts';

/** Files in a folder of this machine, or one that all nodes share. */
export async function createFolderStorage(folder: string): Promise<Storage> {
  const root = resolve(folder);
  await mkdir(root, { recursive: true });
  return {
    put: (key, path) => orUnavailable(() => putFile(pathOf(root, key), path)),
    open: (key, range) =>
      orUnavailable(async (): Promise<Readable | null> => {
        const path = pathOf(root, key);
        // Opened before anything is answered: a missing file must not turn up in the middle of an answer.
        const handle = await open(path, 'r').catch(ignoreMissing);
        return handle ? createReadStream(path, { fd: handle, ...range }) : null;
      }),
    remove: (key) => orUnavailable(() => rm(pathOf(root, key), { force: true })),
  };
}

/** Spread over 256 folders by the end of the id, which is random where the beginning is the time. */
function pathOf(root: string, key: string): string {
  if (!/^[a-z0-9-]{8,64}(\.[a-z]{1,16})?$/.test(key)) throw new Error('not a key of ours');
  const [id = ''] = key.split('.');
  return join(root, id.slice(-2), key);
}

/** On disk before it has its name, so that a power cut leaves a whole file or none. */
async function putFile(target: string, path: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  await syncFile(path);
  try {
    await rename(path, target);
  } catch (error) {
    if (codeOf(error) !== 'EXDEV') throw error;
    const beside = `${target}.part`;
    await copyFile(path, beside, constants.COPYFILE_FICLONE);
    await syncFile(beside);
    await rename(beside, target);
  }
  await syncFile(dirname(target));
}

async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A full or a vanished disk is the operator's trouble: the caller may try again. */
async function orUnavailable<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
    throw new AppError('unavailable', { retryAfterMs: 5_000, cause: error });
  }
}

function ignoreMissing(error: unknown): null {
  if (codeOf(error) === 'ENOENT') return null;
  throw error;
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
