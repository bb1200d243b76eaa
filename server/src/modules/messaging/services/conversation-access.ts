import type { Actor } from '../../../utils/actor.ts';
import { AppError } from '../../../utils/app-error.ts';
import { isUuid } from '../../../utils/ids.ts';
import { type Action, isOversight, judge, type Standing, standingOf } from '../messaging.policy.ts';
import type { ConversationLog } from '../repositories/conversation-log.ts';
import type { ConversationsRepository } from '../repositories/conversations.repository.ts';
import type { ConversationRow, ParticipantRow } from '../repositories/rows.ts';

/** A conversation as an actor reached it. `participant` is the actor's own row if present. */
export interface Access {
  readonly conversation: ConversationRow;
  readonly participant: ParticipantRow | null;
  readonly standing: Standing;
}

/** A conversation, and the actor's own row, which may be that of somebody who left. */
export interface Found {
  readonly conversation: ConversationRow;
  readonly participant: ParticipantRow | null;
}

/** The standing of the actor by a conversation and the actor's own row, which may be that of somebody who left. */
export function accessOf(actor: Actor, conversation: ConversationRow, row: ParticipantRow | null): Access {
  const participant = row && row.leftAt === null ? row : null;
  return { conversation, participant, standing: standingOf(actor, conversation.type, participant?.role ?? null) };
}

/** Throws the refusal of ACC-2 unless the standing allows the action. */
export function requireAllowed(actor: Actor, standing: Standing, action: Action): void {
  const verdict = judge(actor, standing, action);
  if (verdict !== 'allowed') throw new AppError(verdict);
}

/** What is read by one person in one conversation within this time is one entry of the audit. */
const READ_AUDITED_FOR_MS = 5 * 60_000;
const READERS_REMEMBERED = 1_000;

/** Gets conversations through what the actor is to them: nobody reaches one in any other way. */
export class ConversationAccess {
  readonly #conversations: ConversationsRepository;
  readonly #log: ConversationLog;
  /** Reading that was audited, by person and conversation, and until when it counts. */
  readonly #audited = new Map<string, number>();

  constructor({ conversations, log }: { conversations: ConversationsRepository; log: ConversationLog }) {
    this.#conversations = conversations;
    this.#log = log;
  }

  /**
   * The conversation, for an action that its standing allows. 404 where there is none, 403 where it is not the actor's
   * (ACC-2). What an administrator reads of other people's conversations is audited, once in five minutes.
   */
  async require(actor: Actor, conversationId: string, action: Action): Promise<Access> {
    const found = isUuid(conversationId) ? await this.#conversations.findAccess(conversationId, actor.id) : null;
    return this.admit(actor, found, action);
  }

  /** The same where the conversation was found already, together with what is to be shown of it; null where there is none. */
  async admit(actor: Actor, found: Found | null, action: Action): Promise<Access> {
    if (!found) throw new AppError('not_found');
    const access = accessOf(actor, found.conversation, found.participant);
    requireAllowed(actor, access.standing, action);
    if (isOversight(access.standing, action)) await this.#recordOversight(actor, found.conversation.id, action);
    return access;
  }

  async #recordOversight(actor: Actor, conversationId: string, action: Action): Promise<void> {
    const record = { actorId: actor.id, action: `conversation.${action}`, targetId: conversationId };
    if (action !== 'read') {
      await this.#log.change(conversationId, (change) => change.audit(record));
      return;
    }
    const reader = JSON.stringify([actor.id, conversationId]);
    const now = performance.now();
    if ((this.#audited.get(reader) ?? 0) > now) return;
    await this.#log.change(conversationId, async (change) => {
      // Another node may have written it.
      if (!(await change.wasAudited(actor.id, record.action, READ_AUDITED_FOR_MS))) await change.audit(record);
    });
    if (this.#audited.size >= READERS_REMEMBERED) this.#audited.clear();
    this.#audited.set(reader, now + READ_AUDITED_FOR_MS);
  }
}
