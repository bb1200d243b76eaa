import type { Message, TimelineItem, TimelineMessage } from '@parley/client';

/** A stored message; `minutes` after the start of 2 March 2026, local time. */
export function messageOf(seq: number, minutes: number, senderId = 'ada', change: Partial<Message> = {}): Message {
  const at = new Date(2026, 2, 2, 0, minutes).toISOString();
  return {
    id: `m${seq}`,
    conversationId: 'c',
    seq,
    rev: seq + 1,
    senderId,
    content: `text ${seq}`,
    attachments: [],
    replyTo: null,
    mentions: [],
    metadata: null,
    reactions: [],
    clientMessageId: null,
    sanitized: false,
    createdAt: at,
    editedAt: null,
    deletedAt: null,
    deletedBy: null,
    ...change,
  };
}

/** The message in a timeline. */
export function itemOf(message: Message): TimelineMessage {
  return { kind: 'message', key: message.id, message, pending: null };
}

/** Messages that are not loaded. */
export function gapOf(fromSeq: number, toSeq: number): TimelineItem {
  return { kind: 'gap', key: `gap-${fromSeq}`, fromSeq, toSeq, loading: false };
}
