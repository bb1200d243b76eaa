import type { Conversation } from '@parley/protocol';
import { describe, expect, it } from 'vitest';
import { DOORS } from '../support/doors.ts';
import { useWorld } from '../support/world.ts';

const world = useWorld();

describe.each(DOORS)('creating over %s', (door) => {
  it('ORD-2 ORD-3 creates a group, its maker the owner, and tells those in it and nobody else', async () => {
    const [ann, bob, eve] = await world.people('ann', 'bob', 'eve');
    const [annPhone, bobPhone, evePhone] = [await ann.connect(), await bob.connect(), await eve.connect()];

    const created = await ann.ok(door, 'conversation:create', {
      type: 'group',
      participantIds: [bob.id, ann.id, bob.id],
      title: ' Lunch <3 ',
      metadata: { color: 'red' },
    });

    const participant = (id: string, role: string) => ({
      user: { id, name: id, avatarUrl: null },
      role,
      joinedAt: created.createdAt,
      leftAt: null,
      lastReadSeq: 0,
      lastDeliveredSeq: 0,
      silencedUntil: null,
      rev: 1,
    });
    const me = {
      role: 'owner',
      joinedAt: created.createdAt,
      lastReadSeq: 0,
      lastDeliveredSeq: 0,
      unreadCount: 0,
      mentionCount: 0,
      mutedUntil: null,
      pinnedAt: null,
      archivedAt: null,
      notify: 'all',
    };
    expect(created).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
      type: 'group',
      title: 'Lunch <3',
      avatarUrl: null,
      metadata: { color: 'red' },
      confidential: false,
      slowModeSeconds: 0,
      readOnly: false,
      createdBy: ann.id,
      createdAt: expect.any(String),
      updatedAt: created.createdAt,
      lastSeq: 0,
      rev: 1,
      lastMessage: null,
      participantCount: 2,
      participants: [participant(ann.id, 'owner'), participant(bob.id, 'member')],
      me,
    });
    expect(await annPhone.next('conversation:created')).toEqual({ conversation: created });
    expect(await bobPhone.next('conversation:created')).toEqual({
      conversation: { ...created, me: { ...me, role: 'member' } },
    });
    expect(await ann.conversation(created.id)).toEqual(created);
    // Who is told from now on: everybody in it.
    await ann.ok(door, 'message:send', { conversationId: created.id, content: 'hi' });
    await bobPhone.next('message:created');
    await evePhone.expectNone('conversation:created');
    await evePhone.expectNone('message:created');
    expect(await world.prisma.conversationParticipant.count({ where: { conversationId: created.id } })).toBe(2);
  });

  it('returns a direct conversation that exists, made by either of the two', async () => {
    const [ann, bob, cyd] = await world.people('ann', 'bob', 'cyd');
    const first = await ann.ok(door, 'conversation:create', { type: 'direct', participantIds: [bob.id] });
    expect(first).toMatchObject({ type: 'direct', title: null, me: { role: 'member' }, participantCount: 2 });
    const bobPhone = await bob.connect();
    const again = await bob.rest.post<Conversation>('/conversations', {
      type: 'direct',
      participantIds: [ann.id, bob.id],
    });
    expect([again.status, again.body.id, again.body.me?.role]).toEqual([200, first.id, 'member']);
    expect((await ann.ok(door, 'conversation:create', { type: 'direct', participantIds: [bob.id] })).id).toBe(first.id);
    const other = await bob.ok(door, 'conversation:create', { type: 'direct', participantIds: [cyd.id] });
    expect(other.id).not.toBe(first.id);
    await bobPhone.next('conversation:created', ({ conversation }) => conversation.id === other.id);
    expect(bobPhone.all('conversation:created')).toHaveLength(1);
  });

  it('creates a channel for oneself alone, and groups without a title', async () => {
    const [ann] = await world.people('ann');
    const channel = await ann.ok(door, 'conversation:create', { type: 'channel', title: 'News' });
    expect(channel).toMatchObject({ type: 'channel', title: 'News', participantCount: 1, me: { role: 'owner' } });
    const group = await ann.ok(door, 'conversation:create', { type: 'group' });
    expect(group).toMatchObject({ title: null, metadata: {}, participantCount: 1 });
  });

  it('refuses people unknown, by their place in the call, and direct ones of other than two', async () => {
    const [ann, bob, cyd] = await world.people('ann', 'bob', 'cyd');
    const unknown = await ann.refused(door, 'conversation:create', {
      type: 'group',
      participantIds: [bob.id, 'nobody', ann.id, 'no-one'],
    });
    expect(unknown).toMatchObject({
      code: 'invalid_request',
      errors: [{ path: 'participantIds.1' }, { path: 'participantIds.3' }],
    });
    for (const participantIds of [[], [ann.id], [bob.id, cyd.id]]) {
      const problem = await ann.refused(door, 'conversation:create', { type: 'direct', participantIds });
      expect(problem).toMatchObject({ code: 'invalid_request', errors: [{ path: 'participantIds' }] });
    }
    const before = await world.prisma.conversation.count({ where: { createdBy: ann.id } });
    expect(before).toBe(0);
  });

  it('SEND-5 cleans titles and metadata, and refuses a title of which nothing is left', async () => {
    const [ann] = await world.people('ann');
    const created = await ann.ok(door, 'conversation:create', {
      type: 'group',
      title: '<b>A</b> & B',
      metadata: { note: '<i>x</i> < y' },
    });
    expect(created).toMatchObject({ title: 'A & B', metadata: { note: 'x < y' } });
    for (const title of ['', ' ', '\u200b', '<b></b>']) {
      const problem = await ann.refused(door, 'conversation:create', { type: 'group', title });
      expect(problem, title).toMatchObject({ code: 'invalid_request', errors: [{ path: 'title' }] });
    }
  });

  it('says when it cannot keep a conversation confidential', async () => {
    const [ann] = await world.people('ann');
    const problem = await ann.refused(door, 'conversation:create', { type: 'group', confidential: true });
    expect(problem).toMatchObject({ code: 'invalid_request', errors: [{ path: 'confidential' }] });
  });
});
