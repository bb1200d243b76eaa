import { z } from 'zod';
import { CAPS } from './limits.ts';

/** An id of Parley's own: a UUIDv7. */
export const IdSchema = z.uuid();
/** ISO 8601, UTC, milliseconds. */
export const TimeSchema = z.iso.datetime({ precision: 3 });
/** A position: 0, 1, 2 … below 2^53. */
export const PositionSchema = z.int().nonnegative();

export const ConversationTypeSchema = z.enum(['direct', 'group', 'channel']);
export const RoleSchema = z.enum(['owner', 'moderator', 'member', 'readonly']);
export const NotifySchema = z.enum(['all', 'mentions', 'none']);

/** What not every server can do. Clients pass over names they do not know. */
export const FeatureSchema = z
  .enum(['confidential'])
  .describe('`confidential`: it has a key for confidential conversations.');

export const UserSchema = z
  .strictObject({
    id: z.string().describe('The `sub` of the person’s token.'),
    name: z.string(),
    avatarUrl: z.string().nullable(),
    roles: z.array(z.string()).optional().describe('Only in `GET /me`.'),
    invisible: z.boolean().optional().describe('Only in `GET /me`: others see this person as offline.'),
    features: z
      .array(FeatureSchema)
      .optional()
      .describe('Only in `GET /me`: what this server can do as it is configured.'),
  })
  .meta({ id: 'User' });

export const ParticipantSchema = z
  .strictObject({
    user: UserSchema,
    role: RoleSchema,
    joinedAt: TimeSchema,
    leftAt: TimeSchema.nullable(),
    lastReadSeq: PositionSchema,
    lastDeliveredSeq: PositionSchema,
    silencedUntil: TimeSchema.nullable().describe('Until then this person writes nothing here.'),
    rev: PositionSchema.describe('The `rev` that last changed this membership.'),
  })
  .meta({ id: 'Participant' });

export const AttachmentSchema = z
  .strictObject({
    id: IdSchema,
    fileName: z.string(),
    mimeType: z.string(),
    size: z.int().nonnegative(),
    width: z.int().nullable(),
    height: z.int().nullable(),
    durationMs: z.int().nullable(),
    hasThumbnail: z.boolean(),
    placeholder: z
      .string()
      .optional()
      .describe('Of a picture: a ThumbHash in base64, to be shown until the picture is there.'),
    waveform: z
      .array(z.int().min(0).max(100))
      .optional()
      .describe('Of a recording: how loud it is from beginning to end. Left out where it could not be told.'),
    url: z.string(),
    thumbnailUrl: z.string().nullable(),
  })
  .meta({ id: 'Attachment' });

export const AttachmentLinkSchema = z
  .strictObject({
    attachment: AttachmentSchema,
    url: z.string().describe('Needs no token, for an `<img>`. For the asking person alone, until `expiresAt`.'),
    thumbnailUrl: z.string().nullable(),
    expiresAt: TimeSchema,
  })
  .meta({ id: 'AttachmentLink' });

export const ReactionSchema = z
  .strictObject({ emoji: z.string(), count: z.int().positive(), userIds: z.array(z.string()) })
  .meta({ id: 'Reaction' });

export const ReplyPreviewSchema = z
  .strictObject({
    id: IdSchema,
    seq: PositionSchema,
    senderId: z.string(),
    content: z.string().nullable().describe(`The first ${CAPS.replyPreview} characters, null when deleted.`),
    deletedAt: TimeSchema.nullable(),
  })
  .meta({ id: 'ReplyPreview' });

export const MetadataSchema = z.record(z.string(), z.json());

