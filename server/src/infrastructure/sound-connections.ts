import pg from 'pg';

/**
 * Sees to it that whoever gets a connection of this pool can use it, and that a server which stands still holds up nobody
 * for longer than one statement may take:
 *
 * - A connection that comes back inside of a transaction is closed. The driver gives it back however a ROLLBACK or COMMIT
 *   ended; after one that was not answered, the next to get it would be refused everything (25P02), or write into a
 *   transaction that nobody commits. (The pool's `query` leaves one open where it is asked to: migrations begin theirs so, on
 *   a pool of one connection.)
 * - After a statement that was not answered in time, nothing more is asked on that connection: a ROLLBACK would wait behind
 *   it, as long again. The server rolls back what it was doing when the connection is gone.
 * - An error of SQL does not cost the connection, as it does with the pool's own `query`.
 */
export function keepSound(pool: pg.Pool): pg.Pool {
  pool.on('connect', askNothingAfterTimeout);
  const connectAny = pool.connect.bind(pool) as () => Promise<pg.PoolClient>;

  const connect = async (): Promise<pg.PoolClient> => {
    const client = await connectAny();
    const release = client.release;
    client.release = (error) => release(error ?? !isIdle(client));
    return client;
  };
  const query = async (...args: [pg.QueryConfig]): Promise<pg.QueryResult> => {
    const client = await connectAny();
    try {
      const result = await client.query(...args);
      client.release();
      return result;
    } catch (error) {
      const isSound = error instanceof pg.DatabaseError && error.severity === 'ERROR';
      client.release(isSound ? undefined : (error as Error));
      throw error;
    }
  };
  return Object.assign(pool, { connect, query });
}

/** Answered everything, and in no transaction. */
function isIdle(client: pg.PoolClient): boolean {
  return client.getTransactionStatus() === 'I';
}

function askNothingAfterTimeout(client: pg.PoolClient): void {
  // Looked up with each call, so that whoever watches the driver's statements sees these as well.
  const query = (...args: unknown[]): Promise<pg.QueryResult> =>
    (pg.Client.prototype.query as (...args: unknown[]) => Promise<pg.QueryResult>).apply(client, args);
  let timeout: unknown;
  const ask = async (...args: unknown[]): Promise<pg.QueryResult> => {
    if (timeout !== undefined) throw timeout;
    try {
      return await query(...args);
    } catch (error) {
      if (isTimeout(error)) timeout = error;
      throw error;
    }
  };
  client.query = ask as typeof client.query;
}

/** The driver has no code for it. */
function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === 'Query read timeout';
}
