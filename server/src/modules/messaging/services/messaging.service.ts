import type { HistoryQuery, Message, Page, Participant, Revision, SendMessage, SentMessage } from '@parley/protocol';
import { CAPS } from '@parley/protocol';
import { classifyDatabaseError } from '../../../infrastructure/database-errors.ts';
import {
  messagingRateLimiter,
  type RateLimits,
  rateLimited,
  repeatsRateLimiter,
} from '../../../middleware/rate-limit.ts';
import type { Actor } from '../../../utils/actor.ts';
import { AppError, invalidField } from '../../../utils/app-error.ts';
import { decodeCursor, encodeCursor } from '../../../utils/cursor.ts';
import { isUuid, newId } from '../../../utils/ids.ts';
import type { Publisher } from '../messaging.events.ts';
import { presentAttachment, presentMessage, presentReply, presentTime } from '../messaging.presenter.ts';
import type { ConversationChange } from '../repositories/conversation-log.ts';
import { clearReaction, storeDeletion, storeEdit, storeReaction } from '../repositories/message-changes.ts';
import type { AppendCommand, AppendResult, JoinedRow, MessageLog } from '../repositories/message-log.ts';
import type { HistoryWindow, MessagesRepository } from '../repositories/messages.repository.ts';
import type { MessageRow } from '../repositories/rows.ts';
import type { Committer } from './committer.ts';
import { accessOf, type ConversationAccess, requireAllowed } from './conversation-access.ts';
import { cleanContent, cleanLabel, cleanMetadata, digestRequest, type TextRules } from './sent-text.ts';

/** Names and pictures of people. */
export interface People {
  findParticipants(rows: readonly JoinedParticipant[]): Promise<Participant[]>;
}

/** A membership that has just begun. */
export type JoinedParticipant = JoinedRow & { readonly joinedAt: number };

/** The bytes of files. */
export interface Files {
  /** Removes those of a deleted message. Never rejects: what could not be removed now goes with the next sweep. */
  removeDeleted(messageId: string): Promise<void>;
}

export interface MessagingServiceDeps {
  readonly access: ConversationAccess;
  readonly log: MessageLog;
  readonly messages: MessagesRepository;
  readonly committer: Committer;
  readonly publisher: Publisher;
  readonly people: People;
  readonly limits: RateLimits;
  readonly text: TextRules;
  readonly files: Files;
  readonly onSent?: () => void;
}

/** Sending, reading, editing, deleting and reacting: one method for each thing a person does with messages. */
export class MessagingService {
  readonly #deps: MessagingServiceDeps;

  constructor(deps: MessagingServiceDeps) {
    this.#deps = deps;
  }

  /**
   * Sends a message (SEND-1 to SEND-5). Answers when it is committed and told; a repeat of an earlier send answers
   * with that message and `duplicate`, whatever else would have refused it by now.
   */
  async sendMessage(actor: Actor, conversationId: string, input: SendMessage): Promise<SentMessage> {
    const permit = await this.#deps.limits.take(messagingRateLimiter, actor.id);
    if (!permit.allowed) {
      const repeat = await this.#findRepeat(actor, conversationId, input);
      if (repeat) return repeat;
      throw rateLimited(permit);
    }
    // Only what is stored counts, and from the moment it was stored: so no window ever holds more than the limit.
    let counts = false;
    try {
      const command = await this.#prepare(actor, conversationId, input);
      const result = await this.#append(command);
      counts = result.outcome === 'stored';
      if (result.outcome === 'stored') return await this.#tell(command, result);
      if (result.outcome === 'duplicate') return await this.#answerRepeat(actor, conversationId, result.earlierId);
      throw refusalOf(result);
    } catch (error) {
      // It may have been stored all the same.
      counts ||= classifyDatabaseError(error).outcomeUnknown;
      throw error;
    } finally {
      if (counts) permit.settle();
      else permit.refund();
    }
  }

  /**
   * A page of history, oldest first. `nextCursor` goes on in the direction asked for.
   *
   * The `etag` is the conversation's `rev`, since everything a page shows changes with it; `page` is null where the
   * caller has that one already.
   */
  async listMessages(
    actor: Actor,
    conversationId: string,
    query: HistoryQuery,
    knownEtag?: string,
  ): Promise<{ page: Page<Message> | null; etag: string }> {
    // Read before the page: so what the page may have newer than its tag is only fetched again.
    const { conversation } = await this.#deps.access.require(actor, conversationId, 'read');
    const etag = `"${conversation.rev}"`;
    if (knownEtag === etag) return { page: null, etag };

    const window = historyWindow(query);
    const [onward, surplus] = window.kind === 'after' ? (['after', -1] as const) : (['before', 0] as const);
    const extra = window.kind === 'around' ? 0 : 1;
    const rows = await this.#deps.messages.findPage(conversationId, window, query.limit + extra);
    // One more than asked for says that there is more; around a message, the first one's number does.
    const hasMore = extra ? rows.length > query.limit : (rows[0]?.seq ?? 1) > 1;
    if (rows.length > query.limit) rows.splice(surplus, 1);
    const edge = rows.at(onward === 'after' ? -1 : 0);
    const nextCursor = hasMore && edge ? encodeCursor({ [onward]: edge.seq }) : null;
    return { page: { items: rows.map(presentMessage), nextCursor }, etag };
  }

