import type { Conversation, Message } from '@parley/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

/** Two nodes on one PostgreSQL and one Redis, as behind a balancer. */
describe('two nodes', () => {
  let database: TestDatabase;
  let redis: TestRedis;
  let north: TestApp;
  let south: TestApp;

  beforeAll(async () => {
    redis = await startRedis();
    database = await createTestDatabase();
    const env = { REDIS_URL: redis.url, RATE_LIMIT_FACTOR: '0', MESSAGE_RATE_LIMIT: '100000' };
    north = await startTestApp({ database, env });
    south = await startTestApp({ database, env });
  });

  afterAll(async () => {
    await north.close();
    await south.close();
    await database.drop();
    await redis.stop();
  });

  async function createGroup(...people: string[]): Promise<string> {
    for (const person of people) await north.rest(person).get('/me');
    const [owner = '', ...participantIds] = people;
    const { body } = await north
      .rest(owner)
      .post<Conversation>('/conversations', { type: 'group', title: 'Both', participantIds });
    return body.id;
  }

  it('DLV-1 tells changes made on one node to people on the other, in order of rev', async () => {
    const id = await createGroup('ann', 'bob');
    const bob = await south.connectSocket('bob');
    const ann = await north.connectSocket('ann');

    const sent: Promise<unknown>[] = [];
    for (let number = 1; number <= 50; number++) {
      const door = number % 2 === 0 ? north : south;
      sent.push(door.rest('ann').post(`/conversations/${id}/messages`, { content: `message ${number}` }));
    }
    await Promise.all(sent);
    await bob.next('message:created', ({ rev }) => rev === 51);
    await ann.next('message:created', ({ rev }) => rev === 51);

    const expected = Array.from({ length: 50 }, (_, index) => index + 2);
    expect(bob.all('message:created').map(({ rev }) => rev)).toEqual(expected);
    expect(ann.all('message:created').map(({ rev }) => rev)).toEqual(expected);
  });

  it('DLV-1 brings somebody in who is connected to the other node, and tells them from then on', async () => {
    const id = await createGroup('cid', 'dan');
    await south.rest('eve').get('/me');
    const eve = await south.connectSocket('eve');
    await north.rest('cid').post(`/conversations/${id}/participants`, { userIds: ['eve'] });
    const { conversation } = await eve.next('conversation:created');
    expect(conversation.me?.role).toBe('member');

    await north.rest('cid').post(`/conversations/${id}/messages`, { content: 'welcome' });
    const { message } = await eve.next('message:created', (event) => event.conversationId === id);
    expect(message.content).toBe('welcome');
  });

  it('DLV-4 tells a removed person on the other node nothing above the rev of the removal', async () => {
    const id = await createGroup('fay', 'gil', 'hal');
    const gil = await south.connectSocket('gil');
    const hal = await south.connectSocket('hal');
    for (let round = 0; round < 20; round++) {
      const removal = north.rest('fay').delete(`/conversations/${id}/participants/gil`);
      const sends = [1, 2, 3].map((number) =>
        south.rest('hal').post<Message>(`/conversations/${id}/messages`, { content: `round ${round} ${number}` }),
      );
      await Promise.all([removal, ...sends]);
      const { body: last } = await north
        .rest('fay')
        .post<Message>(`/conversations/${id}/messages`, { content: 'after' });
      await hal.next('message:created', ({ rev }) => rev === last.rev);
      const left = hal.all('participant:left').at(-1);
      await gil.next('conversation:removed');
      await gil.expectNone('message:created', (event) => event.conversationId === id && event.rev === last.rev);
      expect(gil.all('message:created').every(({ rev }) => rev < left!.rev || rev < last.rev)).toBe(true);
      await north.rest('fay').post(`/conversations/${id}/participants`, { userIds: ['gil'] });
      await gil.next('conversation:created');
    }
  });

  it('DLV-1 carries typing, receipts and unread counts over', async () => {
    const id = await createGroup('ida', 'jon');
    const [ida, jon, jonToo] = [
      await north.connectSocket('ida'),
      await south.connectSocket('jon'),
      await north.connectSocket('jon'),
    ];
    await ida.ok('message:send', { conversationId: id, content: 'hello' });
    await jon.next('message:created');
    await ida.ok('typing:start', { conversationId: id });
    expect(await jon.next('typing:started')).toEqual({ conversationId: id, userId: 'ida' });
    await jon.ok('conversation:read', { conversationId: id, seq: 1 });
    expect(await ida.next('receipt:read')).toMatchObject({ conversationId: id, userId: 'jon', seq: 1 });
    expect(await jonToo.next('unread:changed')).toEqual({ conversationId: id, unreadCount: 0, lastReadSeq: 1 });
  });

  it('DLV-3 makes good within seconds what was told while Redis was dead, and goes on when it is back', async () => {
    const id = await createGroup('kim', 'lea');
    const lea = await south.connectSocket('lea');
    await redis.kill9();
    await north.rest('kim').post(`/conversations/${id}/messages`, { content: 'without Redis' });
    const { message } = await lea.next('message:created', (event) => event.conversationId === id);
    expect(message.content).toBe('without Redis');
    expect(await north.app.metrics.registry.metrics()).toMatch(/^parley_hints_lost_total [1-9]/m);

    const { body: health } = await north.rest(null).get<{ status: string }>('/../../../health/ready');
    expect(health.status).toBe('degraded');
    await redis.restart();
    await north.rest('kim').post(`/conversations/${id}/messages`, { content: 'with Redis again' });
    await lea.next('message:created', (event) => event.message.content === 'with Redis again');
  });

  it('DLV-4 tells a person removed while Redis is dead nothing above the rev of the removal', async () => {
    const id = await createGroup('mia', 'ned', 'ola');
    const ned = await south.connectSocket('ned');
    const ola = await south.connectSocket('ola');
    await redis.kill9();
    await north.rest('mia').delete(`/conversations/${id}/participants/ned`);
    const { body: after } = await south
      .rest('ola')
      .post<Message>(`/conversations/${id}/messages`, { content: 'secret' });
    await ola.next('message:created', ({ rev }) => rev === after.rev);
    await ned.next('conversation:removed');
    await ned.expectNone('message:created', (event) => event.conversationId === id);
    await redis.restart();
  });

  it('presence crosses nodes, and one of two devices on two nodes that goes is no change', async () => {
    await createGroup('rea', 'sam');
    const rea = await north.connectSocket('rea');
    await rea.ok('presence:watch', { userIds: ['sam'] });
    const sam = await south.connectSocket('sam');
    expect(await rea.next('presence:changed')).toMatchObject({ userId: 'sam', status: 'online' });
    const samToo = await north.connectSocket('sam');
    sam.disconnect();
    await sam.disconnected;
    expect(await rea.ok('presence:watch', { userIds: ['sam'] })).toMatchObject({ states: [{ status: 'online' }] });
    samToo.disconnect();
    expect(await rea.next('presence:changed', ({ status }) => status === 'offline')).toMatchObject({ userId: 'sam' });
  });

  it('SEND-2 stores one message for one key sent on both nodes at the same moment', async () => {
    const id = await createGroup('pam', 'quy');
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, number) =>
        (number % 2 ? north : south)
          .rest('pam')
          .post<Message & { duplicate: boolean }>(`/conversations/${id}/messages`, {
            content: 'once',
            clientMessageId: 'k',
          }),
      ),
    );
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
  });
});
