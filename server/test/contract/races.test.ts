import type { Conversation, Message, Page, Participant, ReceiptState, SentMessage } from '@parley/protocol';
import { describe, expect, it } from 'vitest';
import { DOORS } from '../support/doors.ts';
import { changesSeen, type Person, useWorld } from '../support/world.ts';

const world = useWorld();

const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));
const doorOf = (index: number) => DOORS[index % DOORS.length]!;

/** What must hold of every conversation at any time: numbers without a gap, as the rows have them. */
async function expectWhole(cid: string): Promise<void> {
  const row = await world.prisma.conversation.findUniqueOrThrow({ where: { id: cid } });
  const messages = await world.prisma.message.findMany({ where: { conversationId: cid }, orderBy: { seq: 'asc' } });
  expect(messages.map(({ seq }) => Number(seq))).toEqual(times(Number(row.lastSeq), (index) => index + 1));
  const present = await world.prisma.conversationParticipant.count({ where: { conversationId: cid, leftAt: null } });
  expect(row.participantCount).toBe(present);
}

describe('one key many times at once', () => {
  it('SEND-2 stores one message and answers all with it, over both doors', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    const devices = await Promise.all(times(5, () => ann.connect()));
    const bobPhone = await bob.connect();
    const input = { conversationId: cid, content: 'once', clientMessageId: 'k' };
    const answers = await Promise.all(
      times(50, async (index): Promise<SentMessage> => {
        if (index % 2) return ann.ok('rest', 'message:send', input);
        return devices[index % devices.length]!.ok('message:send', input);
      }),
    );
    expect(new Set(answers.map(({ id, seq, rev }) => `${id} ${seq} ${rev}`)).size).toBe(1);
    expect(answers.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    const last = await ann.send(cid, 'after');
    await bobPhone.next('message:created', ({ rev }) => rev === last.rev);
    expect(changesSeen(bobPhone, cid).map(({ rev }) => rev)).toEqual([2, 3]);
    await expectWhole(cid);
  });

  it('SEND-2 stores the content of one, where they differ, and refuses the others', async () => {
    const [ann] = await world.people('ann');
    const cid = await world.create('group', ann);
    const acks = await Promise.all(
      times(20, (index) =>
        ann.act(doorOf(index), 'message:send', {
          conversationId: cid,
          content: `text ${index % 4}`,
          clientMessageId: 'k',
        }),
      ),
    );
    const [stored] = await ann.history(cid);
    for (const [index, ack] of acks.entries()) {
      if (`text ${index % 4}` === stored!.content) expect(ack).toMatchObject({ ok: true, data: { id: stored!.id } });
      else expect(ack).toMatchObject({ ok: false, error: { code: 'idempotency_conflict' } });
    }
    expect(await ann.history(cid)).toHaveLength(1);
  });
});

