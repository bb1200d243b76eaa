import type { Change, ChangeEvent, Message, Participant, Reaction, SharedConversation } from '@parley/protocol';

/**
 * One change of a conversation, whichever way it came: as an event, or as an entry of `changes`. An entity carries the
 * `rev` that last changed it, so of two states of one entity the one with the higher `rev` is the later.
 */
export type Fact =
  | { readonly kind: 'message'; readonly rev: number; readonly message: Message }
  | {
      readonly kind: 'reaction';
      readonly rev: number;
      readonly messageId: string;
      readonly emoji: string;
      readonly userId: string;
      readonly count: number;
      readonly on: boolean;
    }
  | {
      readonly kind: 'participant';
      readonly rev: number;
      readonly participant: Participant;
      /** What happened, where an event told it; an entry of `changes` tells only how things stand. */
      readonly how?: 'joined' | 'left' | 'updated';
    }
  | { readonly kind: 'conversation'; readonly rev: number; readonly conversation: SharedConversation };

const HOW = {
  'participant:joined': 'joined',
  'participant:left': 'left',
  'participant:updated': 'updated',
} as const;

/** The fact an event tells. */
export function factOfEvent({ name, payload }: ChangeEvent): Fact {
  switch (name) {
    case 'message:created':
    case 'message:updated':
    case 'message:deleted':
      return { kind: 'message', rev: payload.rev, message: payload.message };
    case 'reaction:added':
    case 'reaction:removed': {
      const { rev, messageId, emoji, userId, count } = payload;
      return { kind: 'reaction', rev, messageId, emoji, userId, count, on: name === 'reaction:added' };
    }
    case 'participant:joined':
    case 'participant:left':
    case 'participant:updated':
      return { kind: 'participant', rev: payload.rev, participant: payload.participant, how: HOW[name] };
    case 'conversation:updated':
      return { kind: 'conversation', rev: payload.rev, conversation: payload.conversation };
  }
}

/** The fact an entry of `changes` tells. */
export function factOfChange(change: Change): Fact {
  switch (change.type) {
    case 'message':
      return { kind: 'message', rev: change.rev, message: change.message };
    case 'participant':
      return { kind: 'participant', rev: change.rev, participant: change.participant };
    case 'conversation':
      return { kind: 'conversation', rev: change.rev, conversation: change.conversation };
  }
}

/** The message after one person set or cleared one reaction. `count` where the server told it. */
export function withReaction(
  message: Message,
  { emoji, userId, on, count }: { emoji: string; userId: string; on: boolean; count?: number },
): Message {
  const before = message.reactions.find((reaction) => reaction.emoji === emoji);
  const others = before?.userIds.filter((id) => id !== userId) ?? [];
  const userIds = on ? (before?.userIds.includes(userId) ? before.userIds : [...others, userId]) : others;
  const had = before?.userIds.includes(userId) ?? false;
  const total = count ?? (before?.count ?? 0) + (on && !had ? 1 : !on && had ? -1 : 0);
  const after: Reaction | null = total > 0 ? { emoji, count: total, userIds } : null;
  if (before === undefined) return after === null ? message : { ...message, reactions: [...message.reactions, after] };
  const reactions = message.reactions.flatMap((reaction) =>
    reaction.emoji !== emoji ? [reaction] : after === null ? [] : [after],
  );
  return { ...message, reactions };
}

/** The message after a fact, if the fact is about it and later than it; else the very same message. */
export function messageAfter(message: Message, fact: Fact): Message {
  if (fact.kind === 'message') {
    return fact.message.id === message.id && fact.message.rev > message.rev ? fact.message : message;
  }
  if (fact.kind !== 'reaction' || fact.messageId !== message.id || fact.rev <= message.rev) return message;
  return { ...withReaction(message, fact), rev: fact.rev };
}
