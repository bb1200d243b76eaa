import pg from 'pg';
import type { Logger } from 'pino';

/** When something is due. */
export type MaintenanceLimits = {
  /** Bytes of the write-ahead log that a start after a crash would have to read. */
  logBytes: number;
  /** Dead rows of a table, beyond a tenth of its live ones. */
  deadRows: number;
};

const LIMITS: MaintenanceLimits = { logBytes: 64 * 1024 * 1024, deadRows: 1_000 };
const INTERVAL_MS = 30_000;

/**
 * Does from time to time what the background processes of a PostgreSQL server do: PGlite has none, so its log would grow
 * until the end of the process, its dead rows for ever. Returns the function that ends it.
 */
export function startMaintenance(pool: pg.Pool, logger: Pick<Logger, 'warn'>): () => void {
  let running = false;
  const timer = setInterval(() => {
    // Everything here holds up the one session, so requests that wait come first.
    if (running || pool.waitingCount > 0) return;
    running = true;
    maintain(pool)
      .catch((error: unknown) => logger.warn({ err: error }, 'maintenance of the embedded database failed'))
      .finally(() => {
        running = false;
      });
  }, INTERVAL_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** Does what is due, one table at most, and returns the statements that were. */
export async function maintain(pool: pg.Pool, limits: MaintenanceLimits = LIMITS): Promise<string[]> {
  const due: string[] = [];
  const log = await pool.query<{ due: boolean }>(
    'SELECT pg_current_wal_lsn() - redo_lsn > $1 AS due FROM pg_control_checkpoint()',
    [limits.logBytes],
  );
  if (log.rows[0]?.due === true) due.push('CHECKPOINT');
  // The counts of this very session are told with a delay otherwise.
  await pool.query('SELECT pg_stat_force_next_flush()');
  const table = await pool.query<{ name: string }>(
    `SELECT relname AS name FROM pg_stat_user_tables
     WHERE greatest(n_dead_tup, n_ins_since_vacuum / 2, n_mod_since_analyze / 2) > $1 + n_live_tup / 10
     ORDER BY n_dead_tup DESC LIMIT 1`,
    [limits.deadRows],
  );
  for (const { name } of table.rows) due.push(`VACUUM (ANALYZE) ${pg.escapeIdentifier(name)}`);
  for (const statement of due) await pool.query(statement);
  return due;
}
