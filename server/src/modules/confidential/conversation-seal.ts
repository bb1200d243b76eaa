import { createHmac } from 'node:crypto';
import { deriveKey, open, type SealContext, seal } from '../../infrastructure/sealing.ts';

/** What of a message is sealed. */
export interface SealedParts<Metadata = unknown> {
  readonly content: string;
  readonly metadata: Metadata | null;
}

/**
 * Seals and opens what is said in one confidential conversation, with the data key of that conversation. Every text is
 * bound to the conversation, to the message and to what it is there: what was put elsewhere does not open.
 *
 * Whatever opens throws UnreadableError for what was changed or belongs elsewhere.
 */
export class ConversationSeal {
  readonly conversationId: string;
  readonly #textKey: Buffer;
  readonly #digestKey: Buffer;

  constructor(conversationId: string, dataKey: Uint8Array) {
    this.conversationId = conversationId;
    this.#textKey = deriveKey(dataKey, ['texts']);
    this.#digestKey = deriveKey(dataKey, ['digests']);
  }

  sealMessage(messageId: string, { content, metadata }: SealedParts): string {
    return this.#seal([content, metadata], ['message', messageId]);
  }

  openMessage<Metadata>(messageId: string, sealed: string): SealedParts<Metadata> {
    const [content, metadata] = this.#open(sealed, ['message', messageId]) as [string, Metadata | null];
    return { content, metadata };
  }

  /** A text that a message had while it stood at `rev`. */
  sealRevision(messageId: string, rev: number, content: string): string {
    return this.#seal(content, ['revision', messageId, rev]);
  }

  openRevision(messageId: string, rev: number, sealed: string): string {
    return this.#open(sealed, ['revision', messageId, rev]) as string;
  }

  /** What an audit entry says of a target; the chain of hashes holds the entries in their order. */
  sealAudit(targetId: string, value: unknown): string {
    return this.#seal(value, ['audit', targetId]);
  }

  openAudit(targetId: string, sealed: string): unknown {
    return this.#open(sealed, ['audit', targetId]);
  }

  /** A digest that nobody without the key can hold a guess against. */
  digest(text: string): string {
    return createHmac('sha256', this.#digestKey).update(text).digest('base64url');
  }

  #seal(value: unknown, place: SealContext): string {
    return seal(this.#textKey, Buffer.from(JSON.stringify(value)), [this.conversationId, ...place]);
  }

  #open(sealed: string, place: SealContext): unknown {
    return JSON.parse(open(this.#textKey, sealed, [this.conversationId, ...place]).toString());
  }
}
