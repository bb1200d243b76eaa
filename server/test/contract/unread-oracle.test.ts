import type { Badge, Conversation, Page } from '@parley/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UnreadOracle } from '../support/oracle.ts';
import { seed } from '../support/seed.ts';
import { useWorld } from '../support/world.ts';

const world = useWorld();

const who = fc.nat(2);
const position = fc.nat(30);
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('send' as const), who, mentions: fc.subarray([0, 1, 2]) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), position }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('mark' as const),
      mark: fc.constantFrom('read' as const, 'delivered' as const, 'unread' as const),
      who,
      position,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), who: fc.integer({ min: 1, max: 2 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('come' as const),
      who: fc.integer({ min: 1, max: 2 }),
      bySending: fc.boolean(),
    }),
  },
);

describe(`unread counts (seed ${seed})`, () => {
  it('READ-1 READ-2 are what an oracle counts, in every answer that carries them, whatever happened before', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 30 }), async (steps) => {
        const people = await world.people('ann', 'bob', 'cyd');
        const [ann] = people;
        const cid = await world.create('channel', ...people);
        const oracle = new UnreadOracle();
        for (const { id } of people) oracle.join(id);
        const messages: string[] = [];
        const send = async (index: number, mentions: string[]) => {
          messages.push((await people[index]!.send(cid, 'x', { mentions })).id);
        };
        for (const one of steps) {
          switch (one.do) {
            case 'send': {
              const { id } = people[one.who]!;
              if (!oracle.isPresent(id)) break;
              const mentions = one.mentions.map((index) => people[index]!.id);
              await send(one.who, mentions);
              oracle.send(id, mentions);
              break;
            }
            case 'delete': {
              if (messages.length === 0) break;
              const index = one.position % messages.length;
              await ann.ok('rest', 'message:delete', { conversationId: cid, messageId: messages[index]! });
              oracle.delete(index + 1);
              break;
            }
            case 'mark': {
              const person = people[one.who]!;
              if (!oracle.isPresent(person.id)) break;
              const answer = await person.ok('rest', `conversation:${one.mark}`, {
                conversationId: cid,
                seq: one.position,
              });
              oracle.mark(person.id, one.mark, one.position);
              const { mentionCount: _, ...state } = oracle.countsOf(person.id);
              expect(answer).toEqual(state);
              break;
            }
            case 'leave': {
              const { id } = people[one.who]!;
              if (!oracle.isPresent(id)) break;
              await people[one.who]!.ok('rest', 'participant:remove', { conversationId: cid, userId: id });
              oracle.leave(id);
              break;
            }
            case 'come': {
              const { id } = people[one.who]!;
              if (oracle.isPresent(id)) break;
              oracle.join(id);
              if (one.bySending) {
                await send(one.who, []);
                oracle.send(id);
              } else {
                await people[one.who]!.ok('rest', 'participant:add', { conversationId: cid, userIds: [id] });
              }
            }
          }
        }
        for (const person of people) {
          if (!oracle.isPresent(person.id)) continue;
          const counts = oracle.countsOf(person.id);
          expect((await person.conversation(cid)).me).toMatchObject(counts);
          const { items } = await person.get<Page<Conversation>>('/conversations');
          expect(items[0]?.me).toMatchObject(counts);
          expect(await person.get<Badge>('/unread')).toEqual({
            messages: counts.unreadCount,
            conversations: counts.unreadCount > 0 ? 1 : 0,
            mentions: counts.mentionCount,
          });
          const { behind } = await person.ok('rest', 'sync', { cursors: { [cid]: 0 } });
          expect(behind).toMatchObject([{ lastSeq: oracle.lastSeq, unreadCount: counts.unreadCount }]);
          const unread = await person.get<Page<Conversation>>('/conversations?filter=unread');
          expect(unread.items.length).toBe(counts.unreadCount > 0 ? 1 : 0);
        }
      }),
      { seed, numRuns: 12, endOnFailure: true },
    );
  }, 90_000);
});
