import type { Badge, Page, Participant, ReceiptState } from '@parley/protocol';
import { describe, expect, it } from 'vitest';
import { DOORS } from '../support/doors.ts';
import { useWorld } from '../support/world.ts';

const world = useWorld();

describe.each(DOORS)('marking over %s', (door) => {
  it('READ-1 moves the read pointer forward only, and the delivered one with it', async () => {
    const [ann, bob, eve] = await world.people('ann', 'bob', 'eve');
    const cid = await world.create('group', ann, bob);
    for (const text of ['1', '2', '3']) await ann.send(cid, text);
    const [annPhone, bobTablet, evePhone] = [await ann.connect(), await bob.connect(), await eve.connect()];
    const read = (seq: number) => bob.ok(door, 'conversation:read', { conversationId: cid, seq });

    expect(await read(2)).toEqual({ lastReadSeq: 2, lastDeliveredSeq: 2, unreadCount: 1 });
    expect(await annPhone.next('receipt:read')).toEqual({
      conversationId: cid,
      userId: bob.id,
      seq: 2,
      at: expect.any(String),
    });
    expect(await bobTablet.next('unread:changed')).toEqual({ conversationId: cid, unreadCount: 1, lastReadSeq: 2 });
    // A stale value is accepted and ignored, and nobody is told; one beyond the end is taken as the end.
    expect(await read(1)).toEqual({ lastReadSeq: 2, lastDeliveredSeq: 2, unreadCount: 1 });
    expect(await read(0)).toEqual({ lastReadSeq: 2, lastDeliveredSeq: 2, unreadCount: 1 });
    expect(await read(Number.MAX_SAFE_INTEGER)).toEqual({ lastReadSeq: 3, lastDeliveredSeq: 3, unreadCount: 0 });
    await annPhone.next('receipt:read', ({ seq }) => seq === 3);
    expect(annPhone.all('receipt:read')).toHaveLength(2);
    await bobTablet.next('unread:changed', ({ unreadCount }) => unreadCount === 0);
    expect(bobTablet.all('unread:changed')).toHaveLength(2);
    await evePhone.expectNone('receipt:read');
    await annPhone.expectNone('unread:changed');

    // Receipts are no changes (ORD-2).
    expect((await ann.conversation(cid)).rev).toBe(4);
    const { items } = await ann.get<Page<Participant>>(`/conversations/${cid}/participants`);
    expect(items.find(({ user }) => user.id === bob.id)).toMatchObject({ lastReadSeq: 3, lastDeliveredSeq: 3, rev: 1 });
  });

  it('READ-1 moves the delivered pointer by itself, and tells that', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    for (const text of ['1', '2', '3']) await ann.send(cid, text);
    const [annPhone, bobTablet] = [await ann.connect(), await bob.connect()];
    const delivered = (seq: number) => bob.ok(door, 'conversation:delivered', { conversationId: cid, seq });
    expect(await delivered(2)).toEqual({ lastReadSeq: 0, lastDeliveredSeq: 2, unreadCount: 3 });
    expect(await annPhone.next('receipt:delivered')).toMatchObject({ userId: bob.id, seq: 2 });
    expect(await delivered(1)).toEqual({ lastReadSeq: 0, lastDeliveredSeq: 2, unreadCount: 3 });
    expect(await delivered(99)).toEqual({ lastReadSeq: 0, lastDeliveredSeq: 3, unreadCount: 3 });
    await annPhone.next('receipt:delivered', ({ seq }) => seq === 3);
    expect(annPhone.all('receipt:delivered')).toHaveLength(2);
    await bobTablet.expectNone('unread:changed');
    await annPhone.expectNone('receipt:read');
  });

  it('READ-1 marks as unread, back and forth, for all devices of one person alone', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    for (const text of ['1', '2']) await ann.send(cid, text);
    await bob.send(cid, '3');
    await ann.send(cid, '4');
    const [annPhone, bobTablet] = [await ann.connect(), await bob.connect()];
    const unread = (seq: number) => bob.ok(door, 'conversation:unread', { conversationId: cid, seq });
    await bob.ok(door, 'conversation:read', { conversationId: cid, seq: 4 });
    await annPhone.next('receipt:read');
    await bobTablet.next('unread:changed');

    // One's own message in between does not count.
    expect(await unread(2)).toEqual({ lastReadSeq: 1, lastDeliveredSeq: 4, unreadCount: 2 });
    expect(await bobTablet.next('unread:changed')).toEqual({ conversationId: cid, unreadCount: 2, lastReadSeq: 1 });
    expect(await unread(1)).toMatchObject({ lastReadSeq: 0, unreadCount: 3 });
    expect(await unread(0)).toMatchObject({ lastReadSeq: 0, unreadCount: 3 });
    expect(await unread(3)).toMatchObject({ lastReadSeq: 2, unreadCount: 1 });
    expect(await unread(99)).toMatchObject({ lastReadSeq: 3, unreadCount: 1 });
    expect((await bob.conversation(cid)).me).toMatchObject({ lastReadSeq: 3, unreadCount: 1 });
    expect(await bob.ok(door, 'conversation:read', { conversationId: cid, seq: 4 })).toMatchObject({ unreadCount: 0 });
    await annPhone.next('receipt:read', ({ seq }) => seq === 4);
    // Nobody else is told that one takes something for unread.
    expect(annPhone.all('receipt:read').map(({ seq }) => seq)).toEqual([4, 4]);
  });

  it('READ-2 counts the messages of others after the pointer that are not deleted, the same in every answer', async () => {
    const [ann, bob, cyd] = await world.people('ann', 'bob', 'cyd');
    const cid = await world.create('group', ann, bob, cyd);
    const first = await ann.send(cid, '1');
    await cyd.send(cid, '2');
    await ann.send(cid, '3');
    await ann.ok(door, 'message:delete', { conversationId: cid, messageId: first.id });

    const counts = async () => {
      const one = (await bob.conversation(cid)).me?.unreadCount;
      const { items } = await bob.get<Page<{ id: string; me: { unreadCount: number } }>>('/conversations');
      const sync = await bob.ok(door, 'sync', { cursors: { [cid]: 0 } });
      const badge = await bob.get<Badge>('/unread');
      const marked = await bob.ok(door, 'conversation:delivered', { conversationId: cid, seq: 0 });
      return [one, items[0]?.me.unreadCount, sync.behind[0]?.unreadCount, badge.messages, marked.unreadCount];
    };
    expect(await counts()).toEqual([2, 2, 2, 2, 2]);
    await bob.ok(door, 'conversation:read', { conversationId: cid, seq: 2 });
    expect(await counts()).toEqual([1, 1, 1, 1, 1]);
    await bob.send(cid, '4');
    expect(await counts()).toEqual([0, 0, 0, 0, 0]);
    await bob.ok(door, 'conversation:unread', { conversationId: cid, seq: 1 });
    expect(await counts()).toEqual([2, 2, 2, 2, 2]);
  });

  it('READ-2 starts at the end for whoever joins or comes back', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann);
    await ann.send(cid, '1');
    await ann.ok(door, 'participant:add', { conversationId: cid, userIds: [bob.id] });
    expect((await bob.conversation(cid)).me).toMatchObject({ lastReadSeq: 1, lastDeliveredSeq: 1, unreadCount: 0 });
    await ann.send(cid, '2');
    await bob.ok(door, 'conversation:unread', { conversationId: cid, seq: 1 });
    expect((await bob.conversation(cid)).me?.unreadCount).toBe(2);
    await bob.ok(door, 'participant:remove', { conversationId: cid, userId: bob.id });
    await ann.send(cid, '3');
    await ann.ok(door, 'participant:add', { conversationId: cid, userIds: [bob.id] });
    expect((await bob.conversation(cid)).me).toMatchObject({ lastReadSeq: 3, unreadCount: 0 });
  });

  it('ACC-2 is for participants, whatever they may else', async () => {
    const [ann, bob, eve] = await world.people('ann', 'bob', 'eve');
    const group = await world.create('group', ann, bob);
    const channel = await world.create('channel', ann);
    await ann.rest.patch(`/conversations/${group}/participants/${bob.id}`, { role: 'readonly' });
    await ann.send(group, '1');
    for (const name of ['conversation:read', 'conversation:delivered', 'conversation:unread'] as const) {
      expect((await bob.ok(door, name, { conversationId: group, seq: 1 })).lastDeliveredSeq).toBeGreaterThanOrEqual(0);
      for (const cid of [group, channel]) {
        expect((await eve.refused(door, name, { conversationId: cid, seq: 1 })).code).toBe('not_a_participant');
      }
      expect((await ann.refused(door, name, { conversationId: 'no id', seq: 1 })).code).toBe('not_found');
      for (const seq of [-1, 1.5, 2 ** 53, '1', null] as number[]) {
        const problem = await ann.refused(door, name, { conversationId: group, seq });
        expect([problem.code, problem.errors?.[0]?.path], `${name} ${seq}`).toEqual(['invalid_request', 'seq']);
      }
    }
  });
});