export const MessageSchema = z
  .strictObject({
    id: IdSchema,
    conversationId: IdSchema,
    seq: PositionSchema,
    rev: PositionSchema.describe('The `rev` that last changed this message.'),
    senderId: z.string(),
    content: z.string().nullable().describe('Text, to be shown as text. Null when deleted, or unreadable.'),
    attachments: z.array(AttachmentSchema),
    replyTo: ReplyPreviewSchema.nullable(),
    mentions: z.array(z.string()),
    metadata: MetadataSchema.nullable(),
    reactions: z.array(ReactionSchema),
    clientMessageId: z.string().nullable(),
    sanitized: z.boolean().describe('Markup was removed from the content.'),
    createdAt: TimeSchema,
    editedAt: TimeSchema.nullable(),
    deletedAt: TimeSchema.nullable(),
    deletedBy: z.string().nullable(),
    unreadable: z
      .literal(true)
      .optional()
      .describe('Only of a confidential conversation: what is stored of the message does not open.'),
  })
  .meta({ id: 'Message' });

export const SentMessageSchema = MessageSchema.extend({
  duplicate: z.boolean().describe('True for a repeat: nothing was stored or told again.'),
}).meta({ id: 'SentMessage' });

/** What of a conversation is the asking person's own. */
export const MembershipSchema = z
  .strictObject({
    role: RoleSchema,
    joinedAt: TimeSchema,
    lastReadSeq: PositionSchema,
    lastDeliveredSeq: PositionSchema,
    unreadCount: z.int().nonnegative(),
    mentionCount: z.int().nonnegative(),
    mutedUntil: TimeSchema.nullable(),
    pinnedAt: TimeSchema.nullable(),
    archivedAt: TimeSchema.nullable(),
    notify: NotifySchema,
  })
  .meta({ id: 'Membership' });

/** A conversation as everybody in it sees it. */
export const SharedConversationSchema = z
  .strictObject({
    id: IdSchema,
    type: ConversationTypeSchema,
    title: z.string().nullable(),
    avatarUrl: z.string().nullable(),
    metadata: MetadataSchema,
    confidential: z.boolean(),
    slowModeSeconds: z
      .int()
      .nonnegative()
      .describe('Members wait so long between two messages of theirs; 0: they need not.'),
    readOnly: z.boolean().describe('Only owners and moderators write.'),
    createdBy: z.string(),
    createdAt: TimeSchema,
    updatedAt: TimeSchema,
    lastSeq: PositionSchema,
    rev: PositionSchema,
    lastMessage: MessageSchema.nullable(),
    participantCount: z.int().nonnegative(),
    participants: z
      .array(ParticipantSchema)
      .optional()
      .describe(`The first ${CAPS.participantsInConversation} present participants.`),
  })
  .meta({ id: 'SharedConversation' });

export const ConversationSchema = SharedConversationSchema.extend({
  me: MembershipSchema.nullable().describe('Null for a reader who is no participant (a channel, an administrator).'),
}).meta({ id: 'Conversation' });

export const PresenceStatusSchema = z.enum(['online', 'away', 'offline']);

export const PresenceStateSchema = z
  .strictObject({
    userId: z.string(),
    status: PresenceStatusSchema,
    lastSeenAt: TimeSchema.nullable().describe('Null where it is not known, or not for the asking person to know.'),
  })
  .meta({ id: 'PresenceState' });

export const RevisionSchema = z
  .strictObject({ content: z.string(), at: TimeSchema, by: z.string() })
  .meta({ id: 'Revision' });

export const ChangeSchema = z
  .discriminatedUnion('type', [
    z.strictObject({ rev: PositionSchema, type: z.literal('message'), message: MessageSchema }),
    z.strictObject({ rev: PositionSchema, type: z.literal('participant'), participant: ParticipantSchema }),
    z.strictObject({ rev: PositionSchema, type: z.literal('conversation'), conversation: SharedConversationSchema }),
  ])
  .meta({ id: 'Change' });

export const ChangesSchema = z
  .strictObject({
    changes: z.array(ChangeSchema),
    rev: PositionSchema.describe('The conversation’s `rev` when the page was read.'),
    hasMore: z.boolean(),
  })
  .meta({ id: 'Changes' });

export const ReceiptStateSchema = z
  .strictObject({
    lastReadSeq: PositionSchema,
    lastDeliveredSeq: PositionSchema,
    unreadCount: z.int().nonnegative(),
  })
  .meta({ id: 'ReceiptState' });

