import { API_PREFIX, ClientMessageIdSchema, ROUTES, type RouteDefinition, type RouteName } from '@parley/protocol';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { Actor } from '../utils/actor.ts';
import { AppError } from '../utils/app-error.ts';
import { JsonBytes } from '../utils/json-bytes.ts';
import type { Logger } from '../utils/logger.ts';
import type { Authenticate } from './authenticate.ts';
import { parseInput, toAppError } from './error-handler.ts';
import type { LimitGuard } from './limit-guard.ts';
import { clientErrorsRateLimiter, type RateLimit, restCallsRateLimiter, syncRateLimiter } from './rate-limit.ts';

type Definition<Name extends RouteName> = (typeof ROUTES)[Name];

/** A part of a request after parsing; undefined where the route has none. */
type Parsed<Name extends RouteName, Part extends 'params' | 'query' | 'body'> =
  Definition<Name> extends { readonly [Key in Part]: infer Schema extends z.ZodType } ? z.output<Schema> : undefined;

/** One call of a route, authenticated, within its limits and parsed. */
export interface RouteCall<Name extends RouteName> {
  /** Null on open routes. */
  readonly actor: Definition<Name> extends { readonly open: true } ? null : Actor;
  readonly params: Parsed<Name, 'params'>;
  readonly query: Parsed<Name, 'query'>;
  readonly body: Parsed<Name, 'body'>;
  /** The `Idempotency-Key` header, where one came. */
  readonly idempotencyKey: string | undefined;
  /** The `If-None-Match` header, where one came. */
  readonly ifNoneMatch: string | undefined;
  /** Where the call comes from, as far as TRUST_PROXY lets us know. */
  readonly address: string;
  readonly requestId: string;
  /** Carries `requestId` and, where known, `userId` and `conversationId`. */
  readonly log: Logger;
}

/** What a route answers: a status of its table with the body that stands there. A `null` body is sent as none. */
export interface RouteAnswer<Name extends RouteName> {
  readonly status: keyof Definition<Name>['answers'] & number;
  readonly body: AnswerBody<Definition<Name>['answers']> | JsonBytes;
  readonly headers?: Readonly<Record<string, string>>;
}

type AnswerBody<Answers> = {
  [Status in keyof Answers]: Answers[Status] extends z.ZodType ? z.output<Answers[Status]> : never;
}[keyof Answers];

/** Handlers by the name of their route. A module gives those that are its own. */
export type RouteHandlers = {
  readonly [Name in RouteName]?: (call: RouteCall<Name>) => Promise<RouteAnswer<Name>>;
};

export interface RestDoorDeps {
  authenticate: Authenticate;
  limits: LimitGuard;
}

/**
 * Pages of messages and lists say the same names over and over: a tenth is left of them. Small answers fit into one packet as
 * they are. The fastest level, since the next ones save hardly more.
 */
const PACKED = { encodings: ['gzip' as const], threshold: 2_048, zlibOptions: { level: 1 } };

/** Limits that one route has beside that of all calls. */
const ROUTE_LIMITS: { readonly [Name in RouteName]?: RateLimit } = {
  sync: syncRateLimiter,
  reportClientError: clientErrorsRateLimiter,
};

/**
 * Binds handlers to the table of routes. Before a handler runs, its call is authenticated, counted and parsed; whatever it
 * throws becomes the one error body.
 */
export function bindRoutes(server: FastifyInstance, handlers: RouteHandlers, deps: RestDoorDeps): void {
  for (const name of Object.keys(handlers) as RouteName[]) {
    const handler = handlers[name];
    // Each name's handler takes that name's call; a loop over all names cannot say so to the compiler.
    if (handler) bindRoute(server, name, handler as Handler, deps);
  }
}

type Handler = (
  call: unknown,
) => Promise<{ status: number; body: unknown; headers?: Readonly<Record<string, string>> }>;

function bindRoute(server: FastifyInstance, name: RouteName, handler: Handler, deps: RestDoorDeps): void {
  const definition: RouteDefinition = ROUTES[name];
  const { limits } = deps;

  server.route({
    method: definition.method,
    url: API_PREFIX + definition.path,
    // Before the body is read, so that strangers cost little.
    onRequest: definition.open ? [] : admit(deps, ROUTE_LIMITS[name]),
    compress: PACKED,
    handler: async (request, reply) => {
      try {
        const { status, body, headers } = await handler(callOf(request, name));
        if (headers) reply.headers(headers);
        reply.code(status);
        if (body instanceof JsonBytes) return reply.type('application/json; charset=utf-8').send(body.bytes);
        return body ?? reply.send();
      } catch (error) {
        throw await refusalOf(request, error, limits);
      }
    },
  });
}

/** What goes before every handler of a route with a token, also of those that stream: who calls, and how often they may. */
export function admit({ authenticate, limits }: RestDoorDeps, own?: RateLimit) {
  return async (request: FastifyRequest): Promise<void> => {
    request.actor = await authenticate(bearerToken(request), request.ip);
    await limits.take(restCallsRateLimiter, request.actor.id);
    if (own) await limits.take(own, request.actor.id);
  };
}

/** What to answer for what a handler threw; 403 and 404 count against the caller (RATE-2). */
export async function refusalOf({ actor }: FastifyRequest, error: unknown, limits: LimitGuard): Promise<AppError> {
  const refused = toAppError(error);
  return actor ? limits.refusal(refused, actor.id) : refused;
}

function callOf(request: FastifyRequest, name: RouteName) {
  const definition: RouteDefinition = ROUTES[name];
  const params = definition.params && parseInput(definition.params, request.params);
  const { cid } = (params ?? {}) as { cid?: string };
  return {
    actor: request.actor,
    params,
    query: definition.query && parseInput(definition.query, request.query),
    body: definition.body && parseInput(definition.body, request.body),
    idempotencyKey: name === 'sendMessage' ? idempotencyKey(request) : undefined,
    ifNoneMatch: request.headers['if-none-match'],
    address: request.ip,
    requestId: request.id,
    // Most calls log nothing but their own line, so the child is made when asked for.
    get log() {
      return request.log.child({
        ...(request.actor && { userId: request.actor.id }),
        ...(cid !== undefined && { conversationId: cid }),
      });
    },
  };
}

function bearerToken({ headers }: FastifyRequest): string | undefined {
  const match = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '');
  if (!match && headers.authorization) throw new AppError('unauthenticated');
  return match?.[1];
}

/** Node reads header bytes as Latin-1; where they are UTF-8 the key is what the same key in a body would be. */
function idempotencyKey({ headers }: FastifyRequest): string | undefined {
  const value = headers['idempotency-key'];
  if (value === undefined) return undefined;
  const bytes = Buffer.from(String(value), 'latin1');
  const text = new TextDecoder('utf-8', { ignoreBOM: true });
  const decoded = text.decode(bytes);
  const result = ClientMessageIdSchema.safeParse(decoded.includes('\ufffd') ? String(value) : decoded);
  if (result.success) return result.data;
  throw new AppError('invalid_request', {
    errors: result.error.issues.map(({ message }) => ({ path: 'Idempotency-Key', message })),
  });
}
