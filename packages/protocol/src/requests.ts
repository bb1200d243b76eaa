import { z } from 'zod';
import { CAPS } from './limits.ts';
import {
  ConversationTypeSchema,
  NotifySchema,
  PositionSchema,
  ReportOutcomeSchema,
  RoleSchema,
  RuleActionSchema,
  RuleKindSchema,
} from './shapes.ts';
import { countCodePoints, isCleanJson, isCleanString, isEmoji, isWithinDepth } from './text.ts';

const notClean = 'Must not contain NUL or lone surrogates.';

/** A string that can be stored and sent as it is. */
const text = () => z.string().refine(isCleanString, notClean);

/** Text of at most `most` code points. */
const shortText = (most: number) =>
  text()
    .refine((value) => countCodePoints(value) <= most, `Must have at most ${most} characters.`)
    .meta({ maxLength: most });

/** An id in a request, in lower case. One that is no UUID names nothing, which is a 404 and not a 400. */
export const IdInputSchema = text()
  .min(1)
  .max(128)
  .overwrite((id) => id.toLowerCase());

export const UserIdInputSchema = text()
  .min(1)
  .refine((value) => value.length <= CAPS.userId, `Must have at most ${CAPS.userId} characters.`);

/** A list in which repeats do not count. */
const distinct = <T extends z.ZodType<string>>(item: T, most: number) =>
  z
    .array(item)
    .max(most * 4)
    .overwrite((items) => [...new Set(items)])
    .refine((items) => items.length <= most, `Must have at most ${most} entries.`)
    .meta({ maxItems: most });

const bytes = new TextEncoder();

// The depth first: walking a value by its schema takes as much stack as the value is deep.
const metadata = z
  .record(z.string(), z.unknown())
  .refine((value) => isWithinDepth(value, CAPS.metadataDepth), {
    message: `Must have at most ${CAPS.metadataDepth} levels.`,
    abort: true,
  })
  .pipe(
    z
      .record(z.string(), z.json())
      .refine(isCleanJson, notClean)
      .refine(
        (value) => bytes.encode(JSON.stringify(value)).length <= CAPS.metadataBytes,
        `Must have at most ${CAPS.metadataBytes} bytes as JSON.`,
      ),
  );

const avatarUrl = shortText(CAPS.avatarUrl).refine(isWebAddress, 'Must be an http or https address.');

const position = PositionSchema.max(Number.MAX_SAFE_INTEGER);

export const ClientMessageIdSchema = text()
  .min(1)
  .refine(
    (value) => countCodePoints(value) <= CAPS.clientMessageId,
    `Must have at most ${CAPS.clientMessageId} characters.`,
  );

/** One grapheme that is an emoji. */
export const EmojiInputSchema = text().max(CAPS.emoji).refine(isEmoji, 'Must be one emoji.');

export const CreateConversationSchema = z
  .strictObject({
    type: ConversationTypeSchema,
    participantIds: distinct(UserIdInputSchema, CAPS.peopleInCall).default([]),
    title: shortText(CAPS.title).optional(),
    metadata: metadata.optional(),
    confidential: z.boolean().optional(),
  })
  .meta({ id: 'CreateConversation' });

export const UpdateConversationSchema = z
  .strictObject({
    title: shortText(CAPS.title).nullable().optional(),
    avatarUrl: avatarUrl.nullable().optional(),
    metadata: metadata.optional(),
    slowModeSeconds: z.int().min(0).max(CAPS.slowModeSeconds).optional(),
    readOnly: z.boolean().optional(),
  })
  .meta({ id: 'UpdateConversation' });

export const AddParticipantsSchema = z
  .strictObject({
    userIds: distinct(UserIdInputSchema, CAPS.peopleInCall).refine((items) => items.length > 0, 'Must name somebody.'),
  })
  .meta({ id: 'AddParticipants' });

const silencedUntil = z.iso
  .datetime({ offset: true })
  .nullable()
  .describe('Writes nothing until then; null, or a time that has passed: may write again.');

export const UpdateParticipantSchema = z
  .strictObject({ role: RoleSchema.optional(), silencedUntil: silencedUntil.optional() })
  .refine(({ role, silencedUntil: until }) => role !== undefined || until !== undefined, {
    message: 'Must say what to change.',
    path: ['role'],
  })
  .meta({ id: 'UpdateParticipant' });

