/**
 * The least that answers a read: one prepared SELECT for each, and its rows as JSON. Nothing is checked, nobody is asked who
 * they are, nothing is kept or logged. The list has what the naive server's has, for the one person that reads. PORT: where
 * it listens; DATABASE_URL: a database with the product's tables.
 */
import { createServer } from 'node:http';
import pg from 'pg';
import { READER } from '../support/seed.ts';

/** As many connections as the product has for its hot reads. */
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 3 });

/** Conversations by their last activity, with the newest message and how many of others are unread. $1 who asks. */
const LIST = `
  SELECT c.id, c.title, c."lastSeq" - c."lastReadSeq" - (
      SELECT count(*) FROM "Message" u
      WHERE u."conversationId" = c.id AND u.seq > c."lastReadSeq" AND u."deletedAt" IS NOT NULL)::int AS "unreadCount",
    m.id AS "messageId", m.seq::float8, m.rev::float8, m."senderId", m.content, m."clientMessageId", m."createdAt"::text
  FROM (
    SELECT p."conversationId" AS id, p."lastReadSeq", c.title, c."lastSeq", c."lastMessageAt"
    FROM "ConversationParticipant" p JOIN "Conversation" c ON c.id = p."conversationId"
    WHERE p."userId" = $1 AND p."leftAt" IS NULL AND c."deletedAt" IS NULL
    ORDER BY c."lastMessageAt" DESC, c.id DESC LIMIT 50
  ) c
  LEFT JOIN "Message" m ON m."conversationId" = c.id AND m.seq = c."lastSeq"
  ORDER BY c."lastMessageAt" DESC, c.id DESC`;

/** 50 messages, the newest of those below a position. $1 the conversation, $2 the position. */
const PAGE = `
  SELECT id, "conversationId", seq::float8, rev::float8, "senderId", content, "clientMessageId", sanitized,
    "createdAt"::text, "editedAt"::text, "deletedAt"::text, "deletedBy"
  FROM "Message" WHERE "conversationId" = $1 AND seq < $2 ORDER BY "Message".seq DESC LIMIT 50`;

const server = createServer(async (request, response): Promise<unknown> => {
  const { pathname, searchParams } = new URL(request.url!, 'http://localhost');
  const [, first, conversationId] = pathname.split('/');
  if (first !== 'conversations') return response.end('ok');
  const before = searchParams.get('before') ?? String(Number.MAX_SAFE_INTEGER);
  const { rows } = await (conversationId === undefined
    ? pool.query({ name: 'list', text: LIST, values: [READER] })
    : pool.query({ name: 'page', text: PAGE, values: [conversationId, before] }));
  const body = Buffer.from(JSON.stringify({ items: rows }));
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length });
  return response.end(body);
});
server.listen(Number(process.env.PORT), '127.0.0.1');
