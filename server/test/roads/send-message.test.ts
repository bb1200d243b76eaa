import type { Message, Problem, SentMessage } from '@parley/protocol';
import { describe, expect, it } from 'vitest';
import { DOORS } from '../support/doors.ts';
import { changesSeen, useWorld } from '../support/world.ts';

const world = useWorld();
const uuid7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe.each(DOORS)('sending over %s', (door) => {
  it('SEND-1 ORD-1 ORD-3 stores the message, answers with it, and tells everybody in it once, nobody else', async () => {
    const [ann, bob, eve] = await world.people('ann', 'bob', 'eve');
    const cid = await world.create('group', ann, bob);
    const [annPhone, bobPhone, bobTablet, evePhone] = await Promise.all([
      ann.connect(),
      bob.connect(),
      bob.connect(),
      eve.connect(),
    ]);

    const sent = await ann.ok(door, 'message:send', { conversationId: cid, content: ' hello\n', metadata: { a: [1] } });

    const expected = {
      id: expect.stringMatching(uuid7),
      conversationId: cid,
      seq: 1,
      rev: 2,
      senderId: ann.id,
      content: 'hello',
      attachments: [],
      replyTo: null,
      mentions: [],
      metadata: { a: [1] },
      reactions: [],
      clientMessageId: null,
      sanitized: false,
      createdAt: expect.any(String),
      editedAt: null,
      deletedAt: null,
      deletedBy: null,
    };
    const { duplicate, ...message } = sent;
    expect(duplicate).toBe(false);
    expect(message).toEqual(expected);
    const row = await world.prisma.message.findUniqueOrThrow({ where: { id: sent.id } });
    expect(row).toMatchObject({ seq: 1n, rev: 2n, content: 'hello', senderId: ann.id, conversationId: cid });
    for (const device of [annPhone, bobPhone, bobTablet]) {
      expect(await device.next('message:created')).toEqual({ conversationId: cid, rev: 2, message });
    }
    expect(await bob.get(`/conversations/${cid}/messages/${sent.id}`)).toEqual(message);

    const second = await bob.ok(door, 'message:send', { conversationId: cid, content: 'again' });
    expect([second.seq, second.rev]).toEqual([2, 3]);
    await Promise.all([annPhone, bobPhone, bobTablet].map((device) => device.next('message:created')));
    for (const device of [annPhone, bobPhone, bobTablet]) {
      expect(changesSeen(device, cid).map(({ rev }) => rev)).toEqual([2, 3]);
    }
    await evePhone.expectNone('message:created');
  });

  it('SEND-2 answers a repeat with the first message, tells nobody again, and stores nothing', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    const bobPhone = await bob.connect();
    const input = { conversationId: cid, content: 'once', clientMessageId: 'key 1' };
    const first = await ann.ok(door, 'message:send', input);
    expect(first).toMatchObject({ duplicate: false, clientMessageId: 'key 1' });
    for (const other of DOORS)
      expect(await ann.ok(other, 'message:send', input)).toEqual({ ...first, duplicate: true });

    // The same key is another one of another sender, and of another conversation.
    const ofBob = await bob.ok(door, 'message:send', input);
    const elsewhere = await world.create('group', ann, bob);
    const inOther = await ann.ok(door, 'message:send', { ...input, conversationId: elsewhere });
    expect([ofBob.duplicate, inOther.duplicate]).toEqual([false, false]);

    await bobPhone.next('message:created', ({ rev, conversationId }) => conversationId === cid && rev === ofBob.rev);
    expect(bobPhone.all('message:created').filter(({ message }) => message.id === first.id)).toHaveLength(1);
    expect(await world.prisma.message.count({ where: { conversationId: cid } })).toBe(2);
    expect((await ann.conversation(cid)).rev).toBe(3);
  });

  it('SEND-2 refuses the same key with other content, and never takes it for the content that it lacks', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    const quoted = await bob.send(cid, 'a question');
    const input = { conversationId: cid, content: 'x', clientMessageId: 'k' };
    await ann.ok(door, 'message:send', input);
    for (const other of [{ content: 'y' }, { replyToId: quoted.id }, { content: '' }, { content: '<b></b>' }]) {
      const problem = await ann.refused(door, 'message:send', { ...input, ...other });
      expect(problem, JSON.stringify(other)).toMatchObject({ code: 'idempotency_conflict', status: 409 });
    }
    // What is cleaned away made no difference the first time, and makes none now.
    const again = await ann.ok(door, 'message:send', { ...input, content: ' x ', metadata: { other: true } });
    expect(again).toMatchObject({ duplicate: true, metadata: null });
    expect(await world.prisma.message.count({ where: { conversationId: cid } })).toBe(2);
  });

  it('SEND-2 answers a repeat after leaving, after the deletion of the message, not after that of the conversation', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    const input = { conversationId: cid, content: 'x', clientMessageId: 'k' };
    const first = await bob.ok(door, 'message:send', input);
    await ann.ok(door, 'message:delete', { conversationId: cid, messageId: first.id });
    expect(await bob.ok(door, 'message:send', input)).toMatchObject({ id: first.id, content: null, duplicate: true });
    await bob.ok(door, 'participant:remove', { conversationId: cid, userId: bob.id });
    expect(await bob.ok(door, 'message:send', input)).toMatchObject({ id: first.id, duplicate: true });
    expect(await bob.refused(door, 'message:send', { ...input, clientMessageId: 'new' })).toMatchObject({
      code: 'not_a_participant',
    });
    expect((await ann.rest.delete(`/conversations/${cid}`)).status).toBe(204);
    expect(await bob.refused(door, 'message:send', input)).toMatchObject({ code: 'not_found', status: 404 });
  });

  it('SEND-3 READ-2 moves the sender’s own pointer, and tells their other devices', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    await bob.send(cid, '1');
    await bob.send(cid, '2');
    const annPhone = await ann.connect();
    expect((await ann.conversation(cid)).me).toMatchObject({ lastReadSeq: 0, unreadCount: 2 });
    await ann.ok(door, 'message:send', { conversationId: cid, content: '3' });
    expect((await ann.conversation(cid)).me).toMatchObject({ lastReadSeq: 3, lastDeliveredSeq: 3, unreadCount: 0 });
    expect((await bob.conversation(cid)).me).toMatchObject({ lastReadSeq: 2, unreadCount: 1 });
    expect(await annPhone.next('unread:changed')).toEqual({ conversationId: cid, unreadCount: 0, lastReadSeq: 3 });
  });

  it('SEND-4 keeps all of Unicode as it was sent, and counts code points', async () => {
    const [ann] = await world.people('ann');
    const cid = await world.create('group', ann);
    const texts = [
      '👩‍👩‍👧‍👦 é e\u0301 \u202eright\u202c',
      'a\r\nb\tc',
      '\u0001\u001f\u007f',
      '\uffff\u{10ffff}',
      '𝔘'.repeat(10_000),
      'مرحبا שלום',
    ];
    for (const content of texts) {
      const sent = await ann.ok(door, 'message:send', { conversationId: cid, content });
      expect(sent).toMatchObject({ content, sanitized: false });
    }
    expect((await ann.history(cid)).map(({ content }) => content)).toEqual(texts);
    const long = await ann.refused(door, 'message:send', { conversationId: cid, content: `${'𝔘'.repeat(10_000)}!` });
    expect(long).toMatchObject({ code: 'message_too_long', status: 400 });
  });

  it('SEND-4 refuses what has no content, NUL and lone surrogates', async () => {
    const [ann] = await world.people('ann');
    const cid = await world.create('group', ann);
    for (const content of [
      '',
      ' \t\n\u00a0\u3000',
      '\u200b\u200d\ufeff\u2800\u00ad',
      '<b></b>',
      '<script>x()</script>',
    ]) {
      const problem = await ann.refused(door, 'message:send', { conversationId: cid, content });
      expect(problem.code, JSON.stringify(content)).toBe('empty_message');
    }
    for (const content of ['a\0b', 'x\ud800', '\udc00y']) {
      const problem = await ann.refused(door, 'message:send', { conversationId: cid, content });
      expect(problem).toMatchObject({ code: 'invalid_request', errors: [{ path: 'content' }] });
    }
    expect(await world.prisma.message.count({ where: { conversationId: cid } })).toBe(0);
  });

  it('SEND-5 removes markup and says so; text that only looks like it comes back as sent', async () => {
    const [ann] = await world.people('ann');
    const cid = await world.create('group', ann);
    for (const content of ['a < b && c > d', '1 << 3', 'x<y', '&amp; &lt;b&gt;', '<3', 'Map<String, V>']) {
      const sent = await ann.ok(door, 'message:send', { conversationId: cid, content });
      expect(sent).toMatchObject({ content, sanitized: false });
    }
    for (const [content, left] of [
      ['<b>bold</b> & plain', 'bold & plain'],
      ['hi<script>alert(1)</script>', 'hi'],
      ['<img src=x onerror=alert(1)>ok', 'ok'],
    ] as const) {
      expect(await ann.ok(door, 'message:send', { conversationId: cid, content })).toMatchObject({
        content: left,
        sanitized: true,
      });
    }
    const strings = await ann.ok(door, 'message:send', {
      conversationId: cid,
      content: 'x',
      metadata: { text: 'a<b>b</b>c', list: ['x<y', { deep: '<i>i</i>' }] },
    });
    expect(strings.metadata).toEqual({ text: 'abc', list: ['x<y', { deep: 'i' }] });
    const key = await ann.refused(door, 'message:send', {
      conversationId: cid,
      content: 'x',
      metadata: { '<b>k</b>': 1 },
    });
    expect(key).toMatchObject({ code: 'invalid_request', errors: [{ path: 'metadata' }] });
  });

  it('answers a message of the same conversation with a preview of it, and of no other', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    const quoted = await bob.send(cid, `${'𝔘'.repeat(150)}${'x'.repeat(100)}`);
    const bobPhone = await bob.connect();
    const replyTo = {
      id: quoted.id,
      seq: 1,
      senderId: bob.id,
      content: `${'𝔘'.repeat(150)}${'x'.repeat(50)}`,
      deletedAt: null,
    };
    const reply = await ann.ok(door, 'message:send', { conversationId: cid, content: 're', replyToId: quoted.id });
    expect(reply.replyTo).toEqual(replyTo);
    expect((await bobPhone.next('message:created')).message.replyTo).toEqual(replyTo);
    expect((await ann.history(cid))[1]?.replyTo).toEqual(replyTo);

    const elsewhere = await ann.send(await world.create('group', ann), 'secret');
    for (const replyToId of [elsewhere.id, '00000000-0000-7000-8000-000000000000', 'no id']) {
      const problem = await ann.refused(door, 'message:send', { conversationId: cid, content: 're', replyToId });
      expect(problem).toMatchObject({ code: 'invalid_request', errors: [{ path: 'replyToId' }] });
    }
    await bob.ok(door, 'message:delete', { conversationId: cid, messageId: quoted.id });
    expect((await ann.history(cid))[1]?.replyTo).toMatchObject({ id: quoted.id, content: null });
  });

  it('keeps mentions of participants, drops others, and counts them for those mentioned', async () => {
    const [zoe, bob, abe, eve] = await world.people('zoe', 'bob', 'abe', 'eve');
    const cid = await world.create('group', zoe, bob, abe);
    const bobPhone = await bob.connect();
    const mentions = [bob.id, eve.id, abe.id, bob.id, 'nobody'];
    const sent = await zoe.ok(door, 'message:send', { conversationId: cid, content: '@bob @abe', mentions });
    expect(sent.mentions).toEqual([abe.id, bob.id]);
    const { message } = await bobPhone.next('message:created');
    // The event shows the very same as a fetch.
    expect(message).toEqual((await bob.history(cid))[0]);
    expect((await bob.conversation(cid)).me?.mentionCount).toBe(1);
    expect((await zoe.conversation(cid)).me?.mentionCount).toBe(0);
    expect(await world.prisma.mention.count({ where: { messageId: sent.id } })).toBe(2);
  });

  it('ACC-3 lets everybody into a channel with their first send: two changes, in order', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('channel', ann);
    const [annPhone, bobPhone] = [await ann.connect(), await bob.connect()];
    const sent = await bob.ok(door, 'message:send', { conversationId: cid, content: 'hi all' });
    expect(sent).toMatchObject({ seq: 1, rev: 3 });
    const joined = await annPhone.next('participant:joined');
    expect(joined).toMatchObject({
      rev: 2,
      participant: { user: { id: bob.id, name: bob.id }, role: 'member', rev: 2 },
    });
    await annPhone.next('message:created');
    expect(changesSeen(annPhone, cid)).toEqual([
      { name: 'participant:joined', rev: 2 },
      { name: 'message:created', rev: 3 },
    ]);
    const { conversation } = await bobPhone.next('conversation:created');
    expect(conversation.me).toMatchObject({ role: 'member', lastReadSeq: 1, unreadCount: 0 });
    expect(conversation.participantCount).toBe(2);
    await bobPhone.next('message:created');
  });

  it('ACC-3 brings back whoever left a direct conversation, whoever of the two sends', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('direct', ann, bob);
    await ann.send(cid, '1');
    await bob.ok(door, 'participant:remove', { conversationId: cid, userId: bob.id });
    expect((await ann.conversation(cid)).participantCount).toBe(1);
    const bobPhone = await bob.connect();
    const sent = await ann.ok(door, 'message:send', { conversationId: cid, content: '2' });
    expect(sent).toMatchObject({ seq: 2, rev: 5 });
    const { conversation } = await bobPhone.next('conversation:created');
    expect(conversation).toMatchObject({
      id: cid,
      participantCount: 2,
      me: { role: 'member', unreadCount: 1, lastReadSeq: 1 },
    });
    expect((await bobPhone.next('message:created')).message.seq).toBe(2);

    await ann.ok(door, 'participant:remove', { conversationId: cid, userId: ann.id });
    await ann.ok(door, 'message:send', { conversationId: cid, content: '3' });
    expect((await ann.conversation(cid)).me).toMatchObject({ lastReadSeq: 3, unreadCount: 0 });
    expect((await bob.conversation(cid)).participantCount).toBe(2);
  });

  it('ACC-2 ACC-3 refuses everybody else, and leaves no row', async () => {
    const [ann, bob, eve] = await world.people('ann', 'bob', 'eve');
    const group = await world.create('group', ann, bob);
    const direct = await world.create('direct', ann, bob);
    const channel = await world.create('channel', ann);
    const nowhere = '00000000-0000-7000-8000-000000000000';
    const annPhone = await ann.connect();
    for (const cid of [group, direct]) {
      expect(await eve.refused(door, 'message:send', { conversationId: cid, content: 'x' })).toMatchObject({
        code: 'not_a_participant',
        status: 403,
      });
    }
    for (const cid of [nowhere, 'no id']) {
      expect(await eve.refused(door, 'message:send', { conversationId: cid, content: 'x' })).toMatchObject({
        code: 'not_found',
        status: 404,
      });
    }
    // Removed by a moderator, one does not come back by sending; who left does.
    await bob.send(channel, 'in');
    await eve.send(channel, 'in');
    await ann.ok(door, 'participant:remove', { conversationId: channel, userId: bob.id });
    await eve.ok(door, 'participant:remove', { conversationId: channel, userId: eve.id });
    expect((await bob.refused(door, 'message:send', { conversationId: channel, content: 'x' })).code).toBe(
      'not_a_participant',
    );
    await eve.ok(door, 'message:send', { conversationId: channel, content: 'back' });
    // A reader only reads.
    await ann.rest.patch(`/conversations/${group}/participants/${bob.id}`, { role: 'readonly' });
    expect(await bob.refused(door, 'message:send', { conversationId: group, content: 'x' })).toMatchObject({
      code: 'forbidden',
      status: 403,
    });
    const last = await ann.send(group, 'the end');
    await annPhone.next('message:created', ({ conversationId, rev }) => conversationId === group && rev === last.rev);
    expect(annPhone.all('message:created').filter(({ message }) => message.content === 'x')).toEqual([]);
    expect(
      await world.prisma.message.count({ where: { content: 'x', conversationId: { in: [group, direct, channel] } } }),
    ).toBe(0);
  });
});