describe('many at once', () => {
  it('ACC-3 ORD-1 ORD-2 fifty people enter a channel with their first send: fifty changes of each kind, no gap', async () => {
    const [owner, ...people] = await world.people(...times(51, (index) => `p${index}`));
    const cid = await world.create('channel', owner!);
    const phone = await owner!.connect();
    const sent = await Promise.all(
      people.map((person, index) =>
        person.ok(index % 5 ? 'rest' : 'socket', 'message:send', { conversationId: cid, content: person.id }),
      ),
    );
    expect(sent.map(({ seq }) => seq).sort((a, b) => a - b)).toEqual(times(50, (index) => index + 1));
    await phone.next('message:created', ({ rev }) => rev === 101);
    expect(changesSeen(phone, cid).map(({ rev }) => rev)).toEqual(times(100, (index) => index + 2));
    const joined = new Map(phone.all('participant:joined').map(({ rev, participant }) => [participant.user.id, rev]));
    for (const { senderId, rev } of sent) expect(joined.get(senderId)).toBeLessThan(rev);
    expect((await owner!.conversation(cid)).participantCount).toBe(51);
    await expectWhole(cid);
  });

  it('two and more create the direct conversation of one pair: it is one', async () => {
    for (let round = 0; round < 5; round++) {
      const [ann, bob] = await world.people('ann', 'bob');
      const made = await Promise.all(
        times(10, (index) => {
          const [self, other] = index % 2 ? [ann, bob] : [bob, ann];
          return self.rest.post<Conversation>('/conversations', { type: 'direct', participantIds: [other.id] });
        }),
      );
      expect(new Set(made.map(({ body }) => body.id)).size).toBe(1);
      expect(made.filter(({ status }) => status === 201)).toHaveLength(1);
    }
  });

  it('ORD-2 adds one person once', async () => {
    const [ann, bob, cyd] = await world.people('ann', 'bob', 'cyd');
    const cid = await world.create('group', ann, bob);
    await ann.rest.patch(`/conversations/${cid}/participants/${bob.id}`, { role: 'owner' });
    const answers = await Promise.all(
      times(12, (index) =>
        (index % 2 ? ann : bob).ok(doorOf(index >> 1), 'participant:add', { conversationId: cid, userIds: [cyd.id] }),
      ),
    );
    expect(new Set(answers.map(({ items }) => items[0]?.rev))).toEqual(new Set([3]));
    expect((await ann.conversation(cid)).rev).toBe(3);
    await expectWhole(cid);
  });

  it('ACC-3 joins one person once, by sending and by joining, and takes no role from them', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('channel', ann);
    await Promise.all(
      times(12, (index) =>
        index % 2
          ? bob.ok(doorOf(index >> 1), 'participant:add', { conversationId: cid, userIds: [bob.id] })
          : bob.send(cid, `${index}`),
      ),
    );
    const row = await world.prisma.conversationParticipant.findMany({ where: { conversationId: cid, userId: bob.id } });
    expect(row).toHaveLength(1);
    expect((await ann.conversation(cid)).rev).toBe(1 + 1 + 6);
    // A role given beside sends stays.
    await Promise.all([
      ann.rest.patch(`/conversations/${cid}/participants/${bob.id}`, { role: 'moderator' }),
      ...times(6, (index) => bob.send(cid, `more ${index}`)),
    ]);
    expect((await bob.conversation(cid)).me?.role).toBe('moderator');
    await expectWhole(cid);
  });

  it('EDIT-1 one edit of those with the same `ifRev` is made', async () => {
    const [ann] = await world.people('ann');
    const cid = await world.create('group', ann);
    const sent = await ann.send(cid, '0');
    const acks = await Promise.all(
      times(20, (index) =>
        ann.act(doorOf(index), 'message:edit', {
          conversationId: cid,
          messageId: sent.id,
          content: `${index + 1}`,
          ifRev: sent.rev,
        }),
      ),
    );
    const made = acks.filter(({ ok }) => ok);
    expect(made).toHaveLength(1);
    for (const ack of acks) if (!ack.ok) expect(ack.error.code).toBe('revision_conflict');
    expect((await ann.conversation(cid)).rev).toBe(3);
    expect(await world.prisma.messageRevision.count({ where: { messageId: sent.id } })).toBe(1);
  });

  it('ORD-2 reactions, edits and deletions of one message come one after the other', async () => {
    const [ann, ...others] = await world.people('ann', 'p1', 'p2', 'p3', 'p4', 'p5', 'p6', 'p7', 'p8');
    const cid = await world.create('group', ann!, ...others);
    const sent = await ann!.send(cid, 'x');
    const target = { conversationId: cid, messageId: sent.id };
    const phone = await ann!.connect();
    const acks = await Promise.all([
      ...others.map((person, index) => person.act(doorOf(index), 'reaction:add', { ...target, emoji: '👍' })),
      ...times(4, (index) => ann!.act(doorOf(index), 'message:edit', { ...target, content: `edit ${index}` })),
      ann!.act('rest', 'message:delete', target),
      ...others.map((person, index) => person.act(doorOf(index), 'reaction:remove', { ...target, emoji: '👍' })),
    ]);
    for (const ack of acks) if (!ack.ok) expect(ack.error.code).toBe('message_deleted');
    const { rev } = await ann!.conversation(cid);
    await phone.next('message:deleted', (event) => event.rev === rev);
    expect(changesSeen(phone, cid).map((event) => event.rev)).toEqual(times(rev - 2, (index) => index + 3));
    expect(await world.prisma.reaction.count({ where: { messageId: sent.id } })).toBe(0);
    expect((await ann!.history(cid))[0]).toMatchObject({ content: null, reactions: [], rev });
  });
});

