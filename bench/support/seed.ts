import { PrismaPg } from '@prisma/adapter-pg';
import { PrismaClient } from '../../server/prisma/generated/client.ts';

/** A database to be filled. */
export type Seeded = Pick<PrismaClient, '$executeRaw' | '$executeRawUnsafe' | '$queryRaw'>;

/** An id that sorts by its number, in the form of a UUIDv7. `kind` keeps those of several tables apart. */
export function numberedId(kind: number, number: number): string {
  const hex = number.toString(16).padStart(12, '0');
  return `01900000-${kind.toString(16).padStart(4, '0')}-7000-8000-${hex}`;
}

const CONVERSATION_KIND = 1;

/** The id of the nth conversation that `seedConversations` made, from 0. */
export function conversationId(nth: number): string {
  return numberedId(CONVERSATION_KIND, nth);
}

/** The id of the nth person, from 0. */
export function personId(nth: number): string {
  return `person-${nth}`;
}

/** Makes `count` groups, each with the people `members(nth)`. */
export async function seedConversations(
  prisma: Seeded,
  count: number,
  members: (nth: number) => readonly string[],
): Promise<void> {
  const groups = Array.from({ length: count }, (_, nth) => ({ id: conversationId(nth), members: members(nth) }));
  const json = JSON.stringify(groups);
  await prisma.$executeRaw`
    INSERT INTO "User" (id, name)
    SELECT DISTINCT person, person
    FROM jsonb_to_recordset(${json}::jsonb) AS g(id uuid, members jsonb), jsonb_array_elements_text(g.members) person
    ON CONFLICT DO NOTHING`;
  await prisma.$executeRaw`
    INSERT INTO "Conversation" (id, type, title, "createdBy", "participantCount")
    SELECT g.id, 'group', g.id::text, g.members ->> 0, jsonb_array_length(g.members)
    FROM jsonb_to_recordset(${json}::jsonb) AS g(id uuid, members jsonb)`;
  await prisma.$executeRaw`
    INSERT INTO "ConversationParticipant" ("conversationId", "userId")
    SELECT g.id, person
    FROM jsonb_to_recordset(${json}::jsonb) AS g(id uuid, members jsonb), jsonb_array_elements_text(g.members) person`;
}

/** The person whose list is read in `seedHistory`. */
export const READER = 'reader';

/** Conversations that the reader is not in. */
const OTHERS = 10_000;

/**
 * A long life of one person: `messages` spread evenly over `conversations`, written in turn, as they would have been,
 * beside the conversations of a thousand others, of which only the rows are there. One message in ten is the reader's
 * own, one in a hundred is deleted, some mention the reader, one in twenty has a reaction, one in fifty a file. The
 * reader is up to 200 messages behind in each conversation.
 */
