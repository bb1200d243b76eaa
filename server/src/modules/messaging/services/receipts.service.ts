import type { Badge, ReceiptState } from '@parley/protocol';
import type { Actor } from '../../../utils/actor.ts';
import { AppError } from '../../../utils/app-error.ts';
import { isUuid } from '../../../utils/ids.ts';
import type { Publisher } from '../messaging.events.ts';
import type { Mark, MarkedPointers, ReceiptsRepository } from '../repositories/receipts.repository.ts';
import type { ConversationAccess } from './conversation-access.ts';

/** What somebody has read and been delivered. Pointers write no `rev`. */
export class ReceiptsService {
  readonly #receipts: ReceiptsRepository;
  readonly #access: ConversationAccess;
  readonly #publisher: Publisher;

  constructor(deps: { receipts: ReceiptsRepository; access: ConversationAccess; publisher: Publisher }) {
    this.#receipts = deps.receipts;
    this.#access = deps.access;
    this.#publisher = deps.publisher;
  }

  /** Read up to `seq`, and so delivered. */
  markRead(actor: Actor, conversationId: string, seq: number): Promise<ReceiptState> {
    return this.#mark(actor, conversationId, 'read', seq);
  }

  /** Messages up to `seq` reached a device. */
  markDelivered(actor: Actor, conversationId: string, seq: number): Promise<ReceiptState> {
    return this.#mark(actor, conversationId, 'delivered', seq);
  }

  /** Makes the message `seq` the first unread one. */
  markUnread(actor: Actor, conversationId: string, seq: number): Promise<ReceiptState> {
    return this.#mark(actor, conversationId, 'unread', seq);
  }

  getBadge(actor: Actor): Promise<Badge> {
    return this.#receipts.findBadge(actor.id);
  }

  async #mark(actor: Actor, conversationId: string, mark: Mark, seq: number): Promise<ReceiptState> {
    const pointers = isUuid(conversationId) ? await this.#receipts.mark(conversationId, actor.id, mark, seq) : null;
    if (!pointers) {
      // Not in it, or there is none: which of both, the access says.
      await this.#access.require(actor, conversationId, 'mark');
      throw new AppError('unavailable', { retryAfterMs: 100 });
    }
    this.#tell(actor, conversationId, mark, pointers);
    const { lastReadSeq, lastDeliveredSeq, unreadCount } = pointers;
    return { lastReadSeq, lastDeliveredSeq, unreadCount };
  }

  #tell(actor: Actor, conversationId: string, mark: Mark, pointers: MarkedPointers): void {
    const { lastReadSeq, lastDeliveredSeq, unreadCount, readMoved, deliveredMoved } = pointers;
    const receipt = { conversationId, userId: actor.id, at: new Date().toISOString() };
    if (readMoved && mark === 'read') {
      this.#publisher.signal({ name: 'receipt:read', payload: { ...receipt, seq: lastReadSeq } });
    } else if (deliveredMoved && mark === 'delivered') {
      this.#publisher.signal({ name: 'receipt:delivered', payload: { ...receipt, seq: lastDeliveredSeq } });
    }
    if (readMoved) {
      this.#publisher.signal({
        name: 'unread:changed',
        to: actor.id,
        payload: { conversationId, unreadCount, lastReadSeq },
      });
    }
  }
}
