import { type PrismaPg as Adapter, PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import type { Logger } from 'pino';
import { PrismaClient } from '../../prisma/generated/client.ts';
import { type EmbeddedDatabase, openEmbeddedDatabase } from './embedded-database.ts';
import { startMaintenance } from './embedded-maintenance.ts';
import { applyMigrations } from './migrations.ts';
import { keepSound } from './sound-connections.ts';
import { onceDatabaseAnswers } from './startup.ts';

/** The open database, migrated and ready. */
export interface Database {
  prisma: PrismaClient;
  /** `embedded`: PGlite in this process, one connection. `postgres`: a PostgreSQL server. */
  kind: 'embedded' | 'postgres';
  /** The version of PostgreSQL, such as `17.5`. */
  version: string;
  /** Asks the database for nothing and returns the milliseconds that took. Fails as any query does. */
  ping(): Promise<number>;
  /** Connections: open, open and free, and requests waiting for one. */
  stats(): { total: number; idle: number; waiting: number };
  /**
   * Runs one statement, prepared once for each connection, without Prisma in between: for the few statements of which there
   * are so many that what Prisma adds to each is seen. Fails as Prisma's calls do (`classifyDatabaseError`).
   */
  query<Row>(statement: Statement, values: readonly unknown[]): Promise<Row[]>;
  /**
   * Runs SQL of the job queue's own, several statements at once as well, over a connection that may take its time. One that
   * fails leaves no transaction behind.
   */
  runScript(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>;
  /** Waits for what runs, then closes. Nothing may be asked of the database afterwards. */
  close(): Promise<void>;
}

/** A constant text of SQL with `$1`, `$2`, and the name under which connections keep it. */
export interface Statement {
  readonly name: string;
  readonly text: string;
  /** It only reads, and waits for no lock: of those only a few are asked at once (`READ_LIMITS`). */
  readonly reads?: true;
}

export type DatabaseOptions = {
  /** A PostgreSQL, `postgres://…`; undefined: the embedded one under `dataDir`. */
  databaseUrl: string | undefined;
  dataDir: string;
  logger: Pick<Logger, 'info' | 'warn' | 'error'>;
};

/** A statement of `$queryRaw` that begins with this is planned once for each connection and kept (see `nameStatement`). */
export const PLAN_ONCE = '/* parley:once */';

const OLDEST_VERSION = 15;

/**
 * Opens the database, brings it to the schema of this version, and makes the Prisma client.
 *
 * @throws FolderLockedError, MigrationError, or an Error that says why the server cannot be used.
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { databaseUrl, dataDir, logger } = options;
  const embedded = databaseUrl === undefined ? await openEmbeddedDatabase({ dataDir }) : undefined;
  const target: pg.PoolConfig = embedded ? embeddedTarget(embedded) : { connectionString: databaseUrl };
  try {
    const version = await onceDatabaseAnswers(() => prepare(target, logger), logger);
    return connect({ target, embedded, version, logger });
  } catch (error) {
    await embedded?.close();
    throw error;
  }
}

/** Looks whether the server will do, and migrates, over a connection of its own that may take its time. */
async function prepare(target: pg.PoolConfig, logger: DatabaseOptions['logger']): Promise<string> {
  const pool = openPool(target, { max: 1, statement_timeout: 0, lock_timeout: 60_000, answerMs: 0 }, logger);
  try {
    const version = await checkServer(pool, logger);
    const applied = await applyMigrations(pool);
    if (applied.length > 0) logger.info({ migrations: applied }, 'database migrated');
    return version;
  } finally {
    await pool.end();
  }
}

async function checkServer(pool: pg.Pool, logger: DatabaseOptions['logger']): Promise<string> {
  const { rows } = await pool.query<{
    version: string;
    number: string;
    commit: string;
    fsync: string;
    embedded: boolean;
  }>(
    `SELECT current_setting('server_version') AS version, current_setting('server_version_num') AS number,
            current_setting('synchronous_commit') AS commit, current_setting('fsync') AS fsync,
            version() LIKE '%wasm%' AS embedded`,
  );
  const server = rows[0]!;
  if (Number(server.number) < OLDEST_VERSION * 10_000) {
    throw new Error(`Parley needs PostgreSQL ${OLDEST_VERSION} or newer; DATABASE_URL leads to ${server.version}.`);
  }
  if (server.commit === 'off') {
    throw new Error(
      'The PostgreSQL of DATABASE_URL runs with synchronous_commit off and does not let this session turn it on: acknowledged messages could be lost.',
    );
  }
  if (server.fsync === 'off' && !server.embedded) {
    logger.warn('this PostgreSQL runs with fsync off: acknowledged messages do not survive the loss of power');
  }
  return server.version.split(' ')[0]!;
}

type ConnectOptions = {
  target: pg.PoolConfig;
  embedded: EmbeddedDatabase | undefined;
  version: string;
  logger: DatabaseOptions['logger'];
};

function connect({ target, embedded, version, logger }: ConnectOptions): Database {
  const pool = openPool(target, embedded ? EMBEDDED_LIMITS : SERVER_LIMITS, logger);
  const adapter: Adapter = new PrismaPg(pool, { statementNameGenerator: nameStatement });
  const reads = embedded ? pool : openPool(target, READ_LIMITS, logger);
  const pools = new Set([pool, reads]);
  const prisma = new PrismaClient({
    adapter,
    transactionOptions: { maxWait: embedded ? 5_000 : 2_000, timeout: 5_000 },
  });
  const endMaintenance = embedded ? startMaintenance(pool, logger) : undefined;
  // Opened with the first job, so that a server without jobs holds no connection for them.
  let scripts: pg.Pool | undefined;
  const scriptPool = (): pg.Pool => {
    if (embedded) return pool;
    scripts ??= openPool(target, SCRIPT_LIMITS, logger);
    return scripts;
  };
  return {
    prisma,
    kind: embedded ? 'embedded' : 'postgres',
    version,
    ping: async () => {
      const start = performance.now();
      await pool.query('SELECT 1');
      return performance.now() - start;
    },
    stats: () => {
      const sum = (countOf: (one: pg.Pool) => number): number => [...pools].reduce((all, one) => all + countOf(one), 0);
      return {
        total: sum((one) => one.totalCount),
        idle: sum((one) => one.idleCount),
        waiting: sum((one) => one.waitingCount),
      };
    },
    query: async <Row>(statement: Statement, values: readonly unknown[]) => {
      const { name, text } = statement;
      const { rows } = await (statement.reads ? reads : pool).query({ name, text, values: [...values] });
      return rows as Row[];
    },
    runScript: (text, values) => runScript(scriptPool(), text, values),
    close: async () => {
      endMaintenance?.();
      await scripts?.end();
      await prisma.$disconnect();
      for (const one of pools) await one.end();
      await embedded?.close();
    },
  };
}

type Limits = Required<Pick<pg.PoolConfig, 'max' | 'statement_timeout' | 'lock_timeout'>> & {
  /** How long an answer is waited for; 0: for as long as it takes. */
  readonly answerMs: number;
};

/**
 * The server ends a statement after 3 s and a wait for a lock after 1 s. Where the server itself hangs it ends nothing, so
 * the driver gives up a little later by itself.
 */
const SERVER_LIMITS: Limits = { max: 10, statement_timeout: 3_000, lock_timeout: 1_000, answerMs: 3_300 };

/**
 * Hot reads have few connections of their own. Those that are asked together on one machine only take turns there: with eight at
 * once on as many connections each took half as long again, in plans and caches that others had pushed out.
 */
const READ_LIMITS: Limits = { ...SERVER_LIMITS, max: 3 };

/** The job queue makes its tables by itself, and that is more than one statement of a moment. */
const SCRIPT_LIMITS: Limits = { max: 2, statement_timeout: 30_000, lock_timeout: 10_000, answerMs: 31_000 };

/** One session, one thread: nothing to wait for but the statement before, and no clock in it that could end one. */
const EMBEDDED_LIMITS: Limits = { max: 1, statement_timeout: 0, lock_timeout: 0, answerMs: 0 };

function embeddedTarget(embedded: EmbeddedDatabase): pg.PoolConfig {
  return {
    stream: () => embedded.connect(),
    user: 'postgres',
    database: 'postgres',
    ssl: false,
    // The one connection is kept: opening another costs a reset of the session.
    idleTimeoutMillis: 0,
    // A request waits behind all those before it, so under load it may have to wait longer than for one of ten.
    connectionTimeoutMillis: 5_000,
  };
}

function openPool(target: pg.PoolConfig, limits: Limits, logger: DatabaseOptions['logger']): pg.Pool {
  const pool = new pg.Pool({
    application_name: 'parley',
    keepAlive: true,
    connectionTimeoutMillis: 2_000,
    idleTimeoutMillis: 30_000,
    ...target,
    max: limits.max,
    onConnect: (client) => setUpSession(client, limits),
  });
  // A lost connection is told to whoever used it, and replaced. Without a listener it would end the process.
  const onError = (error: Error): void => logger.warn({ err: error }, 'database connection lost');
  pool.on('error', onError);
  pool.on('connect', (client) => client.on('error', onError));
  return keepSound(pool, limits.answerMs);
}

async function runScript(pool: pg.Pool, text: string, values?: unknown[]): Promise<{ rows: unknown[] }> {
  const client = await pool.connect();
  try {
    const result = await client.query(text, values);
    client.release();
    return result;
  } catch (error) {
    // Statements that came together may have begun a transaction; with the embedded database everybody shares it.
    const mended = await client.query('ROLLBACK').then(
      () => true,
      () => false,
    );
    client.release(!mended);
    throw error;
  }
}

/**
 * Settings are made by SQL, not as parameters of the connection, so that poolers in between let them pass.
 *
 * `jit`: compiling a statement takes longer than any of ours runs. UTC: the driver sends and reads times without their
 * zone. `synchronous_commit`: an acknowledged message must be on the disk (SEND-1); `local` and above are as good on one
 * server and stay as they are.
 */
async function setUpSession(client: pg.ClientBase, limits: Limits): Promise<void> {
  // The connection is not one of `keepSound` yet: here the driver keeps the time.
  const settings: pg.QueryConfig & { readonly query_timeout: number } = {
    text: `SELECT set_config('TimeZone', 'UTC', false),
            set_config('statement_timeout', $1, false),
            set_config('lock_timeout', $2, false),
            set_config('idle_in_transaction_session_timeout', '5000', false),
            set_config('jit', 'off', false),
            set_config('synchronous_commit', CASE current_setting('synchronous_commit')
              WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)`,
    values: [String(limits.statement_timeout), String(limits.lock_timeout)],
    query_timeout: limits.answerMs,
  };
  await client.query(settings);
}

const statementNames = new Map<string, string>();

/**
 * Names a statement that carries the mark `PLAN_ONCE`; the driver then prepares it once for each connection. All others
 * stay unnamed: planned for each call with the values at hand, which is better for batches. Marked statements must be
 * constant texts, since each one is remembered.
 */
function nameStatement({ sql }: { sql: string }): string {
  if (!sql.slice(0, 64).includes(PLAN_ONCE)) return '';
  let name = statementNames.get(sql);
  if (name === undefined) {
    name = `parley_${statementNames.size + 1}`;
    statementNames.set(sql, name);
  }
  return name;
}
