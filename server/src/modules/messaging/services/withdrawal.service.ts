import { presentMessage, presentParticipant } from '../messaging.presenter.ts';
import type { ConversationChange } from '../repositories/conversation-log.ts';
import {
  clearReaction,
  findReactionsOf,
  findWithdrawn,
  storeDeletion,
  storePseudonym,
  type Withdrawal,
} from '../repositories/message-changes.ts';
import type { MessagesRepository } from '../repositories/messages.repository.ts';
import { countOwners, markLeft } from '../repositories/participants.repository.ts';
import type { Committer } from './committer.ts';
import { passOwnership } from './membership.service.ts';
import type { Files } from './messaging.service.ts';

export type { Withdrawal } from '../repositories/message-changes.ts';

/** On whose word something goes, and why: both for the audit trail. */
export interface WithdrawnBy {
  readonly actorId: string;
  readonly reason: string;
}

/** What one step did. */
export interface Withdrawn {
  readonly messages: number;
  readonly files: number;
  /** There is more of it. */
  readonly hasMore: boolean;
}

export interface WithdrawalServiceDeps {
  readonly committer: Committer;
  readonly messages: MessagesRepository;
  readonly files: Files;
}

/** Changes in one transaction: the conversation is held for that long. */
const STEP = 20;

/**
 * Messages that go without their author or a moderator having deleted them: people are erased, and time runs out. Each is an
 * ordinary deletion (DEL-1): it takes a `rev`, is told, and takes files and words for searching along. The audit entry has
 * no text, since that is what is to go.
 */
export class WithdrawalService {
  readonly #deps: WithdrawalServiceDeps;

  constructor(deps: WithdrawalServiceDeps) {
    this.#deps = deps;
  }

  /** Deletes the next messages of a conversation. What a legal hold keeps stays. */
  async withdrawMessages(conversationId: string, withdrawal: Withdrawal, by: WithdrawnBy): Promise<Withdrawn> {
    const { committer, files } = this.#deps;
    const gone: string[] = [];
    const done = await committer.commit(conversationId, async (change) => {
      gone.length = 0;
      const ids = await findWithdrawn(change, withdrawal, STEP);
      let messages = 0;
      let fileCount = 0;
      for (const id of ids) {
        const message = (await this.#deps.messages.findOne(conversationId, id, change.tx))!;
        const wasThere = message.deletedAt === null;
        let left = wasThere ? await storeDeletion(change, message, by.actorId) : message;
        if (withdrawal.kind === 'of sender') left = await storePseudonym(change, left, withdrawal.pseudonym);
        if (wasThere) {
          messages += 1;
          fileCount += message.attachments?.length ?? 0;
          gone.push(id);
          await change.audit({ actorId: by.actorId, action: 'message.deleted', targetId: id, reason: by.reason });
        }
        const shown = presentMessage(left);
        change.facts.push({ name: 'message:deleted', payload: { conversationId, rev: shown.rev, message: shown } });
      }
      return { messages, files: fileCount, hasMore: ids.length === STEP };
    });
    for (const id of gone) await files.removeDeleted(id);
    return done;
  }

  /** Clears the next reactions of somebody in a conversation; false where there were none left. */
  async withdrawReactions(conversationId: string, userId: string): Promise<boolean> {
    return this.#deps.committer.commit(conversationId, async (change) => {
      const reactions = await findReactionsOf(change, userId, STEP);
      for (const { messageId, emoji } of reactions) {
        const message = (await this.#deps.messages.findOne(conversationId, messageId, change.tx))!;
        const rev = await clearReaction(change, message, emoji, userId);
        const people = message.reactions?.find((reaction) => reaction.emoji === emoji)?.userIds ?? [];
        const count = people.filter((id) => id !== userId).length;
        change.facts.push({
          name: 'reaction:removed',
          payload: { conversationId, rev, messageId, emoji, userId, count },
        });
      }
      return reactions.length > 0;
    });
  }

  /** Takes somebody out of a conversation of whatever type; false where they are not in it. */
  async withdrawParticipant(conversationId: string, userId: string, by: WithdrawnBy): Promise<boolean> {
    return this.#deps.committer.commit(conversationId, async (change) => {
      const participant = await change.findParticipant(userId);
      if (participant?.leftAt !== null) return false;
      await this.#leave(change, userId, participant.role, by);
      return true;
    });
  }

  async #leave(change: ConversationChange, userId: string, role: string, by: WithdrawnBy): Promise<void> {
    const isLastOwner = role === 'owner' && (await countOwners(change)) === 1;
    const left = await markLeft(change, userId, null);
    change.countPeople(-1);
    await change.audit({ ...by, action: 'participant.removed', targetId: userId, before: { role } });
    const participant = presentParticipant(left, await change.findPerson(userId));
    const payload = { conversationId: change.conversation.id, rev: participant.rev, participant };
    change.facts.push({ name: 'participant:left', payload });
    if (isLastOwner) await passOwnership(by.actorId, change);
  }
}