export const UpdateMembershipSchema = z
  .strictObject({
    mutedUntil: z.iso.datetime({ offset: true }).nullable().optional().describe('Muted until then; null unmutes.'),
    pinned: z.boolean().optional(),
    archived: z.boolean().optional(),
    notify: NotifySchema.optional(),
  })
  .meta({ id: 'UpdateMembership' });

export const SendMessageSchema = z
  .strictObject({
    content: text().default('').describe('1 to 10,000 characters after sanitizing; may be empty with an attachment.'),
    clientMessageId: ClientMessageIdSchema.optional(),
    attachmentIds: distinct(IdInputSchema, CAPS.attachments).default([]),
    replyToId: IdInputSchema.optional(),
    mentions: distinct(UserIdInputSchema, CAPS.mentions).default([]),
    metadata: metadata.optional(),
  })
  .meta({ id: 'SendMessage' });

export const EditMessageSchema = z
  .strictObject({ content: text(), ifRev: position.optional().describe('Only if the message is still at this `rev`.') })
  .meta({ id: 'EditMessage' });

export const DeleteMessageSchema = z
  .strictObject({ reason: shortText(CAPS.reason).optional() })
  .meta({ id: 'DeleteMessage' });

export const ReportMessageSchema = z
  .strictObject({ reason: shortText(CAPS.reason).refine((value) => value.trim() !== '', 'Must not be empty.') })
  .meta({ id: 'ReportMessage' });

export const ResolveReportSchema = z
  .strictObject({
    outcome: ReportOutcomeSchema.describe(
      '`deleted` deletes the message and closes every open report of it; `restricted` does so too, but leaves the message.',
    ),
    note: shortText(CAPS.reason).optional(),
    author: z
      .strictObject({
        silencedUntil: z.iso.datetime({ offset: true }).optional(),
        where: z.enum(['conversation', 'everywhere']).default('everywhere').describe('Where the author is silenced.'),
        banned: z.literal(true).optional(),
      })
      .refine((author) => author.silencedUntil !== undefined || author.banned === true, 'Must say what to do.')
      .optional()
      .describe('What becomes of whoever wrote the message.'),
  })
  .refine(({ outcome, author }) => (outcome === 'restricted' ? author !== undefined : true), {
    message: 'Must say what becomes of the author.',
    path: ['author'],
  })
  .refine(({ outcome, author }) => (outcome === 'dismissed' ? author === undefined : true), {
    message: 'Not with a report that is dismissed.',
    path: ['author'],
  })
  .meta({ id: 'ResolveReport' });

export const PutRestrictionsSchema = z
  .strictObject({
    silencedUntil: silencedUntil.optional(),
    banned: z.boolean().optional(),
    reason: shortText(CAPS.reason).optional(),
  })
  .meta({ id: 'PutRestrictions' });

export const CreateRuleSchema = z
  .strictObject({
    kind: RuleKindSchema,
    pattern: shortText(CAPS.rulePattern).refine((value) => value.trim() !== '', 'Must not be empty.'),
    action: RuleActionSchema,
  })
  .meta({ id: 'CreateRule' });

export const ResolveHeldSchema = z
  .strictObject({ decision: z.enum(['approve', 'reject']), note: shortText(CAPS.reason).optional() })
  .meta({ id: 'ResolveHeld' });

export const EraseUserSchema = z.strictObject({ reason: shortText(CAPS.reason).optional() }).meta({ id: 'EraseUser' });

const retentionDays = z.int().min(1).max(36_500).nullable().describe('Days; null: for ever.');

export const PutRetentionSchema = z
  .strictObject({
    direct: retentionDays.optional(),
    group: retentionDays.optional(),
    channel: retentionDays.optional(),
  })
  .meta({ id: 'PutRetention' });

export const CreateLegalHoldSchema = z
  .strictObject({
    conversationId: IdInputSchema.optional(),
    userId: UserIdInputSchema.optional(),
    reason: shortText(CAPS.reason).refine((value) => value.trim() !== '', 'Must not be empty.'),
  })
  .refine(({ conversationId, userId }) => (conversationId === undefined) !== (userId === undefined), {
    message: 'Either a conversation or a person.',
    path: ['conversationId'],
  })
  .meta({ id: 'CreateLegalHold' });

export const MarkSchema = z.strictObject({ seq: position }).meta({ id: 'Mark' });

export const SyncSchema = z
  .strictObject({
    cursors: z
      .record(IdInputSchema, position)
      .refine(
        (value) => Object.keys(value).length <= CAPS.syncCursors,
        `Must have at most ${CAPS.syncCursors} cursors.`,
      ),
  })
  .meta({ id: 'Sync' });

