import type { Conversation, User } from '@parley/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';

describe('presence', () => {
  let app: TestApp;

  beforeAll(async () => {
    app = await startTestApp({ env: { RATE_LIMIT_FACTOR: '0' } });
    for (const person of ['ann', 'bob', 'eve']) await app.rest(person).get('/me');
    const { status } = await app
      .rest('ann')
      .post<Conversation>('/conversations', { type: 'group', participantIds: ['bob'] });
    expect(status).toBe(201);
  });

  afterAll(() => app.close());

  it('tells who is there to whoever watches, when they come and when they go', async () => {
    const ann = await app.connectSocket('ann');
    expect(await ann.ok('presence:watch', { userIds: ['bob'] })).toEqual({
      states: [{ userId: 'bob', status: 'offline', lastSeenAt: null }],
    });
    const bob = await app.connectSocket('bob');
    expect(await ann.next('presence:changed')).toMatchObject({ userId: 'bob', status: 'online' });

    const bobToo = await app.connectSocket('bob');
    bob.disconnect();
    await bob.disconnected;
    bobToo.disconnect();
    const gone = await ann.next('presence:changed', ({ status }) => status === 'offline');
    expect(gone.lastSeenAt).toMatch(/^\d{4}-.*Z$/);
    // The first of two devices that went was no change.
    expect(ann.all('presence:changed').map(({ status }) => status)).toEqual(['online', 'offline']);
    ann.disconnect();
  });

  it('shows nobody to strangers, and unknown people as offline', async () => {
    const eve = await app.connectSocket('eve');
    await app.connectSocket('ann');
    expect(await eve.ok('presence:watch', { userIds: ['ann', 'nobody'] })).toEqual({
      states: [
        { userId: 'ann', status: 'offline', lastSeenAt: null },
        { userId: 'nobody', status: 'offline', lastSeenAt: null },
      ],
    });
  });

  it('shows somebody invisible as offline to all but themselves', async () => {
    const [ann, bob] = [await app.connectSocket('ann'), await app.connectSocket('bob')];
    await ann.ok('presence:watch', { userIds: ['bob'] });
    const { body } = await app.rest('bob').patch<User>('/me', { invisible: true });
    expect(body.invisible).toBe(true);
    expect(await ann.next('presence:changed')).toEqual({ userId: 'bob', status: 'offline', lastSeenAt: null });
    expect(await bob.ok('presence:watch', { userIds: ['bob'] })).toMatchObject({ states: [{ status: 'online' }] });
    await app.rest('bob').patch('/me', { invisible: false });
    expect(await ann.next('presence:changed', ({ status }) => status === 'online')).toMatchObject({ userId: 'bob' });
  });

  it('takes at most 200 people, and only those of the last call are watched', async () => {
    const ann = await app.connectSocket('ann');
    const many = Array.from({ length: 201 }, (_, number) => `person ${number}`);
    const refused = await ann.command('presence:watch', { userIds: many });
    expect(refused).toMatchObject({ ok: false, error: { code: 'invalid_request' } });
    await ann.ok('presence:watch', { userIds: ['bob'] });
    await ann.ok('presence:watch', { userIds: [] });
    const bob = await app.connectSocket('bob');
    bob.disconnect();
    await bob.disconnected;
    await ann.expectNone('presence:changed');
  });
});
