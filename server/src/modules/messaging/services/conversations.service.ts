import type {
  Conversation,
  ConversationsQuery,
  CreateConversation,
  Page,
  PageQuery,
  UpdateConversation,
  UpdateMembership,
  User,
} from '@parley/protocol';
import type { Actor } from '../../../utils/actor.ts';
import { AppError, invalidField } from '../../../utils/app-error.ts';
import { decodeCursor, pageFrom } from '../../../utils/cursor.ts';
import { isUuid, newId } from '../../../utils/ids.ts';
import type { Seals } from '../../confidential/index.ts';
import type { Publisher } from '../messaging.events.ts';
import {
  presentConversation,
  presentMembership,
  presentParticipant,
  presentTime,
  withoutPointers,
} from '../messaging.presenter.ts';
import type {
  ActivityPlace,
  ConversationsRepository,
  ConversationView,
  NewConversation,
} from '../repositories/conversations.repository.ts';
import type { MessagesRepository } from '../repositories/messages.repository.ts';
import type { ParticipantsRepository } from '../repositories/participants.repository.ts';
import type { ConversationRow } from '../repositories/rows.ts';
import type { Committer } from './committer.ts';
import { accessOf, type ConversationAccess, requireAllowed } from './conversation-access.ts';
import type { Screening } from './screening.ts';
import { cleanLabel, cleanMetadata, type TextRules } from './sent-text.ts';

/** Where people are looked up; unknown ids are missing from the answer. */
export interface Directory {
  findMany(ids: readonly string[]): Promise<Map<string, User>>;
}

/** Blocks between people. */
export interface Blocks {
  /** Whether one of the two blocks the other. */
  isCut(one: string, other: string): Promise<boolean>;
  /** Everybody who blocks this person or is blocked by them. */
  findCutOff(userId: string): Promise<ReadonlySet<string>>;
}

export interface ConversationsServiceDeps {
  readonly access: ConversationAccess;
  readonly conversations: ConversationsRepository;
  readonly participants: ParticipantsRepository;
  readonly messages: MessagesRepository;
  readonly committer: Committer;
  readonly publisher: Publisher;
  readonly directory: Directory;
  readonly text: TextRules;
  readonly nodeId: string;
  readonly blocks: Blocks;
  readonly seals: Pick<Seals, 'isOn' | 'createKey'>;
  /** Looks at titles. */
  readonly screening: Pick<Screening, 'screenName'>;
}

/** Conversations as such: creating, finding, changing, deleting, and one's own settings of them. */
export class ConversationsService {
  readonly #deps: ConversationsServiceDeps;

  constructor(deps: ConversationsServiceDeps) {
    this.#deps = deps;
  }

