import type { Change } from '@parley/protocol';
import { gatherCalls } from '../../utils/gather-calls.ts';
import type { Fact } from './messaging.events.ts';
import type { ChangesRepository } from './repositories/changes.repository.ts';
import type { ConversationsService } from './services/conversations.service.ts';
import type { LogReader } from './services/realtime-messaging.service.ts';
import type { SyncService } from './services/sync.service.ts';

/** More than this is not told one by one: clients ask for `changes`. */
const MISSED_MOST = 200;

/** The log as the feed reads it, over the same queries that clients use. */
export function createLogReader(deps: {
  changes: ChangesRepository;
  conversations: ConversationsService;
  sync: SyncService;
}): LogReader {
  const { changes, conversations, sync } = deps;
  return {
    findMemberships: gatherCalls((userIds) => changes.findMemberships(userIds)),
    findPresent: (conversationId, userIds) => changes.findPresent(conversationId, userIds),
    findViews: (conversationId, userIds) => conversations.viewsFor(conversationId, userIds),
    findMissed: async (conversationId, after) => {
      const page = await changes.findAfter(conversationId, after, MISSED_MOST);
      if (!page) return null;
      const { rev, lastSeq, hasMore } = page;
      const facts = hasMore ? null : (await sync.presentChanges(page.changes)).map(toFact(conversationId));
      return { facts, rev, lastSeq };
    },
  };
}

/**
 * The event that tells an entry of the log. The log keeps a thing's latest state, not what led to it: so a message that
 * nobody edited or reacted to is told as new and everything else as changed, which comes to the same for a client that
 * goes by ids.
 */
function toFact(conversationId: string): (change: Change) => Fact {
  return (change) => {
    const { rev } = change;
    switch (change.type) {
      case 'message': {
        const { message } = change;
        const untouched = message.editedAt === null && message.reactions.length === 0;
        const name = message.deletedAt ? 'message:deleted' : untouched ? 'message:created' : 'message:updated';
        return { name, payload: { conversationId, rev, message } };
      }
      case 'participant': {
        const { participant } = change;
        const name = participant.leftAt ? 'participant:left' : 'participant:joined';
        return { name, payload: { conversationId, rev, participant } };
      }
      case 'conversation':
        return { name: 'conversation:updated', payload: { conversationId, rev, conversation: change.conversation } };
    }
  };
}
