import type { MessageRow, RowOpener, ShownMessageRow } from './rows.ts';
import { MESSAGE_JSON } from './sql.ts';

/**
 * A message `m` as columns of a row: a plain one costs both sides half as much as it would as JSON. One that has anything
 * beside its text, or a story, comes as JSON as well.
 */
export const MESSAGE_COLUMNS = `
  m.id AS "messageId", m.seq::float8 AS seq, m.rev::float8 AS "messageRev", m."senderId", m.content, m."clientMessageId",
  m."createdAt"::text AS "sentAt",
  CASE WHEN m."hasExtras" OR m.sanitized OR m.metadata IS NOT NULL OR m."replyToId" IS NOT NULL OR m.sealed IS NOT NULL
      OR m."editedAt" IS NOT NULL OR m."deletedAt" IS NOT NULL
    THEN ${MESSAGE_JSON} END AS message`;

/** A row of `MESSAGE_COLUMNS`. */
export interface MessageColumns {
  readonly messageId: string;
  readonly seq: number;
  readonly messageRev: number;
  readonly senderId: string;
  readonly content: string | null;
  readonly clientMessageId: string | null;
  readonly sentAt: string;
  /** Null where the columns say it all. */
  readonly message: MessageRow | null;
}

/** The message of such a row, opened where it is sealed. */
export function messageFrom(row: MessageColumns, conversationId: string, opener: RowOpener): ShownMessageRow {
  if (row.message) return opener.open(row.message);
  // Written out, since a page makes dozens and copies of objects are slow.
  return {
    id: row.messageId,
    conversationId,
    seq: row.seq,
    rev: row.messageRev,
    senderId: row.senderId,
    content: row.content,
    metadata: null,
    sealed: null,
    dataKey: null,
    sanitized: false,
    clientMessageId: row.clientMessageId,
    createdAt: row.sentAt,
    editedAt: null,
    deletedAt: null,
    deletedBy: null,
    replyTo: null,
    mentions: null,
    attachments: null,
    reactions: null,
  };
}
