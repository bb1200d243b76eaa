import type { CommandHandlers } from '../../../../middleware/socket-door.ts';
import type { TypingService } from '../../services/typing.service.ts';
import type { MessagingDoorServices } from '../rest/messaging.routes.ts';

/** The socket door of messaging: each command is one call of a service. Its twin is `messaging.routes.ts`. */
export function messagingCommands(
  services: Omit<MessagingDoorServices, 'audit'> & { readonly typing: TypingService },
): CommandHandlers {
  const { messaging, conversations, membership, receipts, sync, typing } = services;
  return {
    'conversation:create': async ({ actor, input }) =>
      (await conversations.createConversation(actor, input)).conversation,
    'conversation:update': ({ actor, input: { conversationId, ...update } }) =>
      conversations.updateConversation(actor, conversationId, update),

    'participant:add': ({ actor, input }) => membership.addParticipants(actor, input.conversationId, input.userIds),
    'participant:remove': async ({ actor, input }) => {
      await membership.removeParticipant(actor, input.conversationId, input.userId);
      return null;
    },

    'message:send': ({ actor, input: { conversationId, ...message } }) =>
      messaging.sendMessage(actor, conversationId, message),
    'message:edit': ({ actor, input }) => messaging.editMessage(actor, input.conversationId, input.messageId, input),
    'message:delete': ({ actor, input }) =>
      messaging.deleteMessage(actor, input.conversationId, input.messageId, input.reason),
    'reaction:add': ({ actor, input }) =>
      messaging.addReaction(actor, input.conversationId, input.messageId, input.emoji),
    'reaction:remove': ({ actor, input }) =>
      messaging.removeReaction(actor, input.conversationId, input.messageId, input.emoji),

    'conversation:read': ({ actor, input }) => receipts.markRead(actor, input.conversationId, input.seq),
    'conversation:delivered': ({ actor, input }) => receipts.markDelivered(actor, input.conversationId, input.seq),
    'conversation:unread': ({ actor, input }) => receipts.markUnread(actor, input.conversationId, input.seq),

    sync: ({ actor, input }) => sync.sync(actor, input.cursors),

    'typing:start': async ({ socket, input }) => {
      await typing.start(socket, input.conversationId);
      return null;
    },
    'typing:stop': async ({ socket, input }) => {
      await typing.stop(socket, input.conversationId);
      return null;
    },
  };
}
