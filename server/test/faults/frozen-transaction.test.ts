import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../src/infrastructure/database.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

/** As many as the pool holds, so that each of its connections is asked. */
const CONNECTIONS = 10;

describe('a database that stands still in the middle of a transaction', () => {
  let testDatabase: TestDatabase;
  let database: Database;
  beforeAll(async () => {
    testDatabase = await createTestDatabase('postgres');
    database = await testDatabase.open();
  });
  afterAll(async () => {
    await database.close();
    await testDatabase.drop();
  });

  it('SEND-1 leaves nobody else inside of that transaction when it goes on', async () => {
    let backend = 0;
    const stuck = database.prisma.$transaction(async (tx) => {
      const [row] = await tx.$queryRaw<[{ pid: number }]>`SELECT pg_backend_pid() AS pid`;
      backend = row.pid;
      process.kill(backend, 'SIGSTOP');
      // Neither this nor the ROLLBACK after it is answered in time.
      await tx.$queryRaw`SELECT 1/0`;
    });
    await expect(stuck).rejects.toThrow();
    process.kill(backend, 'SIGCONT');

    const asked = Array.from({ length: CONNECTIONS }, () =>
      database.prisma.$transaction(async (tx) => {
        const [row] = await tx.$queryRaw<[{ fresh: boolean }]>`
          SELECT pg_current_xact_id_if_assigned() IS NULL AND now() > clock_timestamp() - interval '2 seconds' AS fresh`;
        return row.fresh;
      }),
    );
    expect(await Promise.all(asked)).toEqual(Array.from({ length: CONNECTIONS }, () => true));
  }, 60_000);
});
