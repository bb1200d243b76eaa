import type { ChangeEvent, EventPayload, Role } from '@parley/protocol';

/** Somebody and what they may do, as far as the feed must know. */
export interface Member {
  readonly userId: string;
  readonly role: Role;
}

/** A conversation now exists, with these people in it. Its `rev` is 1. */
export interface ConversationOpened {
  readonly name: 'conversation:opened';
  readonly payload: { readonly conversationId: string; readonly rev: number; readonly members: readonly Member[] };
}

/** A conversation is gone for everybody. */
export interface ConversationClosed {
  readonly name: 'conversation:closed';
  readonly payload: { readonly conversationId: string; readonly rev: number };
}

/** Something that was committed: exactly one for each `rev` of a conversation. */
export type Fact = (ChangeEvent | ConversationOpened | ConversationClosed) & {
  /** Of a confidential conversation: it does not leave this process, and other nodes read it from the database. */
  readonly confidential?: true;
};

/** What is told once, writes no `rev` and may be lost: the next one corrects it. */
export type Signal =
  | { readonly name: 'receipt:read'; readonly payload: EventPayload<'receipt:read'> }
  | { readonly name: 'receipt:delivered'; readonly payload: EventPayload<'receipt:delivered'> }
  | { readonly name: 'unread:changed'; readonly to: string; readonly payload: EventPayload<'unread:changed'> };

/**
 * Who is told what happened. Facts are given after their commit, and only then.
 *
 * Neither method throws or waits: the message is safe already, and whoever misses a fact is brought forward from the
 * log.
 */
export interface Publisher {
  announce(facts: readonly Fact[]): void;
  signal(signal: Signal): void;
  /** The outcome of a commit is unknown: look into the log whether these conversations moved. */
  suspect(conversationIds: readonly string[]): void;
}