describe('removal beside sends', () => {
  it('DLV-4 ACC-3 tells the removed nothing above the rev of the removal, and takes nothing from them after it', async () => {
    const [ann, bob, cyd] = await world.people('ann', 'bob', 'cyd');
    const cid = await world.create('group', ann, bob, cyd);
    const [bobPhone, bobTablet, cydPhone] = [await bob.connect(), await bob.connect(), await cyd.connect()];
    const sender = await cyd.connect();
    for (let round = 0; round < 40; round++) {
      const sends = times(6, (index) => {
        const input = { conversationId: cid, content: `round ${round} ${index}` };
        if (index % 3 === 0) return bobTablet.command('message:send', input);
        return index % 3 === 1 ? sender.command('message:send', input) : ann.act('rest', 'message:send', input);
      });
      const removal = ann.ok(doorOf(round), 'participant:remove', { conversationId: cid, userId: bob.id });
      const acks = await Promise.all([
        ...sends,
        ...times(2, (index) => sender.command('message:send', { conversationId: cid, content: `late ${index}` })),
      ]);
      await removal;
      const after = await ann.send(cid, `after ${round}`);
      await cydPhone.next('message:created', ({ rev }) => rev === after.rev);
      const left = cydPhone.all('participant:left').at(-1)!;
      for (const phone of [bobPhone, bobTablet]) {
        await phone.next('conversation:removed');
        await phone.expectNone('message:created', ({ rev }) => rev > left.rev && rev <= after.rev);
      }
      for (const ack of acks) {
        if (!ack.ok) expect(ack.error.code).toBe('not_a_participant');
        else if (ack.data.senderId === bob.id) expect(ack.data.rev).toBeLessThan(left.rev);
      }
      await ann.ok('rest', 'participant:add', { conversationId: cid, userIds: [bob.id] });
      for (const phone of [bobPhone, bobTablet]) await phone.next('conversation:created');
    }
    const { rev } = await ann.conversation(cid);
    expect(changesSeen(cydPhone, cid).map((event) => event.rev)).toEqual(times(rev - 1, (index) => index + 2));
    await expectWhole(cid);
  });

  it('ACC-3 lets nobody back into a channel who was removed while they sent', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('channel', ann);
    for (let round = 0; round < 15; round++) {
      await ann.ok('rest', 'participant:add', { conversationId: cid, userIds: [bob.id] });
      await Promise.all([
        ann.ok(doorOf(round), 'participant:remove', { conversationId: cid, userId: bob.id }),
        ...times(5, (index) => bob.act(doorOf(index), 'message:send', { conversationId: cid, content: `${index}` })),
        bob.act('rest', 'participant:add', { conversationId: cid, userIds: [bob.id] }),
      ]);
      const { items } = await ann.get<Page<Participant>>(`/conversations/${cid}/participants`);
      expect(items.map(({ user }) => user.id)).toEqual([ann.id]);
    }
    await expectWhole(cid);
  });
});

describe('last owners leaving at once', () => {
  it('leave an owner as long as anybody is there', async () => {
    for (let round = 0; round < 8; round++) {
      const [ann, bob, cyd, dan] = await world.people('ann', 'bob', 'cyd', 'dan');
      const cid = await world.create('group', ann, bob, cyd, dan);
      for (const other of [bob, cyd])
        await ann.rest.patch(`/conversations/${cid}/participants/${other.id}`, { role: 'owner' });
      const leave = (person: Person, index: number) =>
        person.ok(doorOf(index), 'participant:remove', { conversationId: cid, userId: person.id });
      await Promise.all([ann, bob, cyd].map(leave));
      const { items } = await dan.get<Page<Participant>>(`/conversations/${cid}/participants`);
      expect(items.map(({ user, role }) => [user.id, role])).toEqual([[dan.id, 'owner']]);
      await expectWhole(cid);
    }
  });

  it('never step down both', async () => {
    for (let round = 0; round < 8; round++) {
      const [ann, bob] = await world.people('ann', 'bob');
      const cid = await world.create('group', ann, bob);
      await ann.rest.patch(`/conversations/${cid}/participants/${bob.id}`, { role: 'owner' });
      const answers = await Promise.all(
        [ann, bob].map((self) => self.rest.patch(`/conversations/${cid}/participants/${self.id}`, { role: 'member' })),
      );
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 403]);
    }
  });
});

describe('marks at once', () => {
  it('READ-1 READ-2 move pointers forward only, and no count is ever one that could not be', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    const devices = [await bob.connect(), await bob.connect(), await bob.connect()];
    const answers: Promise<ReceiptState>[] = [];
    const sends: Promise<Message>[] = [];
    for (let round = 0; round < 25; round++) {
      sends.push(ann.send(cid, `${round}`), bob.send(cid, `own ${round}`));
      for (const [index, device] of devices.entries()) {
        const name = index === 2 ? 'conversation:delivered' : 'conversation:read';
        answers.push(device.ok(name, { conversationId: cid, seq: round + index }));
        answers.push(bob.ok('rest', 'conversation:read', { conversationId: cid, seq: round }));
      }
      if (round % 5 === 4) await Promise.all([...sends, ...answers]);
    }
    await Promise.all(sends);
    const states = await Promise.all(answers);
    for (const state of states) {
      // More than this was never unread: what Ann had sent by then, and never less than nothing.
      expect(state.unreadCount).toBeGreaterThanOrEqual(0);
      expect(state.unreadCount).toBeLessThanOrEqual(25);
      expect(state.lastDeliveredSeq).toBeGreaterThanOrEqual(state.lastReadSeq);
    }
    const end = await bob.ok('rest', 'conversation:read', { conversationId: cid, seq: 50 });
    expect(end).toEqual({ lastReadSeq: 50, lastDeliveredSeq: 50, unreadCount: 0 });
    await expectWhole(cid);
  });
});

