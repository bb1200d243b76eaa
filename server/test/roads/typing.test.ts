import { TYPING_EXPIRES_MS } from '@parley/protocol';
import { describe, expect, it, vi } from 'vitest';
import { useWorld } from '../support/world.ts';

const world = useWorld();

describe('typing', () => {
  it('DLV-4 is told to the others in it, not to oneself or outsiders, once until it stops', async () => {
    const [ann, bob, eve] = await world.people('ann', 'bob', 'eve');
    const cid = await world.create('group', ann, bob);
    const [annPhone, annTablet, bobPhone, evePhone] = [
      await ann.connect(),
      await ann.connect(),
      await bob.connect(),
      await eve.connect(),
    ];
    const input = { conversationId: cid };
    expect(await annPhone.ok('typing:start', input)).toBeNull();
    expect(await bobPhone.next('typing:started')).toEqual({ conversationId: cid, userId: ann.id });
    await annPhone.ok('typing:start', input);
    expect(await annPhone.ok('typing:stop', input)).toBeNull();
    expect(await bobPhone.next('typing:stopped')).toEqual({ conversationId: cid, userId: ann.id });
    // Stopping what has not begun says nothing.
    await annPhone.ok('typing:stop', input);
    await bobPhone.barrier();
    expect(bobPhone.received.map(({ name }) => name)).toEqual(['ready', 'typing:started', 'typing:stopped']);
    for (const device of [annPhone, annTablet, evePhone]) await device.expectNone('typing:started');
    // It is no change (ORD-2).
    expect((await ann.conversation(cid)).rev).toBe(1);
  });

  it('ends by a message, by leaving, and with the last connection', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('channel', ann, bob);
    const [annPhone, bobPhone] = [await ann.connect(), await bob.connect()];
    const start = async () => {
      await annPhone.ok('typing:start', { conversationId: cid });
      await bobPhone.next('typing:started');
    };
    await start();
    await annPhone.ok('message:send', { conversationId: cid, content: 'x' });
    await bobPhone.next('typing:stopped');
    await start();
    await annPhone.ok('participant:remove', { conversationId: cid, userId: ann.id });
    await bobPhone.next('typing:stopped');
    await annPhone.ok('participant:add', { conversationId: cid, userIds: [ann.id] });
    await start();
    annPhone.disconnect();
    await bobPhone.next('typing:stopped');
  });

  it('ACC-2 is for those who may write', async () => {
    const [ann, bob, eve] = await world.people('ann', 'bob', 'eve');
    const cid = await world.create('channel', ann, bob);
    await ann.rest.patch(`/conversations/${cid}/participants/${bob.id}`, { role: 'readonly' });
    const [annPhone, bobPhone, evePhone] = [await ann.connect(), await bob.connect(), await eve.connect()];
    for (const name of ['typing:start', 'typing:stop'] as const) {
      expect(await bobPhone.command(name, { conversationId: cid })).toMatchObject({ error: { code: 'forbidden' } });
      expect(await evePhone.command(name, { conversationId: cid })).toMatchObject({
        error: { code: 'not_a_participant' },
      });
      expect(await evePhone.command(name, { conversationId: 'x' })).toMatchObject({ error: { code: 'not_found' } });
    }
    await annPhone.expectNone('typing:started');
  });

  it('DLV-4 of who is silenced, or may only read, is told to nobody', async () => {
    const [ann, bob, eve] = await world.people('ann', 'bob', 'eve');
    const boss = await world.person({ id: 'the-admin', roles: ['admin'] });
    const cid = await world.create('group', ann, bob, eve);
    const annPhone = await ann.connect();
    const silencedUntil = new Date(Date.now() + 3_600_000).toISOString();
    const cases = [
      [bob, () => ann.rest.patch(`/conversations/${cid}/participants/${bob.id}`, { silencedUntil })],
      [eve, () => boss.rest.put(`/users/${eve.id}/restrictions`, { silencedUntil })],
    ] as const;
    for (const [person, silence] of cases) {
      expect((await silence()).status).toBe(200);
      const phone = await person.connect();
      expect(await phone.ok('typing:start', { conversationId: cid })).toBeNull();
      await phone.barrier();
    }
    expect((await ann.rest.patch(`/conversations/${cid}`, { readOnly: true })).status).toBe(200);
    const [zoe] = await world.people('zoe');
    await ann.rest.post(`/conversations/${cid}/participants`, { userIds: [zoe.id] });
    const zoePhone = await zoe.connect();
    expect(await zoePhone.ok('typing:start', { conversationId: cid })).toBeNull();
    await annPhone.expectNone('typing:started');
  });

  it(`ends by itself ${TYPING_EXPIRES_MS / 1_000} s after the last sign of it`, async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    const [annPhone, bobPhone] = [await ann.connect(), await bob.connect()];
    const setTimer = vi.spyOn(globalThis, 'setTimeout');
    await annPhone.ok('typing:start', { conversationId: cid });
    await bobPhone.next('typing:started');
    // The mark's own timer, moved on by hand: nobody waits six seconds.
    const call = setTimer.mock.calls.findIndex(([, ms]) => ms === TYPING_EXPIRES_MS);
    const [expire] = setTimer.mock.calls[call]!;
    setTimer.mockRestore();
    (expire as () => void)();
    expect(await bobPhone.next('typing:stopped')).toEqual({ conversationId: cid, userId: ann.id });
  });
});
