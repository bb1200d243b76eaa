import { afterEach, describe, expect, test } from 'vitest';
import { createTestBed, type TestBed } from '../src/testing/index.ts';

let bed: TestBed;
afterEach(() => bed.close());

async function setUp(count: number) {
  bed = createTestBed();
  const id = bed.server.addConversation('group', ['ada', 'bob']);
  for (let n = 1; n <= count; n++) bed.server.act('bob', 'message:send', { conversationId: id, content: `${n}` });
  const ada = bed.client('ada');
  await ada.connect();
  await bed.settle(1000);
  ada.conversation(id).open();
  await bed.settle(1000);
  const messageId = (seq: number) => bed.server.view('bob', id).messages[seq - 1]?.id ?? '';
  const shown = (seq: number) => {
    const item = ada.snapshot.conversations[id]?.timeline.find(
      (entry) => entry.kind === 'message' && entry.message.seq === seq,
    );
    return item?.kind === 'message' ? item.message : undefined;
  };
  return { ada, id, messageId, shown, state: () => ada.snapshot.conversations[id] };
}

describe('subscribe, fetch, apply what came meanwhile', () => {
  test('a page that was read before a change shows the change', async () => {
    const { ada, id, messageId, shown } = await setUp(60);
    bed.server.act('bob', 'message:send', { conversationId: id, content: 'reply', replyToId: messageId(3) });
    await bed.settle(100);
    bed.network.script = ({ kind }) => (kind === 'response' ? { delayMs: 1000 } : undefined);
    const loading = ada.conversation(id).loadOlder();
    await bed.settle(10);
    bed.server.act('bob', 'message:edit', { conversationId: id, messageId: messageId(5), content: 'edited' });
    bed.server.act('bob', 'reaction:add', { conversationId: id, messageId: messageId(6), emoji: '👍' });
    bed.server.act('bob', 'message:delete', { conversationId: id, messageId: messageId(3) });
    await bed.settle(100);
    expect(shown(5)).toBeUndefined();
    await bed.settle(2000);
    await loading;
    expect(shown(5)?.content).toBe('edited');
    expect(shown(6)?.reactions).toEqual([{ emoji: '👍', count: 1, userIds: ['bob'] }]);
    expect(shown(3)?.content).toBe(null);
    expect(shown(61)?.replyTo?.content).toBe(null);
  });

  test('an answer from before one read on another device does not take that back', async () => {
    const { ada, id, state } = await setUp(3);
    bed.network.script = ({ kind }) => (kind === 'response' ? { delayMs: 1000 } : undefined);
    const refreshing = ada.conversation(id).refresh();
    await bed.settle(10);
    bed.server.act('ada', 'conversation:read', { conversationId: id, seq: 3 });
    await bed.settle(10);
    expect(state()?.conversation.me?.unreadCount).toBe(0);
    await bed.settle(5000);
    await refreshing;
    expect(state()?.conversation.me).toMatchObject({ unreadCount: 0, lastReadSeq: 3 });
  });

  test('an answer from before one was removed does not bring the conversation back', async () => {
    const { ada, id, state } = await setUp(3);
    bed.network.script = ({ kind }) => (kind === 'response' ? { delayMs: 1000 } : undefined);
    const refreshing = ada.conversation(id).refresh();
    await bed.settle(10);
    bed.server.act('ada', 'participant:remove', { conversationId: id, userId: 'ada' });
    await bed.settle(10);
    expect(state()).toBeUndefined();
    await Promise.all([expect(refreshing).rejects.toMatchObject({ code: 'aborted' }), bed.settle(5000)]);
    expect(state()).toBeUndefined();
  });
});

