import { once } from 'node:events';
import { createServer, connect as dial, type Socket } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Database, openDatabase } from '../../src/infrastructure/database.ts';
import { classifyDatabaseError, withRetries } from '../../src/infrastructure/database-errors.ts';
import { createTestDatabase, type TestDatabase, testDatabaseKind } from '../support/database.ts';
import { silentLogger } from '../support/logger.ts';
import { startPostgres } from '../support/postgres.ts';

let testDatabase: TestDatabase;
let database: Database;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = await testDatabase.open();
  await database.prisma.user.createMany({ data: ['ann', 'ben', 'cleo'].map((id) => ({ id, name: id })) });
});

afterAll(async () => {
  await database.close();
  await testDatabase.drop();
});

/** What the classifier makes of the failure of a call; fails when the call does not. */
async function failureOf(call: PromiseLike<unknown>) {
  const error = await Promise.resolve(call).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeDefined();
  return classifyDatabaseError(error);
}

describe('on every database', () => {
  const unique = { kind: 'unique', sqlState: '23505', constraint: 'User_pkey', outcomeUnknown: false };

  test('a row that is there already, by the typed client', async () => {
    const call = database.prisma.user.create({ data: { id: 'ann', name: 'x' } });
    expect(await failureOf(call)).toEqual(unique);
  });

  test('a row that is there already, by a raw query', async () => {
    const call = database.prisma.$queryRaw`INSERT INTO "User" ("id", "name") VALUES ('ann', 'x') RETURNING id`;
    expect(await failureOf(call)).toEqual(unique);
  });

  test('a row that is there already, in a transaction', async () => {
    const call = database.prisma.$transaction((tx) => tx.user.create({ data: { id: 'ann', name: 'x' } }));
    expect(await failureOf(call)).toEqual(unique);
  });

  test('a conflict that a function raises, and its repetition', async () => {
    let tries = 0;
    const raise = () => {
      tries += 1;
      return database.prisma.$executeRawUnsafe(`DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '40001'; END $$`);
    };
    expect(await failureOf(raise())).toEqual({ kind: 'conflict', sqlState: '40001', outcomeUnknown: false });
    tries = 0;
    const waits: number[] = [];
    const wait = (ms: number) => Promise.resolve(waits.push(ms));
    await expect(withRetries(raise, { wait })).rejects.toThrow();
    expect(tries).toBe(5);
    expect(waits).toHaveLength(4);
    for (const [index, ms] of waits.entries()) expect(ms).toBeLessThanOrEqual(10 * 2 ** (index + 1));
  });

  test.each(['40P01', '55P03'])('a conflict %s', async (sqlState) => {
    const call = database.prisma.$executeRawUnsafe(
      `DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '${sqlState}'; END $$`,
    );
    expect(await failureOf(call)).toEqual({ kind: 'conflict', sqlState, outcomeUnknown: false });
  });

  test.each(['53100', '57014', '57P03'])('a database in trouble, %s', async (sqlState) => {
    const call = database.prisma.$executeRawUnsafe(
      `DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '${sqlState}'; END $$`,
    );
    expect(await failureOf(call)).toEqual({ kind: 'unavailable', sqlState, outcomeUnknown: false });
  });

  test('a mistake of ours is not tried again', async () => {
    let tries = 0;
    const mistaken = () => {
      tries += 1;
      return database.prisma.$queryRaw`SELECT 1 / 0`;
    };
    await expect(withRetries(mistaken)).rejects.toThrow('division by zero');
    expect(tries).toBe(1);
    expect(await failureOf(mistaken())).toEqual({ kind: 'other', sqlState: '22012', outcomeUnknown: false });
  });

  test('a transaction that takes too long is undone', async () => {
    const call = database.prisma.$transaction(
      async (tx) => {
        await tx.user.create({ data: { id: 'late', name: 'late' } });
        await new Promise((resolve) => setTimeout(resolve, 150));
        await tx.user.count();
      },
      { timeout: 50 },
    );
    expect(await failureOf(call)).toEqual({ kind: 'unavailable', outcomeUnknown: false });
    expect(await database.prisma.user.count({ where: { id: 'late' } })).toBe(0);
  });

  test('a closed database', async () => {
    const other = await createTestDatabase();
    const closed = await other.open();
    await closed.close();
    expect(await failureOf(closed.prisma.user.count())).toMatchObject({ kind: 'unavailable', outcomeUnknown: false });
    await other.drop();
  });
});

