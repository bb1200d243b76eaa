import type {
  HistoryQuery,
  Message,
  Metadata,
  Page,
  Participant,
  Revision,
  SendMessage,
  SentMessage,
} from '@parley/protocol';
import { CAPS } from '@parley/protocol';
import { classifyDatabaseError } from '../../../infrastructure/database-errors.ts';
import { UnreadableError } from '../../../infrastructure/sealing.ts';
import {
  messagingRateLimiter,
  type RateLimits,
  rateLimited,
  repeatsRateLimiter,
} from '../../../middleware/rate-limit.ts';
import type { Actor } from '../../../utils/actor.ts';
import { AppError, invalidField } from '../../../utils/app-error.ts';
import { decodeCursor, encodeCursor } from '../../../utils/cursor.ts';
import { namesTag } from '../../../utils/etag.ts';
import { isUuid, newId } from '../../../utils/ids.ts';
import { JsonBytes } from '../../../utils/json-bytes.ts';
import { type ConversationSeal, type Seals, sealRecord, unreadable } from '../../confidential/index.ts';
import type { Publisher } from '../messaging.events.ts';
import { presentAttachment, presentMessage, presentReply, presentTime } from '../messaging.presenter.ts';
import type { ConversationChange } from '../repositories/conversation-log.ts';
import { clearReaction, storeDeletion, storeEdit, storeReaction } from '../repositories/message-changes.ts';
import type { AppendCommand, AppendResult, JoinedRow, MessageLog } from '../repositories/message-log.ts';
import type { MessageOpener } from '../repositories/message-opener.ts';
import type { HistoryWindow, MessagesRepository } from '../repositories/messages.repository.ts';
import type { ConversationRow, MessageRow, ParticipantRow, ShownMessageRow } from '../repositories/rows.ts';
import type { Committer } from './committer.ts';
import { accessOf, type ConversationAccess, requireAllowed } from './conversation-access.ts';
import { type NewestPage, NewestPages } from './newest-pages.ts';
import type { Screening } from './screening.ts';
import { cleanContent, cleanLabel, cleanMetadata, digestRequest, digestText, type TextRules } from './sent-text.ts';

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
  /** The first of these files that is kept unencrypted, from before there was a key; null where none is. */
  findUnsealed(ids: readonly string[]): Promise<string | null>;
}

export interface MessagingServiceDeps {
  readonly access: ConversationAccess;
  readonly log: MessageLog;
  readonly seals: Pick<Seals, 'recall' | 'find' | 'of'>;
  readonly opener: MessageOpener;
  readonly messages: MessagesRepository;
  readonly committer: Committer;
  readonly publisher: Publisher;
  readonly people: People;
  readonly limits: RateLimits;
  readonly text: TextRules;
  readonly files: Files;
  readonly screening: Screening;
  readonly onSent?: () => void;
}

/** A page of history; null where the caller has it. */
export interface ListedMessages {
  /** A `Page` of `Message`, ready for the wire. */
  readonly page: JsonBytes | null;
  readonly etag: string;
}

