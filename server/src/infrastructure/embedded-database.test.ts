import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Database, openDatabase } from './database.ts';
import { openEmbeddedDatabase } from './embedded-database.ts';
import { maintain } from './embedded-maintenance.ts';
import { FolderLockedError, lockFolder } from './folder-lock.ts';

const WRITER = fileURLToPath(new URL('../../test/support/embedded-writer.ts', import.meta.url));
const logger = pino({ level: 'silent' });

let dataDir: string;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'parley-embedded-'));
});

afterEach(() => rm(dataDir, { recursive: true }));

const open = (): Promise<Database> => openDatabase({ databaseUrl: undefined, dataDir, logger });

/** Starts a process that writes without end, and kills it when `until` resolves. Returns what it had committed by then. */
async function writeAndKill(until: (lines: AsyncIterator<string>) => Promise<unknown>): Promise<number> {
  const child = spawn(process.execPath, [WRITER, dataDir], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  let committed = 0;
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => {
    if (line !== 'open') committed = Number(line);
  });
  await until(lines[Symbol.asyncIterator]());
  child.kill('SIGKILL');
  await ended;
  return committed;
}

async function countWritten(database: Database): Promise<number> {
  const keys = await database.prisma.serverSetting.findMany({ select: { key: true } });
  const numbers = keys.map(({ key }) => Number(key.slice(1))).sort((a, b) => a - b);
  expect(numbers).toEqual(numbers.map((_, index) => index + 1));
  return numbers.length;
}

describe('the embedded database', () => {
  test('keeps what was written, over an orderly end', { timeout: 60_000 }, async () => {
    const first = await open();
    expect(first).toMatchObject({ kind: 'embedded', version: expect.stringMatching(/^18\./) });
    await first.prisma.user.create({ data: { id: 'ann', name: 'Ann' } });
    await first.close();
    const second = await open();
    expect(await second.prisma.user.findMany()).toMatchObject([{ id: 'ann' }]);
    await second.close();
    expect(await readdir(join(dataDir, 'pglite.lock'))).toEqual([]);
  });

  test('SEND-1 keeps all that was acknowledged when the process is killed', { timeout: 120_000 }, async () => {
    let known = 0;
    for (const goal of [200, 20, 1]) {
      // The writer begins at 1 each time.
      const before = await open();
      await before.prisma.serverSetting.deleteMany();
      await before.close();
      known = await writeAndKill(async (lines) => {
        for (let seen = 0; seen <= goal; seen += 1) await lines.next();
      });
      const after = await open();
      expect(await countWritten(after)).toBeGreaterThanOrEqual(known);
      await after.close();
    }
    expect(known).toBeGreaterThan(0);
  });

  test('starts by itself after a kill at any moment of its first start', { timeout: 120_000 }, async () => {
    // Most of it lies between the first 300 ms, when the program loads, and the second or two after.
    for (const moment of [400, 700, 1_000, 1_300, 1_700]) await writeAndKill(() => wait(moment));
    const database = await open();
    await countWritten(database);
    await database.close();
    expect((await readdir(dataDir)).filter((name) => name.includes('unfinished'))).toEqual([]);
  });

  test('a second process is refused and told why, and the first goes on', { timeout: 60_000 }, async () => {
    const committed = await writeAndKill(async (lines) => {
      await lines.next();
      await expect(open()).rejects.toThrow(FolderLockedError);
      await expect(open()).rejects.toThrow(/Another process \(pid \d+\) is using .*pglite/);
      await lines.next();
    });
    expect(committed).toBeGreaterThan(0);
  });

  test('data of another major version is refused', async () => {
    await mkdir(join(dataDir, 'pglite'));
    await writeFile(join(dataDir, 'pglite', 'PG_VERSION'), '17\n');
    await expect(open()).rejects.toThrow(/made by an embedded PostgreSQL 17/);
  });
});

test('maintenance does what is due, and then nothing is', { timeout: 60_000 }, async () => {
  const embedded = await openEmbeddedDatabase({ dataDir });
  const pool = new pg.Pool({ stream: () => embedded.connect(), user: 'postgres', database: 'postgres', max: 1 });
  await pool.query('CREATE TABLE "Many" (n int)');
  await pool.query('INSERT INTO "Many" SELECT generate_series(1, 5000)');
  const limits = { logBytes: 100_000, deadRows: 1_000 };
  expect(await maintain(pool)).toEqual(['VACUUM (ANALYZE) "Many"']);
  await pool.query('DELETE FROM "Many" WHERE n % 2 = 0');
  expect(await maintain(pool, limits)).toEqual(['CHECKPOINT', 'VACUUM (ANALYZE) "Many"']);
  await pool.query('CHECKPOINT');
  expect(await maintain(pool, limits)).toEqual([]);
  await pool.end();
  await embedded.close();
});

describe('the lock of a folder', () => {
  const folder = (): string => join(dataDir, 'folder');

  test('is had by one, and by the next after it is given back', async () => {
    const first = await lockFolder(folder());
    await expect(lockFolder(folder())).rejects.toThrow(FolderLockedError);
    await first.release();
    await (await lockFolder(folder())).release();
  });

  test('of many at the same moment at most one has it', async () => {
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => lockFolder(folder())));
    const held = results.filter((result) => result.status === 'fulfilled');
    expect(held.length).toBeLessThanOrEqual(1);
    await Promise.all(held.map(({ value }) => value.release()));
  });

  test('of a dead process, and of one whose number went to another, is taken over', async () => {
    const lock = await lockFolder(folder());
    const [mine] = await readdir(`${folder()}.lock`);
    await lock.release();
    const [pid, start, place] = mine!.split('.');
    await writeFile(join(`${folder()}.lock`, `4194305.1.${place}.dead`), '');
    await writeFile(join(`${folder()}.lock`, `${pid}.${Number(start) - 1}.${place}.before`), '');
    await (await lockFolder(folder())).release();
    expect(await readdir(`${folder()}.lock`)).toEqual([]);
  });
});
