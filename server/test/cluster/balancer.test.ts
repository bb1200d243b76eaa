import { API_PREFIX, type Conversation, type Page } from '@parley/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, startTestApp, type TestApp, TestSocket, tokenOf } from '../support/app.ts';
import { startBalancer, type TestBalancer } from '../support/balancer.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

/** The configuration that is deployed, before two nodes. */
describe('the balancer', () => {
  let database: TestDatabase;
  let redis: TestRedis;
  let nodes: TestApp[];
  let balancer: TestBalancer;

  beforeAll(async () => {
    redis = await startRedis();
    database = await createTestDatabase('postgres');
    const env = { REDIS_URL: redis.url, RATE_LIMIT_FACTOR: '0', MESSAGE_RATE_LIMIT: '1000', TRUST_PROXY: 'loopback' };
    nodes = [await startTestApp({ database, env }), await startTestApp({ database, env })];
    balancer = await startBalancer(nodes.map(({ url }) => new URL(url).host));
    await balancer.untilUp(2);
  });

  afterAll(async () => {
    await balancer.stop();
    for (const node of nodes) await node.close();
    await database.drop();
    await redis.stop();
  });

  const connect = async (person: string, transports: ('websocket' | 'polling')[]) =>
    TestSocket.connect(balancer.url, await tokenOf(person), { transports });
  const socketsOf = (node: TestApp) => node.app.io.of('/').sockets.size;

  it('keeps a session over polling on its node, and lets one that began so go over to WebSocket', async () => {
    const sockets = [
      ...(await Promise.all(Array.from({ length: 6 }, (_, number) => connect(`poll-${number}`, ['polling'])))),
      ...(await Promise.all(
        Array.from({ length: 6 }, (_, number) => connect(`up-${number}`, ['polling', 'websocket'])),
      )),
    ];
    for (const socket of sockets) {
      for (let round = 0; round < 5; round++) await socket.barrier();
    }
    for (const socket of sockets.slice(6)) {
      const { engine } = socket.raw.io;
      if (engine.transport.name !== 'websocket') {
        await new Promise<void>((resolve) => engine.once('upgrade', () => resolve()));
      }
      await socket.barrier();
    }
    for (const socket of sockets) socket.disconnect();
  });

  it('spreads WebSockets over the nodes, and a change reaches all of them', async () => {
    const people = Array.from({ length: 8 }, (_, number) => `ws-${number}`);
    for (const person of people) await nodes[0]!.rest(person).get('/me');
    const { body } = await nodes[0]!.rest(people[0]!).post<Conversation>('/conversations', {
      type: 'group',
      title: 'Spread',
      participantIds: people.slice(1),
    });
    const sockets = await Promise.all(people.map((person) => connect(person, ['websocket'])));
    for (const node of nodes) expect(socketsOf(node)).toBeGreaterThanOrEqual(3);
    await sockets[0]!.ok('message:send', { conversationId: body.id, content: 'to all' });
    for (const socket of sockets)
      await socket.next('message:created', ({ conversationId }) => conversationId === body.id);
    for (const socket of sockets) socket.disconnect();
  });

  it('keeps the metrics inside, and does not pass on what a client says of its address', async () => {
    expect((await fetch(`${balancer.url}/metrics`)).status).toBe(404);
    expect((await fetch(`${nodes[0]!.url}/metrics`)).status).toBe(200);
    // Bad tokens are counted by address: 30 a minute. Were the claimed one believed, each would be somebody else.
    const limited = await startTestApp({ database, env: { TRUST_PROXY: 'loopback' } });
    const before = await startBalancer([new URL(limited.url).host]);
    await before.untilUp(1);
    const statuses = [];
    for (let number = 0; number < 35; number++) {
      const { status } = await call<Page<unknown>>(`${before.url}${API_PREFIX}/me`, {
        headers: { authorization: 'Bearer nonsense', 'x-forwarded-for': `192.0.2.${number}` },
      });
      statuses.push(status);
    }
    expect(statuses.filter((status) => status === 401)).toHaveLength(30);
    expect(statuses.filter((status) => status === 429)).toHaveLength(5);
    await before.stop();
    await limited.close();
  });

  it('sends everybody to the other node while one is away', async () => {
    const env = { REDIS_URL: redis.url, RATE_LIMIT_FACTOR: '0', TRUST_PROXY: 'loopback' };
    const leaving = await startTestApp({ database, env });
    const staying = await startTestApp({ database, env });
    const both = await startBalancer([leaving, staying].map(({ url }) => new URL(url).host));
    await both.untilUp(2);
    await leaving.close();
    // At once: a refused connection goes to the next node before any check has noticed.
    for (let number = 0; number < 10; number++) {
      const { status } = await call(`${both.url}${API_PREFIX}/me`, {
        headers: { authorization: `Bearer ${await tokenOf('ann')}` },
      });
      expect(status).toBe(200);
    }
    await both.untilUp(1);
    await both.stop();
    await staying.close();
  });
});
