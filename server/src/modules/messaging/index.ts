import type { Message } from '@parley/protocol';
import type { Config } from '../../config.ts';
import type { Database } from '../../infrastructure/database.ts';
import type { Bus } from '../../infrastructure/redis-bus.ts';
import type { ParleySocket } from '../../infrastructure/socket-server.ts';
import type { SocketWriter } from '../../infrastructure/socket-writer.ts';
import type { RateLimits } from '../../middleware/rate-limit.ts';
import type { RouteHandlers } from '../../middleware/rest-door.ts';
import type { CommandHandlers } from '../../middleware/socket-door.ts';
import type { Actor } from '../../utils/actor.ts';
import type { Logger } from '../../utils/logger.ts';
import type { Metrics } from '../../utils/metrics.ts';
import { createAuditModule } from '../audit/index.ts';
import type { FileSeals, Seals } from '../confidential/index.ts';
import type { UsersService } from '../users/index.ts';
import { createLogReader } from './log-reader.ts';
import type { Publisher } from './messaging.events.ts';
import { presentMessage, presentParticipant } from './messaging.presenter.ts';
import { preloadSanitizer } from './messaging.sanitizer.ts';
import { ChangesRepository } from './repositories/changes.repository.ts';
import { ConversationLog } from './repositories/conversation-log.ts';
import { ConversationsRepository } from './repositories/conversations.repository.ts';
import { MessageLog } from './repositories/message-log.ts';
import { MessageOpener } from './repositories/message-opener.ts';
import { MessagesRepository, type RevisionRow, type SentPlace } from './repositories/messages.repository.ts';
import { ParticipantsRepository } from './repositories/participants.repository.ts';
import { ReceiptsRepository } from './repositories/receipts.repository.ts';
import { messagingRoutes } from './routes/rest/messaging.routes.ts';
import { messagingCommands } from './routes/socket/messaging.socket.ts';
import { Committer } from './services/committer.ts';
import { ConversationAccess } from './services/conversation-access.ts';
import { type Blocks, ConversationsService } from './services/conversations.service.ts';
import { MembershipService } from './services/membership.service.ts';
import { type Files, MessagingService, type People } from './services/messaging.service.ts';
import { NodeLink } from './services/node-link.ts';
import { type Cuts, RealtimeMessagingService } from './services/realtime-messaging.service.ts';
import { ReceiptsService } from './services/receipts.service.ts';
import type { Screening } from './services/screening.ts';
import { SyncService } from './services/sync.service.ts';
import { Tailer } from './services/tailer.ts';
import { TypingService } from './services/typing.service.ts';
import { WithdrawalService } from './services/withdrawal.service.ts';

export { presentAttachment } from './messaging.presenter.ts';
export { sanitizeText } from './messaging.sanitizer.ts';
export type { EditToScreen, Screening, SendDraft, SendToScreen } from './services/screening.ts';
export type { WithdrawalService, WithdrawnBy } from './services/withdrawal.service.ts';

export interface MessagingModuleDeps {
  readonly database: Pick<Database, 'prisma' | 'query'>;
  readonly writer: SocketWriter;
  /** Names this process among the nodes; another one with every start. */
  readonly nodeId: string;
  /** To the other nodes; null where this is the only one. */
  readonly bus: Bus | null;
  readonly users: UsersService;
  readonly limits: RateLimits;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly files: Files;
  /** Looks at what people write before it is stored. */
  readonly screening: Screening;
  /** What confidential conversations, and names of files, are sealed with. */
  readonly confidential: { readonly seals: Seals; readonly files: FileSeals };
  readonly config: Pick<Config, 'messageHtml' | 'messageMaxLength'>;
  /** Blocks between people. */
  readonly blocks: Blocks & Cuts;
}

/** A message as its sender has it, and its earlier texts, first text first. */
export interface SentWithRevisions {
  readonly message: Message;
  readonly revisions: readonly RevisionRow[];
}

/** What the rest of the server sees of messaging. */
export interface MessagingModule {
  readonly rest: RouteHandlers;
  readonly commands: CommandHandlers;
  /** For the modules beside it: conversations as somebody may reach them, and messages in wire shape. */
  readonly access: ConversationAccess;
  readonly messages: Pick<MessagingService, 'getMessage' | 'deleteMessage' | 'sendHeld'> & {
    /** By id; those that are gone with their conversation are missing. Who may see them the caller has decided. */
    findMany(ids: readonly string[]): Promise<Map<string, Message>>;
    /** The same for an administrator: what they read of confidential conversations that are not theirs is audited. */
    findManyFor(actor: Actor, ids: readonly string[]): Promise<Map<string, Message>>;
    /** What somebody has sent and is not deleted, oldest first, with the texts it had before. For nobody but them. */
    findSentBy(userId: string, after: SentPlace | null, limit: number): Promise<SentWithRevisions[]>;
  };
  readonly membership: Pick<MembershipService, 'updateParticipant'>;
  /** Whether messages are being sent at this moment: what can wait, does. */
  isSending: () => boolean;
  /** Conversations that this node changed, or may have changed, since it was asked last: for who follows the log at leisure. */
  takeChanged: () => readonly string[];
  /** Takes messages away whose author is erased, or whose time has run out. */
  readonly withdrawal: WithdrawalService;
  /** Joins a connection's rooms, then tells it `ready`. */
  connect(socket: ParleySocket): Promise<void>;
  disconnect(socket: ParleySocket): void;
  start(): Promise<void>;
  /** Waits for the sends under way, then ends whatever runs by itself. */
  stop(): Promise<void>;
}