export const SyncResultSchema = z
  .strictObject({
    behind: z.array(
      z.strictObject({
        conversationId: IdSchema,
        rev: PositionSchema,
        lastSeq: PositionSchema,
        unreadCount: z.int().nonnegative(),
      }),
    ),
    gone: z.array(z.string()).describe('Of the cursors sent: conversations one is no longer in.'),
    added: z.array(IdSchema).describe('Conversations one is in that the cursors did not name.'),
  })
  .meta({ id: 'SyncResult' });

export const BadgeSchema = z
  .strictObject({
    messages: z.int().nonnegative(),
    conversations: z.int().nonnegative(),
    mentions: z.int().nonnegative(),
  })
  .meta({ id: 'Badge' });

export const AuditEntrySchema = z
  .strictObject({
    id: IdSchema,
    at: TimeSchema,
    actorId: z.string(),
    action: z.string(),
    conversationId: IdSchema.nullable(),
    targetId: z.string().nullable(),
    reason: z.string().nullable(),
    before: z.json().nullable(),
    after: z.json().nullable(),
    hash: z.string(),
    previousHash: z.string(),
  })
  .meta({ id: 'AuditEntry' });

export const AuditVerdictSchema = z
  .strictObject({
    ok: z.boolean(),
    entries: z.int().nonnegative(),
    firstBad: z.string().nullable().describe('Id of the first entry that does not fit its chain.'),
    problem: z.string().nullable().describe('What is wrong with it.'),
  })
  .meta({ id: 'AuditVerdict' });

export const BlockSchema = z
  .strictObject({ user: UserSchema.describe('Whom one blocks.'), createdAt: TimeSchema })
  .meta({ id: 'Block' });

/** A report as its maker sees it. */
export const MessageReportSchema = z
  .strictObject({
    id: IdSchema,
    conversationId: IdSchema,
    messageId: IdSchema,
    reporterId: z.string(),
    reason: z.string(),
    createdAt: TimeSchema,
  })
  .meta({ id: 'MessageReport' });

export const ReportOutcomeSchema = z.enum(['dismissed', 'deleted', 'restricted']);

export const ReportSchema = MessageReportSchema.extend({
  resolvedAt: TimeSchema.nullable(),
  resolvedBy: z.string().nullable(),
  outcome: ReportOutcomeSchema.nullable().describe('Null while it is open.'),
  note: z.string().nullable().describe('What the administrator noted.'),
  message: MessageSchema.nullable().describe('As it is now.'),
}).meta({ id: 'Report' });

/** What a person is kept from everywhere. */
export const RestrictionsSchema = z
  .strictObject({
    userId: z.string(),
    silencedUntil: TimeSchema.nullable().describe('Until then this person writes nowhere.'),
    bannedAt: TimeSchema.nullable().describe('Since then this person is let in nowhere.'),
    reason: z.string().nullable().describe('What was given as the reason of the last change.'),
  })
  .meta({ id: 'Restrictions' });

/** A person as those see them who moderate. */
export const ModeratedUserSchema = z
  .strictObject({ user: UserSchema, createdAt: TimeSchema, lastSeenAt: TimeSchema.nullable() })
  .extend(RestrictionsSchema.omit({ userId: true }).shape)
  .meta({ id: 'ModeratedUser' });

export const RuleKindSchema = z.enum(['word', 'domain']);
export const RuleActionSchema = z.enum(['accept', 'mask', 'hold', 'reject']);

/** What happens to messages with some word, or with a link to some domain. */
export const RuleSchema = z
  .strictObject({
    id: IdSchema,
    kind: RuleKindSchema,
    pattern: z.string().describe('As it is compared: a word or several, or a domain with all below it; `*`: any link.'),
    action: RuleActionSchema,
    createdAt: TimeSchema,
    createdBy: z.string(),
  })
  .meta({ id: 'Rule' });