/** Sending, reading, editing, deleting and reacting: one method for each thing a person does with messages. */
export class MessagingService {
  readonly #deps: MessagingServiceDeps;
  readonly #newestPages = new NewestPages();

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
    let refundText = (): void => {};
    try {
      // Waited for only where it is not known yet, and never without a master key.
      const known = this.#deps.seals.recall(conversationId.toLowerCase());
      const seal = known === undefined ? await this.#findSeal(conversationId) : known;
      const prepared = await this.#prepare(actor, conversationId, input, seal);
      const { draft, refund } = this.#deps.screening.isActive
        ? await this.#screen(actor, prepared)
        : { draft: prepared, refund: refundText };
      refundText = refund;
      const result = await this.#append(draft.command);
      counts = result.outcome === 'stored';
      if (result.outcome === 'stored') return await this.#tell(draft, result);
      if (result.outcome === 'duplicate') return await this.#answerRepeat(actor, conversationId, result.earlierId);
      throw refusalOf(result);
    } catch (error) {
      // It may have been stored all the same; and what waits for a moderator counts as what was sent.
      counts ||= classifyDatabaseError(error).outcomeUnknown;
      counts ||= error instanceof AppError && error.code === 'message_held';
      throw error;
    } finally {
      if (counts) permit.settle();
      else permit.refund();
      if (!counts) refundText();
    }
  }

  /**
   * Sends what was held, now that it is approved: the road of every message, but for the limits, which it has passed. It
   * was given its id when it was held, so a second time finds it stored and does nothing.
   */
  async sendHeld(command: AppendCommand): Promise<void> {
    const isStored = async () => (await this.#deps.messages.findOne(command.conversationId, command.id)) !== null;
    if (await isStored()) return;
    try {
      const result = await this.#append(command);
      if (result.outcome === 'stored') {
        // Nothing of a confidential conversation is ever held.
        await this.#tell({ command, content: command.content ?? '', metadata: command.metadata, seal: null }, result);
      } else if (result.outcome !== 'duplicate') throw refusalOf(result);
    } catch (error) {
      // Another node may have sent it at the same moment.
      if (error instanceof AppError || !(await isStored())) throw error;
    }
  }

  /**
   * A page of history, oldest first. `nextCursor` goes on in the direction asked for.
   *
   * `etag` changes whenever anything in the conversation does; a caller who has it already (`known`, an `If-None-Match` header)
   * gets no page. It is weak: the same page may be packed in one answer and plain in the next.
   */
  async listMessages(
    actor: Actor,
    conversationId: string,
    query: HistoryQuery,
    known?: string,
  ): Promise<ListedMessages> {
    const window = historyWindow(query);
    if (window.kind !== 'newest') return this.#readPage(actor, conversationId, window, query.limit, known);

    // The page with which everybody opens a conversation.
    const kept = await this.#newestPages.recall(conversationId.toLowerCase(), query.limit);
    const reading = this.#readPage(actor, conversationId.toLowerCase(), window, query.limit, known, kept);
    if (!kept) this.#newestPages.announce(conversationId.toLowerCase(), query.limit, reading);
    return reading;
  }

  async #readPage(
    actor: Actor,
    conversationId: string,
    window: HistoryWindow,
    limit: number,
    known: string | undefined,
    kept?: NewestPage,
  ): Promise<ListedMessages> {
    if (known !== undefined || kept) {
      // Nothing is read but whether something is to be read.
      const { conversation } = await this.#deps.access.require(actor, conversationId, 'read');
      const etag = etagOf(conversation);
      if (known !== undefined && namesTag(known, etag)) return { page: null, etag };
      if (kept?.rev === conversation.rev) return { page: kept.page, etag };
    }
    // One more than asked for says that there is more; around a message, the first one's number does.
    const most = window.kind === 'around' ? limit : limit + 1;
    const found = isUuid(conversationId)
      ? await this.#deps.messages.findPage(conversationId, actor.id, window, most)
      : null;
    await this.#deps.access.admit(actor, found, 'read');
    const { conversation, messages } = found!;
    const answer = this.#answer(conversation, messages, window, limit);
    // Nothing of a confidential conversation is kept anywhere, and nothing that may open another time.
    if (window.kind === 'newest' && !conversation.confidential && answer.etag === etagOf(conversation)) {
      this.#newestPages.keep({ conversationId, rev: conversation.rev, limit, page: answer.page });
    }
    return answer;
  }

  #answer(
    conversation: ConversationRow,
    rows: ShownMessageRow[],
    window: HistoryWindow,
    limit: number,
  ): ListedMessages & { readonly page: JsonBytes } {
    const [onward, surplus] = window.kind === 'after' ? (['after', -1] as const) : (['before', 0] as const);
    const hasMore = window.kind === 'around' ? (rows[0]?.seq ?? 1) > 1 : rows.length > limit;
    if (rows.length > limit) rows.splice(surplus, 1);
    // One message that does not open is shown as such; without the key there is nothing to show.
    if (rows.some((row) => row.unreadable === 'key')) throw unreadable(keyIsLost(conversation.id));
    const edge = rows.at(onward === 'after' ? -1 : 0);
    const nextCursor = hasMore && edge ? encodeCursor({ [onward]: edge.seq }) : null;
    const isWhole = rows.every((row) => row.unreadable === undefined);
    // Once the rest opens again the page is another one under the same `rev`.
    const page: Page<Message> = { items: rows.map(presentMessage), nextCursor };
    return {
      page: JsonBytes.of(page),
      etag: isWhole ? etagOf(conversation) : `W/"${conversation.rev}-unreadable"`,
    };
  }

  async getMessage(actor: Actor, conversationId: string, messageId: string): Promise<Message> {
    await this.#deps.access.require(actor, conversationId, 'read');
    return presentMessage(await this.#requireReadable(conversationId, messageId));
  }

  /** The texts a message had and has, first text first: for its author and for moderators (EDIT-1). */
  async listRevisions(actor: Actor, conversationId: string, messageId: string): Promise<Page<Revision>> {
    const access = await this.#deps.access.require(actor, conversationId, 'read');
    const message = await this.#requireMessage(conversationId, messageId);
    if (message.senderId !== actor.id || !access.participant) {
      requireAllowed(actor, access.standing, 'readRevisions');
    }
    if (message.deletedAt !== null) return { items: [], nextCursor: null };
    if (message.unreadable) throw unreadable(doesNotOpen(message));
    const earlier = (await this.#deps.messages.findRevisions(messageId)).map(({ content, at, by }) => {
      if (content === null) throw unreadable(doesNotOpen(message));
      return { content, at, by };
    });
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
    const { text: cleaned, sanitized } = cleanContent(input.content, this.#deps.text, { mayBeEmpty: true });
    const text = this.#deps.screening.isActive
      ? await this.#screenEdit(actor, conversationId, messageId, cleaned)
      : cleaned;
    return this.#deps.committer.commit(conversationId, async (change) => {
      const message = await this.#requireOwn(actor, change, messageId);
      if (message.deletedAt !== null) throw new AppError('message_deleted');
      if (message.unreadable) throw unreadable(doesNotOpen(message));
      if (input.ifRev !== undefined && input.ifRev !== message.rev) throw new AppError('revision_conflict');
      if (text === '' && message.attachments === null) throw new AppError('empty_message');
      if (message.content === text) return presentMessage(message);

      const seal = this.#sealOf(message);
      const edited = presentMessage(await storeEdit(change, message, { text, sanitized, seal }));
      await change.audit(
        sealRecord(seal, {
          actorId: actor.id,
          action: 'message.edited',
          targetId: message.id,
          before: { content: message.content },
          after: { content: text },
        }),
      );
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
      await change.audit(toDeletionRecord(actor.id, message, why, message.unreadable ? null : this.#sealOf(message)));
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
  async #prepare(
    actor: Actor,
    conversationId: string,
    input: SendMessage,
    seal: ConversationSeal | null,
  ): Promise<Draft> {
    try {
      const draft = this.#toDraft(actor, conversationId, input, seal);
      if (seal) await this.#requireSealed(draft.command.attachmentIds);
      return draft;
    } catch (refusal) {
      const key = isUuid(conversationId) ? input.clientMessageId : undefined;
      const isTaken = key !== undefined && (await this.#deps.messages.findByKey(conversationId, actor.id, key));
      throw isTaken ? new AppError('idempotency_conflict') : refusal;
    }
  }

  #toDraft(actor: Actor, conversationId: string, input: SendMessage, seal: ConversationSeal | null): Draft {
    const { attachmentIds } = input;
    const { text, sanitized } = cleanContent(input.content, this.#deps.text, { mayBeEmpty: attachmentIds.length > 0 });
    if (!isUuid(conversationId)) throw new AppError('not_found');
    if (input.replyToId !== undefined && !isUuid(input.replyToId)) throw refusalOf({ outcome: 'unknown_reply' });
    const index = attachmentIds.findIndex((id) => !isUuid(id));
    if (index >= 0) throw refusalOf({ outcome: 'unknown_attachment', index });
    const key = input.clientMessageId ?? null;
    const replyToId = input.replyToId ?? null;
    const id = newId();
    const metadata = input.metadata ? cleanMetadata(input.metadata, this.#deps.text) : null;
    const command: AppendCommand = {
      id,
      conversationId: conversationId.toLowerCase(),
      senderId: actor.id,
      ...(seal
        ? { content: null, metadata: null, sealed: seal.sealMessage(id, { content: text, metadata }) }
        : { content: text, metadata, sealed: null }),
      sanitized,
      clientMessageId: key,
      requestDigest: key === null ? null : digestRequest(text, replyToId, attachmentIds, seal),
      replyToId,
      mentions: input.mentions,
      attachmentIds,
    };
    return { command, content: text, metadata, seal };
  }

  /** What rules and policies make of a send, where there are any. */
  async #screen(actor: Actor, draft: Draft): Promise<{ draft: Draft; refund: () => void }> {
    const { command, content, metadata, seal } = draft;
    const { id, conversationId, senderId, clientMessageId: key, attachmentIds } = command;
    const screened = await this.#deps.screening.screenSend({
      ...{ actor, draft: command, content, metadata, confidential: seal !== null },
      digestOf: (text) => digestText(text, seal),
      isRepeat: async () =>
        key !== null && (await this.#deps.messages.findByKey(conversationId, senderId, key)) !== null,
      requireMaySend: () => this.#requireMaySend(actor, conversationId),
    });
    const { refund } = screened;
    if (screened.content === content) return { draft, refund };
    const { text } = cleanContent(screened.content, this.#deps.text, { mayBeEmpty: attachmentIds.length > 0 });
    const texts = seal ? { sealed: seal.sealMessage(id, { content: text, metadata }) } : { content: text };
    return { draft: { ...draft, content: text, command: { ...command, ...texts } }, refund };
  }

  async #screenEdit(actor: Actor, conversationId: string, messageId: string, content: string): Promise<string> {
    await this.#requireMaySend(actor, conversationId);
    const confidential = (await this.#findSeal(conversationId)) !== null;
    const edit = { actor, conversationId, messageId, content, confidential };
    const screened = await this.#deps.screening.screenEdit(edit);
    return screened === content ? content : cleanContent(screened, this.#deps.text, { mayBeEmpty: true }).text;
  }

  /** Refuses who could not send there anyway. Whoever may join a channel by sending, may. */
  async #requireMaySend(actor: Actor, conversationId: string): Promise<void> {
    const { conversation, standing } = await this.#deps.access.require(actor, conversationId, 'read');
    if (standing === 'visitor' || (conversation.type === 'channel' && standing === 'outsider')) return;
    requireAllowed(actor, standing, 'send');
  }

  /** Null also for a conversation that is not there: that is for the append to say. */
  async #findSeal(conversationId: string): Promise<ConversationSeal | null> {
    return isUuid(conversationId) ? this.#deps.seals.find(conversationId.toLowerCase()) : null;
  }

  /** Of a message, whose row brings the key along; null in an ordinary conversation. */
  #sealOf({ conversationId, sealed, dataKey }: MessageRow): ConversationSeal | null {
    return sealed === null ? null : this.#deps.seals.of(conversationId, dataKey);
  }

  /** What was uploaded before the server had a key lies there for everybody to read who can read the storage. */
  async #requireSealed(attachmentIds: readonly string[]): Promise<void> {
    const open = attachmentIds.length > 0 ? await this.#deps.files.findUnsealed(attachmentIds) : null;
    if (open === null) return;
    const index = attachmentIds.findIndex((id) => id.toLowerCase() === open);
    throw invalidField(`attachmentIds.${index}`, 'Was uploaded before files were encrypted here: upload it again.');
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
  async #tell(
    { command, content, metadata, seal }: Draft,
    result: Extract<AppendResult, { outcome: 'stored' }>,
  ): Promise<SentMessage> {
    const reply = result.reply && seal ? this.#deps.opener.openReply(seal, result.reply) : result.reply;
    const message: Message = {
      id: command.id,
      conversationId: command.conversationId,
      seq: result.seq,
      rev: result.rev,
      senderId: command.senderId,
      content,
      attachments: this.#deps.opener.openFiles(result.attachments).map(presentAttachment),
      replyTo: reply && presentReply(reply),
      mentions: [...result.mentions],
      metadata,
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
    const payload = { conversationId, rev, message };
    this.#deps.publisher.announce([{ name: 'message:created', payload, ...(seal && { confidential: true }) }]);
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
    const seal = await this.#findSeal(conversationId);
    if (earlier.sealed !== null && !seal) throw refusalOf({ outcome: 'not_sealed' });
    const { command } = this.#toDraft(actor, conversationId, input, seal);
    if (command.requestDigest !== earlier.requestDigest) throw new AppError('idempotency_conflict');
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
      const { standing, participant } = accessOf(actor, change.conversation, await change.findParticipant(actor.id));
      requireAllowed(actor, standing, 'react');
      if (await change.isCut(actor.id)) throw new AppError('blocked');
      await requireMayWrite(change, participant);
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
    await requireMayWrite(change, access.participant);
    const message = await this.#requireMessage(change.conversation.id, messageId, change);
    if (message.senderId !== actor.id) throw new AppError('forbidden');
    return message;
  }

  /** As `#requireMessage`, for what needs the text. */
  async #requireReadable(conversationId: string, messageId: string): Promise<MessageRow> {
    const message = await this.#requireMessage(conversationId, messageId);
    if (message.unreadable) throw unreadable(doesNotOpen(message));
    return message;
  }

  async #requireMessage(conversationId: string, messageId: string, change?: ConversationChange): Promise<MessageRow> {
    const message = isUuid(messageId) ? await this.#deps.messages.findOne(conversationId, messageId, change?.tx) : null;
    if (!message) throw new AppError('not_found');
    return message;
  }
}

