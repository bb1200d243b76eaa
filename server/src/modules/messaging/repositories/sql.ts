import { Prisma } from '../../../../prisma/generated/client.ts';

/*
 * Pieces of SQL that several queries share. `c`, `p` and `m` are a conversation, a participant and a message of the
 * query around them.
 */

const DATA_KEY = `
  (SELECT json_build_object('keyId', k."keyId", 'wrapped', k.wrapped)
   FROM "ConversationKey" k WHERE k."conversationId" = m."conversationId")`;

/** The wrapped key of a confidential conversation: with it in hand, opening a row needs no look-up. */
export const dataKeyJson = Prisma.raw(DATA_KEY);

/**
 * A message with what is shown beside it, as one JSON value in the shape of `MessageRow`. Made as `json` and not as
 * `jsonb`, which would be put together and then written out: half of the time of a page. Most messages have nothing beside
 * them, and say so themselves.
 */
export const MESSAGE_JSON = `
  (SELECT to_json(shown) FROM (SELECT m.*,
    CASE WHEN m."replyToId" IS NOT NULL THEN (
      SELECT json_build_object('id', q.id, 'seq', q.seq, 'senderId', q."senderId",
        'content', q.content, 'sealed', q.sealed, 'deletedAt', q."deletedAt")
      FROM "Message" q WHERE q.id = m."replyToId") END AS "replyTo",
    CASE WHEN m.sealed IS NOT NULL THEN ${DATA_KEY} END AS "dataKey",
    CASE WHEN m."hasExtras" THEN (
      SELECT json_agg(n."userId" ORDER BY n."userId") FROM "Mention" n WHERE n."messageId" = m.id) END AS mentions,
    CASE WHEN m."hasExtras" THEN (
      SELECT json_agg(to_json(a) ORDER BY a."position") FROM "Attachment" a
      WHERE a."messageId" = m.id AND a."deletedAt" IS NULL) END AS attachments,
    CASE WHEN m."hasExtras" THEN (
      SELECT json_agg(json_build_object('emoji', r.emoji, 'userIds', r.people) ORDER BY r.first, r.emoji)
      FROM (
        SELECT emoji, min("createdAt") AS first, json_agg("userId" ORDER BY "createdAt", "userId") AS people
        FROM "Reaction" WHERE "messageId" = m.id GROUP BY emoji
      ) r) END AS reactions) shown)`;
export const messageJson = Prisma.raw(MESSAGE_JSON);

/**
 * READ-2 without counting: positions have no gaps and one's own sends move one's pointer, so unread is what lies
 * between pointer and end, less what was deleted there (a partial index has just those). Only after a mark as unread
 * can one's own messages lie above the pointer; then, and only then, rows are counted.
 */
export const UNREAD_COUNT = `
  (CASE WHEN p."lastOwnSeq" > p."lastReadSeq" THEN (
      SELECT count(*) FROM "Message" u
      WHERE u."conversationId" = p."conversationId" AND u.seq > p."lastReadSeq"
        AND u."senderId" <> p."userId" AND u."deletedAt" IS NULL)
    ELSE c."lastSeq" - p."lastReadSeq" - (
      SELECT count(*) FROM "Message" u
      WHERE u."conversationId" = p."conversationId" AND u.seq > p."lastReadSeq" AND u."deletedAt" IS NOT NULL)
  END)::int`;
export const unreadCount = Prisma.raw(UNREAD_COUNT);

/**
 * Unread messages of others that mention the person. Deleting a message deletes its mentions; who wrote it is asked
 * only where one's own messages can lie above the pointer, as with `unreadCount`.
 */
export const MENTION_COUNT = `
  (SELECT count(*) FROM "Mention" n
   WHERE n."userId" = p."userId" AND n."conversationId" = p."conversationId" AND n.seq > p."lastReadSeq"
     AND (p."lastOwnSeq" <= p."lastReadSeq" OR EXISTS (
       SELECT FROM "Message" u WHERE u.id = n."messageId" AND u."senderId" <> p."userId")))::int`;
export const mentionCount = Prisma.raw(MENTION_COUNT);

/** The newest message of a conversation, or null. */
export const lastMessageJson = Prisma.sql`
  (SELECT ${messageJson} FROM "Message" m WHERE m."conversationId" = c.id AND m.seq = c."lastSeq")`;
