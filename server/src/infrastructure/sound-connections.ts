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
 *
 * @param timeoutMs how long an answer is waited for; 0: for as long as it takes.
 */
export function keepSound(pool: pg.Pool, timeoutMs: number): pg.Pool {
  pool.on('connect', (client) => askNothingAfterTimeout(client, timeoutMs));
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

function askNothingAfterTimeout(client: pg.PoolClient, timeoutMs: number): void {
  let timeout: unknown;
  const ask = async (...args: QueryArgs): Promise<pg.QueryResult> => {
    if (timeout !== undefined) throw timeout;
    try {
      return await answerTo(client, args, timeoutMs);
    } catch (error) {
      if (error instanceof TimeoutError) timeout = error;
      // Leads to whoever asked, and not to the socket that was read.
      if (error instanceof Error) Error.captureStackTrace(error);
      throw error;
    }
  };
  client.query = ask as typeof client.query;
}

type QueryArgs = [query: string | pg.QueryConfig, values?: unknown[]];
type Callback = (error: Error | null, result: pg.QueryResult) => void;
type QueryWithCallback = (this: pg.ClientBase, ...args: [QueryArgs[0], QueryArgs[1], Callback]) => void;

/**
 * The driver could make the promise and keep the time by itself (`query_timeout`), but not without hanging a function on each query
 * that knows the query. V8 then takes all that the query brought for old, and it stays until the next big collection: small
 * collections took 10 to 15 ms in place of one, and the big ones came many times as often.
 */
function answerTo(client: pg.ClientBase, [query, values]: QueryArgs, timeoutMs: number): Promise<pg.QueryResult> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    // Looked up with each call, so that whoever watches the driver's statements sees these as well.
    (pg.Client.prototype.query as QueryWithCallback).call(client, query, values, (error, result) => {
      clearTimeout(timer);
      if (error) reject(error);
      else resolve(result);
    });
    if (timeoutMs > 0) timer = setTimeout(() => reject(new TimeoutError()), timeoutMs);
  });
}

class TimeoutError extends Error {
  constructor() {
    super('Query read timeout');
  }
}
