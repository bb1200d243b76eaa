import type { Conversation, Message } from '@parley/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

const CONVERSATIONS = 100;
/** How often each of them removes somebody; `PARLEY_REMOVAL_ROUNDS=10` makes it a thousand. */
const ROUNDS = Number(process.env.PARLEY_REMOVAL_ROUNDS ?? 2);
/** So many removals at the same moment; more would only wait for connections to the database. */
const AT_ONCE = 10;
/** The tailer brings what Redis would have brought: within 5 s (DLV-3), and this machine may be busy. */
const soon = { timeout: 20_000 };

/** Removals on one node, the removed person on the other, and nothing between the two but the database. */
describe('removing somebody while Redis is dead', () => {
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
    for (const person of ['ann', 'ned', 'ola']) await north.rest(person).get('/me');
  });

  afterAll(async () => {
    await north.close();
    await south.close();
    await database.drop();
    await redis.stop();
  });

  async function forEach<Item, Result>(
    items: readonly Item[],
    work: (item: Item) => Promise<Result>,
  ): Promise<Result[]> {
    const results: Result[] = [];
    for (let done = 0; done < items.length; done += AT_ONCE) {
      results.push(...(await Promise.all(items.slice(done, done + AT_ONCE).map(work))));
    }
    return results;
  }

  const createGroup = async (): Promise<string> => {
    const group = { type: 'group', participantIds: ['ned', 'ola'] };
    return (await north.rest('ann').post<Conversation>('/conversations', group)).body.id;
  };

  const send = (node: TestApp, id: string, content: string) =>
    node.rest('ola').post<Message>(`/conversations/${id}/messages`, { content });

  it(`DLV-4 lets nothing above the rev of the removal through, in ${CONVERSATIONS * ROUNDS} tries`, async () => {
    const ids = await forEach(Array.from({ length: CONVERSATIONS }), createGroup);
    const ned = await south.connectSocket('ned');
    const ann = await north.connectSocket('ann');
    await redis.kill9();

    /** By conversation: the `rev` of each removal, in order. */
    const removals = new Map<string, number[]>(ids.map((id) => [id, []]));
    for (let round = 1; round <= ROUNDS; round++) {
      const lastRevs = await forEach(ids, async (id) => {
        // Some while it is being removed, some at once after the answer, on the node of the removed person and the other.
        const beside = send(south, id, 'beside');
        const { status } = await north.rest('ann').delete(`/conversations/${id}/participants/ned`);
        const after = await Promise.all([send(south, id, 'secret'), send(north, id, 'secret'), beside]);
        expect([status, ...after.map((answer) => answer.status)]).toEqual([204, 201, 201, 201]);
        return { id, rev: Math.max(...after.map(({ body }) => body.rev)) };
      });
      // The remover, who is in all of them, has seen everything; the removed person has been told of each end.
      for (const { id, rev } of lastRevs) {
        await ann.next('message:created', (event) => event.conversationId === id && event.rev >= rev);
        const left = ann.all('participant:left').filter(({ conversationId }) => conversationId === id);
        removals.get(id)!.push(left.at(-1)!.rev);
      }
      await expect.poll(() => ned.all('conversation:removed').length, soon).toBe(CONVERSATIONS * round);
      if (round === ROUNDS) continue;
      await forEach(ids, (id) => north.rest('ann').post(`/conversations/${id}/participants`, { userIds: ['ned'] }));
      await expect.poll(() => ned.all('conversation:created').length, soon).toBe(CONVERSATIONS * round);
    }

    // What the remover has seen says when the person was away; in between nothing may have been told.
    const returns = Map.groupBy(
      ann.all('participant:joined').filter(({ participant }) => participant.user.id === 'ned'),
      ({ conversationId }) => conversationId,
    );
    const told = [...ned.all('message:created'), ...ned.all('participant:left'), ...ned.all('participant:joined')];
    const leaked = told.filter(({ conversationId, rev }) => {
      const removal = removals.get(conversationId)!.findLast((at) => at < rev);
      const back = returns.get(conversationId)?.find((joined) => removal !== undefined && joined.rev > removal);
      return removal !== undefined && (back === undefined || rev < back.rev);
    });
    expect(told.length).toBeGreaterThan(0);
    expect(leaked).toEqual([]);
    expect([...removals.values()].flat().length).toBe(CONVERSATIONS * ROUNDS);
  }, 300_000);
});