describe('holes', () => {
  test('DLV-2 a conversation that was empty when one went away shows what was written meanwhile', async () => {
    const { ada, id, state } = await setUp(0);
    bed.network.cut('ada');
    await bed.settle(1000);
    bed.server.act('bob', 'message:send', { conversationId: id, content: 'hello' });
    const send = ada.conversation(id).send({ content: 'me too' });
    bed.network.restore('ada');
    await bed.settle(60_000);
    await send;
    expect(state()?.timeline.map((item) => (item.kind === 'message' ? item.message.content : item.kind))).toEqual([
      'hello',
      'me too',
    ]);
  });

  test('DLV-2 and so does one that only others write in', async () => {
    const { id, state } = await setUp(0);
    bed.network.cut('ada');
    await bed.settle(1000);
    bed.server.act('bob', 'message:send', { conversationId: id, content: 'hello' });
    bed.network.restore('ada');
    await bed.settle(60_000);
    expect(state()?.loaded).toEqual({ fromSeq: 1, toSeq: 1 });
  });

  test('DLV-3 what comes too early waits until the hole is mended, and is told once', async () => {
    const { ada, id, state } = await setUp(3);
    const told: (string | null)[] = [];
    ada.on('message', ({ message }) => told.push(message.content));
    let lose = 2;
    bed.network.script = ({ kind, name }) =>
      kind === 'event' && name === 'message:created' && lose-- > 0 ? { drop: true } : undefined;
    for (const content of ['4', '5', '6']) bed.server.act('bob', 'message:send', { conversationId: id, content });
    expect(state()?.loaded?.toSeq).toBe(3);
    await bed.settle(100);
    expect(state()?.timeline.map((item) => (item.kind === 'message' ? item.message.content : item.kind))).toEqual([
      '1',
      '2',
      '3',
      '4',
      '5',
      '6',
    ]);
    expect(state()?.behind).toBe(false);
    expect(told).toEqual([]);
    bed.server.act('bob', 'message:send', { conversationId: id, content: '7' });
    await bed.settle(100);
    expect(told).toEqual(['7']);
  });

  test('DLV-2 away for long: an open conversation is caught up page by page, one not looked at begins anew', async () => {
    const { ada, id, state } = await setUp(3);
    const other = bed.server.addConversation('group', ['ada', 'bob']);
    for (let n = 1; n <= 3; n++) bed.server.act('bob', 'message:send', { conversationId: other, content: `${n}` });
    await bed.settle(100);
    const close = ada.conversation(other).open();
    await bed.settle(1000);
    close();
    bed.network.cut('ada');
    for (const conversationId of [id, other]) {
      for (let n = 4; n <= 2500; n++) bed.server.act('bob', 'message:send', { conversationId, content: `${n}` });
    }
    const changes: string[] = [];
    bed.network.script = ({ kind, name }) => {
      if (kind === 'request' && name.endsWith('/changes')) changes.push(name.includes(id) ? 'open' : 'closed');
      return undefined;
    };
    bed.network.restore('ada');
    await bed.settle();
    expect(changes).toEqual(['open', 'open', 'open']);
    expect(state()?.loaded).toEqual({ fromSeq: 1, toSeq: 2500 });
    expect(ada.snapshot.conversations[other]).toMatchObject({ loaded: null, conversation: { lastSeq: 2500 } });
    expect(ada.snapshot.unread.messages).toBe(5000);
  });

  test('DLV-2 away for long from many conversations: they begin anew by pages of the list', async () => {
    const { ada, id } = await setUp(3);
    const others = Array.from({ length: 24 }, () => bed.server.addConversation('group', ['ada', 'bob']));
    await bed.settle(1000);
    bed.network.cut('ada');
    bed.server.act('ada', 'conversation:read', { conversationId: id, seq: 3 });
    for (const conversationId of others) {
      for (let n = 1; n <= 1_010; n++) bed.server.act('bob', 'message:send', { conversationId, content: `${n}` });
    }
    const calls: string[] = [];
    bed.network.script = ({ kind, name }) => {
      if (kind === 'request') calls.push(name);
      return undefined;
    };
    bed.network.restore('ada');
    await bed.settle();
    expect(calls.filter((name) => others.some((other) => name.includes(other)))).toEqual([]);
    for (const other of others) {
      expect(ada.snapshot.conversations[other]).toMatchObject({ behind: false, conversation: { lastSeq: 1_010 } });
    }
    expect(ada.snapshot.unread.messages).toBe(24 * 1_010);
    bed.server.act('bob', 'message:send', { conversationId: others[7]!, content: 'live' });
    await bed.settle();
    expect(ada.snapshot.conversations[others[7]!]?.conversation.lastMessage?.content).toBe('live');
  });

  test('DLV-2 away for a year: an open conversation begins anew too, with its newest page', async () => {
    const { ada, id, state } = await setUp(3);
    bed.network.cut('ada');
    for (let n = 4; n <= 7_000; n++) bed.server.act('bob', 'message:send', { conversationId: id, content: `${n}` });
    bed.network.restore('ada');
    await bed.settle();
    expect(state()?.loaded).toEqual({ fromSeq: 6_951, toSeq: 7_000 });
    expect(ada.snapshot.unread.messages).toBe(7_000);
    bed.server.act('bob', 'message:send', { conversationId: id, content: 'live' });
    await bed.settle();
    expect(state()?.loaded?.toSeq).toBe(7_001);
  });
});

describe('a conversation that goes on where nobody looks', () => {
  test('READ-2 keeps the newest messages and the count of all; the rest is there again when it is looked at', async () => {
    const { ada, id } = await setUp(1);
    const other = bed.server.addConversation('group', ['ada', 'bob']);
    await bed.settle(1000);
    for (let n = 1; n <= 1_500; n++) bed.server.act('bob', 'message:send', { conversationId: other, content: `${n}` });
    await bed.settle(1000);
    const state = () => ada.snapshot.conversations[other];
    expect(state()?.timeline.length).toBeLessThanOrEqual(1_000);
    expect(state()?.loaded?.toSeq).toBe(1_500);
    expect(state()?.conversation.me?.unreadCount).toBe(1_500);

    ada.conversation(other).open();
    for (let first = state()?.loaded?.fromSeq ?? 0; first > 1; first = state()?.loaded?.fromSeq ?? 0) {
      void ada.conversation(other).loadOlder({ limit: 200 });
      await bed.settle(1000);
    }
    const numbers = state()?.timeline.map((item) =>
      item.kind === 'message' ? Number(item.message.content) : item.kind,
    );
    expect(numbers).toEqual(Array.from({ length: 1_500 }, (_, index) => index + 1));
    expect(ada.snapshot.conversations[id]?.loaded?.toSeq).toBe(1);
  });
});