describe('errors that are not the database’s', () => {
  test.each([new TypeError('x is not a function'), undefined, 'text', { code: 'EPERM' }, { code: 'P2025' }])(
    '%s',
    (error) => {
      expect(classifyDatabaseError(error)).toEqual({ kind: 'other', outcomeUnknown: false });
    },
  );
});

// What takes two sessions, or a server that can be taken away.
if (testDatabaseKind() === 'postgres')
  describe('on a server', () => {
    let other: pg.Client;

    beforeAll(async () => {
      other = new pg.Client({ connectionString: testDatabase.databaseUrl });
      await other.connect();
    });

    afterAll(() => other.end());

    test('a lock not had in time', async () => {
      await other.query(`BEGIN; SELECT 1 FROM "User" WHERE id = 'ann' FOR UPDATE`);
      const call = database.prisma.user.update({ where: { id: 'ann' }, data: { name: 'x' } });
      expect(await failureOf(call)).toEqual({ kind: 'conflict', sqlState: '55P03', outcomeUnknown: false });
      await other.query('ROLLBACK');
    });

    test('a deadlock, and that a retry gets through it', async () => {
      await database.prisma.$executeRawUnsafe(
        `ALTER DATABASE ${new URL(testDatabase.databaseUrl!).pathname.slice(1)} SET deadlock_timeout = '50ms'`,
      );
      const fresh = await testDatabase.open();
      // Each locks one of the two rows, and wants the other once both have: one must lose, and win when it tries again.
      const failures: unknown[] = [];
      const locked = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      const cross = (mine: number, ids: [string, string]) =>
        withRetries(
          () =>
            fresh.prisma.$transaction(async (tx) => {
              await tx.$queryRaw`SELECT 1 FROM "User" WHERE id = ${ids[0]} FOR UPDATE`;
              locked[mine]!.resolve();
              await locked[1 - mine]!.promise;
              await tx.$queryRaw`SELECT 1 FROM "User" WHERE id = ${ids[1]} FOR UPDATE`;
            }),
          { onRetry: (failure) => failures.push(failure) },
        );
      await Promise.all([cross(0, ['ann', 'ben']), cross(1, ['ben', 'ann'])]);
      expect(failures[0]).toEqual({ kind: 'conflict', sqlState: '40P01', outcomeUnknown: false });
      await fresh.close();
    });

    test('a serialization failure', async () => {
      const call = database.prisma.$transaction(
        async (tx) => {
          await tx.user.count();
          await other.query(`UPDATE "User" SET name = 'y' WHERE id = 'cleo'`);
          await tx.user.update({ where: { id: 'cleo' }, data: { name: 'z' } });
        },
        { isolationLevel: 'RepeatableRead' },
      );
      expect(await failureOf(call)).toEqual({ kind: 'conflict', sqlState: '40001', outcomeUnknown: false });
    });

    test('B-25 a statement that runs too long', async () => {
      const call = database.prisma.$queryRaw`SELECT pg_sleep(10)::text`;
      expect(await failureOf(call)).toEqual({ kind: 'unavailable', sqlState: '57014', outcomeUnknown: false });
    });

    const terminateOthers = () =>
      other.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE datname = current_database() AND application_name = 'parley'`);

    test('a session that an administrator ends during a statement', async () => {
      const failure = failureOf(database.prisma.$queryRaw`SELECT pg_sleep(2)::text`);
      await untilRunning('pg_sleep(2)');
      await terminateOthers();
      expect(await failure).toEqual({ kind: 'unavailable', sqlState: '57P01', outcomeUnknown: true });
      expect(await database.prisma.user.count()).toBe(3);
    });

    test('a session that ends within a transaction', async () => {
      const failure = failureOf(
        database.prisma.$transaction(async (tx) => {
          await tx.user.create({ data: { id: 'gone', name: 'gone' } });
          await terminateOthers();
          await tx.user.count();
        }),
      );
      expect(await failure).toMatchObject({ kind: 'unavailable' });
      expect(await database.prisma.user.count({ where: { id: 'gone' } })).toBe(0);
    });

    test('F15 no connection free', async () => {
      const busy = Array.from({ length: 10 }, async () => {
        await database.prisma.$queryRaw`SELECT pg_sleep(2.9)::text`;
      });
      await untilRunning('pg_sleep(2.9)', 10);
      const refused = [database.prisma.user.count(), database.prisma.$transaction((tx) => tx.user.count())].map(
        failureOf,
      );
      for (const failure of await Promise.all(refused)) {
        expect(failure).toEqual({ kind: 'unavailable', outcomeUnknown: false });
      }
      await Promise.all(busy);
      expect(await database.prisma.user.count()).toBe(3);
    });

    test('F03 a server that is killed and comes back', async () => {
      const server = await startPostgres();
      const own = await openDatabase({ databaseUrl: server.url, dataDir: testDatabase.dataDir, logger: silentLogger });
      const during = failureOf(own.prisma.$queryRaw`SELECT pg_sleep(2)::text`);
      const beside = new pg.Client({ connectionString: server.url });
      beside.on('error', () => undefined);
      await beside.connect();
      await untilRunning('pg_sleep(2)', 1, beside);
      await own.prisma.user.count();
      await server.kill9();
      expect(await during).toMatchObject({ kind: 'unavailable', outcomeUnknown: true });
      expect(await failureOf(own.prisma.user.count())).toMatchObject({ kind: 'unavailable' });
      await server.restart();
      expect(await own.prisma.user.count()).toBe(0);
      await own.close();
      await server.stop();
    });

    test('F11 SEND-1 a connection that breaks while the commit is on its way', async () => {
      const cutter = await startCutter(new URL(testDatabase.databaseUrl!));
      const own = await openDatabase({ databaseUrl: cutter.url, dataDir: testDatabase.dataDir, logger: silentLogger });
      const call = own.prisma.$transaction(async (tx) => {
        await tx.user.create({ data: { id: 'perhaps', name: 'perhaps' } });
        cutter.cutAtCommit();
      });
      expect(await failureOf(call)).toMatchObject({ kind: 'unavailable', outcomeUnknown: true });
      await own.close();
      await cutter.close();
      // The cutter lets the commit itself through and swallows the answer.
      expect(await database.prisma.user.count({ where: { id: 'perhaps' } })).toBe(1);
      await database.prisma.user.delete({ where: { id: 'perhaps' } });
    });

    test('F04 a server that hangs', async () => {
      const server = await startPostgres();
      const own = await openDatabase({ databaseUrl: server.url, dataDir: testDatabase.dataDir, logger: silentLogger });
      // One connection that is there already, and is asked when nothing is answered any more; the others are never opened.
      await own.prisma.user.count();
      const { rows } = await pidsOf(server.url);
      const pids = [server.pid, ...rows.map(({ pid }) => pid)];
      for (const pid of pids) process.kill(pid, 'SIGSTOP');
      const calls = [own.prisma.user.count(), own.prisma.user.count(), own.prisma.user.count()];
      for (const failure of await Promise.all(calls.map(failureOf))) {
        expect(failure).toMatchObject({ kind: 'unavailable' });
      }
      for (const pid of pids) process.kill(pid, 'SIGCONT');
      await expect.poll(() => own.prisma.user.count().catch(() => -1), { timeout: 5_000 }).toBe(0);
      await own.close();
      await server.stop();
    });

    async function untilRunning(text: string, count = 1, client = other): Promise<void> {
      await expect
        .poll(async () => {
          const { rowCount } = await client.query(
            `SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE $1 AND application_name = 'parley'
             AND datname = current_database()`,
            [`%${text}%`],
          );
          return rowCount;
        })
        .toBe(count);
    }

    async function pidsOf(url: string) {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      const result = await client.query<{ pid: number }>(
        `SELECT pid FROM pg_stat_activity WHERE application_name = 'parley'`,
      );
      await client.end();
      return result;
    }
  });

/** A proxy before a server. Once told to, it passes on the next COMMIT and then breaks the connection instead of answering. */
async function startCutter(target: URL) {
  let cutting = false;
  const sockets = new Set<Socket>();
  const proxy = createServer((client) => {
    const server = dial(Number(target.port), target.hostname);
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => sockets.delete(socket));
    }
    let cut = false;
    client.on('data', (data) => {
      if (cutting && data.includes('COMMIT')) cut = true;
      server.write(data);
    });
    server.on('data', (data) => {
      if (cut) client.resetAndDestroy();
      else client.write(data);
    });
    server.on('close', () => client.destroy());
    client.on('close', () => server.destroy());
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const address = proxy.address();
  const url = new URL(target.href);
  url.port = String(typeof address === 'object' ? address?.port : '');
  return {
    url: url.href,
    cutAtCommit: () => {
      cutting = true;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      proxy.close();
      await once(proxy, 'close');
    },
  };
}
