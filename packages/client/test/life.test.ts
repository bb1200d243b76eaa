import { afterEach, describe, expect, test } from 'vitest';
import type { ParleyClient, TimelineItem } from '../src/index.ts';
import { conversationsSelector, memoryStorage, ParleyError } from '../src/index.ts';
import { createTestBed, type TestBed } from '../src/testing/index.ts';

let bed: TestBed;
afterEach(() => bed.close());

const texts = (client: ParleyClient, id: string) =>
  (client.snapshot.conversations[id]?.timeline ?? []).map((item: TimelineItem) => {
    if (item.kind === 'gap') return `gap ${item.fromSeq}-${item.toSeq}`;
    if (item.kind === 'outgoing') return `${item.item.status}: ${item.item.intent.draft.content}`;
    return item.message.content;
  });

describe('a conversation that is open', () => {
  test('shows a send at once and the stored message under the same key', async () => {
    bed = createTestBed();
    const id = bed.server.addConversation('group', ['ada', 'bob']);
    const ada = bed.client('ada');
    await ada.connect();
    await bed.settle(1000);
    const room = ada.conversation(id);
    room.open();
    await bed.settle(1000);

    const sending = room.send({ content: 'Hello' });
    expect(texts(ada, id)).toEqual(['sending: Hello']);
    const before = ada.snapshot.conversations[id]?.timeline[0]?.key;
    await bed.settle(1000);
    const message = await sending;
    expect(message.seq).toBe(1);
    expect(texts(ada, id)).toEqual(['Hello']);
    expect(ada.snapshot.conversations[id]?.timeline[0]?.key).toBe(before);
    expect(ada.snapshot.outbox).toEqual([]);
  });

  test('hears others live, counts them unread, and reading is told', async () => {
    bed = createTestBed();
    const id = bed.server.addConversation('group', ['ada', 'bob']);
    const [ada, bob] = [bed.client('ada'), bed.client('bob')];
    await Promise.all([ada.connect(), bob.connect()]);
    await bed.settle(1000);
    ada.conversation(id).open();
    bob.conversation(id).open();
    const heard: string[] = [];
    bob.on('message', ({ message }) => heard.push(message.content ?? ''));
    await bed.settle(1000);
    ada.conversation(id).send({ content: 'one' });
    ada.conversation(id).send({ content: 'two', mentions: ['bob'] });
    await bed.settle(1000);
    expect(heard).toEqual(['one', 'two']);
    expect(texts(bob, id)).toEqual(['one', 'two']);
    expect(bob.snapshot.unread).toEqual({ messages: 2, conversations: 1, mentions: 1 });
    bob.conversation(id).markRead();
    expect(bob.snapshot.unread.messages).toBe(0);
    await bed.settle(2000);
    expect(bob.snapshot.unread.messages).toBe(0);
    expect(bob.snapshot.outbox).toEqual([]);
    expect(ada.snapshot.conversations[id]?.receipts.bob?.lastReadSeq).toBe(2);
    bob.conversation(id).markUnread(2);
    expect(bob.snapshot.unread.messages).toBe(1);
    await bed.settle(2000);
    expect(bob.snapshot.conversations[id]?.conversation.me?.lastReadSeq).toBe(1);
  });

  test('keeps what is written offline, over a reload, and sends it once', async () => {
    bed = createTestBed();
    const id = bed.server.addConversation('group', ['ada', 'bob']);
    const storage = memoryStorage();
    const ada = bed.client('ada', { storage });
    await ada.connect();
    await bed.settle(5000);
    bed.network.cut('ada');
    await bed.clock.flush();
    ada.conversation(id).send({ content: 'kept' });
    await bed.settle(10_000);
    expect(ada.snapshot.connection.status).toMatch(/waiting|connecting/);
    await ada.close();

    const again = bed.client('ada', { storage });
    await again.connect();
    expect(texts(again, id)).toEqual(['waiting: kept']);
    bed.network.restore('ada');
    await bed.settle();
    expect(texts(again, id)).toEqual(['kept']);
    expect(bed.server.view('bob', id).messages.map((m) => m.content)).toEqual(['kept']);
  });

  test('RATE-1 a send over the limit waits as long as the server says and goes then', async () => {
    bed = createTestBed({ messageLimit: { limit: 2, windowMs: 60_000 } });
    const id = bed.server.addConversation('group', ['ada', 'bob']);
    const ada = bed.client('ada');
    await ada.connect();
    await bed.settle(1000);
    ada.conversation(id).open();
    for (const content of ['1', '2', '3', '4']) ada.conversation(id).send({ content });
    await bed.settle(30_000);
    expect(texts(ada, id)).toEqual(['1', '2', 'waiting: 3', 'waiting: 4']);
    const [third, fourth] = ada.snapshot.outbox;
    expect(third?.error?.code).toBe('rate_limited');
    expect(third?.notBefore).toBeGreaterThan(bed.clock.now());
    expect(fourth?.notBefore).toBe(third?.notBefore);
    await bed.settle(60_000);
    expect(texts(ada, id)).toEqual(['1', '2', '3', '4']);
  });

  test('a refused send stays, and can be edited, retried or discarded', async () => {
    bed = createTestBed();
    const id = bed.server.addConversation('group', ['ada', 'bob']);
    const ada = bed.client('ada');
    await ada.connect();
    const room = ada.conversation(id);
    room.open();
    await bed.settle(1000);
    const refused: string[] = [];
    ada.on('refused', ({ error }) => refused.push(error.code));
    const sending = room.send({ content: ' ' });
    await bed.settle(1000);
    await expect(sending).rejects.toBeInstanceOf(ParleyError);
    await expect(sending).rejects.toMatchObject({ code: 'empty_message' });
    expect(texts(ada, id)).toEqual(['failed:  ']);
    expect(refused).toEqual(['empty_message']);
    room.retry(sending.id);
    await bed.settle(1000);
    expect(texts(ada, id)).toEqual(['failed:  ']);
    room.editOutgoing(sending.id, { content: 'better' });
    await bed.settle(1000);
    expect(texts(ada, id)).toEqual(['better']);
    const other = room.send({ content: ' ' });
    await bed.settle(1000);
    expect(room.discard(other.id)).toBe(true);
    expect(texts(ada, id)).toEqual(['better']);
  });

  test('edits, reactions and deletions show at once and are rolled back when refused', async () => {
    bed = createTestBed();
    const id = bed.server.addConversation('group', ['ada', 'bob']);
    bed.server.act('ada', 'message:send', { conversationId: id, content: 'mine' });
    bed.server.act('bob', 'message:send', { conversationId: id, content: 'theirs' });
    const bob = bed.client('bob');
    await bob.connect();
    const room = bob.conversation(id);
    room.open();
    await bed.settle(1000);
    const [first, second] = bed.server.view('bob', id).messages;
    const refused = room.edit(first?.id ?? '', 'not mine');
    expect(texts(bob, id)).toEqual(['not mine', 'theirs']);
    await bed.settle(1000);
    await expect(refused).rejects.toMatchObject({ code: 'forbidden' });
    expect(texts(bob, id)).toEqual(['mine', 'theirs']);
    room.react(first?.id ?? '', '👍');
    const item = bob.snapshot.conversations[id]?.timeline[0];
    expect(item?.kind === 'message' && item.message.reactions).toEqual([{ emoji: '👍', count: 1, userIds: ['bob'] }]);
    const deletion = room.delete(second?.id ?? '', { undoMs: 5000 });
    expect(texts(bob, id)).toEqual(['mine', null]);
    expect(deletion.cancel()).toBe(true);
    expect(texts(bob, id)).toEqual(['mine', 'theirs']);
    room.delete(second?.id ?? '', { undoMs: 5000 });
    await bed.settle(4000);
    expect(bed.server.view('bob', id).messages[1]?.deletedAt).toBe(null);
    await bed.settle(4000);
    expect(bed.server.view('bob', id).messages[1]?.deletedAt).not.toBe(null);
    expect(bed.server.view('ada', id).messages[0]?.reactions[0]?.userIds).toEqual(['bob']);
  });

  /** Bob has a conversation of 500 messages open, at the newest unless said. */
  async function openLong(at?: number) {
    bed = createTestBed();
    const id = bed.server.addConversation('group', ['ada', 'bob']);
    for (let n = 1; n <= 500; n++) bed.server.act('ada', 'message:send', { conversationId: id, content: `${n}` });
    const bob = bed.client('bob');
    await bob.connect();
    const room = bob.conversation(id);
    room.open(at === undefined ? {} : { at });
    await bed.settle(1000);
    return { id, bob, room };
  }

  test('long history: gaps are explicit, paging closes them, a jump and back', async () => {
    const { id, bob, room } = await openLong();
    const state = () => bob.snapshot.conversations[id];
    expect(texts(bob, id)[0]).toBe('gap 1-450');
    expect(state()?.loaded).toEqual({ fromSeq: 451, toSeq: 500 });
    expect(state()?.conversation.me?.unreadCount).toBe(500);
    await Promise.all([room.loadOlder(), room.loadOlder(), bed.clock.advance(100)]);
    expect(state()?.loaded).toEqual({ fromSeq: 401, toSeq: 500 });
    await Promise.all([room.loadAround(100), bed.clock.advance(100)]);
    expect(texts(bob, id)[0]).toBe('gap 1-74');
    expect(texts(bob, id).at(-1)).toBe('gap 125-500');
    expect(state()?.atNewest).toBe(false);
    bed.server.act('ada', 'message:send', { conversationId: id, content: '501' });
    await bed.settle(1000);
    expect(texts(bob, id).at(-1)).toBe('gap 125-501');
    expect(state()?.conversation.me?.unreadCount).toBe(501);
    await Promise.all([room.loadNewer(), bed.clock.advance(100)]);
    expect(texts(bob, id).at(-1)).toBe('gap 175-501');
    await Promise.all([room.loadNewest(), bed.clock.advance(100)]);
    expect(texts(bob, id).at(-1)).toBe('501');
    room.trim({ around: 501, keep: 20 });
    expect(state()?.loaded).toEqual({ fromSeq: 482, toSeq: 501 });
    const all: string[] = [];
    const walking = (async () => {
      for await (const message of room.history({ pageSize: 100 })) all.push(message.content ?? '');
    })();
    await Promise.all([walking, bed.clock.advance(1000)]);
    expect(all).toEqual(Array.from({ length: 501 }, (_, n) => `${501 - n}`));
  });

  test.each([['loadOlder'], ['loadNewer']] as const)(
    'a jump while %s is on its way: no island stays beside the new place',
    async (page) => {
      const { id, bob, room } = await openLong(200);
      expect(texts(bob, id).filter((text) => text?.startsWith('gap'))).toEqual(['gap 1-174', 'gap 225-500']);
      let answers = 0;
      // The page comes after the jump that was asked for later.
      bed.network.script = ({ kind }) => (kind === 'response' ? { delayMs: answers++ === 0 ? 1000 : 10 } : undefined);
      const paging = room[page]();
      await bed.settle(5);
      await Promise.all([room.loadNewest(), bed.settle(2000)]);
      await paging;
      expect(bob.snapshot.conversations[id]?.loaded).toEqual({ fromSeq: 451, toSeq: 500 });
      expect(texts(bob, id).filter((text) => text?.startsWith('gap'))).toEqual(['gap 1-450']);
      bed.network.script = () => undefined;
      await Promise.all([room.loadOlder(), bed.settle(1000)]);
      expect(bob.snapshot.conversations[id]?.loaded).toEqual({ fromSeq: 401, toSeq: 500 });
    },
  );

  test('the place asked for last is the one that stays, whichever answer comes first', async () => {
    const { id, bob, room } = await openLong();
    const loaded = () => bob.snapshot.conversations[id]?.loaded;
    let answers = 0;
    bed.network.script = ({ kind }) => (kind === 'response' ? { delayMs: answers++ === 0 ? 1000 : 10 } : undefined);
    const first = room.loadAround(100);
    await bed.settle(5);
    await Promise.all([room.loadAround(300), bed.settle(2000)]);
    await first;
    expect(loaded()).toEqual({ fromSeq: 275, toSeq: 324 });
    // The same place again, while it is on its way already.
    answers = 0;
    const again = room.loadAround(100);
    await bed.settle(5);
    const other = room.loadAround(400);
    await bed.settle(5);
    await Promise.all([room.loadAround(100), bed.settle(2000)]);
    await Promise.all([again, other]);
    expect(loaded()).toEqual({ fromSeq: 75, toSeq: 124 });
  });

  test('ACC-4 an expiring token is renewed on the open connection, an ended session comes back with a new one', async () => {
    bed = createTestBed();
    const asked: string[] = [];
    const server = bed.server;
    const ada = bed.client('ada', {
      token(reason) {
        asked.push(reason);
        return server.token('ada', 120_000);
      },
    });
    await ada.connect();
    await bed.settle(1000);
    const status = () => ada.snapshot.connection;
    const first = status();
    await bed.settle(100_000);
    expect(asked).toEqual(['start', 'expiring']);
    expect(status()).toBe(first);
    bed.server.endSessions('ada', 'session_revoked');
    await bed.settle(1000);
    expect(asked.at(-1)).toBe('refused');
    expect(status()).toMatchObject({ status: 'online' });
    expect(status()).not.toBe(first);
    bed.server.endSessions('ada', 'server_shutdown');
    await bed.settle(1100);
    expect(status()).toMatchObject({ status: 'online' });
  });

  test('gives up only when there is no token that is not refused', async () => {
    bed = createTestBed();
    const ended: string[] = [];
    const ada = bed.client('ada', { token: 'not a token' });
    ada.on('ended', ({ error }) => ended.push(error.code));
    await ada.connect();
    await bed.settle(100_000);
    expect(ended).toEqual(['unauthenticated']);
    ada.setToken(bed.server.token('ada'));
    await bed.settle(1000);
    expect(ada.snapshot.connection.status).toBe('online');
    expect(ada.snapshot.userId).toBe('ada');
  });

  test('DLV-4 a person removed loses the conversation, one added gets it', async () => {
    bed = createTestBed();
    const id = bed.server.addConversation('group', ['ada', 'bob']);
    const bob = bed.client('bob');
    await bob.connect();
    await bed.settle(1000);
    const told: string[] = [];
    bob.on('removed', ({ conversationId }) => told.push(`- ${conversationId}`));
    bob.on('added', ({ conversation }) => told.push(`+ ${conversation.id}`));
    bed.server.act('ada', 'participant:remove', { conversationId: id, userId: 'bob' });
    await bed.settle(1000);
    expect(bob.snapshot.conversationOrder).toEqual([]);
    bed.server.act('ada', 'participant:add', { conversationId: id, userIds: ['bob'] });
    await bed.settle(1000);
    expect(told).toEqual([`- ${id}`, `+ ${id}`]);
    bed.network.cut('bob');
    bed.server.act('ada', 'participant:remove', { conversationId: id, userId: 'bob' });
    const other = bed.server.addConversation('direct', ['ada', 'bob']);
    bed.network.restore('bob');
    await bed.settle();
    expect(bob.snapshot.conversationOrder).toEqual([other]);
  });

  test('typing is told sparingly and ends by itself', async () => {
    bed = createTestBed();
    const id = bed.server.addConversation('group', ['ada', 'bob']);
    const [ada, bob] = [bed.client('ada'), bed.client('bob')];
    await Promise.all([ada.connect(), bob.connect()]);
    await bed.settle(1000);
    let told = 0;
    bob.on('wire', ({ name }) => {
      if (name === 'typing:started') told++;
    });
    for (let n = 0; n < 20; n++) {
      ada.conversation(id).typing();
      await bed.settle(200);
    }
    expect(told).toBe(2);
    expect(bob.snapshot.conversations[id]?.typing.map(({ userId }) => userId)).toEqual(['ada']);
    await bed.settle(4500);
    expect(bob.snapshot.conversations[id]?.typing).toEqual([]);
    ada.conversation(id).typing();
    await bed.settle(10);
    bed.network.cut('ada');
    await bed.settle(5900);
    expect(bob.snapshot.conversations[id]?.typing.length).toBe(1);
    await bed.settle(200);
    expect(bob.snapshot.conversations[id]?.typing).toEqual([]);
  });

  test('opens from storage at once, offline', async () => {
    bed = createTestBed();
    const id = bed.server.addConversation('group', ['ada', 'bob'], 'Tea');
    for (let n = 1; n <= 100; n++) bed.server.act('bob', 'message:send', { conversationId: id, content: `${n}` });
    const storage = memoryStorage();
    const ada = bed.client('ada', { storage });
    await ada.connect();
    ada.conversation(id).open();
    await bed.settle(5000);
    await ada.close();
    bed.network.cut('ada');
    const again = bed.client('ada', { storage });
    await again.connect();
    expect(texts(again, id).slice(0, 2)).toEqual(['gap 1-50', '51']);
    expect(again.snapshot.unread.messages).toBe(100);
    expect(again.snapshot.users.bob?.name).toBe('bob');
    again.conversation(id).open();
    for (let n = 101; n <= 105; n++) bed.server.act('bob', 'message:send', { conversationId: id, content: `${n}` });
    bed.server.act('bob', 'message:delete', {
      conversationId: id,
      messageId: bed.server.view('bob', id).messages[99]?.id,
    });
    await bed.settle(5000);
    bed.network.restore('ada');
    await bed.settle();
    expect(texts(again, id).slice(-7)).toEqual(['99', null, '101', '102', '103', '104', '105']);
    expect(again.snapshot.unread.messages).toBe(104);
  });

  test('one opened offline for the first time loads when the connection is back', async () => {
    bed = createTestBed();
    const id = bed.server.addConversation('group', ['ada', 'bob']);
    bed.server.act('bob', 'message:send', { conversationId: id, content: 'there' });
    const ada = bed.client('ada');
    bed.network.cut('ada');
    await ada.connect();
    const close = ada.conversation(id).open();
    await bed.settle(20_000);
    expect(texts(ada, id)).toEqual([]);
    bed.network.restore('ada');
    await bed.settle(60_000);
    expect(texts(ada, id)).toEqual(['there']);
    close();
    expect(bed.server.view('ada', id).conversation.me?.lastDeliveredSeq).toBe(1);
  });

  test('ACC-2 a channel one only reads is followed while it is open, and a first send joins it', async () => {
    bed = createTestBed();
    const id = bed.server.addConversation('channel', ['bob'], 'News');
    const ada = bed.client('ada');
    await ada.connect();
    await bed.settle(1000);
    const room = ada.conversation(id);
    const close = room.open();
    await bed.settle(1000);
    bed.server.act('bob', 'message:send', { conversationId: id, content: 'one' });
    await bed.settle(11_000);
    expect(texts(ada, id)).toEqual(['one']);
    expect(conversationsSelector()(ada.snapshot)).toEqual([]);
    room.send({ content: 'I join' });
    await bed.settle(2000);
    expect(texts(ada, id)).toEqual(['one', 'I join']);
    expect(conversationsSelector()(ada.snapshot).map((state) => state.id)).toEqual([id]);
    close();
  });

  test('ACC-1 a token of another user never shows this one’s data', async () => {
    bed = createTestBed();
    const { server } = bed;
    bed.server.addConversation('group', ['eve', 'bob'], 'Secret');
    const ada = bed.client('ada', { userId: 'ada', token: () => server.token('eve') });
    const errors: string[] = [];
    ada.on('error', ({ during }) => errors.push(during));
    await ada.connect();
    await bed.settle(5000);
    expect(errors).toEqual(['connecting']);
    expect(ada.snapshot.connection.status).toBe('closed');
    expect(ada.snapshot.conversationOrder).toEqual([]);
  });

  test('a call can be aborted, and the error says so', async () => {
    bed = createTestBed();
    const ada = bed.client('ada');
    await ada.connect();
    await bed.settle(1000);
    bed.network.script = () => ({ delayMs: 1000 });
    const aborting = new AbortController();
    const asking = ada.people({ signal: aborting.signal });
    await bed.settle(100);
    aborting.abort();
    await expect(asking).rejects.toMatchObject({ code: 'aborted' });
  });
});