export const PutUserSchema = z
  .strictObject({ name: shortText(CAPS.name).optional(), avatarUrl: avatarUrl.nullable().optional() })
  .meta({ id: 'PutUser' });

export const UpdateMeSchema = z
  .strictObject({ invisible: z.boolean().optional().describe('Others see this person as offline.') })
  .meta({ id: 'UpdateMe' });

export const PresenceWatchSchema = z
  .strictObject({ userIds: distinct(UserIdInputSchema, CAPS.presenceWatch) })
  .meta({ id: 'PresenceWatch' });

export const ReportClientErrorSchema = z
  .strictObject({
    message: shortText(CAPS.clientError),
    stack: shortText(CAPS.clientErrorStack).optional(),
    during: shortText(CAPS.name).describe('What the client was about.'),
  })
  .meta({ id: 'ReportClientError' });

export const GuestSignInSchema = z.strictObject({ name: shortText(CAPS.name) }).meta({ id: 'GuestSignIn' });

export const RefreshTokenSchema = z.strictObject({ token: z.string().min(1).max(16_384) });

/** Parameters of a list, as they stand in an address. */
export const PageQuerySchema = z.object({
  limit: z.coerce.number().int().min(1).max(CAPS.pageMost).default(CAPS.pageDefault),
  cursor: z.string().max(2048).optional(),
});

const searchText = shortText(CAPS.query).optional();
const queryPosition = z.coerce.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER).optional();

export const PeopleQuerySchema = PageQuerySchema.extend({ query: searchText });
export const ChannelsQuerySchema = PageQuerySchema.extend({ query: searchText });
export const ConversationsQuerySchema = PageQuerySchema.extend({
  filter: z.enum(['all', 'unread', 'pinned', 'archived']).default('all'),
});
export const ParticipantsQuerySchema = PageQuerySchema.extend({
  former: z.enum(['true', 'false']).default('false').describe('`true`: those who left.'),
});
export const HistoryQuerySchema = PageQuerySchema.extend({
  before: queryPosition.describe('Messages below this `seq`, the nearest ones.'),
  after: queryPosition.describe('Messages above this `seq`, the nearest ones.'),
  around: queryPosition.describe('Messages on both sides of this `seq`.'),
}).refine((query) => [query.before, query.after, query.around].filter((value) => value !== undefined).length <= 1, {
  message: 'Only one of before, after and around.',
  path: ['before'],
});
export const ChangesQuerySchema = z.object({
  after: z.coerce.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER).default(0),
  limit: z.coerce.number().int().min(1).max(CAPS.changesMost).default(CAPS.changesDefault),
});
export const AuditQuerySchema = PageQuerySchema.extend({
  conversationId: IdInputSchema.optional(),
  actorId: UserIdInputSchema.optional(),
  action: shortText(64).optional(),
  before: z.iso.datetime({ offset: true }).optional(),
  after: z.iso.datetime({ offset: true }).optional(),
});
export const AuditVerifyQuerySchema = z.object({ conversationId: IdInputSchema.optional() });

export const ReportsQuerySchema = PageQuerySchema.extend({
  state: z.enum(['open', 'closed', 'all']).default('open'),
  conversationId: IdInputSchema.optional(),
});
export const ModeratedUsersQuerySchema = PageQuerySchema.extend({
  query: searchText,
  restricted: z.enum(['true', 'false']).default('false').describe('`true`: only who is silenced or banned now.'),
});
export const HeldQuerySchema = PageQuerySchema.extend({ state: z.enum(['open', 'closed', 'all']).default('open') });
const previewDays = z.coerce.number().int().min(1).max(36_500).optional();
export const RetentionPreviewQuerySchema = z.object({
  direct: previewDays.describe('Days; where it is left out, what is set now.'),
  group: previewDays,
  channel: previewDays,
});
export const SearchQuerySchema = PageQuerySchema.extend({
  q: shortText(CAPS.query)
    .refine((value) => value.trim() !== '', 'Must not be empty.')
    .describe('Words, each of which a word of the message must begin with; "words in quotes" stand side by side.'),
  conversationId: IdInputSchema.optional(),
  senderId: UserIdInputSchema.optional(),
  before: z.iso.datetime({ offset: true }).optional().describe('Sent before this time.'),
  after: z.iso.datetime({ offset: true }).optional().describe('Sent after this time.'),
  hasFile: z.enum(['true', 'false']).optional().describe('Only with a file, or only without.'),
  order: z
    .enum(['newest', 'best'])
    .default('newest')
    .describe('`best`: those first that have the words most often and closest together, of the newest 500 hits.'),
});

