import { randomUUID } from 'node:crypto';

/** What a client sends. */
export interface SentMessage {
  readonly conversationId: string;
  readonly content: string;
  readonly clientMessageId: string;
}

/** A message in the shape, and so of the length, in which the product tells it. */
export function makeMessage({ conversationId, content, clientMessageId }: SentMessage, seq: number, senderId: string) {
  return {
    id: randomUUID(),
    conversationId,
    seq,
    rev: seq,
    senderId,
    content,
    attachments: [],
    replyTo: null,
    mentions: [],
    metadata: null,
    reactions: [],
    clientMessageId,
    sanitized: false,
    createdAt: new Date().toISOString(),
    editedAt: null,
    deletedAt: null,
    deletedBy: null,
  };
}