  /** Creates a conversation. `created` is false for a direct one that exists already. */
  async createConversation(
    actor: Actor,
    input: CreateConversation,
  ): Promise<{ conversation: Conversation; created: boolean }> {
    if (input.confidential && !this.#deps.seals.isOn) {
      throw invalidField('confidential', 'Needs an encryption key, and this server has none.');
    }
    const others = input.participantIds.filter((id) => id !== actor.id);
    await this.#requireKnown(input.participantIds, others);
    if (input.type !== 'direct') return this.#create(actor, input, others, null);

    if (others.length !== 1)
      throw invalidField('participantIds', 'A direct conversation has exactly one other person.');
    // Two people may have an ordinary conversation and, beside it, a confidential one: what is asked for is what one gets.
    const pair = [actor.id, others[0]!].sort();
    const directKey = JSON.stringify(input.confidential ? [...pair, 'confidential'] : pair);
    const existing = await this.#deps.conversations.findDirect(directKey);
    if (existing) return { conversation: await this.#view(existing, actor.id), created: false };
    if (await this.#deps.blocks.isCut(actor.id, others[0]!)) throw new AppError('blocked');
    return this.#create(actor, input, others, directKey);
  }

  async getConversation(actor: Actor, conversationId: string): Promise<Conversation> {
    await this.#deps.access.require(actor, conversationId, 'read');
    return this.#view(conversationId, actor.id);
  }

  /** Mine, latest activity first. */
  async listConversations(actor: Actor, query: ConversationsQuery): Promise<Page<Conversation>> {
    const after = decodeCursor(query.cursor, isActivityPlace);
    const views = await this.#deps.conversations.findPage(actor.id, query.filter, after, query.limit + 1);
    return this.#page(actor.id, views, query.limit, ({ place: { at, id } }) => ({ at: presentTime(at), id }));
  }

  /** Channels by title, mine or not. */
  async listChannels(
    actor: Actor,
    query: PageQuery & { readonly query?: string | undefined },
  ): Promise<Page<Conversation>> {
    const place = decodeCursor(query.cursor, isTitlePlace);
    const views = await this.#deps.conversations.findChannels(actor.id, query.query, place, query.limit + 1);
    return this.#page(actor.id, views, query.limit, ({ conversation }) => ({
      title: conversation.title ?? '',
      id: conversation.id,
    }));
  }

  /** Title, picture, metadata, and who may write. What is the same as before raises no `rev`. */
  async updateConversation(actor: Actor, conversationId: string, input: UpdateConversation): Promise<Conversation> {
    const wanted = this.#cleanUpdate(input);
    await this.#deps.committer.commit(conversationId, async (change) => {
      const { conversation } = change;
      const { standing } = accessOf(actor, conversation, await change.findParticipant(actor.id));
      requireAllowed(actor, standing, 'rename');
      if (conversation.type === 'direct' && (wanted.slowModeSeconds !== undefined || wanted.readOnly !== undefined)) {
        throw new AppError('forbidden', { detail: 'Both of a direct conversation write when they like.' });
      }
      const after = differences(conversation, wanted);
      const names = Object.keys(after) as (keyof typeof after)[];
      if (names.length === 0) return;

      const before = Object.fromEntries(names.map((name) => [name, conversation[name]]));
      const rev = change.update(after);
      await change.audit({
        actorId: actor.id,
        action: 'conversation.updated',
        targetId: conversation.id,
        before,
        after,
      });
      const row = { ...conversation, ...after, rev, updatedAt: change.moment };
      const lastMessage = await this.#deps.messages.findAt(conversation.id, conversation.lastSeq, change.tx);
      change.facts.push({
        name: 'conversation:updated',
        payload: { conversationId: conversation.id, rev, conversation: presentConversation(row, lastMessage) },
      });
    });
    return this.#view(conversationId, actor.id);
  }

  /** Deletes for everybody; what was in it can no longer be reached. */
  async deleteConversation(actor: Actor, conversationId: string): Promise<void> {
    await this.#deps.committer.commit(conversationId, async (change) => {
      const { conversation } = change;
      const { standing } = accessOf(actor, conversation, await change.findParticipant(actor.id));
      requireAllowed(actor, standing, 'close');
      const rev = change.close();
      await change.audit({
        actorId: actor.id,
        action: 'conversation.deleted',
        targetId: conversation.id,
        before: { title: conversation.title, lastSeq: conversation.lastSeq },
      });
      change.facts.push({ name: 'conversation:closed', payload: { conversationId: conversation.id, rev } });
    });
  }

  /** My own settings: nobody else is told, and no `rev` is raised. */
  async updateMembership(actor: Actor, conversationId: string, input: UpdateMembership): Promise<Conversation> {
    await this.#deps.access.require(actor, conversationId, 'configure');
    await this.#deps.participants.configure(conversationId, actor.id, input);
    return this.#view(conversationId, actor.id);
  }

  /** The conversation as these people see it, for those of them who are in it. */
  async viewsFor(conversationId: string, userIds: readonly string[]): Promise<Map<string, Conversation>> {
    const views = await this.#deps.conversations.findViews(conversationId, userIds);
    const present = [...views].filter(([, view]) => view.mine !== null);
    const shown = await this.#present(
      present.map(([, view]) => view),
      present.map(([userId]) => userId),
    );
    return new Map(present.map(([userId], index) => [userId, shown[index]!]));
  }

  async #create(actor: Actor, input: CreateConversation, others: readonly string[], directKey: string | null) {
    const role = input.type === 'direct' ? 'member' : 'owner';
    const id = newId();
    const created: NewConversation = {
      id,
      type: input.type,
      title: input.title === undefined ? null : this.#cleanTitle(input.title),
      metadata: input.metadata ? cleanMetadata(input.metadata, this.#deps.text) : {},
      directKey,
      dataKey: input.confidential ? this.#deps.seals.createKey(id) : null,
      createdBy: actor.id,
      participants: [{ userId: actor.id, role }, ...others.map((userId) => ({ userId, role: 'member' as const }))],
    };
    const stored = await this.#deps.conversations.create(created, this.#deps.nodeId);
    if (!stored) {
      // The other of the two came first.
      const existing = await this.#deps.conversations.findDirect(directKey ?? '');
      if (!existing) throw new AppError('unavailable', { retryAfterMs: 100 });
      return { conversation: await this.#view(existing, actor.id), created: false };
    }
    this.#deps.publisher.announce([
      { name: 'conversation:opened', payload: { conversationId: created.id, rev: 1, members: created.participants } },
    ]);
    return { conversation: await this.#view(created.id, actor.id), created: true };
  }

  async #requireKnown(asked: readonly string[], others: readonly string[]): Promise<void> {
    const known = await this.#deps.directory.findMany(others);
    const errors = asked.flatMap((id, index) =>
      others.includes(id) && !known.has(id)
        ? [{ path: `participantIds.${index}`, message: 'There is no such person.' }]
        : [],
    );
    if (errors.length > 0) throw new AppError('invalid_request', { errors });
  }

  #cleanUpdate(input: UpdateConversation): UpdateConversation {
    return {
      ...input,
      ...(typeof input.title === 'string' && { title: this.#cleanTitle(input.title) }),
      ...(input.metadata && { metadata: cleanMetadata(input.metadata, this.#deps.text) }),
    };
  }

  #cleanTitle(title: string): string {
    const cleaned = cleanLabel(title, this.#deps.text);
    if (cleaned === null) throw invalidField('title', 'Must not be empty.');
    return this.#deps.screening.screenName(cleaned, 'title');
  }

  async #view(conversationId: string, userId: string): Promise<Conversation> {
    const view = isUuid(conversationId) ? await this.#deps.conversations.findView(conversationId, userId) : null;
    if (!view) throw new AppError('not_found');
    return (await this.#present([view], [userId]))[0]!;
  }

  async #page<View extends ConversationView>(
    viewerId: string,
    views: View[],
    limit: number,
    placeOf: (last: View) => unknown,
  ): Promise<Page<Conversation>> {
    const { items, nextCursor } = pageFrom(views, limit, placeOf);
    return {
      items: await this.#present(
        items,
        items.map(() => viewerId),
      ),
      nextCursor,
    };
  }

  /** Views in wire shape, each as its viewer is to see it. */
  async #present(views: readonly ConversationView[], viewerIds: readonly string[]): Promise<Conversation[]> {
    const ids = new Set(views.flatMap((view) => view.participants.map(({ userId }) => userId)));
    const people = await this.#deps.directory.findMany([...ids]);
    const cutOff = new Map<string, ReadonlySet<string>>();
    for (const viewerId of new Set(viewerIds)) cutOff.set(viewerId, await this.#deps.blocks.findCutOff(viewerId));
    return views.map(({ conversation, lastMessage, participants, mine }, index) => ({
      ...presentConversation(
        conversation,
        lastMessage,
        withoutPointers(
          participants.map((row) => presentParticipant(row, people.get(row.userId))),
          cutOff.get(viewerIds[index]!)!,
        ),
      ),
      me: mine && presentMembership(mine, mine),
    }));
  }
}

/** What an update would make otherwise than it is. */
function differences(conversation: ConversationRow, wanted: UpdateConversation) {
  const { title, avatarUrl, metadata, slowModeSeconds, readOnly } = wanted;
  return {
    ...(title !== undefined && title !== conversation.title && { title }),
    ...(avatarUrl !== undefined && avatarUrl !== conversation.avatarUrl && { avatarUrl }),
    ...(metadata !== undefined && !sameJson(metadata, conversation.metadata) && { metadata }),
    ...(slowModeSeconds !== undefined && slowModeSeconds !== conversation.slowModeSeconds && { slowModeSeconds }),
    ...(readOnly !== undefined && readOnly !== conversation.readOnly && { readOnly }),
  };
}

/** Equal as JSON, whatever the order of keys. */
function sameJson(a: unknown, b: unknown): boolean {
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return a === b;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const left = Object.entries(a);
  const right = new Map(Object.entries(b));
  return left.length === right.size && left.every(([key, value]) => right.has(key) && sameJson(value, right.get(key)));
}

function isActivityPlace(value: unknown): value is ActivityPlace {
  return hasStrings(value, 'at', 'id') && !Number.isNaN(Date.parse(value.at)) && isUuid(value.id);
}

function isTitlePlace(value: unknown): value is { title: string; id: string } {
  return hasStrings(value, 'title', 'id') && isUuid(value.id);
}

function hasStrings<Name extends string>(value: unknown, ...names: Name[]): value is Record<Name, string> {
  return (
    typeof value === 'object' &&
    value !== null &&
    names.every((name) => typeof (value as Record<string, unknown>)[name] === 'string')
  );
}
