import type { Block, Conversation, Page, Participant } from '@parley/protocol';
import { describe, expect, it } from 'vitest';
import { BlocksRepository } from '../../src/modules/moderation/repositories/blocks.repository.ts';
import { BlockList } from '../../src/modules/moderation/services/block-list.ts';
import { DOORS } from '../support/doors.ts';
import { silentLogger } from '../support/logger.ts';
import { type Person, useWorld } from '../support/world.ts';

const world = useWorld();

const block = (who: Person, whom: Person) => who.rest.put(`/blocks/${whom.id}`);
const unblock = (who: Person, whom: Person) => who.rest.delete(`/blocks/${whom.id}`);

describe('blocking', () => {
  it('answers 204, also for what is so already, and lists only one’s own blocks', async () => {
    const [ann, bob, eve] = await world.people('ann', 'bob', 'eve');
    for (let time = 0; time < 2; time++) expect(await block(ann, bob)).toMatchObject({ status: 204, body: '' });
    expect((await block(ann, eve)).status).toBe(204);

    const first = await ann.get<Page<Block>>('/blocks?limit=1');
    const second = await ann.get<Page<Block>>(`/blocks?limit=1&cursor=${first.nextCursor}`);
    expect(second.nextCursor).toBeNull();
    expect([...first.items, ...second.items].map(({ user }) => user.id).toSorted()).toEqual(
      [bob.id, eve.id].toSorted(),
    );
    expect((await bob.get<Page<Block>>('/blocks')).items).toEqual([]);

    for (let time = 0; time < 2; time++) expect((await unblock(ann, bob)).status).toBe(204);
    expect((await ann.get<Page<Block>>('/blocks')).items.map(({ user }) => user.id)).toEqual([eve.id]);
  });

  it('refuses oneself with 400, and the unknown with 404', async () => {
    const [ann] = await world.people('ann');
    expect(await block(ann, ann)).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    expect(await ann.rest.put('/blocks/nobody-at-all')).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expect(await ann.rest.delete('/blocks/nobody-at-all')).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expect(await world.prisma.block.count({ where: { userId: ann.id } })).toBe(0);
  });

  it('ends only one’s own block: where both block, one unblocking opens nothing', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('direct', ann, bob);
    await block(ann, bob);
    await block(bob, ann);
    await unblock(ann, bob);
    const problem = await ann.refused('rest', 'message:send', { conversationId: cid, content: 'still?' });
    expect(problem.code).toBe('blocked');
    await unblock(bob, ann);
    expect((await ann.send(cid, 'again')).seq).toBe(1);
  });
});