export async function seedHistory(
  prisma: Seeded,
  { conversations, messages }: { conversations: number; messages: number },
): Promise<void> {
  await seedConversations(prisma, conversations + OTHERS, (nth) =>
    nth < conversations ? [READER, 'writer'] : [personId(nth % 1_000), personId((nth + 1 + (nth % 7)) % 1_000)],
  );
  const first = conversationId(0);
  const each = Math.floor(messages / conversations);
  const buildIndexes = await dropIndexes(prisma);
  // In pieces, so that each fits into memory wherever it is made.
  const piece = 20_000;
  for (let from = 0; from < each * conversations; from += piece) {
    await prisma.$executeRaw`
      INSERT INTO "Message" (id, "conversationId", seq, rev, "senderId", content, "clientMessageId", "requestDigest",
        "createdAt", "deletedAt", "deletedBy", "hasExtras")
      SELECT overlay(${numberedId(2, 0)} placing lpad(to_hex(n), 12, '0') from 25)::uuid,
        overlay(${first} placing lpad(to_hex(n % ${conversations}::int), 12, '0') from 25)::uuid,
        n / ${conversations}::int + 1, n / ${conversations}::int + 2,
        CASE WHEN (n / ${conversations}::int) % 10 = 0 THEN ${READER} ELSE 'writer' END,
        CASE WHEN n % 100 <> 99 THEN 'Message number ' || n || ', as long as many a line that people write each other.' END,
        'key-' || n, md5(n::text), now() - interval '1 year' + n * interval '30 seconds',
        CASE WHEN n % 100 = 99 THEN now() END, CASE WHEN n % 100 = 99 THEN 'writer' END,
        -- What comes beside them below.
        (n / ${conversations}::int + 1) % 100 = 7 OR (n / ${conversations}::int + 1) % 20 = 3
          OR (n / ${conversations}::int + 1) % 50 = 5
      FROM generate_series(${from}::int, ${Math.min(from + piece, each * conversations) - 1}::int) n`;
  }
  await buildIndexes();
  await prisma.$executeRaw`
    INSERT INTO "Mention" ("conversationId", "messageId", "userId", seq)
    SELECT "conversationId", id, ${READER}, seq FROM "Message"
    WHERE seq > ${each} - 200 AND "senderId" <> ${READER} AND "deletedAt" IS NULL AND seq % 100 = 7`;
  await prisma.$executeRaw`
    INSERT INTO "Reaction" ("conversationId", "messageId", emoji, "userId")
    SELECT "conversationId", id, '👍', ${READER} FROM "Message" WHERE seq % 20 = 3 AND "deletedAt" IS NULL`;
  await prisma.$executeRaw`
    INSERT INTO "Attachment" (id, "uploaderId", "conversationId", "messageId", position, "fileName", size, "readyAt")
    SELECT overlay(id::text placing '0003' from 10)::uuid, "senderId", "conversationId", id, 1, 'picture.png', 1000, now()
    FROM "Message" WHERE seq % 50 = 5 AND "deletedAt" IS NULL`;
  await prisma.$executeRaw`
    UPDATE "Conversation" SET "lastSeq" = ${each}, rev = ${each + 1},
      "lastMessageAt" = now() - ('x' || right(id::text, 8))::bit(32)::int * interval '1 minute'
    WHERE id < ${conversationId(conversations)}::uuid`;
  await prisma.$executeRaw`
    UPDATE "ConversationParticipant" SET
      "lastReadSeq" = greatest(0, ${each} - 1 - ('x' || right("conversationId"::text, 8))::bit(32)::int % 200)
    WHERE "userId" = ${READER}`;
  await prisma.$executeRaw`
    UPDATE "ConversationParticipant" p SET "lastOwnSeq" = p."lastReadSeq" - (p."lastReadSeq" - 1) % 10
    WHERE "userId" = ${READER} AND p."lastReadSeq" > 0`;
}

/** Takes the indexes of messages away but for the key: to build them at the end takes a fraction of the time. */
async function dropIndexes(prisma: Seeded): Promise<() => Promise<void>> {
  const indexes = await prisma.$queryRaw<{ name: string; definition: string }[]>`
    SELECT indexname::text AS name, indexdef AS definition FROM pg_indexes
    WHERE tablename = 'Message' AND indexname <> 'Message_pkey'`;
  for (const { name } of indexes) await prisma.$executeRawUnsafe(`DROP INDEX "${name}"`);
  return async () => {
    for (const { definition } of indexes) await prisma.$executeRawUnsafe(definition);
  };
}

/** A client as the tutorials make it: ten connections, no limits of time, and patience with whoever waits for one. */
export function openPlainClient(databaseUrl: string): PrismaClient {
  return new PrismaClient({ adapter: new PrismaPg({ connectionString: databaseUrl, max: 10 }) });
}

/**
 * Fills a migrated database and has the planner look at what was made. A server is filled over a plain client, since it
 * takes longer than the product allows a statement; the embedded database, which has no such limit, through the product's.
 */
export async function seedDatabase(
  { prisma, databaseUrl }: { prisma: PrismaClient; databaseUrl: string | undefined },
  seed: (database: Seeded) => Promise<void>,
): Promise<void> {
  const client = databaseUrl === undefined ? prisma : openPlainClient(databaseUrl);
  try {
    await seed(client);
    // A server that ran all along has indexed what it stored; what is found is not measured here.
    await client.$executeRaw`
      INSERT INTO "SearchProgress" ("conversationId", rev) SELECT id, rev FROM "Conversation"`;
    await client.$executeRaw`ANALYZE`;
  } finally {
    if (client !== prisma) await client.$disconnect();
  }
}
