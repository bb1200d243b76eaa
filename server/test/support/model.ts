import type { Change, Changes, Message, Participant, SharedConversation } from '@parley/protocol';
import type { Received } from './app.ts';

/** Where a client gets the changes after a `rev`. */
export type FetchChanges = (after: number) => Promise<Changes>;

/** A conversation as a client ends up showing it, in an order that does not depend on how it got there. */
export interface Shown {
  readonly rev: number;
  readonly conversation: Omit<SharedConversation, 'participants'>;
  readonly messages: readonly Message[];
  readonly participants: readonly Omit<Participant, 'lastReadSeq' | 'lastDeliveredSeq'>[];
}

/**
 * A client made of nothing but the contract: it keeps a `rev`, applies the event with the next one, ignores earlier
 * ones, and asks for `changes` when it sees a gap (DLV-2). The reference that views of others are compared with.
 */
export class ModelClient {
  readonly #conversationId: string;
  readonly #fetchChanges: FetchChanges;
  readonly #messages = new Map<string, Message>();
  readonly #participants = new Map<string, Participant>();
  #conversation: SharedConversation | undefined;
  #rev = 0;
  /** How often it asked for `changes`. */
  repairs = 0;

  constructor(conversationId: string, fetchChanges: FetchChanges) {
    this.#conversationId = conversationId;
    this.#fetchChanges = fetchChanges;
  }

  /** Takes an event, whatever came or did not come before it. */
  async receive({ name, payload }: Received): Promise<void> {
    if (!('conversationId' in payload) || payload.conversationId !== this.#conversationId || !('rev' in payload))
      return;
    const { rev } = payload;
    if (rev <= this.#rev) return;
    if (name === 'conversation:head' || rev > this.#rev + 1) return this.catchUp();
    this.#rev = rev;
    this.#applyEvent({ name, payload } as Received, rev);
  }

  /** Reads what came after its `rev`, page by page. */
  async catchUp(): Promise<void> {
    this.repairs += 1;
    for (;;) {
      const page = await this.#fetchChanges(this.#rev);
      for (const change of page.changes) this.#applyChange(change);
      if (!page.hasMore) {
        this.#rev = Math.max(this.#rev, page.rev);
        return;
      }
    }
  }

  /** What it shows now. */
  show(): Shown {
    const messages = [...this.#messages.values()].sort((a, b) => a.seq - b.seq);
    const present = [...this.#participants.values()].filter(({ leftAt }) => leftAt === null);
    const { participants: _, ...conversation } = this.#conversation!;
    return arrange({
      rev: this.#rev,
      conversation: {
        ...conversation,
        rev: this.#rev,
        lastSeq: messages.at(-1)?.seq ?? 0,
        lastMessage: messages.at(-1) ?? null,
        participantCount: present.length,
      },
      messages,
      participants: [...this.#participants.values()],
    });
  }

  #applyChange(change: Change): void {
    this.#rev = Math.max(this.#rev, change.rev);
    switch (change.type) {
      case 'message':
        this.#putMessage(change.message);
        break;
      case 'participant':
        this.#participants.set(change.participant.user.id, change.participant);
        break;
      case 'conversation':
        this.#conversation = change.conversation;
        break;
    }
  }

  #applyEvent({ name, payload }: Received, rev: number): void {
    switch (name) {
      case 'message:created':
      case 'message:updated':
      case 'message:deleted':
        this.#putMessage(payload.message);
        break;
      case 'reaction:added':
      case 'reaction:removed': {
        const message = this.#messages.get(payload.messageId)!;
        const others = message.reactions.filter(({ emoji }) => emoji !== payload.emoji);
        const before = message.reactions.find(({ emoji }) => emoji === payload.emoji)?.userIds ?? [];
        const without = before.filter((userId) => userId !== payload.userId);
        const userIds = name === 'reaction:added' ? [...without, payload.userId] : without;
        if (userIds.length !== payload.count) throw new Error(`${name} says ${payload.count}, not ${userIds.length}`);
        const reactions =
          userIds.length > 0 ? [...others, { emoji: payload.emoji, count: payload.count, userIds }] : others;
        this.#putMessage({ ...message, rev, reactions });
        break;
      }
      case 'participant:joined':
      case 'participant:left':
      case 'participant:updated':
        this.#participants.set(payload.participant.user.id, payload.participant);
        break;
      case 'conversation:updated':
        this.#conversation = payload.conversation;
        break;
      default:
        throw new Error(`${name} carries a rev`);
    }
  }

  /** A message, and what others quote of it. */
  #putMessage(message: Message): void {
    this.#messages.set(message.id, message);
    for (const other of this.#messages.values()) {
      if (other.replyTo?.id !== message.id) continue;
      const content = message.content === null ? null : [...message.content].slice(0, 200).join('');
      this.#messages.set(other.id, { ...other, replyTo: { ...other.replyTo, content, deletedAt: message.deletedAt } });
    }
  }
}

/** Orders what has no order of its own, and leaves out what is told by receipts and not by changes. */
export function arrange(shown: {
  rev: number;
  conversation: Omit<SharedConversation, 'participants'>;
  messages: readonly Message[];
  participants: readonly Participant[];
}): Shown {
  const { lastMessage } = shown.conversation;
  return {
    rev: shown.rev,
    conversation: { ...shown.conversation, lastMessage: lastMessage && withSortedReactions(lastMessage) },
    messages: shown.messages.map(withSortedReactions),
    participants: shown.participants
      .map(({ lastReadSeq: _, lastDeliveredSeq: __, ...participant }) => participant)
      .sort((a, b) => (a.user.id < b.user.id ? -1 : 1)),
  };
}

function withSortedReactions(message: Message): Message {
  return {
    ...message,
    reactions: message.reactions
      .map((reaction) => ({ ...reaction, userIds: [...reaction.userIds].sort() }))
      .sort((a, b) => (a.emoji < b.emoji ? -1 : 1)),
  };
}
