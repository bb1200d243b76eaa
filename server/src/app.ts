import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { Config } from './config.ts';
import { type Database, openDatabase } from './infrastructure/database.ts';
import { createHttpServer } from './infrastructure/http-server.ts';
import { createNodeRegistry } from './infrastructure/node-registry.ts';
import { openRedis, type RedisConnection } from './infrastructure/redis.ts';
import { createRedisBus } from './infrastructure/redis-bus.ts';
import { runShutdown } from './infrastructure/shutdown.ts';
import { watchSlowClients } from './infrastructure/slow-clients.ts';
import {
  createSocketServer,
  endSession,
  engineConnection,
  type ParleyServer,
  type ParleySocket,
} from './infrastructure/socket-server.ts';
import { SocketWriter } from './infrastructure/socket-writer.ts';
import { onceDatabaseAnswers } from './infrastructure/startup.ts';
import { createAuthenticate } from './middleware/authenticate.ts';
import { createConnectionSlots } from './middleware/connection-slots.ts';
import { createLimitGuard } from './middleware/limit-guard.ts';
import { createOriginCheck } from './middleware/origin.ts';
import { createRateLimits } from './middleware/rate-limit.ts';
import { createAddressReader } from './middleware/request-context.ts';
import { bindRoutes } from './middleware/rest-door.ts';
import { openSocketDoor } from './middleware/socket-door.ts';
import { type AttachmentsModule, createAttachmentsModule } from './modules/attachments/index.ts';
import { appendToServerChain } from './modules/audit/index.ts';
import { createConfidentialModule } from './modules/confidential/index.ts';
import { createMessagingModule, sanitizeText } from './modules/messaging/index.ts';
import { createBlocks, createModeration, createScreening, type MessagePolicy } from './modules/moderation/index.ts';
import { createPresenceModule } from './modules/presence/index.ts';
import { createPrivacyModule, type PrivacyModule } from './modules/privacy/index.ts';
import { createSearchModule } from './modules/search/index.ts';
import { createSessionsModule } from './modules/sessions/index.ts';
import { clientErrorsRest, createHealth, registerPage, registerSystemRoutes } from './modules/system/index.ts';
import { createUsersModule } from './modules/users/index.ts';
import { newId } from './utils/ids.ts';
import type { Logger } from './utils/logger.ts';
import { createMetrics, type Metrics, watchPool } from './utils/metrics.ts';

export interface AppDeps {
  config: Config;
  logger: Logger;
  /** An open database to use instead of the configured one (tests). The app closes it all the same. */
  database?: Database;
  /** The host product's own word on each message, in place of the program that POLICY_HOOK_URL names. */
  policy?: MessagePolicy;
}

/** The whole server of one node. */
export interface App {
  /** Starts answering; resolves to the address, such as `http://127.0.0.1:3000`. */
  listen(): Promise<string>;
  /** Goes down in order: nobody is let in, sockets are sent elsewhere, what was begun is finished, stores are closed. */
  close(): Promise<void>;
  readonly database: Database;
  readonly io: ParleyServer;
  readonly http: FastifyInstance;
  readonly metrics: Metrics;
  /** For what runs by the clock and tests run by hand. */
  readonly attachments: Pick<AttachmentsModule['attachments'], 'sweep'>;
  readonly held: Pick<ReturnType<typeof createModeration>['held'], 'sendApproved'>;
  readonly privacy: Pick<PrivacyModule, 'retention' | 'exports'>;
}

/** Of the server's own package, told by health and docs. */
export const VERSION: string = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version;

/** Before every key and channel in Redis. */
const REDIS_PREFIX = 'parley:';

/** How long clients get to take their farewell before connections are cut. */
const FAREWELL_MS = 2_500;
/** How often connections that have become idle are looked for while closing. */
const IDLE_SWEEP_MS = 50;

/** Builds the server by hand, from the stores up to the doors. Nothing listens yet. */
export async function createApp({ config, logger, database: givenDatabase, policy }: AppDeps): Promise<App> {
  warnAboutIdentity(config, logger);
  const database =
    givenDatabase ?? (await openDatabase({ databaseUrl: config.databaseUrl, dataDir: config.dataDir, logger }));
  const redis = config.redisUrl === undefined ? undefined : openRedis(config.redisUrl, logger);
  const stores = { database, redis };
  try {
    return await buildApp({ config, logger, policy, ...stores });
  } catch (error) {
    await closeStores(stores);
    throw error;
  }
}

interface Parts {
  config: Config;
  logger: Logger;
  database: Database;
  redis: RedisConnection | undefined;
  policy: MessagePolicy | undefined;
}

