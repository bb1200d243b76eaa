import type { Changes, Message, Page, Participant } from '@parley/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Received } from '../support/app.ts';
import { arrange, ModelClient, type Shown } from '../support/model.ts';
import { seed } from '../support/seed.ts';
import { type Person, useWorld } from '../support/world.ts';

const world = useWorld();

/** What somebody does next; `which` picks one of the messages there are. */
const action = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('send' as const), by: fc.nat(2), reply: fc.option(fc.nat(20)) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('edit' as const),
      which: fc.nat(20),
      text: fc.string({ minLength: 1, unit: 'grapheme' }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), which: fc.nat(20) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('react' as const, 'clear' as const),
      by: fc.nat(2),
      which: fc.nat(20),
      emoji: fc.constantFrom('👍', '🎉'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('rename' as const), title: fc.constantFrom('one', 'two', 'three') }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('add' as const, 'remove' as const), whom: fc.nat(1) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('role' as const),
      role: fc.constantFrom('member' as const, 'moderator' as const, 'readonly' as const),
    }),
  },
);
type Action = typeof action extends fc.Arbitrary<infer A> ? A : never;

interface Party {
  readonly cid: string;
  /** The first one looks on and stays; the others come and go. */
  readonly people: readonly [Person, Person, Person];
  readonly sent: Message[];
}

/** Carries out an action; a refusal is as good an outcome as any, and changes nothing. */
async function perform(action: Action, { cid, people, sent }: Party): Promise<void> {
  const [ann] = people;
  const message = 'which' in action && sent.length > 0 ? sent[action.which % sent.length] : undefined;
  const author = message && people.find(({ id }) => id === message.senderId)!;
  switch (action.do) {
    case 'send': {
      const replyToId = action.reply !== null && sent.length > 0 ? sent[action.reply % sent.length]!.id : undefined;
      const ack = await people[action.by]!.act('rest', 'message:send', {
        conversationId: cid,
        content: `${sent.length}`,
        replyToId,
      });
      if (ack.ok) sent.push(ack.data);
      return;
    }
    case 'edit':
      if (message)
        await author!.act('rest', 'message:edit', { conversationId: cid, messageId: message.id, content: action.text });
      return;
    case 'delete':
      if (message) await ann.act('rest', 'message:delete', { conversationId: cid, messageId: message.id });
      return;
    case 'react':
    case 'clear': {
      const name = action.do === 'react' ? 'reaction:add' : 'reaction:remove';
      if (message)
        await people[action.by]!.act('rest', name, { conversationId: cid, messageId: message.id, emoji: action.emoji });
      return;
    }
    case 'rename':
      await ann.act('rest', 'conversation:update', { conversationId: cid, title: action.title });
      return;
    case 'add':
      await ann.act('rest', 'participant:add', { conversationId: cid, userIds: [people[action.whom + 1]!.id] });
      return;
    case 'remove':
      await ann.act('rest', 'participant:remove', { conversationId: cid, userId: people[action.whom + 1]!.id });
      return;
    case 'role':
      await ann.rest.patch(`/conversations/${cid}/participants/${people[1].id}`, { role: action.role });
  }
}

/** Everything as a client without any memory would read it. */
async function fetchAll(reader: Person, cid: string): Promise<Shown> {
  const { me: _, participants: __, ...conversation } = await reader.conversation(cid);
  const lists = await Promise.all(
    ['false', 'true'].map((former) =>
      reader.get<Page<Participant>>(`/conversations/${cid}/participants?former=${former}`),
    ),
  );
  return arrange({
    rev: conversation.rev,
    conversation,
    messages: await reader.history(cid),
    participants: lists.flatMap(({ items }) => items),
  });
}

/** A bad wire: drops, doubles and shuffles what goes through it, the same way for the same numbers. */
function spoil(events: readonly Received[], random: () => number): Received[] {
  const kept = events.flatMap((event) => {
    const luck = random();
    return luck < 0.3 ? [] : luck < 0.5 ? [event, event] : [event];
  });
  return kept
    .map((event, index) => ({ event, place: index + random() * 4 }))
    .sort((a, b) => a.place - b.place)
    .map(({ event }) => event);
}

/** Numbers in [0, 1) out of one. */
function randomFrom(start: number): () => number {
  let state = start >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const asTheyCome = (events: readonly Received[]): Received[] => [...events];

describe(`a client’s state (seed ${seed})`, () => {
  /** Lets people act, and a client follow over a wire; afterwards compares it with a fresh fetch. */
  async function follow(
    actions: readonly Action[],
    wire: (events: readonly Received[]) => Received[],
    limit: number,
  ): Promise<ModelClient> {
    const people = await world.people('ann', 'bob', 'cyd');
    const [ann] = people;
    const cid = await world.create('group', ...people);
    const phone = await ann.connect();
    const client = new ModelClient(cid, (after) =>
      ann.get<Changes>(`/conversations/${cid}/changes?after=${after}&limit=${limit}`),
    );
    await client.catchUp();
    client.repairs = 0;
    let taken = phone.received.length;
    const deliver = async (): Promise<void> => {
      const events = phone.received.slice(taken);
      taken += events.length;
      for (const event of wire(events)) await client.receive(event);
    };
    const party: Party = { cid, people, sent: [] };
    for (let index = 0; index < actions.length; index += 3) {
      // Up to three at the same moment, and events come in while the next ones are under way.
      await Promise.all([deliver(), ...actions.slice(index, index + 3).map((one) => perform(one, party))]);
    }
    const last = await ann.send(cid, 'the end');
    await phone.next('message:created', ({ rev }) => rev === last.rev);
    await deliver();
    phone.disconnect();
    const whole = await fetchAll(ann, cid);
    // Whatever got lost on the way, the next event or `changes` shows.
    if (wire !== asTheyCome) await client.catchUp();
    expect(client.show()).toEqual(whole);
    return client;
  }

  it('DLV-1 DLV-2 ORD-2 is what a fresh fetch shows, by events alone: each rev is told, once, whole', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 10, maxLength: 30 }), async (actions) => {
        const client = await follow(actions, asTheyCome, 200);
        expect(client.repairs).toBe(0);
      }),
      { seed, numRuns: 8, endOnFailure: true },
    );
  }, 90_000);

  it('DLV-2 is what a fresh fetch shows over a wire that drops, doubles and shuffles, with `changes` as repair', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(action, { minLength: 10, maxLength: 30 }),
        fc.integer(),
        fc.constantFrom(1, 2, 7, 200),
        async (actions, luck, limit) => {
          const random = randomFrom(luck);
          await follow(actions, (events) => spoil(events, random), limit);
        },
      ),
      { seed, numRuns: 8, endOnFailure: true },
    );
  }, 90_000);
});
