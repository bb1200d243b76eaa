import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type EmbeddedDatabase, openEmbeddedDatabase } from '../../src/infrastructure/embedded-database.ts';
import { applyMigrations, diffWithSchema, MigrationError } from '../../src/infrastructure/migrations.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

const PRISMA = fileURLToPath(new URL('../../prisma/', import.meta.url));

let testDatabase: TestDatabase;
let embedded: EmbeddedDatabase | undefined;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  if (testDatabase.kind === 'embedded') embedded = await openEmbeddedDatabase({ dataDir: testDatabase.dataDir });
});

afterAll(async () => {
  await embedded?.close();
  await testDatabase.drop();
});

let pool: pg.Pool;
let folder: string;

beforeEach(async () => {
  pool = openPool();
  folder = await mkdtemp(join(tmpdir(), 'parley-migrations-'));
});

afterEach(async () => {
  await pool.end();
  await rm(folder, { recursive: true });
});

function openPool(): pg.Pool {
  if (embedded === undefined) return new pg.Pool({ connectionString: testDatabase.databaseUrl, max: 1 });
  const { connect } = embedded;
  return new pg.Pool({ stream: () => connect(), user: 'postgres', database: 'postgres', max: 1 });
}

/** Removes all that is in the database. */
async function empty(): Promise<void> {
  await pool.query('DROP SCHEMA public CASCADE');
  await pool.query('CREATE SCHEMA public');
}

async function writeMigration(name: string, sql: string): Promise<void> {
  await mkdir(join(folder, name));
  await writeFile(join(folder, name, 'migration.sql'), sql);
}

async function readHistory() {
  const { rows } = await pool.query<{ name: string; steps: number; done: boolean }>(
    `SELECT migration_name AS name, applied_steps_count AS steps, finished_at IS NOT NULL AS done
     FROM _prisma_migrations ORDER BY started_at`,
  );
  return rows;
}

test('a database with every migration has the schema of schema.prisma, and needs nothing more', async () => {
  expect(await applyMigrations(pool)).toEqual([]);
  const schema = await readFile(join(PRISMA, 'schema.prisma'), 'utf8');
  expect(await diffWithSchema(pool, schema)).toBeUndefined();
});

test('a change of the schema gives the SQL of a migration', async () => {
  const schema = await readFile(join(PRISMA, 'schema.prisma'), 'utf8');
  const sql = await diffWithSchema(pool, schema.replace('model User {', 'model User {\n  nickname String?'));
  expect(sql).toContain('ADD COLUMN     "nickname" TEXT');
});

test('storage parameters and the partial index are in the migrations', async () => {
  const { rows } = await pool.query<{ relname: string; reloptions: string[] }>(
    `SELECT relname, reloptions FROM pg_class WHERE relkind = 'r' AND reloptions IS NOT NULL ORDER BY relname`,
  );
  expect(rows.map(({ relname }) => relname)).toEqual(['ChangeNotice', 'Conversation', 'ConversationParticipant']);
  const indexes = await pool.query<{ indexdef: string }>(
    `SELECT indexdef FROM pg_indexes WHERE tablename = 'Message' AND indexdef LIKE '%WHERE%'`,
  );
  expect(indexes.rows.map(({ indexdef }) => indexdef)).toEqual([expect.stringContaining('"deletedAt" IS NOT NULL')]);
});

describe('applying', () => {
  beforeEach(empty);

  test('brings an empty database up in the order of names, functions with semicolons included, and notes it', async () => {
    await writeMigration(
      '0002_function',
      `CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT n FROM a); END; $$;`,
    );
    await writeMigration('0001_table', 'CREATE TABLE a (n int); INSERT INTO a VALUES (7);');
    expect(await applyMigrations(pool, folder)).toEqual(['0001_table', '0002_function']);
    expect((await pool.query('SELECT f() AS n')).rows).toEqual([{ n: 7 }]);
    expect(await readHistory()).toEqual([
      { name: '0001_table', steps: 1, done: true },
      { name: '0002_function', steps: 1, done: true },
    ]);
    await writeMigration('0003_more', 'ALTER TABLE a ADD m int;');
    expect(await applyMigrations(pool, folder)).toEqual(['0003_more']);
    expect(await applyMigrations(pool, folder)).toEqual([]);
  });

  test('undoes all when one fails, says why, and does it when that is mended', async () => {
    await writeMigration('0001_table', 'CREATE TABLE a (n int);');
    await writeMigration('0002_wrong', 'ALTER TABLE nowhere ADD n int;');
    const failing = applyMigrations(pool, folder);
    await expect(failing).rejects.toThrow(MigrationError);
    await expect(failing).rejects.toThrow('relation "nowhere" does not exist');
    const { rows } = await pool.query(`SELECT to_regclass('a') AS a, to_regclass('_prisma_migrations') AS history`);
    expect(rows).toEqual([{ a: null, history: null }]);
    await writeFile(join(folder, '0002_wrong', 'migration.sql'), 'ALTER TABLE a ADD m int;');
    expect(await applyMigrations(pool, folder)).toEqual(['0001_table', '0002_wrong']);
  });

  test('refuses a database with migrations it does not know', async () => {
    await writeMigration('0001_table', 'CREATE TABLE a (n int);');
    await writeMigration('0002_newer', 'CREATE TABLE b (n int);');
    await applyMigrations(pool, folder);
    await rm(join(folder, '0002_newer'), { recursive: true });
    await expect(applyMigrations(pool, folder)).rejects.toThrow(/does not know: 0002_newer/);
  });

  test('refuses a migration that was edited after it was applied', async () => {
    await writeMigration('0001_table', 'CREATE TABLE a (n int);');
    await applyMigrations(pool, folder);
    await writeFile(join(folder, '0001_table', 'migration.sql'), 'CREATE TABLE a (n bigint);');
    await expect(applyMigrations(pool, folder)).rejects.toThrow(/were changed after .* 0001_table/);
  });

  test('refuses one that another tool left half done', async () => {
    await writeMigration('0001_table', 'CREATE TABLE a (n int);');
    await applyMigrations(pool, folder);
    await pool.query('UPDATE _prisma_migrations SET finished_at = NULL');
    await expect(applyMigrations(pool, folder)).rejects.toThrow(/half done by another tool: 0001_table/);
  });

  test('refuses a database with tables of somebody else', async () => {
    await pool.query('CREATE TABLE theirs (n int)');
    await writeMigration('0001_table', 'CREATE TABLE a (n int);');
    await expect(applyMigrations(pool, folder)).rejects.toThrow(/could not be migrated/);
  });

  test('is done once by nodes that start together', async () => {
    await cp(join(PRISMA, 'migrations'), folder, { recursive: true });
    // The embedded database has one session, which the pools take one after the other.
    const pools = Array.from({ length: embedded ? 1 : 5 }, openPool);
    if (embedded) await pool.end();
    const applied = await Promise.all(pools.map((node) => applyMigrations(node, folder)));
    await Promise.all(pools.map((node) => node.end()));
    if (embedded) pool = openPool();
    const history = await readHistory();
    expect(applied.flat().sort()).toEqual(history.map(({ name }) => name).sort());
  });
});