async function buildApp({ config, logger, database, redis, policy }: Parts): Promise<App> {
  let closing: Promise<void> | undefined;
  const isClosing = (): boolean => closing !== undefined;

  const metrics = createMetrics();
  const registry = createNodeRegistry({ nodeId: newId(), client: redis?.client ?? null, prefix: REDIS_PREFIX, logger });
  watchPool(metrics, () => database.stats());
  const limits = createRateLimits({
    messageLimit: config.messageRateLimit,
    messageWindowSeconds: config.messageRateWindowSeconds,
    sameTextLimit: config.sameTextLimit,
    sameTextWindowSeconds: config.sameTextWindowSeconds,
    floodLimit: config.floodLimit,
    floodWindowSeconds: config.floodWindowSeconds,
    factor: config.rateLimitFactor,
    prefix: REDIS_PREFIX,
    nodeCount: () => registry.nodeCount(),
    logger,
    ...(redis && { redis: redis.client }),
  });
  const guard = createLimitGuard(limits, metrics);

  const cleanText = (text: string): string => sanitizeText(text, config.messageHtml).text;
  const reading = <T>(step: () => Promise<T>): Promise<T> => onceDatabaseAnswers(step, logger);
  const people = await reading(() =>
    createUsersModule({
      database,
      config,
      limits: guard,
      cleanName: cleanText,
      onVisibilityChanged: (userId) => presence.refresh(userId),
    }),
  );
  const { users } = people;
  const authenticate = createAuthenticate({
    verifier: people.verifier,
    limits: guard,
    ensureSeen: (actor) => users.ensureSeen(actor),
    refuseRevoked: (actor) => sessions.refuseRevoked(actor),
  });
  const readAddress = createAddressReader(config.trustProxy);

  const http = await createHttpServer({ config, logger, metrics, isClosing });
  const io = createSocketServer({
    httpServer: http.server,
    isOriginAllowed: createOriginCheck(config.corsOrigins),
    config,
  });
  const bus = redis
    ? createRedisBus({ redis, prefix: REDIS_PREFIX, logger, onLost: () => metrics.hintsLost.inc() })
    : null;
  const writer = new SocketWriter();
  const { sessions, rest: sessionsRest } = createSessionsModule({ database, io, bus, logger });
  const blocks = createBlocks({
    database,
    bus,
    directory: users,
    onChanged: (one, other) => {
      presence.refresh(one);
      presence.refresh(other);
    },
    logger,
  });
  const confidential = createConfidentialModule({
    prisma: database.prisma,
    config,
    audit: async (record) => void (await database.prisma.$transaction((tx) => appendToServerChain(tx, record))),
    logger,
  });
  const {
    screening,
    book: rules,
    rest: rulesRest,
  } = createScreening({ database, bus, config, policy, limits, logger });
  const messaging = createMessagingModule({
    screening,
    confidential,
    database,
    writer,
    nodeId: registry.nodeId,
    bus,
    users,
    limits,
    metrics,
    logger,
    config,
    files: {
      removeDeleted: (messageId) => files.attachments.removeDeleted(messageId),
      findUnsealed: (ids) => files.attachments.findUnsealed(ids),
    },
    blocks: blocks.list,
  });
  const files = await createAttachmentsModule({
    database,
    config,
    seals: confidential.files,
    keepSetting: people.keepSetting,
    requireReader: async (actor, conversationId) =>
      void (await messaging.access.require(actor, conversationId, 'read')),
    refuseRevoked: (actor) => sessions.refuseRevoked(actor),
    cleanText,
    screenName: (name, path) => screening.screenName(name, path),
    logger,
  });
  const moderation = createModeration({
    database,
    messaging,
    findPeople: (ids) => users.findMany(ids),
    onBansChanged: () => sessions.noteBans(),
    cleanText,
    logger,
  });
  const privacy = await createPrivacyModule({
    database,
    config,
    messaging,
    attachments: files.attachments,
    seals: confidential.files,
    ban: async (actor, userId) => {
      await moderation.restrictions.putRestrictions(actor, userId, { banned: true, reason: 'erasure' });
    },
    cleanText,
    logger,
  });
  const search = createSearchModule({
    database,
    messaging,
    language: config.searchLanguage,
    logger,
  });
  const presence = createPresenceModule({
    database,
    redis: redis ? { client: redis.client, prefix: REDIS_PREFIX } : null,
    bus,
    writer,
    registry,
    logger,
  });

  const connections = createConnectionSlots({
    most: config.maxConnectionsPerUser,
    mostOfAddress: config.maxConnectionsPerAddress,
    client: redis?.client ?? null,
    prefix: REDIS_PREFIX,
  });
  registry.onHeartbeat(() => connections.renew());
  const rest = {
    ...{ ...people.rest, ...sessionsRest, ...messaging.rest, ...search.rest },
    ...{ ...blocks.rest, ...rulesRest, ...moderation.rest, ...privacy.rest, ...confidential.rest, ...clientErrorsRest },
  };
  const door = { authenticate, limits: guard };
  bindRoutes(http, { ...rest, ...files.rest }, door);
  await files.register(http, door);
  privacy.register(http, door);
  openSocketDoor({
    io,
    handlers: { ...messaging.commands, ...presence.commands },
    connect: async (socket) => {
      sessions.connect(socket);
      if (!socket.connected) return;
      presence.connect(socket);
      return messaging.connect(socket);
    },
    disconnect: (socket) => {
      messaging.disconnect(socket);
      presence.disconnect(socket);
    },
    authenticate,
    readAddress,
    limits: guard,
    metrics,
    logger,
    connections,
    writer,
    isClosing,
  });
  const health = createHealth({
    version: VERSION,
    pingDatabase: () => database.ping(),
    readDatabaseClock: async () => {
      const [row] = await database.prisma.$queryRaw<{ ms: number }[]>`
        SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms`;
      return row!.ms;
    },
    pingRedis: redis && (() => redis.ping()),
    isClosing,
  });
  registerSystemRoutes(http, { health, metrics, metricsEnabled: config.metricsEnabled, version: VERSION });
  await registerPage(http, { hostOrigins: config.hostOrigins });
  await http.ready();

  const { sockets } = io.of('/');
  let stopWatching = (): void => {};

  const shutDown = (): Promise<void> =>
    runShutdown(
      [
        { name: 'stop accepting', run: () => stopAccepting(http) },
        { name: 'end sessions', run: () => endSessions(io) },
        { name: 'end uploads', run: () => files.stop() },
        { name: 'finish privacy jobs', run: () => privacy.stop() },
        { name: 'leave off rotating keys', run: () => confidential.stop() },
        { name: 'finish messaging', run: () => messaging.stop() },
        { name: 'finish indexing', run: () => search.stop() },
        { name: 'stop comparing blocks', run: () => blocks.list.stop() },
        { name: 'stop comparing rules', run: () => rules.stop() },
        { name: 'finish sending what was held', run: () => moderation.held.stop() },
        { name: 'stop watching sessions', run: () => sessions.stop() },
        { name: 'leave the bus', run: () => bus?.close() },
        { name: 'leave the cluster', run: () => registry.stop() },
        { name: 'close sockets', run: () => closeSockets(io, http) },
        { name: 'close http', run: () => http.close() },
        { name: 'close stores', run: () => closeStores({ database, redis }) },
        { name: 'stop watching', run: () => stopWatching() },
      ],
      logger,
    );

  return {
    database,
    io,
    http,
    metrics,
    attachments: files.attachments,
    held: moderation.held,
    privacy,
    listen: async () => {
      await reading(() => confidential.start());
      await reading(() => sessions.start());
      await reading(() => messaging.start());
      blocks.list.start();
      await reading(() => rules.start());
      moderation.held.start();
      privacy.start();
      await reading(() => search.start());
      registry.start();
      files.start();
      stopWatching = watchSlowClients<ParleySocket>({
        clients: () => sockets.values(),
        connectionOf: engineConnection,
        takeWaiting: () => writer.takeWaiting(),
        end: (socket) => endSession(socket, 'too_slow'),
      });
      await http.listen({ host: config.host, port: config.port });
      const { address, port, family } = http.server.address() as AddressInfo;
      return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
    },
    close: () => {
      closing ??= shutDown();
      return closing;
    },
  };
}

