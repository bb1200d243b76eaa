import { isUtf8 } from 'node:buffer';
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import compress from '@fastify/compress';
import cors from '@fastify/cors';
import { API_PREFIX, CAPS } from '@parley/protocol';
import {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  fastify,
  LogController,
} from 'fastify';
import helmet from 'helmet';
import type { Config } from '../config.ts';
import { logFailure, toAppError } from '../middleware/error-handler.ts';
import { requestIdOf, trustFunction } from '../middleware/request-context.ts';
import type { Actor } from '../utils/actor.ts';
import { AppError } from '../utils/app-error.ts';
import type { Logger } from '../utils/logger.ts';
import type { Metrics } from '../utils/metrics.ts';
import { endSlowRequests } from './slow-requests.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who calls; null until authenticated and on open routes. */
    actor: Actor | null;
  }
}

export interface HttpServerOptions {
  config: Pick<Config, 'trustProxy' | 'corsOrigins'>;
  logger: Logger;
  metrics: Metrics;
  /** True from the moment the server goes down: calls are then refused with `unavailable`. */
  isClosing(): boolean;
}

/** A path as routes name it, with the methods it takes. */
interface KnownPath {
  readonly matches: RegExp;
  readonly methods: Set<string>;
}

/**
 * The HTTP server with everything that all its answers share: request ids, security headers, CORS, the body rules, the
 * one error body, and a line in the log for each request. Routes are registered on it by others.
 */
export async function createHttpServer(options: HttpServerOptions): Promise<FastifyInstance> {
  const { config, logger, metrics, isClosing } = options;
  const loggerInstance: FastifyBaseLogger = logger;
  const server: FastifyInstance = fastify({
    loggerInstance,
    logController: new LogController({ requestIdLogLabel: 'requestId', disableRequestLogging: true }),
    genReqId: requestIdOf,
    trustProxy: trustFunction(config.trustProxy),
    bodyLimit: CAPS.bodyBytes,
    // An id of 128 characters is up to three times four times as long when percent-encoded.
    routerOptions: { maxParamLength: CAPS.userId * 12 },
    // None for the whole of a request: what comes too slowly is ended below. Its head has a minute, which is Node's own limit.
    requestTimeout: 0,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    frameworkErrors: (error, request, reply) => {
      // An address that cannot be decoded: no hook runs for it.
      reply.header('x-request-id', request.id);
      sendProblem(error, request, reply);
      request.log.info({ method: request.method, route: 'unknown', status: reply.statusCode }, 'request');
    },
    clientErrorHandler: answerBrokenRequest,
  });

  const slowRequests = endSlowRequests(server.server);
  server.addHook('onClose', async () => slowRequests.stop());
  server.decorateRequest('actor', null);
  acceptJsonOnly(server);
  const knownPaths = collectPaths(server);

  const securityHeaders = collectSecurityHeaders();
  server.addHook('onRequest', async (request, reply) => {
    reply.headers(securityHeaders);
    reply.header('x-request-id', request.id);
    if (isClosing()) {
      reply.header('connection', 'close');
      throw new AppError('unavailable', { retryAfterMs: 1_000 });
    }
    // Told before the body is read, which would otherwise be judged first.
    if (request.is404) refuseUnknown(request, knownPaths);
  });
  server.addHook('onSend', async (_request, reply) => {
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store');
  });
  server.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unknown';
    const { method } = request;
    metrics.requests.inc({ method, route, status: reply.statusCode });
    metrics.requestSeconds.observe({ method, route }, reply.elapsedTime / 1000);
    const { cid } = (request.params ?? {}) as { cid?: string };
    request.log.info(
      {
        method,
        // The pattern, not the address: that may hold what somebody searched for.
        route,
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
        ...(request.actor && { userId: request.actor.id }),
        ...(cid !== undefined && { conversationId: cid }),
      },
      'request',
    );
  });
  server.setErrorHandler(sendProblem);
  // There is no handler for unknown paths here: the hook above refuses them, but for those that the page answers
  // (page.routes.ts).

  // Where a route says so. What callers send is never unpacked: a few bytes may be gigabytes.
  await server.register(compress, { global: false });
  if (config.corsOrigins.length > 0) {
    await server.register(cors, {
      origin: [...config.corsOrigins],
      methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
      allowedHeaders: ['Authorization', 'Content-Type', 'Idempotency-Key', 'X-Request-Id', ...UPLOAD_HEADERS],
      exposedHeaders: [
        'ETag',
        'X-Request-Id',
        'Retry-After',
        'RateLimit-Limit',
        'RateLimit-Remaining',
        'RateLimit-Reset',
      ],
      maxAge: 600,
      strictPreflight: false,
    });
  }
  return server;
}

/** What resumable uploads are told by. */
const UPLOAD_HEADERS = ['Tus-Resumable', 'Upload-Length', 'Upload-Offset', 'Upload-Metadata'];

