import type { ParleySocket } from '../../../infrastructure/socket-server.ts';
import { type ConversationAccess, requireAllowed } from './conversation-access.ts';
import type { RealtimeMessagingService } from './realtime-messaging.service.ts';

/** Typing marks: decided by what the feed knows, so that no keystroke asks the database. */
export class TypingService {
  readonly #feed: RealtimeMessagingService;
  readonly #access: ConversationAccess;

  constructor({ feed, access }: { feed: RealtimeMessagingService; access: ConversationAccess }) {
    this.#feed = feed;
    this.#access = access;
  }

  async start(socket: ParleySocket, conversationId: string): Promise<void> {
    await this.#requireMay(socket, conversationId);
    this.#feed.startTyping(socket, conversationId);
  }

  async stop(socket: ParleySocket, conversationId: string): Promise<void> {
    await this.#requireMay(socket, conversationId);
    this.#feed.stopTyping(socket, conversationId);
  }

  async #requireMay(socket: ParleySocket, conversationId: string): Promise<void> {
    const { actor } = socket.data;
    const role = this.#feed.roleOf(conversationId, actor.id);
    if (role) requireAllowed(actor, role, 'type');
    // The feed knows of no such membership: the database says why not.
    else await this.#access.require(actor, conversationId, 'type');
  }
}
