import { randomUUID } from 'node:crypto';
import type { Conversation, Page } from '@parley/protocol';
import { beforeAll, describe, expect, it } from 'vitest';
import { ConversationsRepository } from '../../src/modules/messaging/repositories/conversations.repository.ts';
import { recordStatements, statementsOf } from '../support/statements.ts';
import { type Person, useWorld } from '../support/world.ts';

const world = useWorld();

const CONVERSATIONS = 30_000;
/** So many in one, and as many again in the others, two in each. */
const IN_LARGE = 10_000;
const PORTION = 2_500;

/** SQL for the id of the conversation of a number. */
const idOf = (number: string) => `('00000000-0000-7000-8000-' || lpad((${number})::text, 12, '0'))::uuid`;

let ann: Person;
let few: Person;
/** The conversation with most of the messages. */
let large: string;

/** Many rows at once, as a deployment of some age has them; the doors would take minutes. */
beforeAll(async () => {
  [ann, few] = await world.people('ann', 'few');
  const { prisma } = world;
  await prisma.$executeRawUnsafe(
    `INSERT INTO "User" (id, name) SELECT 'u' || n, 'User ' || n FROM generate_series(1, 500) n`,
  );
  // In portions, each well below the time that a statement may take.
  for (let from = 1; from <= CONVERSATIONS; from += PORTION) {
    const numbers = `generate_series(${from}, ${from + PORTION - 1})`;
    await prisma.$executeRawUnsafe(
      `INSERT INTO "Conversation" (id, type, title, "createdBy", "lastSeq", rev, "lastMessageAt", "participantCount")
       SELECT ${idOf('n')}, 'group', 'Group ' || n, 'u1', CASE WHEN n = 1 THEN ${IN_LARGE} ELSE 2 END,
         CASE WHEN n = 1 THEN ${IN_LARGE + 1} ELSE 3 END, now() - n * interval '1 minute', 2
       FROM ${numbers} n`,
    );
    await prisma.$executeRawUnsafe(
      `INSERT INTO "ConversationParticipant" ("conversationId", "userId")
       SELECT ${idOf('n')}, 'u' || (n % 500 + 1) FROM ${numbers} n`,
    );
  }
  await prisma.$executeRawUnsafe(
    `INSERT INTO "ConversationParticipant" ("conversationId", "userId")
     SELECT ${idOf('n')}, '${ann.id}' FROM generate_series(1, 60) n
     UNION ALL SELECT ${idOf('1')}, '${few.id}'`,
  );
  const message = `INSERT INTO "Message" (id, "conversationId", seq, rev, "senderId", content, "deletedAt")
    SELECT gen_random_uuid(), ${idOf('c')}, s, s + 1, 'u' || (s % 500 + 1),
      CASE WHEN s % 50 = 0 THEN NULL ELSE 'message ' || s END, CASE WHEN s % 50 = 0 THEN now() END`;
  for (let from = 1; from <= IN_LARGE; from += PORTION) {
    const numbers = `generate_series(${from}, ${from + PORTION - 1})`;
    await prisma.$executeRawUnsafe(`${message} FROM (SELECT 1 AS c, s FROM ${numbers} s) numbered`);
    await prisma.$executeRawUnsafe(
      `${message} FROM (SELECT c + 1 AS c, s FROM ${numbers} c, generate_series(1, 2) s WHERE c % 2 = 1) numbered`,
    );
  }
  await prisma.$executeRawUnsafe('ANALYZE');
  large = '00000000-0000-7000-8000-000000000001';
  // Known from here on, so that no call has to enter them first.
  for (const person of [ann, few]) await person.get('/conversations?limit=1');
});

const outline = (statements: readonly string[]) =>
  statements.map((text) => text.replaceAll(/\s+/g, ' ').trim().slice(0, 60));