/** No inline script or style anywhere. `'self'` covers the WebSocket of the same origin. */
const CONTENT_POLICY = {
  defaultSrc: ["'self'"],
  scriptSrc: ["'self'"],
  styleSrc: ["'self'"],
  imgSrc: ["'self'", 'data:', 'blob:', 'https:'],
  mediaSrc: ["'self'", 'blob:'],
  fontSrc: ["'self'"],
  connectSrc: ["'self'"],
  workerSrc: ["'self'"],
  manifestSrc: ["'self'"],
  objectSrc: ["'none'"],
  baseUri: ["'none'"],
  formAction: ["'self'"],
  frameAncestors: ["'none'"],
};

/** What Helmet says on every answer. It is asked once: as a plugin it works all of it out anew for each request. */
function collectSecurityHeaders(): Record<string, string> {
  const headers: Record<string, string> = {};
  const protect = helmet({
    contentSecurityPolicy: { useDefaults: false, directives: CONTENT_POLICY },
    strictTransportSecurity: { maxAge: 15_552_000, includeSubDomains: false },
  });
  const answer = {
    setHeader: (name: string, value: string) => {
      headers[name.toLowerCase()] = value;
    },
    removeHeader: () => {},
  };
  protect({} as IncomingMessage, answer as unknown as ServerResponse, (error) => {
    if (error) throw error;
  });
  return headers;
}

/** Only JSON in UTF-8; no body at all is `undefined`, whatever the content type says. */
function acceptJsonOnly(server: FastifyInstance): void {
  const parseJson = server.getDefaultJsonParser('error', 'error');
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const bytes = body as Buffer;
    if (bytes.length === 0) return done(null, undefined);
    // Decoding would silently put U+FFFD where the bytes are no text.
    if (!isUtf8(bytes)) return done(new AppError('invalid_request', { detail: 'The body is not UTF-8.' }));
    parseJson(request, bytes.toString(), done);
  });
}

/** Gathers the routes as they are registered, to tell a wrong method from an unknown path. */
function collectPaths(server: FastifyInstance): Map<string, KnownPath> {
  const paths = new Map<string, KnownPath>();
  server.addHook('onRoute', ({ url, method }) => {
    if (url.includes('*')) return;
    const path = paths.get(url) ?? { matches: patternOf(url), methods: new Set<string>() };
    for (const name of [method].flat()) path.methods.add(name);
    paths.set(url, path);
  });
  return paths;
}

function patternOf(url: string): RegExp {
  const parts = url
    .split('/')
    .map((part) => (part.startsWith(':') ? '[^/]+' : part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')));
  return new RegExp(`^${parts.join('/')}$`);
}

/** Answers what no route takes, except the navigation of a browser, which the page answers by itself. */
function refuseUnknown(request: FastifyRequest, paths: ReadonlyMap<string, KnownPath>): void {
  const path = request.url.split('?', 1)[0]!;
  const methods = [...paths.values()]
    .filter(({ matches }) => matches.test(path))
    .flatMap((known) => [...known.methods]);
  if (methods.length > 0) {
    throw new AppError('method_not_allowed', { headers: { allow: [...new Set(methods)].sort().join(', ') } });
  }
  if (!isNavigation(request)) throw new AppError('not_found');
}

/** Whether a browser asks for a page, at an address that no machine-readable answer lives under. */
export function isNavigation(request: FastifyRequest): boolean {
  const readOnly = request.method === 'GET' || request.method === 'HEAD';
  const path = request.url.split('?', 1)[0]!;
  const last = path.slice(path.lastIndexOf('/') + 1);
  return (
    readOnly &&
    (request.headers.accept ?? '').includes('text/html') &&
    !path.startsWith(API_PREFIX) &&
    !last.includes('.')
  );
}

/** The REST side of the one error body, for whatever was thrown. */
function sendProblem(thrown: FastifyError | unknown, request: FastifyRequest, reply: FastifyReply): void {
  const error = toAppError(thrown);
  logFailure(request.log, error);
  const { headers, retryAfterMs } = error.options;
  if (headers) reply.headers(headers);
  if (retryAfterMs !== undefined && !reply.hasHeader('retry-after')) {
    reply.header('retry-after', String(Math.max(1, Math.ceil(retryAfterMs / 1000))));
  }
  if (error.status === 401) reply.header('www-authenticate', 'Bearer');
  reply
    .code(error.status)
    .type('application/problem+json')
    .send(JSON.stringify(error.toProblem(request.id)));
}

/** Answers what is not even HTTP. There is no request to log, only a connection to close. */
function answerBrokenRequest(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const requestId = requestIdOf({ headers: {} });
  const refusal = new AppError('invalid_request', { detail: 'This is not a valid HTTP request.' });
  const body = JSON.stringify(refusal.toProblem(requestId));
  socket.end(
    `HTTP/1.1 400 ${STATUS_CODES[400]}\r\nContent-Type: application/problem+json\r\nX-Request-Id: ${requestId}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