describe('the badge', () => {
  it('sums what is unread; muted conversations count only their mentions', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const [loud, muted, muttering] = [
      await world.create('group', ann, bob),
      await world.create('group', ann, bob),
      await world.create('group', ann, bob),
    ];
    for (const text of ['1', '2']) await ann.send(loud, text);
    await ann.send(muted, '1');
    await ann.send(muted, '2', { mentions: [bob.id] });
    await ann.send(muttering, '1');
    const until = new Date(Date.now() + 3_600_000).toISOString();
    for (const cid of [muted, muttering]) await bob.rest.patch(`/conversations/${cid}/me`, { mutedUntil: until });
    expect(await bob.get('/unread')).toEqual({ messages: 3, conversations: 2, mentions: 1 });
    // Muted until a time that is over is not muted.
    await bob.rest.patch(`/conversations/${muttering}/me`, { mutedUntil: '2020-01-01T00:00:00Z' });
    expect(await bob.get('/unread')).toEqual({ messages: 4, conversations: 3, mentions: 1 });
    const state = await bob.rest.post<ReceiptState>(`/conversations/${muted}/read`, { seq: 2 });
    expect(state.body.unreadCount).toBe(0);
    expect(await bob.get('/unread')).toEqual({ messages: 3, conversations: 2, mentions: 0 });
    await ann.rest.delete(`/conversations/${loud}`);
    await bob.rest.delete(`/conversations/${muttering}/participants/${bob.id}`);
    expect(await bob.get('/unread')).toEqual({ messages: 0, conversations: 0, mentions: 0 });
  });
});

