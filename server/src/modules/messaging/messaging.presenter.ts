import {
  API_PREFIX,
  type Attachment,
  CAPS,
  type Membership,
  type Message,
  type Participant,
  type ReplyPreview,
  type SharedConversation,
  type User,
} from '@parley/protocol';
import type {
  AttachmentRow,
  MembershipCounts,
  OwnParticipantRow,
  ReplyRow,
  SharedParticipantRow,
  ShownConversationRow,
  ShownMessageRow,
} from './repositories/rows.ts';

/** ISO 8601 in UTC with milliseconds, from any form of time that a query answers with. */
export function presentTime(time: string): string;
export function presentTime(time: string | null): string | null;
export function presentTime(time: string | null): string | null {
  if (time === null) return null;
  // As our connections write times, in UTC with no more than milliseconds: a date object for each would cost a hundred times as much.
  const written = UTC_TIME.exec(time);
  return written ? `${written[1]}T${written[2]}.${(written[3] ?? '').padEnd(3, '0')}Z` : new Date(time).toISOString();
}

const UTC_TIME = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,3}))?(?:Z|\+00(?::00)?)$/;

/** A message in wire shape. A deleted one has nothing left but its place (DEL-1). */
export function presentMessage(row: ShownMessageRow): Message {
  const deleted = row.deletedAt !== null;
  return {
    id: row.id,
    conversationId: row.conversationId,
    seq: row.seq,
    rev: row.rev,
    senderId: row.senderId,
    content: deleted ? null : row.content,
    attachments: deleted ? [] : (row.attachments ?? []).map(presentAttachment),
    replyTo: deleted || !row.replyTo ? null : presentReply(row.replyTo),
    mentions: deleted ? [] : (row.mentions ?? []),
    metadata: deleted ? null : row.metadata,
    reactions: deleted
      ? []
      : (row.reactions ?? []).map(({ emoji, userIds }) => ({ emoji, count: userIds.length, userIds })),
    clientMessageId: row.clientMessageId,
    sanitized: row.sanitized,
    createdAt: presentTime(row.createdAt),
    editedAt: presentTime(row.editedAt),
    deletedAt: presentTime(row.deletedAt),
    deletedBy: row.deletedBy,
    ...(row.unreadable && { unreadable: true as const }),
  };
}

/** What a file's row has as its preview. */
type FilePreview = Pick<Attachment, 'placeholder' | 'waveform'>;

/**
 * A file as everybody sees it. Its addresses need the token of somebody who may read the message, as every call does;
 * the addresses that an `<img>` can use are asked for by each reader.
 */
export function presentAttachment(row: AttachmentRow): Attachment {
  const url = `${API_PREFIX}/attachments/${row.id}`;
  const hasThumbnail = row.thumbnailSize !== null;
  return {
    id: row.id,
    fileName: row.fileName,
    mimeType: row.mimeType,
    size: row.size,
    width: row.width,
    height: row.height,
    durationMs: row.durationMs,
    hasThumbnail,
    ...(row.preview !== null && (JSON.parse(row.preview) as FilePreview)),
    url,
    thumbnailUrl: hasThumbnail ? `${url}/thumbnail` : null,
  };
}

/** The message that another one answers, cut to a preview by code points. */
export function presentReply(row: ReplyRow): ReplyPreview {
  return {
    id: row.id,
    seq: row.seq,
    senderId: row.senderId,
    content: row.deletedAt || row.content === null ? null : preview(row.content),
    deletedAt: presentTime(row.deletedAt),
  };
}

function preview(content: string): string {
  if (content.length <= CAPS.replyPreview) return content;
  return Array.from(content.slice(0, CAPS.replyPreview * 2))
    .slice(0, CAPS.replyPreview)
    .join('');
}

export function presentParticipant(row: SharedParticipantRow, user: User | undefined): Participant {
  return {
    user: user ?? { id: row.userId, name: row.userId, avatarUrl: null },
    role: row.role,
    joinedAt: presentTime(row.joinedAt),
    leftAt: presentTime(row.leftAt),
    lastReadSeq: row.lastReadSeq,
    lastDeliveredSeq: row.lastDeliveredSeq,
    silencedUntil: presentSilence(row.silencedUntil),
    rev: row.rev,
  };
}

/** A silence that is over is none. */
export function presentSilence(until: string | null): string | null {
  return until !== null && Date.parse(until) > Date.now() ? presentTime(until) : null;
}

/** Participants for somebody who is cut off from some of them: how far those have read is not for them to see. */
export function withoutPointers(participants: Participant[], cutOff: ReadonlySet<string>): Participant[] {
  if (cutOff.size === 0) return participants;
  return participants.map((participant) =>
    cutOff.has(participant.user.id) ? { ...participant, lastReadSeq: 0, lastDeliveredSeq: 0 } : participant,
  );
}

/** A conversation as everybody in it sees it. */
export function presentConversation(
  row: ShownConversationRow,
  lastMessage: ShownMessageRow | null,
  participants?: Participant[],
): SharedConversation {
  return {
    id: row.id,
    type: row.type,
    title: row.title,
    avatarUrl: row.avatarUrl,
    metadata: row.metadata,
    confidential: row.confidential,
    slowModeSeconds: row.slowModeSeconds,
    readOnly: row.readOnly,
    createdBy: row.createdBy,
    createdAt: presentTime(row.createdAt),
    updatedAt: presentTime(row.updatedAt),
    lastSeq: row.lastSeq,
    rev: row.rev,
    lastMessage: lastMessage && presentMessage(lastMessage),
    participantCount: row.participantCount,
    ...(participants && { participants }),
  };
}

export function presentMembership(row: OwnParticipantRow, counts: MembershipCounts): Membership {
  return {
    role: row.role,
    joinedAt: presentTime(row.joinedAt),
    lastReadSeq: row.lastReadSeq,
    lastDeliveredSeq: row.lastDeliveredSeq,
    unreadCount: counts.unreadCount,
    mentionCount: counts.mentionCount,
    mutedUntil: presentTime(row.mutedUntil),
    pinnedAt: presentTime(row.pinnedAt),
    archivedAt: presentTime(row.archivedAt),
    notify: row.notify,
  };
}