describe.each(DOORS)('a block over %s', (door) => {
  it('SEND-2 cuts the direct conversation both ways, but for reading, repeats and deleting', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('direct', ann, bob);
    const known = { conversationId: cid, content: 'before', clientMessageId: 'key-1' };
    const sent = await bob.ok(door, 'message:send', known);
    const annPhone = await ann.connect();
    await block(ann, bob);

    const target = { conversationId: cid, messageId: sent.id };
    for (const person of [ann, bob]) {
      const refusals = [
        await person.refused(door, 'message:send', { conversationId: cid, content: 'after' }),
        await person.refused(door, 'reaction:add', { ...target, emoji: '👍' }),
      ];
      expect(refusals.map(({ code, status }) => [code, status])).toEqual([
        ['blocked', 403],
        ['blocked', 403],
      ]);
      expect((await person.history(cid)).map(({ content }) => content)).toEqual(['before']);
    }
    expect(await bob.refused(door, 'message:edit', { ...target, content: 'other' })).toMatchObject({ code: 'blocked' });
    expect(await bob.ok(door, 'message:send', known)).toMatchObject({ id: sent.id, duplicate: true });
    // The one that exists is found; nothing new was stored or told.
    const found = await bob.ok(door, 'conversation:create', { type: 'direct', participantIds: [ann.id] });
    expect(found).toMatchObject({ id: cid, lastSeq: 1, rev: 2 });
    await annPhone.expectNone('message:created');
    expect(await bob.ok(door, 'message:delete', target)).toMatchObject({ content: null });

    await unblock(ann, bob);
    expect(await bob.ok(door, 'message:send', { conversationId: cid, content: 'after' })).toMatchObject({ seq: 2 });
    expect(await annPhone.next('message:created')).toMatchObject({ message: { content: 'after' } });
  });

  it('refuses a direct conversation that does not exist, both ways, and no group', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    await block(ann, bob);
    for (const [one, other] of [
      [ann, bob],
      [bob, ann],
    ] as const) {
      const refused = await one.refused(door, 'conversation:create', { type: 'direct', participantIds: [other.id] });
      expect(refused).toMatchObject({ code: 'blocked', status: 403 });
    }
    expect(await world.prisma.conversation.count({ where: { createdBy: { in: [ann.id, bob.id] } } })).toBe(0);
    const group = await bob.ok(door, 'conversation:create', { type: 'group', participantIds: [ann.id] });
    expect(group.participantCount).toBe(2);
  });

  it('changes nothing in a group but presence, typing and receipts', async () => {
    const [ann, bob, eve] = await world.people('ann', 'bob', 'eve');
    const cid = await world.create('group', ann, bob, eve);
    const [annPhone, bobPhone, evePhone] = [await ann.connect(), await bob.connect(), await eve.connect()];
    await block(ann, bob);
    const sent = await bob.ok(door, 'message:send', { conversationId: cid, content: 'hello group' });
    expect(await annPhone.next('message:created')).toMatchObject({ message: { id: sent.id } });
    const target = { conversationId: cid, messageId: sent.id };
    await ann.ok(door, 'reaction:add', { ...target, emoji: '👍' });
    expect(await bobPhone.next('reaction:added')).toMatchObject({ userId: ann.id });
    await bob.ok(door, 'message:edit', { ...target, content: 'hello all' });
    expect(await annPhone.next('message:updated')).toMatchObject({ message: { content: 'hello all' } });

    await ann.ok(door, 'conversation:read', { conversationId: cid, seq: 1 });
    expect(await evePhone.next('receipt:read')).toMatchObject({ userId: ann.id, seq: 1 });
    await bobPhone.expectNone('receipt:read');
  });
});