  async getMessage(actor: Actor, conversationId: string, messageId: string): Promise<Message> {
    await this.#deps.access.require(actor, conversationId, 'read');
    return presentMessage(await this.#requireMessage(conversationId, messageId));
  }

  /** The texts a message had and has, first text first: for its author and for moderators (EDIT-1). */
  async listRevisions(actor: Actor, conversationId: string, messageId: string): Promise<Page<Revision>> {
    const access = await this.#deps.access.require(actor, conversationId, 'read');
    const message = await this.#requireMessage(conversationId, messageId);
    if (message.senderId !== actor.id || !access.participant) {
      requireAllowed(actor, access.standing, 'readRevisions');
    }
    if (message.deletedAt !== null) return { items: [], nextCursor: null };
    const earlier = await this.#deps.messages.findRevisions(messageId);
    const present = { content: message.content ?? '', at: message.editedAt ?? message.createdAt, by: message.senderId };
    return {
      items: [...earlier, present].map((revision) => ({ ...revision, at: presentTime(revision.at) })),
      nextCursor: null,
    };
  }

  /** Changes the text of one's own message (EDIT-1). The same text again is no change. */
  async editMessage(
    actor: Actor,
    conversationId: string,
    messageId: string,
    input: { readonly content: string; readonly ifRev?: number | undefined },
  ): Promise<Message> {
    const { text, sanitized } = cleanContent(input.content, this.#deps.text, { mayBeEmpty: true });
    return this.#deps.committer.commit(conversationId, async (change) => {
      const message = await this.#requireOwn(actor, change, messageId);
      if (message.deletedAt !== null) throw new AppError('message_deleted');
      if (input.ifRev !== undefined && input.ifRev !== message.rev) throw new AppError('revision_conflict');
      if (text === '' && message.attachments === null) throw new AppError('empty_message');
      if (message.content === text) return presentMessage(message);

      const edited = presentMessage(await storeEdit(change, message, text, sanitized));
      await change.audit({
        actorId: actor.id,
        action: 'message.edited',
        targetId: message.id,
        before: { content: message.content },
        after: { content: text },
      });
      change.facts.push({ name: 'message:updated', payload: { conversationId, rev: edited.rev, message: edited } });
      return edited;
    });
  }

