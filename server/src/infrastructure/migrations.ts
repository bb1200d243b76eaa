import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PrismaPg } from '@prisma/adapter-pg';
import {
  bindMigrationAwareSqlAdapterFactory,
  ColumnTypeEnum,
  type SqlDriverAdapter,
} from '@prisma/driver-adapter-utils';
import type { MigrationList, SchemaEngine } from '@prisma/schema-engine-wasm';
import pg from 'pg';

/** The database and the migrations of this version do not fit; the message says how and what to do. */
export class MigrationError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'MigrationError';
  }
}

const FOLDER = fileURLToPath(new URL('../../prisma/migrations/', import.meta.url));

/** The advisory lock that Prisma Migrate takes itself, so that its command line and this do not meet either. */
const LOCK = 72707369;

/**
 * Brings the database to the schema of this version and returns the names of the migrations applied (often none).
 *
 * Prisma Migrate itself does it, inside this process, in one transaction: a process killed at it leaves nothing half done,
 * and nodes starting together wait for one another on an advisory lock. When nothing is pending, which one query tells,
 * the engine is not even loaded.
 *
 * @param pool a pool of one connection without a statement timeout, on which nothing else runs meanwhile.
 * @param folder where the migrations are; the server's own by default.
 * @throws MigrationError when the database has migrations that this version does not have, has one that failed or was
 *   edited since, holds tables that are not ours, or refuses the SQL.
 */
export async function applyMigrations(pool: pg.Pool, folder: string = FOLDER): Promise<string[]> {
  const migrations = await readMigrations(folder);
  if ((await findPending(pool, migrations)).length === 0) return [];

  // Before the transaction, so that it begins with what the one before left.
  await pool.query(`SELECT pg_advisory_lock(${LOCK})`);
  try {
    await pool.query('BEGIN');
    // Another node may have done it while this one waited.
    const pending = await findPending(pool, migrations);
    if (pending.length > 0) await runEngine(pool, migrations, folder);
    await pool.query('COMMIT');
    return pending;
  } catch (error) {
    await pool.query('ROLLBACK').catch(() => undefined);
    throw error;
  } finally {
    // The engine took it a second time. Where this fails the connection is lost, and the lock with it.
    await pool.query('SELECT pg_advisory_unlock_all()').catch(() => undefined);
  }
}

/** A migration on disk. `checksum` is Prisma's: SHA-256 of the script, in hexadecimal. */
type Migration = { name: string; script: string; checksum: string };

/** The migrations in a folder of Prisma's layout, in the order in which they are applied. */
async function readMigrations(folder: string): Promise<Migration[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return Promise.all(
    names.sort().map(async (name) => {
      const script = await readFile(`${folder}/${name}/migration.sql`, 'utf8');
      return { name, script, checksum: createHash('sha256').update(script).digest('hex') };
    }),
  );
}

async function findPending(pool: pg.Pool, migrations: Migration[]): Promise<string[]> {
  const table = await pool.query<{ found: boolean }>(`SELECT to_regclass('_prisma_migrations') IS NOT NULL AS found`);
  if (table.rows[0]?.found !== true) return migrations.map(({ name }) => name);

  const { rows } = await pool.query<{ name: string; checksum: string; finished: boolean }>(
    `SELECT migration_name AS name, checksum, finished_at IS NOT NULL AS finished
     FROM _prisma_migrations WHERE rolled_back_at IS NULL`,
  );
  const applied = new Map(rows.map((row) => [row.name, row]));
  const known = new Set(migrations.map(({ name }) => name));

  const failed = rows.filter((row) => !row.finished).map(({ name }) => name);
  if (failed.length > 0) {
    throw new MigrationError(
      `The database holds a migration that failed or was left half done by another tool: ${failed.join(', ')}. Repair it and mark it with "prisma migrate resolve".`,
    );
  }
  const foreign = rows.filter((row) => !known.has(row.name)).map(({ name }) => name);
  if (foreign.length > 0) {
    throw new MigrationError(
      `The database has migrations that this version of Parley does not know: ${foreign.join(', ')}. It was used by a newer version, or belongs to something else.`,
    );
  }
  const edited = migrations.filter(({ name, checksum }) => (applied.get(name)?.checksum ?? checksum) !== checksum);
  if (edited.length > 0) {
    throw new MigrationError(
      `These migrations were changed after the database had applied them: ${edited.map(({ name }) => name).join(', ')}. Put their files back as they were.`,
    );
  }
  return migrations.filter(({ name }) => !applied.has(name)).map(({ name }) => name);
}

async function runEngine(pool: pg.Pool, migrations: Migration[], folder: string): Promise<void> {
  const failures: unknown[] = [];
  const engine = await startEngine(pool, (error) => failures.push(error));
  try {
    await engine.applyMigrations({ migrationsList: listForEngine(migrations, folder), filters: NOTHING_EXTERNAL });
  } catch (error) {
    // The engine goes on to note the failure, which a failed transaction refuses: the first error is the one that counts.
    const cause = failures[0] ?? error;
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new MigrationError(`The database could not be migrated, and is as it was before: ${detail}`, { cause });
  } finally {
    engine.free();
  }
}

