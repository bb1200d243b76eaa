import type { ConversationType, Metadata, Notify, Role } from '@parley/protocol';

/**
 * Rows as the raw queries of this module read them: each comes as one JSON value made by PostgreSQL, so that numbers
 * and times look the same through every driver. Times are ISO 8601 with an offset and are made canonical by the
 * presenter; positions are below 2^53.
 */
export interface ConversationRow {
  id: string;
  type: ConversationType;
  title: string | null;
  avatarUrl: string | null;
  metadata: Metadata;
  confidential: boolean;
  createdBy: string;
  createdAt: string;
  updatedAt: string;
  deletedAt: string | null;
  lastSeq: number;
  rev: number;
  lastMessageAt: string | null;
  changedRev: number;
  participantCount: number;
  auditCount: number;
  auditHash: string;
}

export interface ParticipantRow {
  conversationId: string;
  userId: string;
  role: Role;
  joinedAt: string;
  leftAt: string | null;
  removedBy: string | null;
  lastReadSeq: number;
  lastDeliveredSeq: number;
  lastOwnSeq: number;
  mutedUntil: string | null;
  pinnedAt: string | null;
  archivedAt: string | null;
  notify: Notify;
  rev: number;
}

export interface ReplyRow {
  id: string;
  seq: number;
  senderId: string;
  content: string | null;
  deletedAt: string | null;
}

/** A file of a message. */
export interface AttachmentRow {
  id: string;
  fileName: string;
  mimeType: string;
  size: number;
  width: number | null;
  height: number | null;
  durationMs: number | null;
  thumbnailSize: number | null;
}

export interface MessageRow {
  id: string;
  conversationId: string;
  seq: number;
  rev: number;
  senderId: string;
  content: string | null;
  metadata: Metadata | null;
  sanitized: boolean;
  clientMessageId: string | null;
  requestDigest: string | null;
  createdAt: string;
  editedAt: string | null;
  deletedAt: string | null;
  deletedBy: string | null;
  replyTo: ReplyRow | null;
  mentions: string[] | null;
  attachments: AttachmentRow[] | null;
  reactions: { emoji: string; userIds: string[] }[] | null;
}

/** What the asking person's own part of a conversation is made from. */
export interface MembershipCounts {
  unreadCount: number;
  mentionCount: number;
}