/** A message that waits for a moderator, or waited. */
export const HeldMessageSchema = z
  .strictObject({
    id: IdSchema.describe('The id that the message has once it is approved.'),
    conversationId: IdSchema,
    sender: UserSchema,
    content: z.string().nullable().describe('Null once it was decided.'),
    attachmentIds: z.array(IdSchema),
    cause: z.string().describe('Which rule or policy held it.'),
    createdAt: TimeSchema,
    resolvedAt: TimeSchema.nullable(),
    resolvedBy: z.string().nullable(),
    decision: z.enum(['approved', 'rejected']).nullable().describe('Null while it waits.'),
    note: z.string().nullable(),
    sentAt: TimeSchema.nullable().describe('When it became a message; null where it did not, or not yet.'),
    refusal: z.string().nullable().describe('Why it could not be sent although it was approved: a code of the errors.'),
  })
  .meta({ id: 'HeldMessage' });

export const JobStateSchema = z.enum(['waiting', 'running', 'done', 'failed']);

const job = {
  id: IdSchema,
  userId: z.string().describe('Whom it is about.'),
  requestedBy: z.string(),
  state: JobStateSchema,
  progress: z.strictObject({ done: z.int().nonnegative(), total: z.int().nonnegative() }),
  createdAt: TimeSchema,
  finishedAt: TimeSchema.nullable(),
};

/** A copy of everything that is a person's own. */
export const DataExportSchema = z
  .strictObject({
    ...job,
    size: z.int().nonnegative().nullable().describe('Bytes of the file; null until it is there.'),
    expiresAt: TimeSchema.nullable().describe('When the file goes; null until it is there.'),
  })
  .meta({ id: 'DataExport' });

/** The erasure of a person. */
export const ErasureSchema = z
  .strictObject({
    ...job,
    pseudonym: z.string().describe('Who is named as the author of what is left of the messages.'),
    proof: z
      .strictObject({
        messages: z.int().nonnegative(),
        files: z.int().nonnegative(),
        conversations: z.int().nonnegative().describe('Left by this.'),
        kept: z.int().nonnegative().describe('Messages that a legal hold keeps.'),
      })
      .nullable()
      .describe('What was erased, as the audit trail has it; null until it is done.'),
  })
  .meta({ id: 'Erasure' });

const retentionDays = z.int().positive().max(36_500).nullable().describe('Days; null: for ever.');

/** How long messages are kept, by the type of their conversation. */
export const RetentionSchema = z
  .strictObject({ direct: retentionDays, group: retentionDays, channel: retentionDays })
  .meta({ id: 'Retention' });

const retentionEffect = z
  .strictObject({
    messages: z.int().nonnegative().describe('Messages that would be deleted.'),
    conversations: z.int().nonnegative().describe('Conversations with such messages.'),
    oldest: TimeSchema.nullable(),
    held: z.int().nonnegative().describe('Messages as old as that which a legal hold keeps.'),
  })
  .meta({ id: 'RetentionEffect' });

export const RetentionPreviewSchema = z
  .strictObject({ direct: retentionEffect, group: retentionEffect, channel: retentionEffect })
  .meta({ id: 'RetentionPreview' });

/** Nothing of this person, or in this conversation, is erased or runs out while it lasts. */
export const LegalHoldSchema = z
  .strictObject({
    id: IdSchema,
    conversationId: IdSchema.nullable(),
    userId: z.string().nullable(),
    reason: z.string(),
    createdAt: TimeSchema,
    createdBy: z.string(),
  })
  .meta({ id: 'LegalHold' });

/** Master keys, and what each of them wraps. */
export const EncryptionKeysSchema = z
  .strictObject({
    keys: z.array(
      z.strictObject({
        id: z.string(),
        state: z
          .enum(['current', 'old', 'missing'])
          .describe('`current` wraps; `old` opens; `missing` is needed and not in ENCRYPTION_KEYS.'),
        conversations: z.int().nonnegative(),
        files: z.int().nonnegative(),
      }),
    ),
    rotation: z
      .strictObject({
        state: z.enum(['running', 'done', 'failed']),
        conversations: z.int().nonnegative().describe('Wrapped anew so far.'),
        files: z.int().nonnegative(),
        lost: z.int().nonnegative().describe('Left as they are: their master key is missing.'),
        startedAt: TimeSchema,
        finishedAt: TimeSchema.nullable(),
      })
      .nullable()
      .describe('The last one of the node that answers, since it started.'),
  })
  .meta({ id: 'EncryptionKeys' });

