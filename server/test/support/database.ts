import { randomUUID } from 'node:crypto';
import { cpSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { type Database, openDatabase } from '../../src/infrastructure/database.ts';
import { silentLogger } from './logger.ts';

/** A migrated, empty database of one test file's own. */
export type TestDatabase = {
  kind: 'embedded' | 'postgres';
  /** What to open it with: for `openDatabase`, `createApp`, or the environment of a child process. */
  databaseUrl: string | undefined;
  dataDir: string;
  /** Opens it. The embedded one can be open only once at a time. */
  open(): Promise<Database>;
  /** Removes it. Whatever was opened must have been closed before. */
  drop(): Promise<void>;
};

/** The migrated database that all others are copied from; made by the global setup. */
export const TEMPLATE_DATABASE = 'parley_template';

/** Which database the tests of this run use: `PARLEY_TEST_DATABASE`, by default the embedded one. */
export function testDatabaseKind(): 'embedded' | 'postgres' {
  return process.env.PARLEY_TEST_DATABASE === 'postgres' ? 'postgres' : 'embedded';
}

/** Copies the template that the global setup made, on the kind of database that this run uses. */
export async function createTestDatabase(kind: 'embedded' | 'postgres' = testDatabaseKind()): Promise<TestDatabase> {
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-test-'));
  const copy = kind === 'postgres' ? await copyOnServer() : copyFolder(dataDir);
  const { databaseUrl } = copy;
  return {
    kind,
    databaseUrl,
    dataDir,
    open: () => openDatabase({ databaseUrl, dataDir, logger: silentLogger }),
    drop: async () => {
      await copy.drop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

type Copy = { databaseUrl: string | undefined; drop(): Promise<void> };

async function copyOnServer(): Promise<Copy> {
  const url = new URL(required('PARLEY_TEST_POSTGRES_URL'));
  const name = `parley_${randomUUID().replaceAll('-', '')}`;
  await runOnServer(url.href, `CREATE DATABASE ${name} TEMPLATE ${TEMPLATE_DATABASE}`);
  const admin = url.href;
  url.pathname = `/${name}`;
  return { databaseUrl: url.href, drop: () => runOnServer(admin, `DROP DATABASE ${name} WITH (FORCE)`) };
}

function copyFolder(dataDir: string): Copy {
  // A thousand small files: Node's asynchronous copy takes three times as long as this one.
  cpSync(required('PARLEY_TEST_EMBEDDED_TEMPLATE'), join(dataDir, 'pglite'), { recursive: true });
  return { databaseUrl: undefined, drop: () => Promise.resolve() };
}

/** Runs one statement over a connection of its own. */
export async function runOnServer(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined)
    throw new Error(`${name} is not set: run the tests through vitest, whose global setup sets it`);
  return value;
}