  /** Deletes a message (DEL-1). A second time answers with what is left, and changes nothing. */
  async deleteMessage(actor: Actor, conversationId: string, messageId: string, reason?: string): Promise<Message> {
    const why = reason === undefined ? null : cleanLabel(reason, this.#deps.text);
    const left = await this.#deps.committer.commit(conversationId, async (change) => {
      const { standing, participant } = accessOf(actor, change.conversation, await change.findParticipant(actor.id));
      requireAllowed(actor, standing, 'read');
      const message = await this.#requireMessage(conversationId, messageId, change);
      const isOwn = message.senderId === actor.id && participant !== null;
      requireAllowed(actor, standing, isOwn ? 'deleteOwn' : 'deleteAny');
      if (message.deletedAt !== null) return presentMessage(message);

      const left = presentMessage(await storeDeletion(change, message, actor.id));
      await change.audit({
        actorId: actor.id,
        action: 'message.deleted',
        targetId: message.id,
        reason: why,
        before: {
          content: message.content,
          metadata: message.metadata,
          ...(message.attachments && { fileNames: message.attachments.map(({ fileName }) => fileName) }),
        },
      });
      change.facts.push({ name: 'message:deleted', payload: { conversationId, rev: left.rev, message: left } });
      return left;
    });
    await this.#deps.files.removeDeleted(left.id);
    return left;
  }

  /** Sets a reaction; one that is set already stays. */
  async addReaction(actor: Actor, conversationId: string, messageId: string, emoji: string): Promise<Message> {
    return this.#react(actor, conversationId, messageId, async (change, message) => {
      if (hasReaction(message, emoji, actor.id)) return null;
      const kinds = message.reactions ?? [];
      if (kinds.length >= CAPS.distinctEmoji && !kinds.some((kind) => kind.emoji === emoji)) {
        throw invalidField('emoji', `A message can have at most ${CAPS.distinctEmoji} different reactions.`);
      }
      return { name: 'reaction:added', emoji, rev: await storeReaction(change, message, emoji, actor.id) };
    });
  }

  /** Clears one's own reaction; one that is not there stays away. */
  async removeReaction(actor: Actor, conversationId: string, messageId: string, emoji: string): Promise<Message> {
    return this.#react(actor, conversationId, messageId, async (change, message) => {
      if (!hasReaction(message, emoji, actor.id)) return null;
      return { name: 'reaction:removed', emoji, rev: await clearReaction(change, message, emoji, actor.id) };
    });
  }

  /** The command, checked. Under a key that has its message already, what is refused is first of all another one. */
  async #prepare(actor: Actor, conversationId: string, input: SendMessage): Promise<AppendCommand> {
    try {
      return this.#toCommand(actor, conversationId, input);
    } catch (refusal) {
      const key = isUuid(conversationId) ? input.clientMessageId : undefined;
      const isTaken = key !== undefined && (await this.#deps.messages.findByKey(conversationId, actor.id, key));
      throw isTaken ? new AppError('idempotency_conflict') : refusal;
    }
  }

  #toCommand(actor: Actor, conversationId: string, input: SendMessage): AppendCommand {
    const { attachmentIds } = input;
    const { text, sanitized } = cleanContent(input.content, this.#deps.text, { mayBeEmpty: attachmentIds.length > 0 });
    if (!isUuid(conversationId)) throw new AppError('not_found');
    if (input.replyToId !== undefined && !isUuid(input.replyToId)) throw refusalOf({ outcome: 'unknown_reply' });
    const index = attachmentIds.findIndex((id) => !isUuid(id));
    if (index >= 0) throw refusalOf({ outcome: 'unknown_attachment', index });
    const key = input.clientMessageId ?? null;
    const replyToId = input.replyToId ?? null;
    return {
      id: newId(),
      conversationId: conversationId.toLowerCase(),
      senderId: actor.id,
      content: text,
      sanitized,
      clientMessageId: key,
      requestDigest: key === null ? null : digestRequest(text, replyToId, attachmentIds),
      replyToId,
      metadata: input.metadata ? cleanMetadata(input.metadata, this.#deps.text) : null,
      mentions: input.mentions,
      attachmentIds,
    };
  }

  async #append(command: AppendCommand): Promise<AppendResult> {
    try {
      return await this.#deps.log.append(command);
    } catch (error) {
      // Whether it was committed nobody knows yet: if it was, the others must still be told.
      if (classifyDatabaseError(error).outcomeUnknown) this.#deps.publisher.suspect([command.conversationId]);
      throw error;
    }
  }

  /** After the commit: presents the message once, and gives the facts to the feed. */
  async #tell(command: AppendCommand, result: Extract<AppendResult, { outcome: 'stored' }>): Promise<SentMessage> {
    const message: Message = {
      id: command.id,
      conversationId: command.conversationId,
      seq: result.seq,
      rev: result.rev,
      senderId: command.senderId,
      content: command.content,
      attachments: result.attachments.map(presentAttachment),
      replyTo: result.reply && presentReply(result.reply),
      mentions: [...result.mentions],
      metadata: command.metadata,
      reactions: [],
      clientMessageId: command.clientMessageId,
      sanitized: command.sanitized,
      createdAt: new Date(result.createdAt).toISOString(),
      editedAt: null,
      deletedAt: null,
      deletedBy: null,
    };
    const { conversationId, rev } = message;
    if (result.joins.length > 0) await this.#tellJoins(conversationId, result.joins, result.createdAt);
    this.#deps.publisher.announce([{ name: 'message:created', payload: { conversationId, rev, message } }]);
    if (result.wasBehind) {
      this.#deps.publisher.signal({
        name: 'unread:changed',
        to: command.senderId,
        payload: { conversationId, unreadCount: 0, lastReadSeq: result.seq },
      });
    }
    this.#deps.onSent?.();
    return { ...message, duplicate: false };
  }

  async #tellJoins(conversationId: string, joins: readonly JoinedRow[], joinedAt: number): Promise<void> {
    try {
      const participants = await this.#deps.people.findParticipants(joins.map((join) => ({ ...join, joinedAt })));
      this.#deps.publisher.announce(
        participants.map((participant) => ({
          name: 'participant:joined',
          payload: { conversationId, rev: participant.rev, participant },
        })),
      );
    } catch {
      // The message is stored, so its sender gets the good answer; the feed reads from the log what could not be told.
      this.#deps.publisher.suspect([conversationId]);
    }
  }

  /** The first message of a key, for a sender who is over the limit: a repeat is no new message. */
  async #findRepeat(actor: Actor, conversationId: string, input: SendMessage): Promise<SentMessage | null> {
    if (input.clientMessageId === undefined || !isUuid(conversationId)) return null;
    const earlier = await this.#deps.messages.findByKey(conversationId, actor.id, input.clientMessageId);
    if (!earlier) return null;
    const { requestDigest } = this.#toCommand(actor, conversationId, input);
    if (requestDigest !== earlier.requestDigest) throw new AppError('idempotency_conflict');
    return this.#answerRepeat(actor, conversationId, earlier.id);
  }

  async #answerRepeat(actor: Actor, conversationId: string, messageId: string): Promise<SentMessage> {
    const permit = await this.#deps.limits.take(repeatsRateLimiter, actor.id);
    if (!permit.allowed) throw rateLimited(permit);
    const message = await this.#requireMessage(conversationId, messageId);
    return { ...presentMessage(message), duplicate: true };
  }

  /** What setting and clearing a reaction share: `write` answers null where nothing changes. */
  async #react(
    actor: Actor,
    conversationId: string,
    messageId: string,
    write: (change: ConversationChange, message: MessageRow) => Promise<ReactionChange | null>,
  ): Promise<Message> {
    return this.#deps.committer.commit(conversationId, async (change) => {
      const { standing } = accessOf(actor, change.conversation, await change.findParticipant(actor.id));
      requireAllowed(actor, standing, 'react');
      if (await change.isCut(actor.id)) throw new AppError('blocked');
      const message = await this.#requireMessage(conversationId, messageId, change);
      if (message.deletedAt !== null) throw new AppError('message_deleted');
      const written = await write(change, message);
      if (!written) return presentMessage(message);

      const { name, emoji, rev } = written;
      const changed = presentMessage(await this.#requireMessage(conversationId, messageId, change));
      const count = changed.reactions.find((reaction) => reaction.emoji === emoji)?.count ?? 0;
      change.facts.push({ name, payload: { conversationId, rev, messageId, emoji, userId: actor.id, count } });
      return changed;
    });
  }

  /** One's own message, for editing: the author must still be in the conversation, and may write there. */
  async #requireOwn(actor: Actor, change: ConversationChange, messageId: string): Promise<MessageRow> {
    const access = accessOf(actor, change.conversation, await change.findParticipant(actor.id));
    requireAllowed(actor, access.standing, 'send');
    if (await change.isCut(actor.id)) throw new AppError('blocked');
    const message = await this.#requireMessage(change.conversation.id, messageId, change);
    if (message.senderId !== actor.id) throw new AppError('forbidden');
    return message;
  }

  async #requireMessage(conversationId: string, messageId: string, change?: ConversationChange): Promise<MessageRow> {
    const message = isUuid(messageId) ? await this.#deps.messages.findOne(conversationId, messageId, change?.tx) : null;
    if (!message) throw new AppError('not_found');
    return message;
  }
}

