import { ERRORS, type ErrorCode, ProblemSchema } from './errors.ts';
import { asObject, collectSchemas, type Json, type JsonObject, type SchemaCollection } from './json-schema.ts';
import { ClientMessageIdSchema } from './requests.ts';
import { API_PREFIX, COMMON_ERRORS, ROUTES, type RouteDefinition, type RouteName } from './routes.ts';

/** What the documents say about the server that serves them. */
export interface DocumentOptions {
  /** Version of Parley. */
  readonly version: string;
  /** Where the server is reached from outside, without a slash at the end (`https://chat.example.com`). */
  readonly serverUrl: string;
}

/** What every status of a good answer means, where the route's summary does not say it. */
const STATUS_TEXT: Readonly<Record<string, string>> = {
  200: 'Done.',
  201: 'Created.',
  204: 'Done; there is no body.',
  206: 'The part asked for.',
  304: 'Not changed since; there is no body.',
};

/** The REST door as an OpenAPI 3.1 document. Everything in it is made from `ROUTES`, the schemas and the error table. */
export function buildOpenApi({ version, serverUrl }: DocumentOptions): JsonObject {
  const collection = collectSchemas('draft-2020-12');
  const problem = collection.schemaOf(ProblemSchema, 'output');

  const paths: Record<string, Record<string, Json>> = {};
  for (const [name, route] of Object.entries(ROUTES) as [RouteName, RouteDefinition][]) {
    const path = API_PREFIX + route.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = {
      ...paths[path],
      [route.method.toLowerCase()]: operationOf(name, route, collection, problem),
    };
  }

  return {
    openapi: '3.1.0',
    info: {
      title: 'Parley messaging',
      version,
      summary: 'In-app messaging: every acknowledged message kept, in order, once.',
      description:
        'The REST door. What the server tells by itself, and the same commands over Socket.IO, are described in ' +
        '`/asyncapi.json`; the rules behind both in `/docs`.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: serverUrl }],
    security: [{ bearer: [] }],
    tags: [...new Set(Object.values(ROUTES).map((route) => route.tag)), 'Operations'].map((name) => ({ name })),
    paths: { ...paths, ...operationsPaths(problem) },
    components: {
      schemas: collection.schemas,
      headers: HEADERS,
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'The person’s own token.' },
      },
    },
  };
}

/** Every code that a route may answer with, in the order of the error table. */
export function errorsOfRoute(route: RouteDefinition): ErrorCode[] {
  const codes = new Set<ErrorCode>([...COMMON_ERRORS, ...route.errors]);
  if (route.open) {
    codes.delete('unauthenticated');
    codes.delete('token_expired');
    codes.delete('session_revoked');
    codes.delete('forbidden');
  }
  return (Object.keys(ERRORS) as ErrorCode[]).filter((code) => codes.has(code));
}

function operationOf(
  name: RouteName,
  route: RouteDefinition,
  collection: SchemaCollection,
  problem: JsonObject,
): JsonObject {
  const parameters = [
    ...parametersOf('path', route, collection),
    ...parametersOf('query', route, collection),
    ...(name === 'sendMessage' ? [idempotencyKey(collection)] : []),
  ];
  return {
    operationId: name,
    tags: [route.tag],
    summary: route.summary,
    ...(route.open && { security: [] }),
    ...(parameters.length > 0 && { parameters }),
    ...(route.body && {
      requestBody: {
        required: !route.body.safeParse(undefined).success,
        content: { [route.bodyType ?? 'application/json']: { schema: collection.schemaOf(route.body, 'input') } },
      },
    }),
    responses: { ...goodAnswers(route, collection), ...problemAnswers(errorsOfRoute(route), problem) },
  };
}

function parametersOf(place: 'path' | 'query', route: RouteDefinition, collection: SchemaCollection): JsonObject[] {
  const schema = place === 'path' ? route.params : route.query;
  if (!schema) return [];
  const { properties, required = [] } = collection.schemaOf(schema, 'input');
  return Object.entries(asObject(properties)).map(([name, property]) => {
    const { description, ...rest } = asObject(property);
    return {
      name,
      in: place,
      required: place === 'path' || (required as readonly Json[]).includes(name),
      ...(description !== undefined && { description }),
      schema: rest,
    };
  });
}

function idempotencyKey(collection: SchemaCollection): JsonObject {
  return {
    name: 'Idempotency-Key',
    in: 'header',
    required: false,
    description:
      'The same as `clientMessageId` in the body: a repeat under the same key is answered with the first message. ' +
      'Where both are given they must be equal.',
    schema: collection.schemaOf(ClientMessageIdSchema, 'input'),
  };
}

