import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Prisma } from '../../prisma/generated/client.ts';
import { type Database, PLAN_ONCE } from '../../src/infrastructure/database.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

// What the repositories rely on, and what must be the same on the embedded database and on a server.
let testDatabase: TestDatabase;
let database: Database;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = await testDatabase.open();
});

afterAll(async () => {
  await database.close();
  await testDatabase.drop();
});

describe('raw queries read', () => {
  const cases: [sql: string, value: unknown][] = [
    ['9007199254740993::bigint', 9007199254740993n],
    ['7::int', 7],
    ['1.5::float8', 1.5],
    ['true', true],
    ["'text'::text", 'text'],
    ['NULL::text', null],
    [`'2026-01-02T03:04:05.678+05:00'::timestamptz`, new Date('2026-01-01T22:04:05.678Z')],
    [`'{"a":[1,null,"ü"]}'::jsonb`, { a: [1, null, 'ü'] }],
    [`'0190a1b2-0000-7000-8000-000000000001'::uuid`, '0190a1b2-0000-7000-8000-000000000001'],
    [`ARRAY['a','b"c',NULL]::text[]`, ['a', 'b"c', null]],
    [`ARRAY['0190a1b2-0000-7000-8000-000000000001']::uuid[]`, ['0190a1b2-0000-7000-8000-000000000001']],
    ['ARRAY[1,9007199254740993]::bigint[]', [1n, 9007199254740993n]],
    [`ARRAY[]::bigint[]`, []],
    [`'owner'::"ParticipantRole"`, 'owner'],
    [`'\\x00ff'::bytea`, new Uint8Array([0, 255])],
  ];
  for (const [sql, value] of cases) {
    test(sql, async () => {
      const rows = await database.prisma.$queryRawUnsafe<{ value: unknown }[]>(`SELECT ${sql} AS value`);
      expect(rows).toEqual([{ value }]);
    });
  }
});

describe('raw queries take', () => {
  test('a bigint', async () => {
    const [row] = await database.prisma.$queryRaw<
      { value: bigint }[]
    >`SELECT ${9007199254740993n}::bigint + 1 AS value`;
    expect(row?.value).toBe(9007199254740994n);
  });

  test('a Date, to the millisecond and as the moment it is', async () => {
    const moment = new Date('2026-07-01T12:34:56.789Z');
    const [row] = await database.prisma.$queryRaw<{ value: Date; same: boolean }[]>`
      SELECT ${moment}::timestamptz AS value, ${moment}::timestamptz = '2026-07-01T12:34:56.789Z'::timestamptz AS same`;
    expect(row).toEqual({ value: moment, same: true });
  });

  test('JSON as text, cast to jsonb', async () => {
    const value = [{ id: 'a', n: 1, text: 'quote " backslash \\ ümlaut 👋', nothing: null }];
    const [row] = await database.prisma.$queryRaw<
      { value: unknown }[]
    >`SELECT ${JSON.stringify(value)}::jsonb AS value`;
    expect(row?.value).toEqual(value);
  });

  test('arrays, cast to their type', async () => {
    const ids = [randomUUID(), randomUUID()];
    const [row] = await database.prisma.$queryRaw<unknown[]>`
      SELECT ${ids}::uuid[] AS ids, ${['a', 'b,{}"']}::text[] AS texts, ${[1n, 9007199254740993n]}::bigint[] AS numbers,
             ${[]}::text[] AS empty`;
    expect(row).toEqual({ ids, texts: ['a', 'b,{}"'], numbers: [1n, 9007199254740993n], empty: [] });
  });

  test('null', async () => {
    const [row] = await database.prisma.$queryRaw<unknown[]>`SELECT ${null}::uuid AS id, ${null}::jsonb AS json`;
    expect(row).toEqual({ id: null, json: null });
  });

  test('lists by Prisma.join', async () => {
    const rows = await database.prisma.$queryRaw<{ n: number }[]>`
      SELECT n FROM generate_series(1, 5) AS n WHERE n IN (${Prisma.join([2, 4])}) ORDER BY n`;
    expect(rows).toEqual([{ n: 2 }, { n: 4 }]);
  });
});

describe('the typed client', () => {
  test('keeps every kind of column', async () => {
    const id = randomUUID();
    const createdAt = new Date('2026-03-29T01:30:00.123Z');
    const data = {
      id,
      type: 'group',
      createdBy: 'ann',
      createdAt,
      lastSeq: 9007199254740993n,
      metadata: { a: [1] },
    } as const;
    await database.prisma.conversation.create({ data: { ...data, metadata: { a: [1] } } });
    expect(await database.prisma.conversation.findUniqueOrThrow({ where: { id } })).toMatchObject(data);
    const [row] = await database.prisma.$queryRaw<{ same: boolean }[]>`
      SELECT "createdAt" = '2026-03-29T01:30:00.123Z'::timestamptz AS same FROM "Conversation" WHERE id = ${id}::uuid`;
    expect(row?.same).toBe(true);
  });

  test('keeps arrays', async () => {
    const conversationIds = [randomUUID()];
    const notice = await database.prisma.changeNotice.create({
      data: { xid: 5n, nodeId: 'n', conversationIds, revs: [9007199254740993n], userIds: [] },
    });
    expect(notice).toMatchObject({ conversationIds, revs: [9007199254740993n], userIds: [] });
  });
});