describe('one socket that does not wait', () => {
  it('DLV-1 ORD-1 has its commands take effect in the order in which it sent them', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    const [sender, bobPhone] = [await ann.connect(), await bob.connect()];
    const others = times(3, async (index) => {
      for (let count = 0; count < 20; count++) await bob.send(cid, `other ${index} ${count}`);
    });
    const sent = await Promise.all(
      times(100, (index) => sender.ok('message:send', { conversationId: cid, content: `mine ${index}` })),
    );
    await Promise.all(others);
    expect(sent.map(({ seq }) => seq)).toEqual([...sent.map(({ seq }) => seq)].sort((a, b) => a - b));
    await bobPhone.next('message:created', ({ rev }) => rev === 161);
    expect(changesSeen(bobPhone, cid).map(({ rev }) => rev)).toEqual(times(160, (index) => index + 2));
    const mine = bobPhone.all('message:created').filter(({ message }) => message.senderId === ann.id);
    expect(mine.map(({ message }) => message.content)).toEqual(times(100, (index) => `mine ${index}`));
    await expectWhole(cid);
  });

  it('DLV-1 carries out what builds on what it sent before', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('channel', ann);
    const phone = await bob.connect();
    const acks = await Promise.all([
      phone.command('participant:add', { conversationId: cid, userIds: [bob.id] }),
      phone.command('message:send', { conversationId: cid, content: '1' }),
      phone.command('participant:remove', { conversationId: cid, userId: bob.id }),
      phone.command('conversation:read', { conversationId: cid, seq: 1 }),
      phone.command('message:send', { conversationId: cid, content: '2' }),
      phone.command('conversation:read', { conversationId: cid, seq: 2 }),
    ]);
    expect(acks.map((ack) => (ack.ok ? 'ok' : ack.error.code))).toEqual([
      'ok',
      'ok',
      'ok',
      'not_a_participant',
      'ok',
      'ok',
    ]);
    expect((await ann.conversation(cid)).rev).toBe(6);
  });
});

describe('sends beside everything else', () => {
  it('ORD-1 ORD-2 DLV-1 number all changes without a gap, and tell each device all of them in order', async () => {
    const [ann, bob, cyd, dan] = await world.people('ann', 'bob', 'cyd', 'dan');
    const cid = await world.create('group', ann, bob, cyd);
    const phones = [await ann.connect(), await bob.connect(), await bob.connect()];
    const seen = await ann.send(cid, 'first');
    const work: Promise<unknown>[] = [];
    for (let round = 0; round < 20; round++) {
      const door = doorOf(round);
      work.push(
        bob
          .send(cid, `${round}`)
          .then((message) =>
            bob.ok(door, 'message:edit', { conversationId: cid, messageId: message.id, content: `${round}!` }),
          ),
        ann.ok(door, 'conversation:update', { conversationId: cid, title: `title ${round}` }),
        cyd.ok(door, 'message:send', { conversationId: cid, content: `cyd ${round}` }),
        bob.ok(door, round % 2 ? 'reaction:remove' : 'reaction:add', {
          conversationId: cid,
          messageId: seen.id,
          emoji: '👍',
        }),
        ann.act(door, round % 2 ? 'participant:remove' : 'participant:add', {
          conversationId: cid,
          ...(round % 2 ? { userId: dan.id } : { userIds: [dan.id] }),
        } as never),
      );
    }
    await Promise.all(work);
    const end = await ann.send(cid, 'last');
    for (const phone of phones) {
      await phone.next('message:created', ({ rev }) => rev === end.rev);
      expect(changesSeen(phone, cid).map(({ rev }) => rev)).toEqual(times(end.rev - 1, (index) => index + 2));
    }
    const revs = await ann.get<{ rev: number }>(`/conversations/${cid}/changes?after=${end.rev - 1}`);
    expect(revs.rev).toBe(end.rev);
    await expectWhole(cid);
  });
});