function goodAnswers(route: RouteDefinition, collection: SchemaCollection): JsonObject {
  return Object.fromEntries(
    Object.entries(route.answers).map(([status, schema]) => [
      status,
      {
        description: STATUS_TEXT[status] ?? 'Done.',
        headers: { 'X-Request-Id': { $ref: '#/components/headers/X-Request-Id' } },
        ...(status !== '204' &&
          status !== '304' && {
            content: { [route.answerType ?? 'application/json']: { schema: collection.schemaOf(schema, 'output') } },
          }),
      },
    ]),
  );
}

function problemAnswers(codes: readonly ErrorCode[], problem: JsonObject): JsonObject {
  const byStatus = Map.groupBy(codes, (code) => ERRORS[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, group]) => [String(status), problemAnswer(status, group, problem)]),
  );
}

function problemAnswer(status: number, codes: readonly ErrorCode[], problem: JsonObject): JsonObject {
  return {
    description: codes.map((code) => `\`${code}\`: ${ERRORS[code].message}`).join('\n\n'),
    headers: {
      'X-Request-Id': { $ref: '#/components/headers/X-Request-Id' },
      ...(status === 429 &&
        Object.fromEntries(
          ['Retry-After', 'RateLimit-Limit', 'RateLimit-Remaining', 'RateLimit-Reset'].map((name) => [
            name,
            { $ref: `#/components/headers/${name}` },
          ]),
        )),
      ...(status === 503 && { 'Retry-After': { $ref: '#/components/headers/Retry-After' } }),
    },
    content: {
      'application/problem+json': {
        schema: { allOf: [problem, { properties: { code: { enum: codes } } }] },
      },
    },
  };
}

const HEADERS: JsonObject = {
  'X-Request-Id': {
    description: 'Names this call in the log of the server.',
    schema: { type: 'string' },
  },
  'Retry-After': {
    description: 'Seconds after which the same call makes sense again.',
    schema: { type: 'integer', minimum: 0 },
  },
  'RateLimit-Limit': {
    description: 'How many calls the window takes.',
    schema: { type: 'integer', minimum: 0 },
  },
  'RateLimit-Remaining': {
    description: 'How many of them are left.',
    schema: { type: 'integer', minimum: 0 },
  },
  'RateLimit-Reset': {
    description: 'Seconds until the window has room again.',
    schema: { type: 'integer', minimum: 0 },
  },
};

/** What the server answers beside the API: for those who run it and for those who read about it. None needs a token. */
function operationsPaths(problem: JsonObject): JsonObject {
  const json = (schema: JsonObject): JsonObject => ({ 'application/json': { schema } });
  const object = (properties: JsonObject): JsonObject => ({
    type: 'object',
    required: Object.keys(properties),
    properties,
  });
  const readiness = json(
    object({
      status: { enum: ['ok', 'degraded', 'unavailable'] },
      version: { type: 'string' },
      dependencies: {
        type: 'object',
        description: 'Each dependency by name.',
        additionalProperties: {
          ...object({
            status: {
              enum: ['ok', 'degraded', 'down'],
              description: '`degraded`: away, but the server works without it.',
            },
            latencyMs: { type: ['number', 'null'] },
          }),
          description: 'With `reason` where something is wrong.',
        },
      },
    }),
  );
  const page: JsonObject = { 'text/html': { schema: { type: 'string' } } };
  const document = json({ type: 'object' });
  const get = (operationId: string, summary: string, responses: JsonObject): JsonObject => ({
    get: { operationId, tags: ['Operations'], summary, security: [], responses },
  });
  const ok = (description: string, content: JsonObject): JsonObject => ({ 200: { description, content } });

  return {
    '/health/live': get(
      'getLiveness',
      'Whether the process answers.',
      ok('It does.', json(object({ status: { const: 'ok' } }))),
    ),
    '/health/ready': get('getReadiness', 'Whether the server can do its work.', {
      ...ok('Ready. `degraded` means that it works without something, such as Redis.', readiness),
      503: { description: 'Not ready.', content: readiness },
    }),
    '/metrics': get('getMetrics', 'Figures for Prometheus.', {
      ...ok('The figures.', { 'text/plain': { schema: { type: 'string' } } }),
      404: problemAnswer(404, ['not_found'], problem),
    }),
    '/openapi.json': get('getOpenApi', 'This document.', ok('The document.', document)),
    '/asyncapi.json': get('getAsyncApi', 'The socket door as an AsyncAPI document.', ok('The document.', document)),
    '/docs': get('getDocs', 'The reference for readers.', ok('The page.', page)),
    '/docs/errors': get('getErrorDocs', 'The page that `type` of a problem points at.', ok('The page.', page)),
    '/docs/docs.css': get(
      'getDocsStyles',
      'The style sheet of the reference.',
      ok('The style sheet.', { 'text/css': { schema: { type: 'string' } } }),
    ),
  };
}
