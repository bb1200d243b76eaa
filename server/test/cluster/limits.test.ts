import type { Conversation } from '@parley/protocol';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { NODE_LEASE_SECONDS } from '../../src/infrastructure/node-registry.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { watchRedis } from '../support/redis-watch.ts';

const LIMIT = 30;
const CONNECTIONS = 3;

describe('limits over two nodes', () => {
  const watch = watchRedis();
  let database: TestDatabase;
  let redis: TestRedis;
  let client: Redis;
  let north: TestApp;
  let south: TestApp;
  let serial = 0;
  let person = '';

  beforeAll(async () => {
    redis = await startRedis();
    client = new Redis(redis.url);
    client.on('error', () => {});
    database = await createTestDatabase('postgres');
    const env = {
      REDIS_URL: redis.url,
      RATE_LIMIT_FACTOR: '0',
      MESSAGE_RATE_LIMIT: String(LIMIT),
      MAX_CONNECTIONS_PER_USER: String(CONNECTIONS),
    };
    north = await startTestApp({ database, env, logger: watch.logger });
    south = await startTestApp({ database, env, logger: watch.logger });
  });

  afterAll(async () => {
    client.disconnect();
    await north.close();
    await south.close();
    await database.drop();
    await redis.stop();
  });

  beforeEach(() => {
    person = `person-${serial++}`;
  });

  async function createChannel(): Promise<string> {
    const { body } = await north.rest(person).post<Conversation>('/conversations', { type: 'channel', title: person });
    return body.id;
  }

  /** So many sends at once over both doors of both nodes; how many of them were stored, by row. */
  async function flood(count: number): Promise<number> {
    const conversationId = await createChannel();
    const sockets = [await north.connectSocket(person), await south.connectSocket(person)];
    const statuses = await Promise.all(
      Array.from({ length: count }, async (_, number) => {
        const content = `message ${number}`;
        if (number % 4 < 2) {
          const app = number % 2 ? north : south;
          return (await app.rest(person).post(`/conversations/${conversationId}/messages`, { content })).status;
        }
        const ack = await sockets[number % 2]!.command('message:send', { conversationId, content });
        return ack.ok ? 201 : ack.error.status;
      }),
    );
    for (const socket of sockets) socket.disconnect();
    expect(statuses.filter((status) => status !== 201 && status !== 429)).toEqual([]);
    const stored = await north.app.database.prisma.message.count({ where: { conversationId } });
    expect(statuses.filter((status) => status === 201)).toHaveLength(stored);
    return stored;
  }

  /** The same by somebody new. */
  const floodShared = () =>
    watch.whileShared(() => {
      person = `person-${serial++}`;
      return flood(60);
    });

  it('RATE-1 lets exactly the limit through, over both doors and both nodes at once', async () => {
    expect(await floodShared()).toBe(LIMIT);
  }, 60_000);

  it('RATE-3 keeps sending within bounds while Redis is away, and is exact again by itself once it is back', async () => {
    await redis.kill9();
    const stored = await flood(60);
    expect(stored).toBeGreaterThanOrEqual(LIMIT / 2);
    expect(stored).toBeLessThanOrEqual(LIMIT * 2);

    await redis.restart();
    // Each node notices with a call of its own.
    for (const app of [north, south]) {
      person = `scout-${serial++}`;
      const conversationId = await createChannel();
      await vi.waitFor(
        async () => {
          await app.rest(person).post(`/conversations/${conversationId}/messages`, { content: 'back?' });
          expect(await client.keys(`*{messages:${person}}*`)).not.toEqual([]);
        },
        { timeout: 10_000, interval: 300 },
      );
    }
    expect(await floodShared()).toBe(LIMIT);
  }, 60_000);

  it('RATE-3 forgets no send of its own where Redis has lost everything', async () => {
    await watch.whileShared(async () => {
      person = `person-${serial++}`;
      const conversationId = await createChannel();
      const send = (app: TestApp) =>
        app.rest(person).post(`/conversations/${conversationId}/messages`, { content: 'more' });
      for (let number = 0; number < LIMIT; number++) expect((await send(north)).status).toBe(201);
      await client.flushall();
      expect((await send(north)).status).toBe(429);
    });
  }, 60_000);

  it('RATE-2 counts the connections of a person over all nodes', async () => {
    const open = [
      await north.connectSocket(person),
      await south.connectSocket(person),
      await south.connectSocket(person),
    ];
    for (const app of [north, south]) {
      await expect(app.connectSocket(person)).rejects.toMatchObject({ code: 'too_many_connections', status: 429 });
    }
    // One that goes makes room on the other node as well.
    open[2]!.disconnect();
    await vi.waitFor(() => north.connectSocket(person), { timeout: 5_000 });
    await expect(south.connectSocket(person)).rejects.toMatchObject({ code: 'too_many_connections' });
    // A killed node says nothing more, and what it held runs out.
    expect(await client.ttl(`parley:connections:{${person}}`)).toBeLessThanOrEqual(NODE_LEASE_SECONDS);
  });

  it('RATE-2 lets exactly so many in that come at the same moment', async () => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 12 }, (_, number) => (number % 2 ? north : south).connectSocket(person)),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(CONNECTIONS);
  });

  it('RATE-3 counts connections by node while Redis is away, and cuts nobody off when it is back', async () => {
    await redis.kill9();
    const open = [];
    for (let number = 0; number < CONNECTIONS; number++) {
      open.push(await north.connectSocket(person), await south.connectSocket(person));
    }
    await expect(north.connectSocket(person)).rejects.toMatchObject({ code: 'too_many_connections' });
    await redis.restart();
    // The heartbeat that comes with the connection says again what each node holds.
    await vi.waitFor(async () => expect(await client.zcard(`parley:connections:{${person}}`)).toBe(CONNECTIONS * 2), {
      timeout: 15_000,
      interval: 100,
    });
    for (const socket of open) await socket.barrier();
    await expect(south.connectSocket(person)).rejects.toMatchObject({ code: 'too_many_connections' });
  });
});
