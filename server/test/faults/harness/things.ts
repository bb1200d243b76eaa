import type { ConversationThing, EventValue, MessageThing, ParticipantThing, Thing } from './history.ts';

/*
 * What the server says, reduced to what is checked, in the words of the history. Only shapes of the contract are read.
 */

interface WireMessage {
  id: string;
  seq: number;
  rev: number;
  senderId: string;
  content: string | null;
  deletedAt: string | null;
  replyTo: { content: string | null } | null;
  reactions: { emoji: string; userIds: string[] }[];
}

interface WireParticipant {
  user: { id: string };
  role: string;
  leftAt: string | null;
  rev: number;
}

export function messageThing(message: WireMessage, rev = message.rev): MessageThing {
  return {
    type: 'message',
    rev,
    id: message.id,
    seq: message.seq,
    senderId: message.senderId,
    content: message.content,
    deleted: message.deletedAt !== null,
    reactions: message.reactions.flatMap(({ emoji, userIds }) => userIds.map((id) => `${emoji} ${id}`)).sort(),
    ...(message.replyTo && { quote: message.replyTo.content }),
  };
}

export function participantThing(participant: WireParticipant, rev = participant.rev): ParticipantThing {
  const { user, role, leftAt } = participant;
  return { type: 'participant', rev, userId: user.id, role, present: leftAt === null };
}

export function conversationThing(conversation: { title: string | null }, rev: number): ConversationThing {
  return { type: 'conversation', rev, title: conversation.title };
}

/** An entry of a page of `changes`. */
export function changeThing(change: {
  rev: number;
  type: string;
  message?: WireMessage;
  participant?: WireParticipant;
  conversation?: { title: string | null };
}): Thing {
  if (change.message) return messageThing(change.message, change.rev);
  if (change.participant) return participantThing(change.participant, change.rev);
  if (change.conversation) return conversationThing(change.conversation, change.rev);
  throw new Error(`an entry of changes that holds nothing: ${JSON.stringify(change)}`);
}

/** An event as it is recorded: what it changes as a thing, everything else as it came. */
export function eventValue(name: string, payload: Record<string, unknown>): EventValue {
  const { conversationId, rev, ...rest } = payload as {
    conversationId?: string;
    rev?: number;
    message?: WireMessage;
    participant?: WireParticipant;
    conversation?: { id: string; title: string | null; rev: number };
    messageId?: string;
    emoji?: string;
    userId?: string;
  };
  if (name === 'conversation:created') return { conversationId: rest.conversation!.id };
  const base = { ...(conversationId !== undefined && { conversationId }), ...(rev !== undefined && { rev }) };
  if (rev === undefined || name === 'conversation:head') return { ...base, ...rest };
  if (rest.message) return { ...base, thing: messageThing(rest.message, rev) };
  if (rest.participant) return { ...base, thing: participantThing(rest.participant, rev) };
  if (rest.conversation) return { ...base, thing: conversationThing(rest.conversation, rev) };
  if (rest.messageId !== undefined) {
    const { messageId, emoji, userId } = rest;
    const added = name === 'reaction:added';
    return { ...base, thing: { type: 'reaction', rev, messageId, reaction: `${emoji} ${userId}`, added } };
  }
  return { ...base, ...rest };
}
