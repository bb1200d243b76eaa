import type { Page, Participant, UpdateParticipant } from '@parley/protocol';
import { CAPS } from '@parley/protocol';
import type { Actor } from '../../../utils/actor.ts';
import { AppError, invalidField } from '../../../utils/app-error.ts';
import { decodeCursor, pageFrom } from '../../../utils/cursor.ts';
import { mayRemove, type Standing } from '../messaging.policy.ts';
import { presentParticipant, presentSilence, withoutPointers } from '../messaging.presenter.ts';
import type { ConversationChange } from '../repositories/conversation-log.ts';
import {
  countOwners,
  findHeir,
  type JoinPlace,
  markLeft,
  type ParticipantsRepository,
  setRole,
  setSilence,
  upsertParticipant,
} from '../repositories/participants.repository.ts';
import type { ParticipantRow } from '../repositories/rows.ts';
import type { Committer } from './committer.ts';
import { accessOf, type ConversationAccess, requireAllowed } from './conversation-access.ts';
import type { Blocks, Directory } from './conversations.service.ts';

export interface MembershipServiceDeps {
  readonly access: ConversationAccess;
  readonly participants: ParticipantsRepository;
  readonly committer: Committer;
  readonly directory: Directory;
  readonly blocks: Blocks;
}

/** Who is in a conversation, and as what. Every method but the list is one transaction on the conversation's lock. */
export class MembershipService {
  readonly #deps: MembershipServiceDeps;

  constructor(deps: MembershipServiceDeps) {
    this.#deps = deps;
  }

  /** The present ones, or with `former` those who left. */
  async listParticipants(
    actor: Actor,
    conversationId: string,
    query: { readonly limit: number; readonly cursor?: string | undefined; readonly former: 'true' | 'false' },
  ): Promise<Page<Participant>> {
    await this.#deps.access.require(actor, conversationId, 'read');
    const place = decodeCursor(query.cursor, isJoinPlace);
    const state = query.former === 'true' ? 'former' : 'present';
    const rows = await this.#deps.participants.findPage(conversationId, state, place, query.limit + 1);
    const page = pageFrom(rows, query.limit, (row) => ({ at: row.joinedAt, id: row.userId }));
    const items = withoutPointers(await this.#present(page.items), await this.#deps.blocks.findCutOff(actor.id));
    return { items, nextCursor: page.nextCursor };
  }

  /**
   * Adds people (owners, moderators), or in a channel oneself. Each one who comes in is a change of its own; who is in
   * already is answered and changes nothing.
   */
  async addParticipants(
    actor: Actor,
    conversationId: string,
    userIds: readonly string[],
  ): Promise<{ items: Participant[] }> {
    const people = await this.#deps.directory.findMany(userIds);
    return this.#deps.committer.commit(conversationId, async (change) => {
      const own = await change.findParticipant(actor.id);
      const { standing } = accessOf(actor, change.conversation, own);
      requireMayAdd(actor, change, standing, own, userIds);
      const unknown = userIds.flatMap((id, index) =>
        people.has(id) ? [] : [{ path: `userIds.${index}`, message: 'There is no such person.' }],
      );
      if (unknown.length > 0) throw new AppError('invalid_request', { errors: unknown });

      const items: Participant[] = [];
      let joined = 0;
      for (const userId of userIds) {
        const before = await change.findParticipant(userId);
        if (before && before.leftAt === null) {
          items.push(presentParticipant(before, people.get(userId)));
          continue;
        }
        joined += 1;
        requireRoom(change, joined);
        const row = await upsertParticipant(change, userId);
        const participant = presentParticipant(row, people.get(userId));
        await change.audit({
          actorId: actor.id,
          action: 'participant.added',
          targetId: userId,
          after: { role: row.role },
        });
        tell(change, 'participant:joined', participant);
        items.push(participant);
      }
      change.countPeople(joined);
      return { items };
    });
  }

  /**
   * Gives a role (owners; the last owner names another one before stepping down), or silences somebody for a time
   * (moderators those below them, owners everybody). Each of the two is a change of its own.
   */
  async updateParticipant(
    actor: Actor,
    conversationId: string,
    userId: string,
    { role, silencedUntil, reason }: UpdateParticipant & { readonly reason?: string | undefined },
  ): Promise<Participant> {
    const people = await this.#deps.directory.findMany([userId]);
    return this.#deps.committer.commit(conversationId, async (change) => {
      const { standing } = accessOf(actor, change.conversation, await change.findParticipant(actor.id));
      if (role !== undefined) requireAllowed(actor, standing, 'giveRoles');
      if (silencedUntil !== undefined) requireAllowed(actor, standing, 'remove');
      requireNotDirect(change, 'The people of a direct conversation stay as they are.');
      let target = await requirePresent(change, userId);
      if (silencedUntil !== undefined && (userId === actor.id || !mayRemove(actor, standing, target.role))) {
        throw new AppError('forbidden');
      }
      const by = { actorId: actor.id, targetId: userId };
      if (role !== undefined && role !== target.role) {
        if (target.role === 'owner' && (await countOwners(change)) === 1) {
          throw new AppError('forbidden', { detail: 'The last owner has to name another owner first.' });
        }
        const before = { role: target.role };
        target = await setRole(change, userId, role);
        await change.audit({ ...by, action: 'participant.role_changed', before, after: { role } });
        tell(change, 'participant:updated', presentParticipant(target, people.get(userId)));
      }
      const before = { silencedUntil: presentSilence(target.silencedUntil) };
      const until = presentSilence(silencedUntil ?? null);
      if (silencedUntil !== undefined && until !== before.silencedUntil) {
        target = await setSilence(change, userId, until);
        const after = { silencedUntil: until };
        await change.audit({ ...by, action: 'participant.silenced', reason: reason ?? null, before, after });
        tell(change, 'participant:updated', presentParticipant(target, people.get(userId)));
      }
      return presentParticipant(target, people.get(userId));
    });
  }

  /** Removes somebody, or leaves. An owner who leaves as the last one passes ownership on. */
  async removeParticipant(actor: Actor, conversationId: string, userId: string): Promise<void> {
    await this.#deps.committer.commit(conversationId, async (change) => {
      const { standing } = accessOf(actor, change.conversation, await change.findParticipant(actor.id));
      const leaving = userId === actor.id;
      requireAllowed(actor, standing, leaving ? 'configure' : 'remove');
      if (!leaving) requireNotDirect(change, 'Nobody is removed from a direct conversation.');
      const target = await requirePresent(change, userId);
      if (!leaving && !mayRemove(actor, standing, target.role)) throw new AppError('forbidden');

      const lastOwner = target.role === 'owner' && (await countOwners(change)) === 1;
      const left = await markLeft(change, userId, leaving ? null : actor.id);
      change.countPeople(-1);
      await change.audit({
        actorId: actor.id,
        action: leaving ? 'participant.left' : 'participant.removed',
        targetId: userId,
        before: { role: target.role },
      });
      tell(change, 'participant:left', presentParticipant(left, await change.findPerson(userId)));
      if (lastOwner) await passOwnership(actor.id, change);
    });
  }

  async #present(rows: readonly ParticipantRow[]): Promise<Participant[]> {
    const people = await this.#deps.directory.findMany(rows.map(({ userId }) => userId));
    return rows.map((row) => presentParticipant(row, people.get(row.userId)));
  }
}

