import { z } from 'zod';
import type { ErrorCode } from './errors.ts';
import * as request from './requests.ts';
import * as shape from './shapes.ts';

/** One operation of the REST door. The server binds a handler to each, OpenAPI is made from the same table. */
export interface RouteDefinition {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below `/api/messaging/v1`; `:name` stands for a parameter. */
  readonly path: string;
  readonly summary: string;
  readonly tag: string;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  /** Every status of a good answer, with its body. */
  readonly answers: { readonly [status: number]: z.ZodType };
  /** Codes beside those that every call may answer with. */
  readonly errors: readonly ErrorCode[];
  /** Needs no token. */
  readonly open?: boolean;
}

/** The prefix of every route. */
export const API_PREFIX = '/api/messaging/v1';

/** Codes that every call may answer with. */
export const COMMON_ERRORS = [
  'invalid_request',
  'unauthenticated',
  'token_expired',
  'payload_too_large',
  'unsupported_media_type',
  'rate_limited',
  'internal',
  'unavailable',
] as const satisfies readonly ErrorCode[];

const inConversation = ['not_found', 'not_a_participant'] as const;
const guarded = ['not_found', 'not_a_participant', 'forbidden'] as const;
const nothing = z.null();

export const ROUTES = {
  guestSignIn: {
    method: 'POST',
    path: '/auth/guest',
    summary: 'Sign in as a guest (guest mode only).',
    tag: 'Identity',
    body: request.GuestSignInSchema,
    answers: { 201: shape.GuestSessionSchema },
    errors: ['not_found'],
    open: true,
  },
  getMe: {
    method: 'GET',
    path: '/me',
    summary: 'Who am I.',
    tag: 'Identity',
    answers: { 200: shape.UserSchema },
    errors: [],
  },
  updateMe: {
    method: 'PATCH',
    path: '/me',
    summary: 'My own settings.',
    tag: 'Identity',
    body: request.UpdateMeSchema,
    answers: { 200: shape.UserSchema },
    errors: [],
  },
  listUsers: {
    method: 'GET',
    path: '/users',
    summary: 'The people one may find.',
    tag: 'Identity',
    query: request.PeopleQuerySchema,
    answers: { 200: shape.pageOf(shape.UserSchema) },
    errors: [],
  },
  putUser: {
    method: 'PUT',
    path: '/users/:uid',
    summary: 'Enter or change a person (administrators).',
    tag: 'Identity',
    params: request.UserPathSchema,
    body: request.PutUserSchema,
    answers: { 200: shape.UserSchema, 201: shape.UserSchema },
    errors: ['forbidden'],
  },
  createConversation: {
    method: 'POST',
    path: '/conversations',
    summary: 'Create a conversation; a direct one that exists is returned with 200.',
    tag: 'Conversations',
    body: request.CreateConversationSchema,
    answers: { 200: shape.ConversationSchema, 201: shape.ConversationSchema },
    errors: [],
  },
  listConversations: {
    method: 'GET',
    path: '/conversations',
    summary: 'My conversations, latest activity first.',
    tag: 'Conversations',
    query: request.ConversationsQuerySchema,
    answers: { 200: shape.pageOf(shape.ConversationSchema) },
    errors: [],
  },
  listChannels: {
    method: 'GET',
    path: '/channels',
    summary: 'Channels open to all.',
    tag: 'Conversations',
    query: request.ChannelsQuerySchema,
    answers: { 200: shape.pageOf(shape.ConversationSchema) },
    errors: [],
  },
  getConversation: {
    method: 'GET',
    path: '/conversations/:cid',
    summary: 'One conversation.',
    tag: 'Conversations',
    params: request.ConversationPathSchema,
    answers: { 200: shape.ConversationSchema },
    errors: inConversation,
  },
  updateConversation: {
    method: 'PATCH',
    path: '/conversations/:cid',
    summary: 'Change title, picture or metadata.',
    tag: 'Conversations',
    params: request.ConversationPathSchema,
    body: request.UpdateConversationSchema,
    answers: { 200: shape.ConversationSchema },
    errors: guarded,
  },
  deleteConversation: {
    method: 'DELETE',
    path: '/conversations/:cid',
    summary: 'Delete for all (owner).',
    tag: 'Conversations',
    params: request.ConversationPathSchema,
    answers: { 204: nothing },
    errors: guarded,
  },
  listParticipants: {
    method: 'GET',
    path: '/conversations/:cid/participants',
    summary: 'Who is in it.',
    tag: 'Participants',
    params: request.ConversationPathSchema,
    query: request.ParticipantsQuerySchema,
    answers: { 200: shape.pageOf(shape.ParticipantSchema) },
    errors: inConversation,
  },
  addParticipants: {
    method: 'POST',
    path: '/conversations/:cid/participants',
    summary: 'Add people; in a channel, oneself.',
    tag: 'Participants',
    params: request.ConversationPathSchema,
    body: request.AddParticipantsSchema,
    answers: { 201: z.strictObject({ items: z.array(shape.ParticipantSchema) }) },
    errors: guarded,
  },
  changeRole: {
    method: 'PATCH',
    path: '/conversations/:cid/participants/:uid',
    summary: 'Give a role (owner).',
    tag: 'Participants',
    params: request.ParticipantPathSchema,
    body: request.ChangeRoleSchema,
    answers: { 200: shape.ParticipantSchema },
    errors: guarded,
  },
  removeParticipant: {
    method: 'DELETE',
    path: '/conversations/:cid/participants/:uid',
    summary: 'Remove somebody, or leave.',
    tag: 'Participants',
    params: request.ParticipantPathSchema,
    answers: { 204: nothing },
    errors: guarded,
  },
  updateMembership: {
    method: 'PATCH',
    path: '/conversations/:cid/me',
    summary: 'My settings of this conversation.',
    tag: 'Participants',
    params: request.ConversationPathSchema,
    body: request.UpdateMembershipSchema,
    answers: { 200: shape.ConversationSchema },
    errors: inConversation,
  },
  sendMessage: {
    method: 'POST',
    path: '/conversations/:cid/messages',
    summary: 'Send a message (200 for a repeat).',
    tag: 'Messages',
    params: request.ConversationPathSchema,
    body: request.SendMessageSchema,
    answers: { 200: shape.SentMessageSchema, 201: shape.SentMessageSchema },
    errors: [...guarded, 'empty_message', 'message_too_long', 'idempotency_conflict'],
  },
  listMessages: {
    method: 'GET',
    path: '/conversations/:cid/messages',
    summary: 'A page of history, oldest first.',
    tag: 'Messages',
    params: request.ConversationPathSchema,
    query: request.HistoryQuerySchema,
    answers: { 200: shape.pageOf(shape.MessageSchema) },
    errors: inConversation,
  },
  getMessage: {
    method: 'GET',
    path: '/conversations/:cid/messages/:mid',
    summary: 'One message.',
    tag: 'Messages',
    params: request.MessagePathSchema,
    answers: { 200: shape.MessageSchema },
    errors: inConversation,
  },
  listRevisions: {
    method: 'GET',
    path: '/conversations/:cid/messages/:mid/revisions',
    summary: 'The texts a message had, first text first (its author, moderators).',
    tag: 'Messages',
    params: request.MessagePathSchema,
    answers: { 200: shape.pageOf(shape.RevisionSchema) },
    errors: guarded,
  },
  editMessage: {
    method: 'PATCH',
    path: '/conversations/:cid/messages/:mid',
    summary: 'Edit one’s own message.',
    tag: 'Messages',
    params: request.MessagePathSchema,
    body: request.EditMessageSchema,
    answers: { 200: shape.MessageSchema },
    errors: [...guarded, 'empty_message', 'message_too_long', 'revision_conflict', 'message_deleted'],
  },
  deleteMessage: {
    method: 'DELETE',
    path: '/conversations/:cid/messages/:mid',
    summary: 'Delete a message; answers what is left of it.',
    tag: 'Messages',
    params: request.MessagePathSchema,
    body: request.DeleteMessageSchema.optional(),
    answers: { 200: shape.MessageSchema },
    errors: guarded,
  },
  addReaction: {
    method: 'PUT',
    path: '/conversations/:cid/messages/:mid/reactions/:emoji',
    summary: 'Set a reaction.',
    tag: 'Messages',
    params: request.ReactionPathSchema,
    answers: { 200: shape.MessageSchema },
    errors: [...guarded, 'message_deleted'],
  },
  removeReaction: {
    method: 'DELETE',
    path: '/conversations/:cid/messages/:mid/reactions/:emoji',
    summary: 'Clear a reaction.',
    tag: 'Messages',
    params: request.ReactionPathSchema,
    answers: { 200: shape.MessageSchema },
    errors: [...guarded, 'message_deleted'],
  },
  markRead: {
    method: 'POST',
    path: '/conversations/:cid/read',
    summary: 'Read up to `seq`.',
    tag: 'Receipts',
    params: request.ConversationPathSchema,
    body: request.MarkSchema,
    answers: { 200: shape.ReceiptStateSchema },
    errors: inConversation,
  },
  markDelivered: {
    method: 'POST',
    path: '/conversations/:cid/delivered',
    summary: 'Messages up to `seq` reached this device.',
    tag: 'Receipts',
    params: request.ConversationPathSchema,
    body: request.MarkSchema,
    answers: { 200: shape.ReceiptStateSchema },
    errors: inConversation,
  },
  markUnread: {
    method: 'POST',
    path: '/conversations/:cid/unread',
    summary: 'Make the message `seq` the first unread one.',
    tag: 'Receipts',
    params: request.ConversationPathSchema,
    body: request.MarkSchema,
    answers: { 200: shape.ReceiptStateSchema },
    errors: inConversation,
  },
  listChanges: {
    method: 'GET',
    path: '/conversations/:cid/changes',
    summary: 'What changed after a `rev`, each thing once in its latest state.',
    tag: 'Sync',
    params: request.ConversationPathSchema,
    query: request.ChangesQuerySchema,
    answers: { 200: shape.ChangesSchema },
    errors: inConversation,
  },
  sync: {
    method: 'POST',
    path: '/sync',
    summary: 'Which of my conversations are behind.',
    tag: 'Sync',
    body: request.SyncSchema,
    answers: { 200: shape.SyncResultSchema },
    errors: [],
  },
  getUnread: {
    method: 'GET',
    path: '/unread',
    summary: 'The badge; muted conversations count only their mentions.',
    tag: 'Sync',
    answers: { 200: shape.BadgeSchema },
    errors: [],
  },
  listAudit: {
    method: 'GET',
    path: '/audit',
    summary: 'The audit trail, newest first (administrators).',
    tag: 'Administration',
    query: request.AuditQuerySchema,
    answers: { 200: shape.pageOf(shape.AuditEntrySchema) },
    errors: ['forbidden'],
  },
  verifyAudit: {
    method: 'GET',
    path: '/audit/verify',
    summary: 'Whether the chain of a conversation, or every chain, is whole (administrators).',
    tag: 'Administration',
    query: request.AuditVerifyQuerySchema,
    answers: { 200: shape.AuditVerdictSchema },
    errors: ['forbidden', 'not_found'],
  },
} as const satisfies Record<string, RouteDefinition>;

export type RouteName = keyof typeof ROUTES;
