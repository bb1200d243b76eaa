import type { SendMessage } from '@parley/protocol';
import type { RouteHandlers } from '../../../../middleware/rest-door.ts';
import { invalidField } from '../../../../utils/app-error.ts';
import type { AuditService } from '../../../audit/index.ts';
import type { ConversationsService } from '../../services/conversations.service.ts';
import type { MembershipService } from '../../services/membership.service.ts';
import type { MessagingService } from '../../services/messaging.service.ts';
import type { ReceiptsService } from '../../services/receipts.service.ts';
import type { SyncService } from '../../services/sync.service.ts';

export interface MessagingDoorServices {
  readonly messaging: MessagingService;
  readonly conversations: ConversationsService;
  readonly membership: MembershipService;
  readonly receipts: ReceiptsService;
  readonly sync: SyncService;
  readonly audit: AuditService;
}

/** The REST door of messaging: each route is one call of a service. Its twin is `messaging.socket.ts`. */
export function messagingRoutes(services: MessagingDoorServices): RouteHandlers {
  const { messaging, conversations, membership, receipts, sync, audit } = services;
  return {
    createConversation: async ({ actor, body }) => {
      const { conversation, created } = await conversations.createConversation(actor, body);
      return { status: created ? 201 : 200, body: conversation };
    },
    listConversations: async ({ actor, query }) => ok(await conversations.listConversations(actor, query)),
    listChannels: async ({ actor, query }) => ok(await conversations.listChannels(actor, query)),
    getConversation: async ({ actor, params }) => ok(await conversations.getConversation(actor, params.cid)),
    updateConversation: async ({ actor, params, body }) =>
      ok(await conversations.updateConversation(actor, params.cid, body)),
    deleteConversation: async ({ actor, params }) => {
      await conversations.deleteConversation(actor, params.cid);
      return { status: 204, body: null };
    },
    updateMembership: async ({ actor, params, body }) =>
      ok(await conversations.updateMembership(actor, params.cid, body)),

    listParticipants: async ({ actor, params, query }) =>
      ok(await membership.listParticipants(actor, params.cid, query)),
    addParticipants: async ({ actor, params, body }) => ({
      status: 201,
      body: await membership.addParticipants(actor, params.cid, body.userIds),
    }),
    updateParticipant: async ({ actor, params, body }) =>
      ok(await membership.updateParticipant(actor, params.cid, params.uid, body)),
    removeParticipant: async ({ actor, params }) => {
      await membership.removeParticipant(actor, params.cid, params.uid);
      return { status: 204, body: null };
    },

    sendMessage: async ({ actor, params, body, idempotencyKey }) => {
      const message = await messaging.sendMessage(actor, params.cid, withKey(body, idempotencyKey));
      return { status: message.duplicate ? 200 : 201, body: message };
    },
    listMessages: async ({ actor, params, query, ifNoneMatch }) => {
      const { page, etag } = await messaging.listMessages(actor, params.cid, query, ifNoneMatch);
      return page ? { status: 200, body: page, headers: { etag } } : { status: 304, body: null, headers: { etag } };
    },
    getMessage: async ({ actor, params }) => ok(await messaging.getMessage(actor, params.cid, params.mid)),
    listRevisions: async ({ actor, params }) => ok(await messaging.listRevisions(actor, params.cid, params.mid)),
    editMessage: async ({ actor, params, body }) =>
      ok(await messaging.editMessage(actor, params.cid, params.mid, body)),
    deleteMessage: async ({ actor, params, body }) =>
      ok(await messaging.deleteMessage(actor, params.cid, params.mid, body?.reason)),
    addReaction: async ({ actor, params }) =>
      ok(await messaging.addReaction(actor, params.cid, params.mid, params.emoji)),
    removeReaction: async ({ actor, params }) =>
      ok(await messaging.removeReaction(actor, params.cid, params.mid, params.emoji)),

    markRead: async ({ actor, params, body }) => ok(await receipts.markRead(actor, params.cid, body.seq)),
    markDelivered: async ({ actor, params, body }) => ok(await receipts.markDelivered(actor, params.cid, body.seq)),
    markUnread: async ({ actor, params, body }) => ok(await receipts.markUnread(actor, params.cid, body.seq)),
    getUnread: async ({ actor }) => ok(await receipts.getBadge(actor)),

    listChanges: async ({ actor, params, query }) => ok(await sync.listChanges(actor, params.cid, query)),
    sync: async ({ actor, body }) => ok(await sync.sync(actor, body.cursors)),

    listAudit: async ({ actor, query }) => ok(await audit.listEntries(actor, query)),
    verifyAudit: async ({ actor, query }) => ok(await audit.verify(actor, query.conversationId)),
  };
}

function ok<Body>(body: Body): { status: 200; body: Body } {
  return { status: 200, body };
}

/** The key of a send may come in the body or in a header, but not as two different ones (contract 5, Repeats). */
function withKey(body: SendMessage, headerKey: string | undefined): SendMessage {
  if (headerKey === undefined) return body;
  if (body.clientMessageId !== undefined && body.clientMessageId !== headerKey) {
    throw invalidField('clientMessageId', 'Differs from the Idempotency-Key header.');
  }
  return { ...body, clientMessageId: headerKey };
}