export const HighlightSchema = z
  .strictObject({ start: z.int().nonnegative(), end: z.int().positive() })
  .describe('A range of `content`, its end excluded, in UTF-16 code units.')
  .meta({ id: 'Highlight' });

export const SearchHitSchema = MessageSchema.extend({
  highlights: z.array(HighlightSchema).describe('What was found in `content`, in order, without overlap.'),
}).meta({ id: 'SearchHit' });

export const GuestSessionSchema = z.strictObject({ token: z.string(), user: UserSchema }).meta({ id: 'GuestSession' });

/** A page of a list: `nextCursor` is opaque, null at the end. */
export function pageOf<T extends z.ZodType>(item: T) {
  return z.strictObject({ items: z.array(item), nextCursor: z.string().nullable() });
}

export type ConversationType = z.output<typeof ConversationTypeSchema>;
export type Role = z.output<typeof RoleSchema>;
export type Notify = z.output<typeof NotifySchema>;
export type Feature = z.output<typeof FeatureSchema>;
export type User = z.output<typeof UserSchema>;
export type Participant = z.output<typeof ParticipantSchema>;
export type Attachment = z.output<typeof AttachmentSchema>;
export type AttachmentLink = z.output<typeof AttachmentLinkSchema>;
export type Reaction = z.output<typeof ReactionSchema>;
export type ReplyPreview = z.output<typeof ReplyPreviewSchema>;
export type Metadata = z.output<typeof MetadataSchema>;
export type Message = z.output<typeof MessageSchema>;
export type SentMessage = z.output<typeof SentMessageSchema>;
export type Membership = z.output<typeof MembershipSchema>;
export type SharedConversation = z.output<typeof SharedConversationSchema>;
export type Conversation = z.output<typeof ConversationSchema>;
export type PresenceStatus = z.output<typeof PresenceStatusSchema>;
export type PresenceState = z.output<typeof PresenceStateSchema>;
export type Revision = z.output<typeof RevisionSchema>;
export type Change = z.output<typeof ChangeSchema>;
export type Changes = z.output<typeof ChangesSchema>;
export type ReceiptState = z.output<typeof ReceiptStateSchema>;
export type SyncResult = z.output<typeof SyncResultSchema>;
export type Badge = z.output<typeof BadgeSchema>;
export type AuditEntry = z.output<typeof AuditEntrySchema>;
export type AuditVerdict = z.output<typeof AuditVerdictSchema>;
export type Block = z.output<typeof BlockSchema>;
export type MessageReport = z.output<typeof MessageReportSchema>;
export type ReportOutcome = z.output<typeof ReportOutcomeSchema>;
export type Report = z.output<typeof ReportSchema>;
export type Restrictions = z.output<typeof RestrictionsSchema>;
export type ModeratedUser = z.output<typeof ModeratedUserSchema>;
export type Rule = z.output<typeof RuleSchema>;
export type RuleKind = z.output<typeof RuleKindSchema>;
export type RuleAction = z.output<typeof RuleActionSchema>;
export type HeldMessage = z.output<typeof HeldMessageSchema>;
export type JobState = z.output<typeof JobStateSchema>;
export type DataExport = z.output<typeof DataExportSchema>;
export type Erasure = z.output<typeof ErasureSchema>;
export type Retention = z.output<typeof RetentionSchema>;
export type RetentionPreview = z.output<typeof RetentionPreviewSchema>;
export type LegalHold = z.output<typeof LegalHoldSchema>;
export type EncryptionKeys = z.output<typeof EncryptionKeysSchema>;
export type Highlight = z.output<typeof HighlightSchema>;
export type SearchHit = z.output<typeof SearchHitSchema>;
export type GuestSession = z.output<typeof GuestSessionSchema>;
export interface Page<T> {
  items: T[];
  nextCursor: string | null;
}
