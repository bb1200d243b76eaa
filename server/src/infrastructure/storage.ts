import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { createFolderStorage } from './storage-folder.ts';
import { createS3Storage } from './storage-s3.ts';

/** A part of a stored file: both ends count, as in an HTTP range. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Where the bytes of files are kept, by keys that the server makes (letters, digits, `-`, `.`).
 *
 * What the store cannot do at the moment is `unavailable`, and a retry may succeed.
 */
export interface Storage {
  /** Keeps the local file at `path` under the key; whoever reads the key sees all of it or nothing. The local file may be gone afterwards. */
  put(key: string, path: string): Promise<void>;
  /** The bytes of a key, or a part of them. Null where there is no such key. */
  open(key: string, range?: ByteRange): Promise<Readable | null>;
  /** Removes a key. One that is not there is fine. */
  remove(key: string): Promise<void>;
}

/**
 * The storage of an address: `file:` and a path, or `s3://ACCESS_KEY:SECRET@host/bucket/prefix?region=…` (a secret's own
 * `/`, `+` and `@` percent-encoded; `&tls=false` for a server without TLS).
 *
 * @throws Error when the address names no place.
 */
export async function openStorage(storageUrl: string): Promise<Storage> {
  const url = new URL(storageUrl);
  if (url.protocol === 's3:') return createS3Storage(url);
  // `file:data/files` is meant from the working directory; only `file:///data/files` is an address of its own.
  const path = storageUrl.startsWith('file://') ? fileURLToPath(url) : storageUrl.slice('file:'.length);
  return createFolderStorage(path);
}
