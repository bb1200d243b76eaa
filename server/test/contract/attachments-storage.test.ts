import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import S3rver from 's3rver';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStorage, type Storage } from '../../src/infrastructure/storage.ts';
import { FileSeal } from '../../src/modules/confidential/file-seal.ts';
import { findFreePort } from '../support/processes.ts';

/** The one pair of keys that the S3 server of the tests knows. It does not verify signatures of version 4. */
const KEYS = 'S3RVER:S3RVER';

let folder: string;
let address: string;
let s3: S3rver;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-storage-'));
  const port = await findFreePort();
  s3 = new S3rver({
    address: '127.0.0.1',
    port,
    silent: true,
    directory: join(folder, 's3'),
    configureBuckets: [{ name: 'parley', configs: [] }],
  });
  await s3.run();
  address = `127.0.0.1:${port}`;
});
afterAll(async () => {
  await s3.close();
  await rm(folder, { recursive: true });
});

const kinds: [string, () => string][] = [
  ['a folder', () => `file:${join(folder, 'files')}`],
  ['a bucket', () => `s3://${KEYS}@${address}/parley?tls=false`],
  ['a part of a bucket', () => `s3://${KEYS}@${address}/parley/files/of-ours?tls=false&region=us-east-1`],
];

describe.each(kinds)('files in %s', (_kind, storageUrl) => {
  let serial = 0;
  let storage: Storage;
  beforeAll(async () => {
    storage = await openStorage(storageUrl());
  });

  const newKey = (): string => `0190a5d0-0000-7000-8000-00000000000${serial++}`;
  const put = async (key: string, content: Buffer): Promise<void> => {
    const path = join(folder, 'upload');
    await writeFile(path, content);
    await storage.put(key, path);
  };
  const read = async (key: string, range?: { start: number; end: number }): Promise<Buffer | null> => {
    const bytes = await storage.open(key, range);
    return bytes && buffer(bytes);
  };

  it('come back as they were, whole and in part', async () => {
    const key = newKey();
    const content = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 253));
    await put(key, content);
    expect((await read(key))?.equals(content)).toBe(true);
    expect((await read(key, { start: 1, end: 1 }))?.equals(content.subarray(1, 2))).toBe(true);
    expect((await read(key, { start: 1_000, end: 200_000 }))?.equals(content.subarray(1_000, 200_001))).toBe(true);
    expect((await read(key, { start: 299_999, end: 299_999 }))?.length).toBe(1);
  });

  it('come back as they were also when they are sealed', async () => {
    const key = newKey();
    const seal = new FileSeal(key, randomBytes(32));
    const content = randomBytes(200_000);
    await put(key, await buffer(Readable.from([content]).pipe(seal.sealBytes('file'))));
    const opened = async (range?: { start: number; end: number }) =>
      buffer((await seal.openBytes('file', content.length, (part) => storage.open(key, part), range))!);
    expect((await opened()).equals(content)).toBe(true);
    const range = { start: 65_000, end: 199_999 };
    expect((await opened(range)).equals(content.subarray(range.start, range.end + 1))).toBe(true);
    expect(await seal.openBytes('file', 1, (part) => storage.open(newKey(), part))).toBeNull();
  });

  it('are replaced by what is put under the same key', async () => {
    const key = `${newKey()}.thumbnail`;
    await put(key, Buffer.from('first'));
    await put(key, Buffer.from('second'));
    expect((await read(key))?.toString()).toBe('second');
  });

  it('are gone when they were removed, and removing twice does no harm', async () => {
    const key = newKey();
    await put(key, Buffer.from('x'));
    await storage.remove(key);
    await storage.remove(key);
    expect(await read(key)).toBeNull();
  });
});

it('a folder takes no key that leads out of it', async () => {
  const storage = await openStorage(`file:${join(folder, 'files')}`);
  for (const key of ['../../etc/passwd', '/etc/passwd', '..', 'a/b', 'A.B.C', '']) {
    await expect(storage.open(key)).rejects.toThrow('not a key of ours');
    await expect(storage.remove(key)).rejects.toThrow('not a key of ours');
  }
  expect(await readFile('/etc/passwd', 'utf8')).toBeTruthy();
});

it('a store that refuses, or is not there, is unavailable', async () => {
  const wrong = await openStorage(`s3://SOMEBODY:else@${address}/parley?tls=false`);
  await expect(wrong.open('0190a5d0-0000-7000-8000-000000000000')).rejects.toMatchObject({ code: 'unavailable' });
  const away = await openStorage(`s3://${KEYS}@127.0.0.1:${await findFreePort()}/parley?tls=false`);
  await expect(away.remove('0190a5d0-0000-7000-8000-000000000000')).rejects.toMatchObject({ code: 'unavailable' });
});

it.each(['s3://host/bucket', 's3://key:secret@host', 's3://key:secret@host/'])('%s names no place', async (url) => {
  await expect(openStorage(url)).rejects.toThrow('STORAGE_URL must be');
});