describe('what a block hides', () => {
  it('shows neither typing nor receipts between the two, to everybody else as ever', async () => {
    const [ann, bob, eve] = await world.people('ann', 'bob', 'eve');
    const cid = await world.create('group', eve, ann, bob);
    for (let seq = 1; seq <= 2; seq++) await eve.send(cid, 'x');
    // Bob comes before the block and again after it; Ann has two devices.
    const [annPhone, bobPhone, evePhone] = [await ann.connect(), await bob.connect(), await eve.connect()];
    await block(ann, bob);
    const [annLaptop, bobLaptop] = [await ann.connect(), await bob.connect()];

    for (const [speaker, socket, hidden] of [
      [ann, annLaptop, [bobPhone, bobLaptop]],
      [bob, bobLaptop, [annPhone, annLaptop]],
    ] as const) {
      await socket.ok('typing:start', { conversationId: cid });
      await socket.ok('typing:stop', { conversationId: cid });
      await socket.ok('conversation:delivered', { conversationId: cid, seq: 1 });
      await socket.ok('conversation:read', { conversationId: cid, seq: 2 });
      for (const name of ['typing:started', 'typing:stopped', 'receipt:delivered', 'receipt:read'] as const) {
        expect(await evePhone.next(name, ({ userId }) => userId === speaker.id)).toMatchObject({ conversationId: cid });
        for (const device of hidden) await device.expectNone(name, ({ userId }) => userId === speaker.id);
      }
    }

    await unblock(ann, bob);
    await annPhone.ok('typing:start', { conversationId: cid });
    for (const device of [bobPhone, bobLaptop]) {
      expect(await device.next('typing:started')).toEqual({ conversationId: cid, userId: ann.id });
    }
  });

  it('shows each to the other as offline, and as they are once it ends', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    await world.create('group', ann, bob);
    const [annPhone, bobPhone] = [await ann.connect(), await bob.connect()];
    await annPhone.ok('presence:watch', { userIds: [bob.id] });
    await bobPhone.ok('presence:watch', { userIds: [ann.id] });
    await block(ann, bob);
    const unseen = (userId: string) => ({ userId, status: 'offline', lastSeenAt: null });
    expect(await annPhone.next('presence:changed')).toEqual(unseen(bob.id));
    expect(await bobPhone.next('presence:changed')).toEqual(unseen(ann.id));
    expect(await bobPhone.ok('presence:watch', { userIds: [ann.id] })).toEqual({ states: [unseen(ann.id)] });
    await unblock(ann, bob);
    expect(await bobPhone.next('presence:changed')).toMatchObject({ userId: ann.id, status: 'online' });
  });

  it('shows in lists of participants no pointers of the other', async () => {
    const [ann, bob, eve] = await world.people('ann', 'bob', 'eve');
    const cid = await world.create('group', eve, ann, bob);
    await eve.send(cid, 'x');
    await ann.rest.post(`/conversations/${cid}/read`, { seq: 1 });
    await block(bob, ann);
    const pointersOf = async (viewer: Person, whom: Person) => {
      const page = await viewer.get<Page<Participant>>(`/conversations/${cid}/participants`);
      const { participants } = await viewer.get<Conversation>(`/conversations/${cid}`);
      const listed = [page.items, participants ?? []].map((items) => items.find(({ user }) => user.id === whom.id)!);
      return listed.map(({ lastReadSeq, lastDeliveredSeq }) => [lastReadSeq, lastDeliveredSeq]);
    };
    expect(await pointersOf(bob, ann)).toEqual([
      [0, 0],
      [0, 0],
    ]);
    expect(await pointersOf(ann, ann)).toEqual([
      [1, 1],
      [1, 1],
    ]);
    expect(await pointersOf(eve, ann)).toEqual([
      [1, 1],
      [1, 1],
    ]);
  });
});

describe('the list of blocks of a node', () => {
  it('follows what other nodes did, also where no hint of it came', async () => {
    const [ann, bob, eve] = await world.people('ann', 'bob', 'eve');
    let now = 0;
    const repository = new BlocksRepository(world.app.app.database);
    const list = new BlockList({ repository, bus: null, logger: silentLogger, clock: () => now });
    await block(ann, bob);
    await list.load(ann.id);
    expect([...list.hiddenFrom(bob.id)]).toEqual([ann.id]);
    // Eve is connected elsewhere: nobody here has to be kept from her.
    expect(list.hiddenFrom(ann.id).size).toBe(0);
    expect([...(await list.findCutOff(ann.id))]).toEqual([bob.id]);
    expect([...(await list.findCutOff(bob.id))]).toEqual([ann.id]);

    await block(eve, ann);
    await unblock(ann, bob);
    expect(list.hiddenFrom(eve.id).size).toBe(0);
    now += 2_000;
    await list.review();
    expect([...list.hiddenFrom(eve.id)]).toEqual([ann.id]);
    expect(list.hiddenFrom(bob.id).size).toBe(0);

    // After a long time without the database everything is read again.
    await unblock(eve, ann);
    await block(bob, ann);
    now += 3_600_000;
    await list.review();
    expect(list.hiddenFrom(eve.id).size).toBe(0);
    expect([...list.hiddenFrom(bob.id)]).toEqual([ann.id]);

    list.drop(ann.id);
    expect(list.hiddenFrom(bob.id).size).toBe(0);
  });
});