/** Builds the module by hand: repositories, services, the feed, and the two doors. */
export function createMessagingModule(deps: MessagingModuleDeps): MessagingModule {
  const { writer, nodeId, users, limits, metrics, logger } = deps;
  const { prisma } = deps.database;
  const text = { html: deps.config.messageHtml, maxLength: deps.config.messageMaxLength };

  const { seals, files: fileSeals } = deps.confidential;
  const opener = new MessageOpener({ seals, files: fileSeals, logger });
  const changes = new ChangesRepository(deps.database, opener.open);
  const conversationsRepository = new ConversationsRepository(deps.database, opener);
  const participants = new ParticipantsRepository(prisma);
  const messages = new MessagesRepository(deps.database, opener);
  const conversationLog = new ConversationLog({ prisma, nodeId });
  const messageLog = new MessageLog({
    database: deps.database,
    nodeId,
    onBatch: (size, seconds) => {
      metrics.batchSize.observe(size);
      metrics.commitSeconds.observe(seconds);
    },
    onDepth: (depth) => metrics.sendQueueDepth.set(depth),
  });

  const link = deps.bus ? new NodeLink({ bus: deps.bus, nodeId, logger }) : null;
  // The feed reads the log through services, and services tell the feed: the knot is tied by this one object.
  let changed = new Set<string>();
  const publisher: Publisher = {
    announce: (facts) => {
      for (const { payload } of facts) changed.add(payload.conversationId);
      feed.announce(facts);
    },
    signal: (signal) => feed.signal(signal),
    suspect: (conversationIds) => {
      for (const id of conversationIds) changed.add(id);
      feed.suspect(conversationIds);
    },
  };
  const access = new ConversationAccess({ conversations: conversationsRepository, log: conversationLog });
  const committer = new Committer({ log: conversationLog, publisher });
  const conversations = new ConversationsService({
    access,
    conversations: conversationsRepository,
    participants,
    messages,
    committer,
    publisher,
    directory: users,
    text,
    nodeId,
    blocks: deps.blocks,
    seals,
    screening: deps.screening,
  });
  const membership = new MembershipService({ access, participants, committer, directory: users, blocks: deps.blocks });
  const receipts = new ReceiptsService({ receipts: new ReceiptsRepository(prisma), access, publisher });
  const sync = new SyncService({ changes, access, directory: users, blocks: deps.blocks });
  const messaging = new MessagingService({
    access,
    log: messageLog,
    seals,
    opener,
    messages,
    committer,
    publisher,
    people: createPeople(users),
    limits,
    text,
    files: deps.files,
    screening: deps.screening,
    onSent: () => metrics.messagesSent.inc(),
  });
  const feed = new RealtimeMessagingService({
    writer,
    reader: createLogReader({ changes, conversations, sync }),
    link,
    cuts: deps.blocks,
    logger,
    metrics: {
      onRepair: () => metrics.feedRepairs.inc(),
      onDelivered: (seconds) => metrics.deliverySeconds.observe(seconds),
    },
  });
  link?.connect(feed);
  const tailer = new Tailer({ reader: changes, feed, logger });
  const typing = new TypingService({ feed, access, participants });
  const { service: audit } = createAuditModule({
    prisma,
    seals,
    noteRead: async (actor, conversationId) => void (await access.require(actor, conversationId, 'read')),
  });

  return {
    rest: messagingRoutes({ messaging, conversations, membership, receipts, sync, audit }),
    commands: messagingCommands({ messaging, conversations, membership, receipts, sync, typing }),
    access,
    messages: {
      getMessage: messaging.getMessage.bind(messaging),
      deleteMessage: messaging.deleteMessage.bind(messaging),
      sendHeld: messaging.sendHeld.bind(messaging),
      findSentBy: async (userId, after, limit) => {
        const rows = await messages.findSentBy(userId, after, limit);
        return Promise.all(
          rows.map(async (row) => ({
            message: presentMessage(row),
            revisions: row.editedAt === null ? [] : await messages.findRevisions(row.id),
          })),
        );
      },
      findMany: async (ids) => {
        const rows = await messages.findMany(ids);
        return new Map(rows.map((row) => [row.id, presentMessage(row)]));
      },
      findManyFor: async (actor, ids) => {
        const rows = await messages.findMany(ids);
        const read = new Set(rows.flatMap((row) => (row.sealed === null ? [] : [row.conversationId])));
        for (const conversationId of read) await access.require(actor, conversationId, 'read');
        return new Map(rows.map((row) => [row.id, presentMessage(row)]));
      },
    },
    membership,
    withdrawal: new WithdrawalService({ committer, messages, files: deps.files }),
    isSending: () => messageLog.isBusy,
    takeChanged: () => {
      const ids = [...changed];
      changed = new Set();
      return ids;
    },
    connect: (socket) => feed.connect(socket),
    disconnect: (socket) => feed.disconnect(socket),
    start: async () => {
      // Before anybody is let in: else the first message with markup would hold up everybody while a DOM is loaded.
      if (deps.config.messageHtml === 'strip') preloadSanitizer();
      await tailer.start();
    },
    stop: async () => {
      await messageLog.drain();
      await tailer.stop();
      feed.stop();
    },
  };
}

function createPeople(users: UsersService): People {
  return {
    findParticipants: async (rows) => {
      const people = await users.findMany(rows.map(({ userId }) => userId));
      return rows.map((row) => {
        const joinedAt = new Date(row.joinedAt).toISOString();
        return presentParticipant({ ...row, joinedAt, leftAt: null, silencedUntil: null }, people.get(row.userId));
      });
    },
  };
}
