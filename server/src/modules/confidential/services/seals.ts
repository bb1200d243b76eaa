import type { KeyRing, WrappedKey } from '../../../infrastructure/key-ring.ts';
import { newKey, UnreadableError } from '../../../infrastructure/sealing.ts';
import { AppError } from '../../../utils/app-error.ts';
import type { Logger } from '../../../utils/logger.ts';
import { ConversationSeal } from '../conversation-seal.ts';
import type { KeysRepository } from '../repositories/keys.repository.ts';

export interface SealsDeps {
  readonly ring: KeyRing;
  readonly repository: Pick<KeysRepository, 'findForConversation' | 'findWrappers'>;
  readonly logger: Pick<Logger, 'error'>;
  /** Conversations that are remembered. */
  readonly most?: number;
}

/** The refusal of whatever needs a text that does not open. */
export function unreadable(cause: unknown): AppError {
  const isKey = cause instanceof UnreadableError && cause.reason === 'key';
  const detail = isKey
    ? 'This conversation is confidential, and its key is missing on this server.'
    : 'This cannot be opened: it is not what was encrypted here.';
  return new AppError('unavailable', { detail, cause });
}

/**
 * The seals of confidential conversations. Whether a conversation is confidential never changes, nor does its data key:
 * so what was learnt of one is remembered, and a message costs no look-up but the first in its conversation. Without a
 * master key nothing is ever looked up.
 */
export class Seals {
  readonly #deps: SealsDeps;
  readonly #most: number;
  /** Null: not confidential. The one that was used longest ago goes first. */
  readonly #known = new Map<string, ConversationSeal | null>();
  readonly #looking = new Map<string, Promise<ConversationSeal | null>>();

  constructor(deps: SealsDeps) {
    this.#deps = deps;
    this.#most = deps.most ?? 20_000;
  }

  /** Whether conversations can be confidential here. */
  get isOn(): boolean {
    return this.#deps.ring.currentId !== null;
  }

  /** What is known of a conversation without asking; undefined where it has to be looked up. */
  recall(conversationId: string): ConversationSeal | null | undefined {
    if (!this.isOn) return null;
    const seal = this.#known.get(conversationId);
    if (seal !== undefined) this.#remember(conversationId, seal);
    return seal;
  }

  /**
   * The seal of a conversation; null where it is not confidential, or not there. Those who ask for one at the same moment
   * share one look-up. Not to be called inside of a transaction: the embedded database has no second connection.
   *
   * @throws AppError `unavailable` where its key is not on this server.
   */
  async find(conversationId: string): Promise<ConversationSeal | null> {
    const known = this.recall(conversationId);
    if (known !== undefined) return known;
    const looking =
      this.#looking.get(conversationId) ??
      this.#look(conversationId).finally(() => this.#looking.delete(conversationId));
    this.#looking.set(conversationId, looking);
    return looking;
  }

  /**
   * The seal of a conversation whose wrapped key came with a row.
   *
   * @throws UnreadableError where the key is lost.
   */
  of(conversationId: string, key: WrappedKey | null): ConversationSeal {
    const known = this.#known.get(conversationId);
    if (known) return known;
    if (!key) throw new UnreadableError('key', 'the conversation has no data key');
    const seal = new ConversationSeal(conversationId, this.#deps.ring.unwrap(key, 'conversation', conversationId));
    this.#remember(conversationId, seal);
    return seal;
  }

  /** A data key for a conversation that is about to be; it is remembered once the conversation is used. */
  createKey(conversationId: string): WrappedKey {
    return this.#deps.ring.wrap(newKey(), 'conversation', conversationId);
  }

  /** Says at the start which keys are missing: those who ask for such a conversation would be the first to notice. */
  async reportMissingKeys(): Promise<void> {
    const { ring, repository, logger } = this.#deps;
    const missing = (await repository.findWrappers('conversation')).filter((keyId) => !ring.has(keyId));
    if (missing.length === 0) return;
    logger.error({ missing }, 'master keys are missing from ENCRYPTION_KEYS: confidential conversations do not open');
  }

  async #look(conversationId: string): Promise<ConversationSeal | null> {
    const row = await this.#deps.repository.findForConversation(conversationId);
    // One that is not there may be made yet, and is refused by whoever was asked for it.
    if (!row) return null;
    if (!row.confidential) {
      this.#remember(conversationId, null);
      return null;
    }
    try {
      return this.of(conversationId, row.key);
    } catch (error) {
      throw unreadable(error);
    }
  }

  #remember(conversationId: string, seal: ConversationSeal | null): void {
    this.#known.delete(conversationId);
    this.#known.set(conversationId, seal);
    if (this.#known.size <= this.#most) return;
    const [oldest] = this.#known.keys();
    this.#known.delete(oldest!);
  }
}
