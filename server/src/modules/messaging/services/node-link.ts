import type { EventPayload } from '@parley/protocol';
import type { Bus } from '../../../infrastructure/redis-bus.ts';
import type { Logger } from '../../../utils/logger.ts';
import type { Fact, Signal } from '../messaging.events.ts';

/** Typing as it crosses nodes. */
export interface TypingSignal {
  readonly name: 'typing:started' | 'typing:stopped';
  readonly payload: EventPayload<'typing:started'>;
}

/** What one node tells the others. All of it is a hint: it may be lost, doubled or late. */
type Hint =
  | { readonly kind: 'fact'; readonly fact: Fact }
  | { readonly kind: 'head'; readonly conversationId: string; readonly rev: number }
  | { readonly kind: 'membership'; readonly conversationId: string; readonly userId: string }
  | { readonly kind: 'signal'; readonly signal: Signal }
  | { readonly kind: 'typing'; readonly signal: TypingSignal };

/** The feed of this node, as hints of others reach it. */
export interface HintReceiver {
  receiveFact(fact: Fact): void;
  receiveSignal(signal: Signal): void;
  receiveTyping(signal: TypingSignal): void;
  noteHead(conversationId: string, rev: number): void;
  noteMemberships(conversationId: string, userIds: readonly string[]): Promise<void>;
}

/** Larger facts travel as a head only: a slow subscriber with large messages is cut off by Redis. */
const LARGEST_HINT_BYTES = 16 * 1024;

const conversationChannel = (conversationId: string) => `c:${conversationId}`;
const personChannel = (userId: string) => `u:${userId}`;

/**
 * The link between the feeds of several nodes. A node subscribes to the conversations it follows and to the people
 * connected to it, so that a hint goes only where somebody is to be told.
 */
export class NodeLink {
  readonly #bus: Bus;
  readonly #nodeId: string;
  readonly #logger: Logger;

  constructor(deps: { bus: Bus; nodeId: string; logger: Logger }) {
    this.#bus = deps.bus;
    this.#nodeId = deps.nodeId;
    this.#logger = deps.logger;
  }

  /** From here on the receiver is told what other nodes say. */
  connect(receiver: HintReceiver): void {
    this.#bus.listen((channel, payload) => {
      const ours = channel.startsWith('c:') || channel.startsWith('u:');
      if (!ours || payload.startsWith(this.#nodeId)) return;
      try {
        this.#deliver(receiver, JSON.parse(payload.slice(payload.indexOf(' '))) as Hint);
      } catch (error) {
        // From a node of another version, or nonsense: it was only a hint.
        this.#logger.warn({ err: error }, 'a hint of another node could not be read');
      }
    });
  }

  followConversation(conversationId: string): void {
    this.#bus.subscribe(conversationChannel(conversationId));
  }

  leaveConversation(conversationId: string): void {
    this.#bus.unsubscribe(conversationChannel(conversationId));
  }

  followPerson(userId: string): void {
    this.#bus.subscribe(personChannel(userId));
  }

  leavePerson(userId: string): void {
    this.#bus.unsubscribe(personChannel(userId));
  }

  tellFact(fact: Fact): void {
    const { conversationId, rev } = fact.payload;
    for (const userId of newcomersOf(fact)) {
      this.#publish(personChannel(userId), { kind: 'membership', conversationId, userId });
    }
    // Nobody can follow what has just begun.
    if (fact.name === 'conversation:opened') return;
    const head: Hint = { kind: 'head', conversationId, rev };
    this.#publish(conversationChannel(conversationId), fact.confidential ? head : { kind: 'fact', fact }, head);
  }

  tellSignal(signal: Signal): void {
    const channel =
      signal.name === 'unread:changed' ? personChannel(signal.to) : conversationChannel(signal.payload.conversationId);
    this.#publish(channel, { kind: 'signal', signal });
  }

  tellTyping(signal: TypingSignal): void {
    this.#publish(conversationChannel(signal.payload.conversationId), { kind: 'typing', signal });
  }

  /** `instead` goes where the hint is too large. */
  #publish(channel: string, hint: Hint, instead: Hint = hint): void {
    const text = this.#encode(hint);
    this.#bus.publish(channel, text.length > LARGEST_HINT_BYTES ? this.#encode(instead) : text);
  }

  #encode(hint: Hint): string {
    return `${this.#nodeId} ${JSON.stringify(hint)}`;
  }

  #deliver(receiver: HintReceiver, hint: Hint): void {
    switch (hint.kind) {
      case 'fact':
        receiver.receiveFact(hint.fact);
        break;
      case 'head':
        receiver.noteHead(hint.conversationId, hint.rev);
        break;
      case 'membership':
        receiver.noteMemberships(hint.conversationId, [hint.userId]).catch((error: unknown) => {
          // The tailer reads the same from the log.
          this.#logger.warn({ err: error, conversationId: hint.conversationId }, 'reading a new membership failed');
        });
        break;
      case 'signal':
        receiver.receiveSignal(hint.signal);
        break;
      case 'typing':
        receiver.receiveTyping(hint.signal);
        break;
    }
  }
}

function newcomersOf(fact: Fact): readonly string[] {
  switch (fact.name) {
    case 'conversation:opened':
      return fact.payload.members.map(({ userId }) => userId);
    case 'participant:joined':
      return [fact.payload.participant.user.id];
    default:
      return [];
  }
}
