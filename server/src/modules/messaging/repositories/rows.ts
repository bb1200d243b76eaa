import type { ConversationType, Metadata, Notify, Role } from '@parley/protocol';
import type { WrappedKey } from '../../../infrastructure/key-ring.ts';
import type { UnreadableReason } from '../../../infrastructure/sealing.ts';

/**
 * Rows as the raw queries of this module read them. Most come as one JSON value made by PostgreSQL, so that numbers
 * and times look the same through every driver; pages of messages come in columns, which cost it half as much. Times are
 * ISO 8601 with an offset, with a space where JSON has a T, and are made canonical by the presenter; positions are below 2^53.
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
  slowModeSeconds: number;
  readOnly: boolean;
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
  silencedUntil: string | null;
  rev: number;
}

export interface ReplyRow {
  id: string;
  seq: number;
  senderId: string;
  content: string | null;
  /** The text in a confidential conversation, as it is kept. */
  sealed: string | null;
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
  /** What is shown until the bytes are there, as JSON. */
  preview: string | null;
  /** Where it is not null the name and the preview are sealed, until the row is opened. */
  keyId: string | null;
  wrappedKey: string | null;
}

export interface MessageRow {
  id: string;
  conversationId: string;
  seq: number;
  rev: number;
  senderId: string;
  /** Of a sealed message null until it is opened, and metadata with it. */
  content: string | null;
  metadata: Metadata | null;
  /** Content and metadata in a confidential conversation, as they are kept. */
  sealed: string | null;
  /** The conversation's key, with a sealed message. */
  dataKey: WrappedKey | null;
  /** Why a sealed message could not be opened. */
  unreadable?: UnreadableReason;
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

/** A conversation as it is shown. */
export type ShownConversationRow = Omit<
  ConversationRow,
  'deletedAt' | 'lastMessageAt' | 'changedRev' | 'auditCount' | 'auditHash'
>;

/** What of a membership everybody in the conversation sees. */
export type SharedParticipantRow = Pick<
  ParticipantRow,
  'userId' | 'role' | 'joinedAt' | 'leftAt' | 'lastReadSeq' | 'lastDeliveredSeq' | 'silencedUntil' | 'rev'
>;

/** What of a membership only its own person sees. */
export type OwnParticipantRow = Pick<
  ParticipantRow,
  'role' | 'joinedAt' | 'lastReadSeq' | 'lastDeliveredSeq' | 'mutedUntil' | 'pinnedAt' | 'archivedAt' | 'notify'
>;

/** A message as it is shown: without what tells a repeat of its sending. */
export type ShownMessageRow = Omit<MessageRow, 'requestDigest'>;

/** Makes rows of confidential conversations readable; the others stay as they are. */
export interface RowOpener {
  open<Row extends ShownMessageRow>(row: Row): Row;
}

/** What the asking person's own part of a conversation is made from. */
export interface MembershipCounts {
  unreadCount: number;
  mentionCount: number;
}