/** What the trail keeps of a deleted message. One that did not open is kept as it was, for the day when its key is back. */
function toDeletionRecord(actorId: string, message: MessageRow, reason: string | null, seal: ConversationSeal | null) {
  const { content, metadata, attachments } = message;
  const fileNames = attachments?.map(({ fileName }) => fileName);
  const before = message.unreadable
    ? { unreadable: true, kept: message.sealed }
    : { content, metadata, ...(fileNames && { fileNames }) };
  return sealRecord(seal, { actorId, action: 'message.deleted', targetId: message.id, reason, before });
}

function doesNotOpen({ id, conversationId, unreadable: reason }: MessageRow): UnreadableError {
  return new UnreadableError(reason ?? 'damage', `message ${id} of conversation ${conversationId} does not open`);
}

function keyIsLost(conversationId: string): UnreadableError {
  return new UnreadableError('key', `the key of conversation ${conversationId} is lost`);
}

/** A send as it is stored, and what of it is told. */
interface Draft {
  readonly command: AppendCommand;
  readonly content: string;
  readonly metadata: Metadata | null;
  /** Of a confidential conversation; null in all others. */
  readonly seal: ConversationSeal | null;
}

/** Silenced people, and the members of a read-only conversation, neither edit nor react. */
async function requireMayWrite(change: ConversationChange, participant: ParticipantRow | null): Promise<void> {
  if (participant && (await change.isSilent(participant))) throw new AppError('forbidden');
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
    case 'slow':
      return new AppError('rate_limited', { retryAfterMs: result.waitMs });
    case 'not_sealed':
      return new AppError('unavailable', {
        detail: 'This conversation is confidential, and this server has no key for it.',
        cause: 'a confidential conversation was sent to without a seal: ENCRYPTION_KEYS is not set on this node',
      });
    default:
      return new AppError(result.outcome);
  }
}

function etagOf({ rev }: ConversationRow): string {
  return `W/"${rev}"`;
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