function warnAboutIdentity({ identity }: Config, logger: Logger): void {
  if (identity.mode === 'guest') {
    logger.warn(
      'GUEST MODE: anybody who can reach this server can sign in under any name. Set JWT_SECRET or JWT_JWKS_URL.',
    );
  }
  if (identity.mode === 'secret' && Buffer.byteLength(identity.secret) < 32) {
    logger.warn('JWT_SECRET is shorter than 32 bytes: whoever has one token may be able to guess it.');
  }
}

/** New connections are refused from here on; what was begun on those that are open goes on. */
function stopAccepting({ server }: FastifyInstance): void {
  if (!server.listening) return;
  server.close();
  server.closeIdleConnections();
}

async function endSessions(io: ParleyServer): Promise<void> {
  const connections = [...io.of('/').sockets.values()].map((socket) => {
    const connection = engineConnection(socket);
    const closed = new Promise<void>((resolve) => connection.once('close', resolve));
    endSession(socket, 'server_shutdown', 0);
    return closed;
  });
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, FAREWELL_MS);
  });
  await Promise.race([Promise.all(connections), patience]);
  clearTimeout(timer);
}

/**
 * Waits until every connection is closed. Those that were in the middle of a call when the server stopped accepting are kept
 * alive by that call's answer: they are ended once they lie idle, and all others when they have had their time.
 */
async function closeSockets(io: ParleyServer, { server }: FastifyInstance): Promise<void> {
  const sweep = setInterval(() => server.closeIdleConnections(), IDLE_SWEEP_MS);
  const last = setTimeout(() => server.closeAllConnections(), FAREWELL_MS);
  try {
    await io.close();
  } finally {
    clearInterval(sweep);
    clearTimeout(last);
  }
}

async function closeStores({ database, redis }: Pick<Parts, 'database' | 'redis'>): Promise<void> {
  await redis?.close();
  await database.close();
}