describe('receipts where many are connected', () => {
  it('READ-1 are told less often, and the last state of everybody always', async () => {
    const [ann, bob, cyd, eve] = await world.people('ann', 'bob', 'cyd', 'eve');
    const others = await world.people(...Array.from({ length: 98 }, (_, nth) => `one${nth}`));
    const cid = await world.create('group', ann, bob, cyd, ...others);
    for (const text of ['1', '2', '3', '4', '5']) await ann.send(cid, text);
    const [annPhone, evePhone] = await Promise.all([ann, eve, bob, cyd, ...others].map((one) => one.connect()));
    const read = (seq: number) =>
      Promise.all([bob, cyd].map((one) => one.ok('socket', 'conversation:read', { conversationId: cid, seq })));
    // A hundred tellings or more are followed by a pause, in which what comes next is gathered.
    for (const seq of [1, 2, 3, 4, 5]) await read(seq);
    for (const { id } of [bob, cyd]) {
      await annPhone!.next('receipt:read', ({ userId, seq }) => userId === id && seq === 5);
    }
    await annPhone!.barrier();
    for (const { id } of [bob, cyd]) {
      const told = annPhone!.all('receipt:read').filter(({ userId }) => userId === id);
      const seqs = told.map(({ seq }) => seq);
      expect(seqs).toEqual([...new Set(seqs)].sort((one, other) => one - other));
    }
    await evePhone!.expectNone('receipt:read');
    await annPhone!.expectNone('receipt:delivered');
  });
});
