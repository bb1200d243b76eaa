import { newId } from '../../../utils/ids.ts';
import type { ConversationChange } from './conversation-log.ts';
import type { MessageRow } from './rows.ts';

/*
 * What can happen to a message after it was sent, each as the SQL of one change: the message takes the conversation's
 * next `rev`, and the functions answer with the row as it is then, or with that `rev`.
 */

/** Gives the message another text; the one it had is kept (EDIT-1). */
export async function storeEdit(
  change: ConversationChange,
  message: MessageRow,
  text: string,
  sanitized: boolean,
): Promise<MessageRow> {
  const rev = change.nextRev();
  await change.tx.$executeRaw`
    INSERT INTO "MessageRevision" (id, "conversationId", "messageId", content, at, by, rev)
    VALUES (${newId()}::uuid, ${message.conversationId}::uuid, ${message.id}::uuid, ${message.content},
      ${message.editedAt ?? message.createdAt}::timestamptz, ${message.senderId}, ${message.rev})`;
  await change.tx.$executeRaw`
    UPDATE "Message"
    SET content = ${text}, sanitized = ${sanitized}, "editedAt" = ${change.moment}::timestamptz, rev = ${rev}
    WHERE id = ${message.id}::uuid`;
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
    SET content = NULL, metadata = NULL, "deletedAt" = ${change.moment}::timestamptz, "deletedBy" = ${deletedBy},
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
  return { ...message, content: null, metadata: null, attachments: null, deletedAt: change.moment, deletedBy, rev };
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

async function touch(change: ConversationChange, message: MessageRow): Promise<number> {
  const rev = change.nextRev();
  await change.tx.$executeRaw`UPDATE "Message" SET rev = ${rev} WHERE id = ${message.id}::uuid`;
  return rev;
}