/** The last owner has left: the longest-standing moderator, else member, becomes one. */
export async function passOwnership(actorId: string, change: ConversationChange): Promise<void> {
  const heir = await findHeir(change);
  if (heir === null) return;
  const before = await change.findParticipant(heir);
  const row = await setRole(change, heir, 'owner');
  await change.audit({
    actorId,
    action: 'participant.role_changed',
    targetId: heir,
    reason: 'the last owner left',
    before: { role: before?.role },
    after: { role: 'owner' },
  });
  tell(change, 'participant:updated', presentParticipant(row, await change.findPerson(heir)));
}

function tell(
  change: ConversationChange,
  name: 'participant:joined' | 'participant:left' | 'participant:updated',
  participant: Participant,
): void {
  change.facts.push({
    name,
    payload: { conversationId: change.conversation.id, rev: participant.rev, participant },
  });
}

/** Joining a channel is open to all but those whom a moderator removed; everything else is for those who manage. */
function requireMayAdd(
  actor: Actor,
  change: ConversationChange,
  standing: Standing,
  own: ParticipantRow | null,
  userIds: readonly string[],
): void {
  const joining = change.conversation.type === 'channel' && userIds.length === 1 && userIds[0] === actor.id;
  const wasRemoved = own !== null && own.leftAt !== null && own.removedBy !== null;
  if (joining && !wasRemoved) return;
  requireAllowed(actor, standing, 'add');
  requireNotDirect(change, 'Nobody is added to a direct conversation.');
}

function requireNotDirect(change: ConversationChange, detail: string): void {
  if (change.conversation.type === 'direct') throw new AppError('forbidden', { detail });
}

function requireRoom(change: ConversationChange, joined: number): void {
  if (change.conversation.type === 'channel') return;
  if (change.conversation.participantCount + joined > CAPS.peopleInGroup) {
    throw invalidField('userIds', `A group has at most ${CAPS.peopleInGroup} people.`);
  }
}

async function requirePresent(change: ConversationChange, userId: string): Promise<ParticipantRow> {
  const row = await change.findParticipant(userId);
  if (!row || row.leftAt !== null) throw new AppError('not_found');
  return row;
}

function isJoinPlace(value: unknown): value is JoinPlace {
  if (typeof value !== 'object' || value === null || !('at' in value) || !('id' in value)) return false;
  return typeof value.at === 'string' && !Number.isNaN(Date.parse(value.at)) && typeof value.id === 'string';
}