describe('the key of a send in a header', () => {
  it('SEND-2 is the same as in the body, and must not differ from it', async () => {
    const [ann] = await world.people('ann');
    const cid = await world.create('group', ann);
    const path = `/conversations/${cid}/messages`;
    const first = await ann.rest.post<SentMessage>(path, { content: 'x' }, { 'idempotency-key': 'k 1' });
    expect([first.status, first.body.clientMessageId]).toEqual([201, 'k 1']);
    const inBody = await ann.rest.post<SentMessage>(path, { content: 'x', clientMessageId: 'k 1' });
    expect([inBody.status, inBody.body.duplicate]).toEqual([200, true]);
    const both = await ann.rest.post<SentMessage>(
      path,
      { content: 'x', clientMessageId: 'k 1' },
      { 'idempotency-key': 'k 1' },
    );
    expect(both.status).toBe(200);
    const differing = await ann.rest.post<Problem>(
      path,
      { content: 'x', clientMessageId: 'k' },
      { 'idempotency-key': 'k 1' },
    );
    expect(differing.body).toMatchObject({ code: 'invalid_request', errors: [{ path: 'clientMessageId' }] });
  });
});

describe('ready', () => {
  it('DLV-1 misses nothing from `ready` on, and a send without an acknowledgement is carried out', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    const [annPhone, bobPhone] = [await ann.connect(), await bob.connect()];
    (annPhone.raw as unknown as { emit(name: string, input: object): void }).emit('message:send', {
      conversationId: cid,
      content: 'nobody waits',
    });
    const { message } = await bobPhone.next('message:created');
    expect(message.content).toBe('nobody waits');
    const stored: Message[] = await bob.history(cid);
    expect(stored).toEqual([message]);
  });
});
