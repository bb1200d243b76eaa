import { classifyDatabaseError } from '../../../infrastructure/database-errors.ts';
import { AppError } from '../../../utils/app-error.ts';
import { isUuid } from '../../../utils/ids.ts';
import type { Publisher } from '../messaging.events.ts';
import type { ConversationChange, ConversationLog } from '../repositories/conversation-log.ts';

/** Commits a change of a conversation, then tells it: the order of the two is decided here and nowhere else. */
export class Committer {
  readonly #log: ConversationLog;
  readonly #publisher: Publisher;

  constructor({ log, publisher }: { log: ConversationLog; publisher: Publisher }) {
    this.#log = log;
    this.#publisher = publisher;
  }

  /** Runs `work` under the conversation's lock; 404 where there is none. Answers after the commit. */
  async commit<Answer>(conversationId: string, work: (change: ConversationChange) => Promise<Answer>): Promise<Answer> {
    const committed = isUuid(conversationId) ? await this.#change(conversationId, work) : null;
    if (!committed) throw new AppError('not_found');
    this.#publisher.announce(committed.facts);
    return committed.answer;
  }

  async #change<Answer>(conversationId: string, work: (change: ConversationChange) => Promise<Answer>) {
    try {
      return await this.#log.change(conversationId, work);
    } catch (error) {
      if (classifyDatabaseError(error).outcomeUnknown) this.#publisher.suspect([conversationId]);
      throw error;
    }
  }
}
