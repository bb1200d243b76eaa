import type { Message } from '@parley/protocol';
import { describe, expect, it } from 'vitest';
import { DOORS } from '../support/doors.ts';
import { changesSeen, useWorld } from '../support/world.ts';

const world = useWorld();

/** Emoji of every make; each is one grapheme. */
const EMOJI = ['👍', '❤️', '👩‍👩‍👧‍👦', '🇩🇪', '1️⃣', '👋🏽', '🏴‍☠️'];

describe.each(DOORS)('reacting over %s', (door) => {
  it('ORD-2 sets and clears a reaction, counts it, and tells everybody in it', async () => {
    const [ann, bob, eve] = await world.people('ann', 'bob', 'eve');
    const cid = await world.create('group', ann, bob);
    const sent = await ann.send(cid, 'x');
    const [annPhone, evePhone] = [await ann.connect(), await eve.connect()];
    const target = { conversationId: cid, messageId: sent.id };

    const first = await bob.ok(door, 'reaction:add', { ...target, emoji: '👍' });
    expect(first).toMatchObject({ rev: 3, reactions: [{ emoji: '👍', count: 1, userIds: [bob.id] }] });
    const told = { conversationId: cid, messageId: sent.id, emoji: '👍' };
    expect(await annPhone.next('reaction:added')).toEqual({ ...told, rev: 3, userId: bob.id, count: 1 });
    const second = await ann.ok(door, 'reaction:add', { ...target, emoji: '👍' });
    expect(second.reactions).toEqual([{ emoji: '👍', count: 2, userIds: [bob.id, ann.id] }]);
    expect(await annPhone.next('reaction:added')).toEqual({ ...told, rev: 4, userId: ann.id, count: 2 });

    const cleared = await bob.ok(door, 'reaction:remove', { ...target, emoji: '👍' });
    expect(cleared.reactions).toEqual([{ emoji: '👍', count: 1, userIds: [ann.id] }]);
    expect(await annPhone.next('reaction:removed')).toEqual({ ...told, rev: 5, userId: bob.id, count: 1 });
    expect((await ann.ok(door, 'reaction:remove', { ...target, emoji: '👍' })).reactions).toEqual([]);
    expect(await annPhone.next('reaction:removed')).toEqual({ ...told, rev: 6, userId: ann.id, count: 0 });
    expect(changesSeen(annPhone, cid).map(({ rev }) => rev)).toEqual([3, 4, 5, 6]);
    await evePhone.expectNone('reaction:added');
    expect(await world.prisma.reaction.count({ where: { messageId: sent.id } })).toBe(0);
    expect((await bob.history(cid))[0]).toMatchObject({ rev: 6, content: 'x', editedAt: null, reactions: [] });
  });

  it('raises no rev for a reaction that is there, or for clearing one that is not', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    const sent = await ann.send(cid, 'x');
    const target = { conversationId: cid, messageId: sent.id, emoji: '👍' };
    const bobPhone = await bob.connect();
    const { duplicate: _, ...unchanged } = sent;
    expect(await ann.ok(door, 'reaction:remove', target)).toEqual(unchanged);
    const set = await ann.ok(door, 'reaction:add', target);
    for (const other of DOORS) expect(await ann.ok(other, 'reaction:add', target)).toEqual(set);
    // Of another person, and another emoji, it is not there.
    expect((await bob.ok(door, 'reaction:remove', target)).reactions).toEqual(set.reactions);
    await ann.ok(door, 'message:send', { conversationId: cid, content: 'after' });
    await bobPhone.next('message:created');
    expect(changesSeen(bobPhone, cid).map(({ rev }) => rev)).toEqual([3, 4]);
  });

  it('takes any one emoji and nothing else', async () => {
    const [ann] = await world.people('ann');
    const cid = await world.create('group', ann);
    const sent = await ann.send(cid, 'x');
    const target = { conversationId: cid, messageId: sent.id };
    for (const emoji of EMOJI) await ann.ok(door, 'reaction:add', { ...target, emoji });
    const [message] = await ann.history(cid);
    expect(message?.reactions.map(({ emoji }) => emoji)).toEqual(EMOJI);
    for (const emoji of ['a', 'ab', '👍👍', ' 👍', '<b>', '\u200d', '1']) {
      const problem = await ann.refused(door, 'reaction:add', { ...target, emoji });
      expect(problem, emoji).toMatchObject({ code: 'invalid_request', errors: [{ path: 'emoji' }] });
    }
  });

  it('takes 50 different emoji on one message, the fiftieth of as many people as like', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    const sent = await ann.send(cid, 'x');
    const target = { conversationId: cid, messageId: sent.id };
    const emoji = Array.from({ length: 51 }, (_, index) => String.fromCodePoint(0x1f400 + index));
    for (const one of emoji.slice(0, 50)) await ann.ok(door, 'reaction:add', { ...target, emoji: one });
    const problem = await bob.refused(door, 'reaction:add', { ...target, emoji: emoji[50]! });
    expect(problem).toMatchObject({ code: 'invalid_request', errors: [{ path: 'emoji' }] });
    const full = await bob.ok(door, 'reaction:add', { ...target, emoji: emoji[49]! });
    expect(full.reactions).toHaveLength(50);
    expect(full.reactions.at(-1)).toMatchObject({ count: 2 });
  });

  it('is for those who may write; a deleted message takes none', async () => {
    const [ann, bob, eve] = await world.people('ann', 'bob', 'eve');
    const cid = await world.create('group', ann, bob);
    const sent: Message = await ann.send(cid, 'x');
    const target = { conversationId: cid, messageId: sent.id, emoji: '👍' };
    await ann.rest.patch(`/conversations/${cid}/participants/${bob.id}`, { role: 'readonly' });
    for (const name of ['reaction:add', 'reaction:remove'] as const) {
      expect((await bob.refused(door, name, target)).code).toBe('forbidden');
      expect((await eve.refused(door, name, target)).code).toBe('not_a_participant');
      expect((await ann.refused(door, name, { ...target, messageId: 'no id' })).code).toBe('not_found');
    }
    await ann.ok(door, 'message:delete', { conversationId: cid, messageId: sent.id });
    for (const name of ['reaction:add', 'reaction:remove'] as const) {
      expect((await ann.refused(door, name, target)).code).toBe('message_deleted');
    }
  });
});
