import type { Conversation, Problem, Restrictions, Rule, SentMessage } from '@parley/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

const ADMIN = { id: 'root', name: 'Root', roles: ['admin'] };

describe.each(['with Redis', 'without Redis'])('moderation on two nodes, %s', (shape) => {
  let database: TestDatabase;
  let redis: TestRedis | undefined;
  let north: TestApp;
  let south: TestApp;

  beforeAll(async () => {
    redis = shape === 'with Redis' ? await startRedis() : undefined;
    database = await createTestDatabase('postgres');
    const env = { REDIS_URL: redis?.url, RATE_LIMIT_FACTOR: '0', SAME_TEXT_LIMIT: '2', MESSAGE_RATE_LIMIT: '1000000' };
    north = await startTestApp({ database, env });
    south = await startTestApp({ database, env });
    for (const id of ['ann', 'bob', 'cid']) await north.rest(id).get('/me');
  });

  afterAll(async () => {
    await north.close();
    await south.close();
    await database.drop();
    await redis?.stop();
  });

  const create = async (app: TestApp, creator: string, type: string, ...participantIds: string[]) =>
    (await app.rest(creator).post<Conversation>('/conversations', { type, participantIds })).body.id;
  const send = (app: TestApp, who: string, cid: string, content: string) =>
    app.rest(who).post<SentMessage & Problem>(`/conversations/${cid}/messages`, { content });

  it('ACC-1 a ban ends every session on every node, and nobody is let in until it is lifted', async () => {
    const cid = await create(north, 'ann', 'group', 'bob');
    const sockets = [
      await north.connectSocket('bob'),
      await south.connectSocket('bob'),
      await south.connectSocket('bob', { transports: ['polling'] }),
    ];
    const ann = await south.connectSocket('ann');
    await north.rest(ADMIN).put('/users/bob/restrictions', { banned: true });
    for (const socket of sockets) {
      expect(await socket.next('session:ended')).toMatchObject({ code: 'session_revoked' });
      await socket.disconnected;
    }
    for (const app of [north, south]) {
      await expect.poll(async () => (await app.rest('bob').get<Problem>('/me')).body.code).toBe('forbidden');
      await expect(app.connectSocket('bob')).rejects.toMatchObject({ code: 'forbidden' });
      expect((await send(app, 'bob', cid, 'hello')).body.code).toBe('forbidden');
    }
    await ann.barrier();
    expect(ann.all('session:ended')).toEqual([]);
    expect(ann.all('message:created')).toEqual([]);

    const { body } = await south.rest(ADMIN).put<Restrictions>('/users/bob/restrictions', { banned: false });
    expect(body.bannedAt).toBeNull();
    for (const app of [north, south]) {
      await expect.poll(async () => (await app.rest('bob').get('/me')).status).toBe(200);
      (await app.connectSocket('bob')).disconnect();
    }
  });

  it('a silence and a block hold at once wherever somebody writes', async () => {
    const group = await create(north, 'ann', 'group', 'bob');
    const direct = await create(north, 'ann', 'direct', 'cid');
    await north
      .rest(ADMIN)
      .put('/users/ann/restrictions', { silencedUntil: new Date(Date.now() + 60_000).toISOString() });
    // Judged with the send itself, in the database: no node lags behind.
    expect((await send(south, 'ann', group, 'x')).body.code).toBe('forbidden');
    await south.rest(ADMIN).put('/users/ann/restrictions', { silencedUntil: null });
    expect((await send(north, 'ann', group, 'x')).status).toBe(201);

    const [annPhone, cidPhone] = [await north.connectSocket('ann'), await south.connectSocket('cid')];
    await north.rest('ann').put('/blocks/cid');
    for (const app of [north, south]) {
      expect((await send(app, 'cid', direct, 'x')).body.code).toBe('blocked');
      expect((await send(app, 'ann', direct, 'x')).body.code).toBe('blocked');
    }
    const shared = await create(south, 'bob', 'group', 'ann', 'cid');
    for (const phone of [annPhone, cidPhone]) {
      await phone.next('conversation:created', ({ conversation }) => conversation.id === shared);
    }
    const { body } = await send(south, 'bob', shared, 'to both');
    for (const phone of [annPhone, cidPhone])
      await phone.next('message:created', ({ message }) => message.id === body.id);
    await expect
      .poll(async () => {
        await south.rest('cid').post(`/conversations/${shared}/unread`, { seq: 1 });
        await south.rest('cid').post(`/conversations/${shared}/read`, { seq: 1 });
        const told = annPhone.all('receipt:read').length;
        await annPhone.barrier();
        return annPhone.all('receipt:read').length - told;
      })
      .toBe(0);
    await north.rest('ann').delete('/blocks/cid');
    expect((await send(south, 'cid', direct, 'again')).status).toBe(201);
    await annPhone.next('message:created', ({ message }) => message.content === 'again');
  });

  it('rules hold on both within seconds, and the same text is counted as they share limits', async () => {
    const cid = await create(north, 'ann', 'group', 'bob');
    const { body: rule } = await north
      .rest(ADMIN)
      .post<Rule>('/moderation/rules', { kind: 'word', pattern: 'forbidden word', action: 'reject' });
    expect((await send(north, 'bob', cid, 'a forbidden word')).body.code).toBe('invalid_request');
    // The other one was told, or looks by itself.
    await expect
      .poll(async () => (await send(south, 'bob', cid, `a forbidden word ${Math.random()}`)).body.code, {
        timeout: 10_000,
        interval: 500,
      })
      .toBe('invalid_request');
    await north.rest(ADMIN).delete(`/moderation/rules/${rule.id}`);
    if (shape === 'without Redis') return;
    const answers = [];
    for (const app of [north, south, north]) answers.push((await send(app, 'ann', cid, 'over and over again')).status);
    expect(answers).toEqual([201, 201, 429]);
  });
});
