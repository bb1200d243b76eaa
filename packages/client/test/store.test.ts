import { afterEach, describe, expect, test } from 'vitest';
import { conversationsSelector, outgoingSelector, receiptOf, selectTyping, titleOf } from '../src/index.ts';
import { createStore } from '../src/store.ts';
import { createTestBed, type TestBed } from '../src/testing/index.ts';

let bed: TestBed;
afterEach(() => bed?.close());

async function setUp() {
  bed = createTestBed();
  const ids = ['Tea', 'Cake'].map((title) => bed.server.addConversation('group', ['ada', 'bob'], title));
  for (const conversationId of ids) {
    for (let n = 1; n <= 3; n++) bed.server.act('bob', 'message:send', { conversationId, content: `${n}` });
  }
  const ada = bed.client('ada');
  await ada.connect();
  await bed.settle(1000);
  for (const id of ids) ada.conversation(id).open();
  await bed.settle(1000);
  return { ada, one: ids[0] ?? '', two: ids[1] ?? '' };
}

describe('the snapshot', () => {
  test('is shared structurally: what did not change keeps its identity', async () => {
    const { ada, one, two } = await setUp();
    const before = ada.snapshot;
    const [first] = before.conversations[one]?.timeline ?? [];
    bed.server.act('bob', 'message:send', { conversationId: one, content: 'new' });
    await bed.settle(10);
    const after = ada.snapshot;
    expect(after).not.toBe(before);
    expect(after.conversations[two]).toBe(before.conversations[two]);
    expect(after.users).toBe(before.users);
    expect(after.conversations[one]?.timeline[0]).toBe(first);
    expect(after.conversations[one]?.timeline).toHaveLength(4);
    expect(before.conversations[one]?.timeline, 'the old one is as it was').toHaveLength(3);
  });

  test('selectors call back only for their part, and lists keep their identity', async () => {
    const { ada, one, two } = await setUp();
    const told: string[] = [];
    ada.store.select(
      (snapshot) => snapshot.conversations[two],
      () => told.push('two'),
    );
    ada.store.select(
      (snapshot) => selectTyping(snapshot, one).length,
      (now, before) => told.push(`typing ${before} → ${now}`),
    );
    const list = conversationsSelector('all');
    const outgoing = outgoingSelector();
    const before = [list(ada.snapshot), outgoing(ada.snapshot)];
    const bob = bed.client('bob');
    await bob.connect();
    await bed.settle(1000);
    told.length = 0;
    bob.conversation(one).typing();
    await bed.settle(10);
    expect(told).toEqual(['typing 0 → 1']);
    expect(outgoing(ada.snapshot)).toBe(before[1]);
    expect(list(ada.snapshot)).not.toBe(before[0]);
    expect(list(ada.snapshot)).toBe(list(ada.snapshot));
  });

  test('the list: activity, pinned first, archived apart, unread', async () => {
    const { ada, one, two } = await setUp();
    const ids = (filter: 'all' | 'unread' | 'pinned' | 'archived') =>
      conversationsSelector(filter)(ada.snapshot).map(({ id }) => id);
    expect(ids('all')).toEqual([two, one]);
    await bed.settle(1000);
    bed.server.act('bob', 'message:send', { conversationId: one, content: 'again' });
    await bed.settle(10);
    expect(ids('all')).toEqual([one, two]);
    ada.conversation(two).settings({ pinned: true });
    expect(ids('all'), 'at once').toEqual([two, one]);
    ada.conversation(one).settings({ archived: true });
    ada.conversation(two).markRead();
    expect([ids('all'), ids('archived'), ids('unread')]).toEqual([[two], [one], []]);
    await bed.settle(1000);
    expect([ids('all'), ids('archived'), ids('unread'), ids('pinned')]).toEqual([[two], [one], [], [two]]);
    ada.conversation(one).settings({ mutedUntil: '2040-01-01T00:00:00.000Z' });
    expect(ada.snapshot.unread).toEqual({ messages: 0, conversations: 0, mentions: 0 });
  });

  test('names and receipts', async () => {
    const { ada, one } = await setUp();
    const direct = await Promise.all([
      ada.createConversation({ type: 'direct', participantIds: ['bob'] }),
      bed.settle(10),
    ]);
    const state = () => ada.snapshot.conversations[direct[0].id];
    expect(titleOf(state()!, 'ada')).toBe('bob');
    expect(titleOf(ada.snapshot.conversations[one]!, 'ada')).toBe('Tea');
    const [message] = await Promise.all([ada.conversation(direct[0].id).send({ content: 'hi' }), bed.settle(100)]);
    expect(receiptOf(state()!, message)).toBe('sent');
    bed.server.act('bob', 'conversation:delivered', { conversationId: direct[0].id, seq: 1 });
    await bed.settle(10);
    expect(receiptOf(state()!, message)).toBe('delivered');
    bed.server.act('bob', 'conversation:read', { conversationId: direct[0].id, seq: 1 });
    await bed.settle(10);
    expect(receiptOf(state()!, message)).toBe('read');
  });

  test('DEL-1 a deleted text is gone from quotes too', async () => {
    const { ada, one } = await setUp();
    const [quoted] = bed.server.view('bob', one).messages;
    bed.server.act('bob', 'message:send', { conversationId: one, content: 'reply', replyToId: quoted?.id });
    await bed.settle(10);
    const quote = () => {
      const item = ada.snapshot.conversations[one]?.timeline.at(-1);
      return item?.kind === 'message' ? item.message.replyTo?.content : undefined;
    };
    expect(quote()).toBe('1');
    bed.server.act('bob', 'message:edit', { conversationId: one, messageId: quoted?.id, content: 'edited' });
    await bed.settle(10);
    expect(quote()).toBe('edited');
    bed.server.act('bob', 'message:delete', { conversationId: one, messageId: quoted?.id });
    await bed.settle(10);
    expect(quote()).toBe(null);
    expect(ada.snapshot.conversations[one]?.conversation.lastMessage?.replyTo?.content).toBe(null);
  });
});

describe('listeners', () => {
  test('one that dispatches, throws or leaves harms no other', () => {
    const thrown: unknown[] = [];
    const store = createStore(
      () => 0,
      (error) => thrown.push(error),
    );
    const seen: (string | null)[] = [];
    const stop = store.subscribe(() => {
      stop();
      store.dispatch({ type: 'identified', userId: 'second' });
    });
    store.subscribe(() => {
      throw new Error('mine');
    });
    store.subscribe(() => seen.push(store.state.userId));
    store.dispatch({ type: 'identified', userId: 'first' });
    expect(seen.at(-1)).toBe('second');
    expect(thrown).toHaveLength(seen.length);
    store.dispatch({ type: 'identified', userId: 'second' });
    expect(thrown, 'nothing changed, nobody is told').toHaveLength(seen.length);
  });
});