interface ReactionChange {
  readonly name: 'reaction:added' | 'reaction:removed';
  readonly emoji: string;
  readonly rev: number;
}

function hasReaction(message: MessageRow, emoji: string, userId: string): boolean {
  return message.reactions?.some((kind) => kind.emoji === emoji && kind.userIds.includes(userId)) ?? false;
}

function refusalOf(result: Exclude<AppendResult, { outcome: 'stored' | 'duplicate' }>): AppError {
  switch (result.outcome) {
    case 'unknown_reply':
      return invalidField('replyToId', 'There is no such message in this conversation.');
    case 'unknown_attachment':
      return invalidField(`attachmentIds.${result.index}`, 'There is no such file of yours.');
    default:
      return new AppError(result.outcome);
  }
}

function historyWindow(query: HistoryQuery): HistoryWindow {
  const place = decodeCursor(query.cursor, isHistoryPlace);
  const { before, after, around } = place ?? query;
  if (before !== undefined) return { kind: 'before', seq: before };
  if (after !== undefined) return { kind: 'after', seq: after };
  if (around !== undefined) return { kind: 'around', seq: around };
  return { kind: 'newest' };
}

function isHistoryPlace(value: unknown): value is { before?: number; after?: number; around?: undefined } {
  if (typeof value !== 'object' || value === null) return false;
  const [entry, ...rest] = Object.entries(value);
  return (
    entry !== undefined &&
    rest.length === 0 &&
    (entry[0] === 'before' || entry[0] === 'after') &&
    Number.isSafeInteger(entry[1]) &&
    entry[1] >= 0
  );
}
