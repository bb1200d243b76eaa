import type { Conversation, Page } from '@parley/protocol';
import { beforeAll, describe, expect, it } from 'vitest';
import { recordStatements, type Statement } from '../support/statements.ts';
import { type Person, useWorld } from '../support/world.ts';

const world = useWorld();

const CONVERSATIONS = 30_000;
const MESSAGES = 20_000;

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
  await prisma.$executeRawUnsafe(
    `INSERT INTO "Conversation" (id, type, title, "createdBy", "lastSeq", rev, "lastMessageAt", "participantCount")
     SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'group', 'Group ' || n, 'u1',
       CASE WHEN n = 1 THEN ${MESSAGES / 2} ELSE 2 END, CASE WHEN n = 1 THEN ${MESSAGES / 2 + 1} ELSE 3 END,
       now() - n * interval '1 minute', 4
     FROM generate_series(1, ${CONVERSATIONS}) n`,
  );
  await prisma.$executeRawUnsafe(
    `INSERT INTO "ConversationParticipant" ("conversationId", "userId", role)
     SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'u' || ((n * 7 + k * 31) % 500 + 1), 'member'::"ParticipantRole"
     FROM generate_series(1, ${CONVERSATIONS}) n, generate_series(1, 1) k
     UNION ALL
     SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, '${ann.id}', 'owner'::"ParticipantRole" FROM generate_series(1, 60) n
     UNION ALL
     SELECT '00000000-0000-7000-8000-000000000001', '${few.id}', 'member'::"ParticipantRole"`,
  );
  await prisma.$executeRawUnsafe(
    `INSERT INTO "Message" (id, "conversationId", seq, rev, "senderId", content, "deletedAt")
     SELECT gen_random_uuid(), ('00000000-0000-7000-8000-' || lpad(c::text, 12, '0'))::uuid, s, s + 1, 'u' || (s % 500 + 1),
       CASE WHEN s % 50 = 0 THEN NULL ELSE 'message ' || s END, CASE WHEN s % 50 = 0 THEN now() END
     FROM (
       SELECT 1 AS c, s FROM generate_series(1, ${MESSAGES / 2}) s
       UNION ALL
       SELECT c, s FROM generate_series(2, ${MESSAGES / 4 + 1}) c, generate_series(1, 2) s
     ) numbered WHERE c <= ${CONVERSATIONS}`,
  );
  await prisma.$executeRawUnsafe('ANALYZE');
  large = '00000000-0000-7000-8000-000000000001';
  // Known from here on, so that no call has to enter them first.
  for (const person of [ann, few]) await person.get('/conversations?limit=1');
});

const outline = (statements: readonly Statement[]) =>
  statements.map(({ text }) => text.replaceAll(/\s+/g, ' ').trim().slice(0, 60));

describe('the number of statements', () => {
  it('of a list of conversations is the same for one as for fifty', async () => {
    let items: unknown[] = [];
    const list = async (person: Person, query: string) => {
      ({ items } = await person.get<Page<Conversation>>(`/conversations${query}`));
    };
    const forOne = await recordStatements(() => list(few, '?limit=50'));
    expect(items).toHaveLength(1);
    const forFifty = await recordStatements(() => list(ann, '?limit=50'));
    expect(items).toHaveLength(50);
    const forUnread = await recordStatements(() => list(ann, '?filter=unread&limit=50'));
    expect(items).toHaveLength(50);
    expect(outline(forFifty)).toEqual(outline(forOne));
    expect(forUnread).toHaveLength(forOne.length);
    // The page with all that is shown beside it, and the people of it.
    expect(forOne).toHaveLength(2);
  });

  it('of a send is one, however many are in it, and also with mentions, a reply and a key', async () => {
    const names = Array.from({ length: 40 }, (_, index) => `p${index}`);
    const [owner, ...others] = await world.people(...names);
    const small = await world.create('group', owner!, others[0]!);
    const big = await world.create('group', owner!, ...others);
    const first = await owner!.send(big, 'first');
    expect(await recordStatements(() => owner!.send(small, 'x'))).toHaveLength(1);
    expect(await recordStatements(() => owner!.send(big, 'x'))).toHaveLength(1);
    const more = {
      mentions: others.map(({ id }) => id),
      replyToId: first.id,
      clientMessageId: 'key',
      metadata: { a: 1 },
    };
    const statements = await recordStatements(() => owner!.send(big, 'x', more));
    expect(outline(statements)).toEqual([expect.stringContaining('parley_append')]);
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