describe('the number of statements', () => {
  it('of a list of conversations is the same for one as for fifty', async () => {
    let items: unknown[] = [];
    const list = async (person: Person, query: string) => {
      ({ items } = await person.get<Page<Conversation>>(`/conversations${query}`));
    };
    const forOne = await statementsOf(() => list(few, '?limit=50'));
    expect(items).toHaveLength(1);
    const forFifty = await statementsOf(() => list(ann, '?limit=50'));
    expect(items).toHaveLength(50);
    const forUnread = await statementsOf(() => list(ann, '?filter=unread&limit=50'));
    expect(items).toHaveLength(50);
    // The page with all that is shown beside it, and the people of it.
    expect(outline(forOne)).toHaveLength(2);
    expect(outline(forFifty)).toEqual(outline(forOne));
    expect(outline(forUnread)).toHaveLength(2);
  });

  it('of a send is one, however many are in it, and also with mentions and a reply', async () => {
    const names = Array.from({ length: 40 }, (_, index) => `p${index}`);
    const [owner, ...others] = await world.people(...names);
    const small = await world.create('group', owner!, others[0]!);
    const big = await world.create('group', owner!, ...others);
    const first = await owner!.send(big, 'first');
    const only = [expect.stringContaining('parley_append')];
    expect(outline(await statementsOf(() => owner!.send(small, 'x')))).toEqual(only);
    expect(outline(await statementsOf(() => owner!.send(big, 'x')))).toEqual(only);
    const more = { mentions: others.map(({ id }) => id), replyToId: first.id, metadata: { a: 1 } };
    expect(outline(await statementsOf(() => owner!.send(big, 'x', more)))).toEqual(only);
  });
});

describe('conversations that are reached at one moment', () => {
  const reach = () => {
    const repository = new ConversationsRepository(world.app.app.database, { open: (row) => row });
    return (conversationId: string, person: Person) => repository.findAccess(conversationId, person.id);
  };

  it('take one statement, and each gets its own', async () => {
    const stranger = await world.person('stranger');
    const small = await world.create('group', few, stranger);
    const gone = await world.create('group', few, stranger);
    expect((await few.rest.delete(`/conversations/${gone}`)).status).toBe(204);
    const findAccess = reach();
    const asked: [string, Person][] = [
      [large, ann],
      [small, ann],
      [small, stranger],
      [gone, few],
      [large, ann],
      [randomUUID(), few],
    ];
    let found: Awaited<ReturnType<typeof findAccess>>[] = [];
    const statements = await statementsOf(async () => {
      found = await Promise.all(asked.map((one) => findAccess(...one)));
    });
    expect(statements).toHaveLength(1);
    expect(found.map((one) => one && [one.conversation.id, one.participant?.userId])).toEqual([
      [large, ann.id],
      [small, undefined],
      [small, stranger.id],
      null,
      [large, ann.id],
      null,
    ]);
  });

  it('are refused to strangers and given to members, through the door', async () => {
    const stranger = await world.person('uninvited');
    const status = async (person: Person) => (await person.rest.get(`/conversations/${large}/messages`)).status;
    const readers = Array.from({ length: 40 }, (_, index) => (index % 2 === 0 ? ann : stranger));
    const statuses = await Promise.all(readers.map(status));
    expect(statuses).toEqual(readers.map((reader) => (reader === ann ? 200 : 403)));
  });
});

describe('the plans', () => {
  const path = (rest: string) => () => ann.get(`/conversations/${large}${rest}`);

  it.each<[string, () => Promise<unknown>]>([
    ['the list of conversations', () => ann.get('/conversations?limit=50')],
    ['the list of unread ones', () => ann.get('/conversations?filter=unread&limit=50')],
    [
      'a later page of the list',
      async () => {
        const { nextCursor } = await ann.get<Page<unknown>>('/conversations?limit=10');
        await ann.get(`/conversations?limit=10&cursor=${nextCursor}`);
      },
    ],
    ['one conversation', () => ann.conversation(large)],
    ['the newest page of history', path('/messages')],
    ['a page before', path('/messages?before=5000')],
    ['a page after', path('/messages?after=5000')],
    ['a page around', path('/messages?around=5000')],
    ['changes from far behind', path('/changes?after=500')],
    ['changes from close behind', path('/changes?after=9990')],
    ['participants', path('/participants')],
    ['the badge', () => ann.get('/unread')],
    ['sync', () => ann.ok('rest', 'sync', { cursors: { [large]: 5 } })],
    ['marking', () => ann.ok('rest', 'conversation:read', { conversationId: large, seq: 3 })],
    ['marking as unread', () => ann.ok('rest', 'conversation:unread', { conversationId: large, seq: 2 })],
    ['connecting', async () => (await ann.connect()).disconnect()],
  ])('of %s read tables by their indexes', async (_what, work) => {
    const statements = await recordStatements(work);
    const readable = statements.filter(({ text }) => /^\s*(?:SELECT|WITH)/i.test(text));
    expect(readable.length).toBeGreaterThan(0);
    for (const statement of readable) {
      const nodes = await statement.explain();
      const scans = nodes.filter((node) => /^Seq Scan on (?:Message|Conversation|ConversationParticipant)$/.test(node));

      expect(scans, statement.text).toEqual([]);
    }
  });
});
