import { z } from 'zod';
import type { Problem } from './errors.ts';
import * as request from './requests.ts';
import * as shape from './shapes.ts';

/** One command of the socket door: what it takes, what its acknowledgement carries. */
interface CommandDefinition {
  readonly summary: string;
  readonly input: z.ZodType;
  readonly answer: z.ZodType;
  /** Commands that change something take effect in the order in which one socket sent them (DLV-1). */
  readonly mutating: boolean;
}

export const COMMANDS = {
  'conversation:create': {
    summary: 'Create a conversation; a direct one that exists is returned.',
    input: request.CreateConversationSchema,
    answer: shape.ConversationSchema,
    mutating: true,
  },
  'conversation:update': {
    summary: 'Change title, picture, metadata, slow mode or who may write.',
    input: request.UpdateConversationCommandSchema,
    answer: shape.ConversationSchema,
    mutating: true,
  },
  'conversation:read': {
    summary: 'Read up to `seq`.',
    input: request.MarkCommandSchema,
    answer: shape.ReceiptStateSchema,
    mutating: true,
  },
  'conversation:delivered': {
    summary: 'Messages up to `seq` reached this device.',
    input: request.MarkCommandSchema,
    answer: shape.ReceiptStateSchema,
    mutating: true,
  },
  'conversation:unread': {
    summary: 'Make the message `seq` the first unread one.',
    input: request.MarkCommandSchema,
    answer: shape.ReceiptStateSchema,
    mutating: true,
  },
  'participant:add': {
    summary: 'Add people; in a channel, oneself.',
    input: request.AddParticipantsCommandSchema,
    answer: z.strictObject({ items: z.array(shape.ParticipantSchema) }),
    mutating: true,
  },
  'participant:remove': {
    summary: 'Remove somebody, or leave.',
    input: request.RemoveParticipantCommandSchema,
    answer: z.null(),
    mutating: true,
  },
  'message:send': {
    summary: 'Send a message.',
    input: request.SendMessageCommandSchema,
    answer: shape.SentMessageSchema,
    mutating: true,
  },
  'message:edit': {
    summary: 'Edit one’s own message.',
    input: request.EditMessageCommandSchema,
    answer: shape.MessageSchema,
    mutating: true,
  },
  'message:delete': {
    summary: 'Delete a message.',
    input: request.DeleteMessageCommandSchema,
    answer: shape.MessageSchema,
    mutating: true,
  },
  'reaction:add': {
    summary: 'Set a reaction.',
    input: request.ReactionCommandSchema,
    answer: shape.MessageSchema,
    mutating: true,
  },
  'reaction:remove': {
    summary: 'Clear a reaction.',
    input: request.ReactionCommandSchema,
    answer: shape.MessageSchema,
    mutating: true,
  },
  sync: {
    summary: 'Which of my conversations are behind.',
    input: request.SyncSchema,
    answer: shape.SyncResultSchema,
    mutating: false,
  },
  'typing:start': {
    summary: 'I am typing; ends by itself after 6 s.',
    input: request.ConversationCommandSchema,
    answer: z.null(),
    mutating: false,
  },
  'typing:stop': {
    summary: 'I no longer type.',
    input: request.ConversationCommandSchema,
    answer: z.null(),
    mutating: false,
  },
  'presence:watch': {
    summary: 'Whose presence to be told of, instead of whomever before; answers their present states.',
    input: request.PresenceWatchSchema,
    answer: z.strictObject({ states: z.array(shape.PresenceStateSchema) }),
    mutating: false,
  },
  'auth:refresh': {
    summary: 'Carry on with a new token of the same user.',
    input: request.RefreshTokenSchema,
    answer: z.strictObject({ expiresAt: shape.TimeSchema }),
    mutating: false,
  },
} as const satisfies Record<string, CommandDefinition>;

export type CommandName = keyof typeof COMMANDS;
/** A command as a client writes it. */
export type CommandInput<Name extends CommandName> = z.input<(typeof COMMANDS)[Name]['input']>;
/** A command as the server reads it. */
export type Command<Name extends CommandName> = z.output<(typeof COMMANDS)[Name]['input']>;
export type CommandAnswer<Name extends CommandName> = z.output<(typeof COMMANDS)[Name]['answer']>;

/** What every acknowledgement is. */
export type Ack<Data> = { ok: true; data: Data } | { ok: false; error: Problem };

/** The event map of a client's outgoing side, for both ends of Socket.IO. */
export type ClientToServerEvents = {
  [Name in CommandName]: (input: CommandInput<Name>, acknowledge: (ack: Ack<CommandAnswer<Name>>) => void) => void;
};
