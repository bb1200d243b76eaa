import type { ParleySocket } from '../../../infrastructure/socket-server.ts';
import type { ParticipantsRepository } from '../repositories/participants.repository.ts';
import { type ConversationAccess, requireAllowed } from './conversation-access.ts';
import type { RealtimeMessagingService } from './realtime-messaging.service.ts';

export interface TypingServiceDeps {
  readonly feed: RealtimeMessagingService;
  readonly access: ConversationAccess;
  readonly participants: Pick<ParticipantsRepository, 'isSilent'>;
}

/** For so long it is believed that somebody may write. Who may not is asked for again each time. */
const BELIEVED_MS = 5_000;
const REMEMBERED = 10_000;

/** Typing marks: decided by what the feed knows, so that hardly a keystroke asks the database. */
export class TypingService {
  readonly #feed: RealtimeMessagingService;
  readonly #access: ConversationAccess;
  readonly #participants: TypingServiceDeps['participants'];
  /** Who was found free to write, by person and conversation, and until when that is believed. */
  readonly #free = new Map<string, number>();

  constructor({ feed, access, participants }: TypingServiceDeps) {
    this.#feed = feed;
    this.#access = access;
    this.#participants = participants;
  }

  /** Who is silenced, or may only read, is told nothing of it, and neither are the others. */
  async start(socket: ParleySocket, conversationId: string): Promise<void> {
    await this.#requireMay(socket, conversationId);
    if (await this.#isSilent(socket.data.actor.id, conversationId)) return;
    this.#feed.startTyping(socket, conversationId);
  }

  async stop(socket: ParleySocket, conversationId: string): Promise<void> {
    await this.#requireMay(socket, conversationId);
    this.#feed.stopTyping(socket, conversationId);
  }

  async #isSilent(userId: string, conversationId: string): Promise<boolean> {
    const key = JSON.stringify([userId, conversationId]);
    const now = performance.now();
    if ((this.#free.get(key) ?? 0) > now) return false;
    if (await this.#participants.isSilent(conversationId, userId)) return true;
    if (this.#free.size >= REMEMBERED) this.#free.clear();
    this.#free.set(key, now + BELIEVED_MS);
    return false;
  }

  async #requireMay(socket: ParleySocket, conversationId: string): Promise<void> {
    const { actor } = socket.data;
    const role = this.#feed.roleOf(conversationId, actor.id);
    if (role) requireAllowed(actor, role, 'type');
    // The feed knows of no such membership: the database says why not.
    else await this.#access.require(actor, conversationId, 'type');
  }
}
