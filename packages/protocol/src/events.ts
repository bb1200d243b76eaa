import { z } from 'zod';
import { SESSION_END_REASONS, type SessionEndCode } from './errors.ts';
import {
  ConversationSchema,
  MessageSchema,
  ParticipantSchema,
  PositionSchema,
  PresenceStateSchema,
  SharedConversationSchema,
  TimeSchema,
} from './shapes.ts';

const conversationId = z.string();
const change = { conversationId, rev: PositionSchema };

/** One event to a client: what it says and which rule promises it. */
interface EventDefinition {
  readonly summary: string;
  readonly payload: z.ZodType;
}

const messageChange = z.strictObject({ ...change, message: MessageSchema });
const participantChange = z.strictObject({ ...change, participant: ParticipantSchema });
const reactionChange = z.strictObject({
  ...change,
  messageId: z.string(),
  emoji: z.string(),
  userId: z.string(),
  count: z.int().nonnegative(),
});
const receipt = z.strictObject({ conversationId, userId: z.string(), seq: PositionSchema, at: TimeSchema });
const typing = z.strictObject({ conversationId, userId: z.string() });

/** The changes of a conversation: each raises its `rev` by one and is told by one event that carries it (ORD-2). */
export const CHANGE_EVENTS = {
  'message:created': { summary: 'A message was sent.', payload: messageChange },
  'message:updated': { summary: 'A message was edited.', payload: messageChange },
  'message:deleted': { summary: 'A message was deleted; what is left of it.', payload: messageChange },
  'reaction:added': { summary: 'Somebody set a reaction; `count` is that of the emoji now.', payload: reactionChange },
  'reaction:removed': { summary: 'Somebody cleared a reaction.', payload: reactionChange },
  'participant:joined': { summary: 'Somebody joined, was added or came back.', payload: participantChange },
  'participant:left': { summary: 'Somebody left or was removed.', payload: participantChange },
  'participant:updated': { summary: 'Somebody’s role changed, or whether they may write.', payload: participantChange },
  'conversation:updated': {
    summary: 'Title, picture, metadata, slow mode or who may write changed.',
    payload: z.strictObject({ ...change, conversation: SharedConversationSchema }),
  },
} as const satisfies Record<string, EventDefinition>;

/** Everything else the server tells a client. */
export const OTHER_EVENTS = {
  ready: {
    summary: 'The connection is in all its rooms: from here on no change is missed.',
    payload: z.strictObject({ userId: z.string(), sessionId: z.string(), serverTime: TimeSchema }),
  },
  'conversation:created': {
    summary: 'One is now in this conversation.',
    payload: z.strictObject({ conversation: ConversationSchema }),
  },
  'conversation:removed': {
    summary: 'One is no longer in this conversation, or it is gone.',
    payload: z.strictObject({ conversationId }),
  },
  'conversation:head': {
    summary: 'The conversation is at this `rev`: ask for `changes`.',
    payload: z.strictObject({ conversationId, rev: PositionSchema, lastSeq: PositionSchema }),
  },
  'receipt:read': { summary: 'Somebody read up to `seq`.', payload: receipt },
  'receipt:delivered': { summary: 'Messages up to `seq` reached somebody’s device.', payload: receipt },
  'unread:changed': {
    summary: 'One’s own read pointer moved, on any device.',
    payload: z.strictObject({ conversationId, unreadCount: z.int().nonnegative(), lastReadSeq: PositionSchema }),
  },
  'typing:started': { summary: 'Somebody is typing.', payload: typing },
  'typing:stopped': { summary: 'Somebody no longer types.', payload: typing },
  'presence:changed': { summary: 'Somebody one watches came, went or fell idle.', payload: PresenceStateSchema },
  'session:expiring': {
    summary: 'The token ends at this time: send `auth:refresh` with a new one.',
    payload: z.strictObject({ at: TimeSchema }),
  },
  'session:ended': {
    summary: 'The server ends this connection; `code` says whether to come back.',
    payload: z.strictObject({
      code: z.enum(Object.keys(SESSION_END_REASONS) as [SessionEndCode, ...SessionEndCode[]]),
      detail: z.string(),
      retryAfterMs: z.int().nonnegative().optional(),
    }),
  },
} as const satisfies Record<string, EventDefinition>;

export const EVENTS = { ...CHANGE_EVENTS, ...OTHER_EVENTS };

export type ChangeEventName = keyof typeof CHANGE_EVENTS;
export type EventName = keyof typeof EVENTS;
export type EventPayload<Name extends EventName> = z.output<(typeof EVENTS)[Name]['payload']>;

/** The event map of a client's incoming side, for both ends of Socket.IO. */
export type ServerToClientEvents = { [Name in EventName]: (payload: EventPayload<Name>) => void };

/** A change with its name: one variant for each event that carries a `rev`. */
export type ChangeEvent = { [Name in ChangeEventName]: { name: Name; payload: EventPayload<Name> } }[ChangeEventName];