/**
 * The SQL that leads from the schema that a database has to the one of `schema` (the text of a schema.prisma); undefined
 * when they agree. What Prisma's language cannot say, functions and storage parameters and partial indexes, is left alone.
 *
 * @param pool a pool of one connection to a database with all migrations applied.
 */
export async function diffWithSchema(pool: pg.Pool, schema: string): Promise<string | undefined> {
  const files = [{ path: 'schema.prisma', content: schema }];
  const engine = await startEngine(pool);
  try {
    const { exitCode, stdout } = await engine.diff({
      from: { tag: 'schemaDatasource', files, configDir: '.' },
      to: { tag: 'schemaDatamodel', files },
      script: true,
      exitCode: true,
      filters: NOTHING_EXTERNAL,
    });
    return exitCode === 2 ? (stdout ?? '') : undefined;
  } finally {
    engine.free();
  }
}

const NOTHING_EXTERNAL = { externalTables: [], externalEnums: [] };

function listForEngine(migrations: Migration[], folder: string): MigrationList {
  return {
    baseDir: folder,
    lockfile: { path: 'migration_lock.toml', content: 'provider = "postgresql"\n' },
    shadowDbInitScript: '',
    migrationDirectories: migrations.map(({ name, script }) => ({
      path: name,
      migrationFile: { path: 'migration.sql', content: { tag: 'ok', value: script } },
    })),
  };
}

/** Prisma's schema engine, working through a pool of one connection. The caller frees it. */
async function startEngine(pool: pg.Pool, onError?: (error: unknown) => void): Promise<SchemaEngine> {
  const { SchemaEngine: Engine } = await loadEngine();
  const connectAdapter = () => adapterOn(pool, onError);
  const adapters = bindMigrationAwareSqlAdapterFactory({
    provider: 'postgres',
    adapterName: '@prisma/adapter-pg',
    connect: connectAdapter,
    // None of the commands used here asks for it.
    connectToShadowDb: connectAdapter,
  });
  const schema = 'datasource db {\n  provider = "postgresql"\n}\n';
  return Engine.new({ datamodels: [['schema.prisma', schema]] }, () => undefined, adapters);
}

/**
 * Prisma's adapter for `pg`, mended in two places. It cuts scripts at every semicolon, those inside of functions too. And it
 * does not know the type "char" of the system's catalogue, which the engine reads when it compares.
 */
async function adapterOn(pool: pg.Pool, onError?: (error: unknown) => void): Promise<SqlDriverAdapter> {
  let chars: number[] = [];
  const query = async (config: pg.QueryArrayConfig): Promise<pg.QueryArrayResult> => {
    const result = await pool.query(config);
    chars = result.fields.flatMap(({ dataTypeID }, index) => (dataTypeID === pg.types.builtins.CHAR ? [index] : []));
    for (const index of chars) result.fields[index]!.dataTypeID = pg.types.builtins.TEXT;
    return result;
  };
  const adapter = await new PrismaPg(Object.create(pool, { query: { value: query } })).connect();
  const queryRaw = adapter.queryRaw.bind(adapter);
  return Object.assign(adapter, {
    queryRaw: async (...args: Parameters<typeof queryRaw>) => {
      const result = await queryRaw(...args);
      for (const index of chars) result.columnTypes[index] = ColumnTypeEnum.Character;
      return result;
    },
    executeScript: async (script: string) => {
      try {
        await pool.query(script);
      } catch (error) {
        onError?.(error);
        throw error;
      }
    },
  });
}

/** What is used of it here. TypeScript knows WebAssembly only among the things of browsers. */
declare const WebAssembly: {
  instantiate(code: Uint8Array, imports: object): Promise<{ instance: { exports: Record<string, unknown> } }>;
};

type EngineModule = typeof import('@prisma/schema-engine-wasm/schema_engine_bg');

let loadedEngine: Promise<EngineModule> | undefined;

/** Once for a process: the module has one place for its instance, and a second one would pull it from under the first. */
function loadEngine(): Promise<EngineModule> {
  loadedEngine ??= instantiateEngine();
  return loadedEngine;
}

async function instantiateEngine(): Promise<EngineModule> {
  const engine = await import('@prisma/schema-engine-wasm/schema_engine_bg');
  // Node cannot import WebAssembly as a module yet, so what the package's own entry does is done here by hand.
  const entry = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm');
  const code = await readFile(join(dirname(entry), 'schema_engine_bg.wasm'));
  const { instance } = await WebAssembly.instantiate(code, { './schema_engine_bg.js': withoutLastingTimers(engine) });
  engine.__wbg_set_wasm(instance.exports);
  (instance.exports.__wbindgen_start as () => void)();
  return engine;
}

/** The engine gives its lock ten seconds by a timer that it never clears, and that would keep the process from ending. */
function withoutLastingTimers(imports: Record<string, unknown>): Record<string, unknown> {
  const changed = Object.entries(imports).map(([name, value]) => {
    if (!name.startsWith('__wbg_setTimeout_') || typeof value !== 'function') return [name, value];
    return [name, (...args: unknown[]) => (value(...args) as NodeJS.Timeout | undefined)?.unref()];
  });
  return Object.fromEntries(changed);
}