export const UploadFormSchema = z.strictObject({ file: z.file().describe('The one file; its name is kept as text.') });
export const AttachmentQuerySchema = z.object({
  download: z.enum(['true', 'false']).optional().describe('`true`: to be saved, also what could be shown.'),
  user: UserIdInputSchema.optional().describe('Of a signed address, with `expires` and `signature`.'),
  expires: z.coerce.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER).optional(),
  signature: z.string().max(128).optional(),
});

export const ConversationPathSchema = z.object({ cid: IdInputSchema });
export const ParticipantPathSchema = z.object({ cid: IdInputSchema, uid: UserIdInputSchema });
export const MessagePathSchema = z.object({ cid: IdInputSchema, mid: IdInputSchema });
export const ReactionPathSchema = z.object({ cid: IdInputSchema, mid: IdInputSchema, emoji: EmojiInputSchema });
export const AttachmentPathSchema = z.object({ aid: IdInputSchema });
export const UserPathSchema = z.object({ uid: UserIdInputSchema });
export const ReportPathSchema = z.object({ rid: IdInputSchema });
export const RulePathSchema = z.object({ id: IdInputSchema });
export const HeldPathSchema = z.object({ id: IdInputSchema });
export const ExportPathSchema = z.object({ id: IdInputSchema });
export const ErasurePathSchema = z.object({ id: IdInputSchema });
export const LegalHoldPathSchema = z.object({ id: IdInputSchema });

const inConversation = { conversationId: IdInputSchema };
const ofMessage = { conversationId: IdInputSchema, messageId: IdInputSchema };

export const ConversationCommandSchema = z.strictObject(inConversation);
export const UpdateConversationCommandSchema = UpdateConversationSchema.extend(inConversation);
export const AddParticipantsCommandSchema = AddParticipantsSchema.extend(inConversation);
export const RemoveParticipantCommandSchema = z.strictObject({ ...inConversation, userId: UserIdInputSchema });
export const SendMessageCommandSchema = SendMessageSchema.extend(inConversation);
export const EditMessageCommandSchema = EditMessageSchema.extend(ofMessage);
export const DeleteMessageCommandSchema = DeleteMessageSchema.extend(ofMessage);
export const ReactionCommandSchema = z.strictObject({ ...ofMessage, emoji: EmojiInputSchema });
export const MarkCommandSchema = MarkSchema.extend(inConversation);

/** A request as it is sent: what has a default may be left out. */
export type CreateConversationInput = z.input<typeof CreateConversationSchema>;
export type UpdateConversationInput = z.input<typeof UpdateConversationSchema>;
export type UpdateMembershipInput = z.input<typeof UpdateMembershipSchema>;
export type SendMessageInput = z.input<typeof SendMessageSchema>;

/** A request after parsing. */
export type CreateConversation = z.output<typeof CreateConversationSchema>;
export type UpdateConversation = z.output<typeof UpdateConversationSchema>;
export type UpdateMembership = z.output<typeof UpdateMembershipSchema>;
export type SendMessage = z.output<typeof SendMessageSchema>;
export type HistoryQuery = z.output<typeof HistoryQuerySchema>;
export type ConversationsQuery = z.output<typeof ConversationsQuerySchema>;
export type AuditQuery = z.output<typeof AuditQuerySchema>;
export type ResolveReport = z.output<typeof ResolveReportSchema>;
export type ReportsQuery = z.output<typeof ReportsQuerySchema>;
export type UpdateParticipant = z.output<typeof UpdateParticipantSchema>;
export type PutRestrictions = z.output<typeof PutRestrictionsSchema>;
export type ModeratedUsersQuery = z.output<typeof ModeratedUsersQuerySchema>;
export type CreateRule = z.output<typeof CreateRuleSchema>;
export type HeldQuery = z.output<typeof HeldQuerySchema>;
export type ResolveHeld = z.output<typeof ResolveHeldSchema>;
export type PutRetention = z.output<typeof PutRetentionSchema>;
export type RetentionPreviewQuery = z.output<typeof RetentionPreviewQuerySchema>;
export type CreateLegalHold = z.output<typeof CreateLegalHoldSchema>;
export type SearchQuery = z.output<typeof SearchQuerySchema>;
export type PageQuery = z.output<typeof PageQuerySchema>;

function isWebAddress(value: string): boolean {
  const protocol = URL.parse(value)?.protocol;
  return protocol === 'http:' || protocol === 'https:';
}
