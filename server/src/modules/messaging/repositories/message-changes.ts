import { Prisma } from '../../../../prisma/generated/client.ts';
import { newId } from '../../../utils/ids.ts';
import type { ConversationSeal } from '../../confidential/index.ts';
import type { ConversationChange } from './conversation-log.ts';
import type { MessageRow } from './rows.ts';

/*
 * What can happen to a message after it was sent, each as the SQL of one change: the message takes the conversation's
 * next `rev`, and the functions answer with the row as it is then, or with that `rev`.
 */

/**
 * Gives the message another text; the one it had is kept (EDIT-1).
 *
 * @param seal of a confidential conversation: both texts are sealed with it.
 */
export async function storeEdit(
  change: ConversationChange,
  message: MessageRow,
  {
    text,
    sanitized,
    seal,
  }: { readonly text: string; readonly sanitized: boolean; readonly seal: ConversationSeal | null },
): Promise<MessageRow> {
  const rev = change.nextRev();
  const { id, metadata } = message;
  const before = message.content ?? '';
  await change.tx.$executeRaw`
    INSERT INTO "MessageRevision" (id, "conversationId", "messageId", content, sealed, at, by, rev)
    VALUES (${newId()}::uuid, ${message.conversationId}::uuid, ${id}::uuid, ${seal ? null : before},
      ${seal?.sealRevision(id, message.rev, before) ?? null},
      ${message.editedAt ?? message.createdAt}::timestamptz, ${message.senderId}, ${message.rev})`;
  await change.tx.$executeRaw`
    UPDATE "Message"
    SET content = ${seal ? null : text}, sealed = ${seal?.sealMessage(id, { content: text, metadata }) ?? null},
      sanitized = ${sanitized}, "editedAt" = ${change.moment}::timestamptz, rev = ${rev}
    WHERE id = ${id}::uuid`;
  return { ...message, content: text, sanitized, editedAt: change.moment, rev };
}

/** Leaves nothing of the message but its place (DEL-1): text, earlier texts, reactions and mentions go. */
export async function storeDeletion(
  change: ConversationChange,
  message: MessageRow,
  deletedBy: string,
): Promise<MessageRow> {
  const rev = change.nextRev();
  const { id } = message;
  await change.tx.$executeRaw`
    UPDATE "Message"
    SET content = NULL, sealed = NULL, metadata = NULL, "deletedAt" = ${change.moment}::timestamptz, "deletedBy" = ${deletedBy},
      rev = ${rev}
    WHERE id = ${id}::uuid`;
  await change.tx.$executeRaw`DELETE FROM "Reaction" WHERE "messageId" = ${id}::uuid`;
  await change.tx.$executeRaw`DELETE FROM "Mention" WHERE "messageId" = ${id}::uuid`;
  await change.tx.$executeRaw`DELETE FROM "MessageRevision" WHERE "messageId" = ${id}::uuid`;
  // The indexer would do it by and by; but its words are to be gone with it.
  await change.tx.$executeRaw`DELETE FROM "SearchEntry" WHERE "messageId" = ${id}::uuid`;
  // From here on nobody gets them; the bytes go after the commit.
  await change.tx.$executeRaw`
    UPDATE "Attachment" SET "deletedAt" = ${change.moment}::timestamptz WHERE "messageId" = ${id}::uuid`;
  const { unreadable: _, ...left } = message;
  return {
    ...left,
    ...{ content: null, sealed: null, metadata: null, attachments: null },
    ...{ deletedAt: change.moment, deletedBy, rev },
  };
}

/** Sets a reaction that is not there. */
export async function storeReaction(
  change: ConversationChange,
  message: MessageRow,
  emoji: string,
  userId: string,
): Promise<number> {
  await change.tx.$executeRaw`
    INSERT INTO "Reaction" ("conversationId", "messageId", emoji, "userId", "createdAt")
    VALUES (${message.conversationId}::uuid, ${message.id}::uuid, ${emoji}, ${userId}, ${change.moment}::timestamptz)`;
  return touch(change, message);
}

/** Clears a reaction that is there. */
export async function clearReaction(
  change: ConversationChange,
  message: MessageRow,
  emoji: string,
  userId: string,
): Promise<number> {
  await change.tx.$executeRaw`
    DELETE FROM "Reaction" WHERE "messageId" = ${message.id}::uuid AND emoji = ${emoji} AND "userId" = ${userId}`;
  return touch(change, message);
}

/** The reactions of the message are others than before. */
async function touch(change: ConversationChange, message: MessageRow): Promise<number> {
  const rev = change.nextRev();
  await change.tx.$executeRaw`UPDATE "Message" SET rev = ${rev}, "hasExtras" = true WHERE id = ${message.id}::uuid`;
  return rev;
}

/** Which messages of a conversation go, and in whose place. */
export type Withdrawal =
  | { readonly kind: 'of sender'; readonly senderId: string; readonly pseudonym: string }
  | { readonly kind: 'sent before'; readonly moment: string };

/** Ids of messages that a withdrawal is about and no legal hold keeps, oldest first; of a sender also the deleted ones. */
export async function findWithdrawn(
  change: ConversationChange,
  withdrawal: Withdrawal,
  limit: number,
): Promise<string[]> {
  const which =
    withdrawal.kind === 'of sender'
      ? Prisma.sql`m."senderId" = ${withdrawal.senderId}`
      : Prisma.sql`m."createdAt" < ${withdrawal.moment}::timestamptz AND m."deletedAt" IS NULL`;
  const rows = await change.tx.$queryRaw<{ id: string }[]>`
    SELECT m.id::text AS id FROM "Message" m
    WHERE m."conversationId" = ${change.conversation.id}::uuid AND ${which}
      AND NOT EXISTS (
        SELECT FROM "LegalHold" h WHERE h."releasedAt" IS NULL
          AND (h."conversationId" = m."conversationId" OR h."userId" = m."senderId"))
    ORDER BY m.seq LIMIT ${limit}`;
  return rows.map(({ id }) => id);
}

/** Puts a pseudonym in the place of a message's author; what tells of this person beside it goes as well. */
export async function storePseudonym(
  change: ConversationChange,
  message: MessageRow,
  pseudonym: string,
): Promise<MessageRow> {
  const rev = message.deletedAt !== null && message.rev > change.conversation.rev ? message.rev : change.nextRev();
  await change.tx.$executeRaw`
    UPDATE "Message" SET "senderId" = ${pseudonym}, "clientMessageId" = NULL, "requestDigest" = NULL, rev = ${rev}
    WHERE id = ${message.id}::uuid`;
  return { ...message, senderId: pseudonym, clientMessageId: null, requestDigest: null, rev };
}

/** What this person has set on messages of this conversation; nothing where a legal hold keeps it. */
export async function findReactionsOf(
  change: ConversationChange,
  userId: string,
  limit: number,
): Promise<{ messageId: string; emoji: string }[]> {
  return change.tx.$queryRaw<{ messageId: string; emoji: string }[]>`
    SELECT r."messageId"::text AS "messageId", r.emoji FROM "Reaction" r
    WHERE r."userId" = ${userId} AND r."conversationId" = ${change.conversation.id}::uuid
      AND NOT EXISTS (
        SELECT FROM "LegalHold" h WHERE h."conversationId" = r."conversationId" AND h."releasedAt" IS NULL)
    ORDER BY r."messageId", r.emoji LIMIT ${limit}`;
}