describe('interactive transactions', () => {
  const countUsers = (id: string) => database.prisma.user.count({ where: { id } });

  test('commit, raw and typed together', async () => {
    await database.prisma.$transaction(async (tx) => {
      await tx.$executeRaw`INSERT INTO "User" ("id", "name") VALUES ('committed', 'A')`;
      await tx.user.update({ where: { id: 'committed' }, data: { name: 'B' } });
    });
    expect(await database.prisma.user.findUnique({ where: { id: 'committed' } })).toMatchObject({ name: 'B' });
  });

  test('are undone by a throw', async () => {
    const failing = database.prisma.$transaction(async (tx) => {
      await tx.user.create({ data: { id: 'thrown', name: 'A' } });
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await countUsers('thrown')).toBe(0);
  });

  test('are undone by an SQL error, and the connection is as good as new', async () => {
    const failing = database.prisma.$transaction(async (tx) => {
      await tx.user.create({ data: { id: 'failed', name: 'A' } });
      await tx.$queryRaw`SELECT 1 / 0`;
    });
    await expect(failing).rejects.toThrow('division by zero');
    expect(await countUsers('failed')).toBe(0);
  });

  test('do not see each other half done', async () => {
    await database.prisma.user.create({ data: { id: 'counter', name: '0' } });
    const add = () =>
      database.prisma.$transaction(async (tx) => {
        const [row] = await tx.$queryRaw<{ name: string }[]>`SELECT name FROM "User" WHERE id = 'counter' FOR UPDATE`;
        await tx.user.update({ where: { id: 'counter' }, data: { name: String(Number(row?.name) + 1) } });
      });
    await Promise.all(Array.from({ length: 20 }, add));
    expect(await database.prisma.user.findUnique({ where: { id: 'counter' } })).toMatchObject({ name: '20' });
  });
});

test('a statement marked to be planned once is kept by name, all others are not', async () => {
  await database.prisma.$transaction(async (tx) => {
    const ask = (n: number) => tx.$queryRawUnsafe<{ n: number }[]>(`${PLAN_ONCE} SELECT $1::int AS n`, n);
    expect([await ask(1), await ask(2)]).toEqual([[{ n: 1 }], [{ n: 2 }]]);
    const kept = await tx.$queryRaw<{ name: string }[]>`SELECT name FROM pg_prepared_statements`;
    expect(kept).toEqual([{ name: expect.stringMatching(/^parley_\d+$/) }]);
  });
});

test('a statement of its own name is prepared once for each connection', async () => {
  const statement = { name: 'double', text: 'SELECT 2 * $1::int AS twice' };
  expect([await database.query(statement, [2]), await database.query(statement, [3])]).toEqual([
    [{ twice: 4 }],
    [{ twice: 6 }],
  ]);
  await Promise.all(Array.from({ length: 20 }, (_, n) => database.query(statement, [n])));
  // All at once, so that each is asked on a connection of its own.
  const ask = {
    name: 'kept',
    text: `SELECT count(*)::int AS times, pg_sleep(0.05)::text FROM pg_prepared_statements WHERE name = 'double'`,
  };
  const kept = await Promise.all(
    Array.from({ length: database.stats().total }, () => database.query<{ times: number }>(ask, [])),
  );
  expect(kept.every(([row]) => row!.times <= 1)).toBe(true);
  expect(kept.some(([row]) => row!.times === 1)).toBe(true);
});

test('SEND-1 commits are synchronous, and the session speaks UTC', async () => {
  const [row] = await database.prisma.$queryRaw<unknown[]>`
    SELECT current_setting('synchronous_commit') AS commit, current_setting('TimeZone') AS zone`;
  expect(row).toEqual({ commit: 'on', zone: 'UTC' });
});

test('many at once all get their turn', async () => {
  const answers = await Promise.all(
    Array.from({ length: 300 }, (_, n) => database.prisma.$queryRaw<{ n: number }[]>`SELECT ${n}::int AS n`),
  );
  expect(answers.flat().map(({ n }) => n)).toEqual(Array.from({ length: 300 }, (_, n) => n));
  expect(database.stats()).toMatchObject({ waiting: 0 });
});
