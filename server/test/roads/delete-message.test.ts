import type { Message, Page } from '@parley/protocol';
import { describe, expect, it } from 'vitest';
import { DOORS } from '../support/doors.ts';
import { changesSeen, useWorld } from '../support/world.ts';

const world = useWorld();

describe.each(DOORS)('deleting over %s', (door) => {
  it('DEL-1 leaves the place of the message and nothing else, everywhere', async () => {
    const [ann, bob, eve] = await world.people('ann', 'bob', 'eve');
    const cid = await world.create('group', ann, bob);
    const canary = 'canary-of-a-deleted-message';
    const sent = await bob.send(cid, canary, { metadata: { canary }, mentions: [ann.id], clientMessageId: 'k' });
    const target = { conversationId: cid, messageId: sent.id };
    await bob.ok(door, 'message:edit', { ...target, content: `${canary} edited` });
    await ann.ok(door, 'reaction:add', { ...target, emoji: '👍' });
    const reply = await ann.send(cid, 're', { replyToId: sent.id });
    const [annPhone, evePhone] = [await ann.connect(), await eve.connect()];

    const left = await bob.ok(door, 'message:delete', { ...target, reason: 'a slip' });

    expect(left).toEqual({
      id: sent.id,
      conversationId: cid,
      seq: 1,
      rev: 6,
      senderId: bob.id,
      content: null,
      attachments: [],
      replyTo: null,
      mentions: [],
      metadata: null,
      reactions: [],
      clientMessageId: 'k',
      sanitized: false,
      createdAt: sent.createdAt,
      editedAt: expect.any(String),
      deletedAt: expect.any(String),
      deletedBy: bob.id,
    });
    expect(await annPhone.next('message:deleted')).toEqual({ conversationId: cid, rev: 6, message: left });
    await evePhone.expectNone('message:deleted');
    expect(annPhone.received.some(({ payload }) => JSON.stringify(payload).includes(canary))).toBe(false);

    // No answer carries the text any more.
    const paths = [
      '',
      '/messages',
      `/messages/${sent.id}`,
      `/messages/${sent.id}/revisions`,
      '/changes',
      '/participants',
    ];
    for (const path of paths) {
      expect(JSON.stringify(await ann.get(`/conversations/${cid}${path}`)), path).not.toContain(canary);
    }
    expect(JSON.stringify(await ann.get('/conversations'))).not.toContain(canary);
    const again = await bob.ok(door, 'message:send', {
      conversationId: cid,
      content: canary,
      metadata: { canary },
      clientMessageId: 'k',
    });
    expect(again).toEqual({ ...left, duplicate: true });
    const history = await ann.history(cid);
    expect(history[0]).toEqual(left);
    expect(history.find(({ id }) => id === reply.id)?.replyTo).toEqual({
      id: sent.id,
      seq: 1,
      senderId: bob.id,
      content: null,
      deletedAt: left.deletedAt,
    });

    // The rows neither; the trail alone keeps the text, for administrators (DEL-2).
    const row = await world.prisma.message.findUniqueOrThrow({ where: { id: sent.id } });
    expect([row.content, row.metadata]).toEqual([null, null]);
    expect(await world.prisma.messageRevision.count({ where: { messageId: sent.id } })).toBe(0);
    expect(await world.prisma.reaction.count({ where: { messageId: sent.id } })).toBe(0);
    expect(await world.prisma.mention.count({ where: { messageId: sent.id } })).toBe(0);
    const entry = await world.prisma.auditEntry.findFirstOrThrow({
      where: { targetId: sent.id, action: 'message.deleted' },
    });
    expect(entry).toMatchObject({ actorId: bob.id, reason: 'a slip', before: { content: `${canary} edited` } });
  });

  it('DEL-1 answers a second deletion with what is left, and changes nothing', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    const sent = await bob.send(cid, 'x');
    const bobPhone = await bob.connect();
    const target = { conversationId: cid, messageId: sent.id };
    const left = await bob.ok(door, 'message:delete', target);
    for (const other of DOORS) expect(await ann.ok(other, 'message:delete', target)).toEqual(left);
    await bob.ok(door, 'message:send', { conversationId: cid, content: 'after' });
    await bobPhone.next('message:created');
    expect(changesSeen(bobPhone, cid).map(({ rev }) => rev)).toEqual([3, 4]);
    expect(await world.prisma.auditEntry.count({ where: { targetId: sent.id } })).toBe(1);
  });

  it('DEL-1 is for the author, and for moderators and owners with anybody’s message', async () => {
    const [ann, bob, cyd, dan, eve] = await world.people('ann', 'bob', 'cyd', 'dan', 'eve');
    const cid = await world.create('group', ann, bob, cyd, dan);
    await ann.rest.patch(`/conversations/${cid}/participants/${bob.id}`, { role: 'moderator' });
    const ofOwner = await ann.send(cid, 'by the owner');
    const ofMember = await cyd.send(cid, 'by a member');
    const target = (message: Message) => ({ conversationId: cid, messageId: message.id });
    expect((await dan.refused(door, 'message:delete', target(ofMember))).code).toBe('forbidden');
    expect((await eve.refused(door, 'message:delete', target(ofMember))).code).toBe('not_a_participant');
    expect((await bob.ok(door, 'message:delete', target(ofOwner))).deletedBy).toBe(bob.id);
    expect((await ann.ok(door, 'message:delete', target(ofMember))).deletedBy).toBe(ann.id);

    const mine = await cyd.send(cid, 'mine');
    expect((await cyd.ok(door, 'message:delete', target(mine))).deletedBy).toBe(cyd.id);
    const last = await cyd.send(cid, 'left behind');
    await cyd.ok(door, 'participant:remove', { conversationId: cid, userId: cyd.id });
    expect((await cyd.refused(door, 'message:delete', target(last))).code).toBe('not_a_participant');
  });

  it('READ-2 takes the message out of the unread counts and mentions of the others', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    const messages = [
      await ann.send(cid, '1', { mentions: [bob.id] }),
      await ann.send(cid, '2'),
      await ann.send(cid, '3'),
    ];
    expect((await bob.conversation(cid)).me).toMatchObject({ unreadCount: 3, mentionCount: 1 });
    for (const [index, message] of messages.entries()) {
      await ann.ok(door, 'message:delete', { conversationId: cid, messageId: message.id });
      expect((await bob.conversation(cid)).me).toMatchObject({ unreadCount: 2 - index, mentionCount: 0 });
    }
    const { items } = await bob.get<Page<{ lastMessage: Message; lastSeq: number }>>('/conversations');
    expect(items[0]).toMatchObject({ lastSeq: 3, lastMessage: { seq: 3, content: null } });
    expect((await bob.get<Page<unknown>>('/conversations?filter=unread')).items).toEqual([]);
  });

  it('answers what is not there', async () => {
    const [ann] = await world.people('ann');
    const cid = await world.create('group', ann);
    const elsewhere = await ann.send(await world.create('group', ann), 'x');
    for (const messageId of [elsewhere.id, 'no id', '00000000-0000-7000-8000-000000000000']) {
      expect((await ann.refused(door, 'message:delete', { conversationId: cid, messageId })).code).toBe('not_found');
    }
  });
});
