import { COMMANDS } from './commands.ts';
import { ERRORS, ProblemSchema } from './errors.ts';
import { CHANGE_EVENTS, EVENTS } from './events.ts';
import { collectSchemas, type Json, type JsonObject } from './json-schema.ts';
import type { DocumentOptions } from './openapi.ts';

const CHANNEL = 'root';

/**
 * The socket door as an AsyncAPI 3.0 document, made from `COMMANDS` and `EVENTS`. It is written from the side of the
 * server: a command is an operation that the server receives and answers with an acknowledgement, an event one that it
 * sends.
 */
export function buildAsyncApi({ version, serverUrl }: DocumentOptions): JsonObject {
  // AsyncAPI's own schemas build upon draft 7.
  const collection = collectSchemas('draft-7');
  const problem = collection.schemaOf(ProblemSchema, 'output');

  const messages: Record<string, JsonObject> = {};
  const operations: Record<string, JsonObject> = {};

  for (const [name, { summary, input, answer, mutating }] of Object.entries(COMMANDS)) {
    const key = keyOf(name);
    messages[key] = {
      name,
      title: name,
      summary,
      payload: collection.schemaOf(input, 'input'),
    };
    messages[`${key}.ack`] = {
      name: `${name} (acknowledgement)`,
      title: `Acknowledgement of ${name}`,
      payload: acknowledgement(collection.schemaOf(answer, 'output'), problem),
    };
    operations[key] = {
      action: 'receive',
      channel: channelReference,
      title: name,
      summary,
      ...(mutating && { description: 'Takes effect in the order in which one socket sent its commands (DLV-1).' }),
      messages: [messageReference(key)],
      reply: { channel: channelReference, messages: [messageReference(`${key}.ack`)] },
    };
  }

  for (const [name, { summary, payload }] of Object.entries(EVENTS)) {
    const key = keyOf(name);
    messages[key] = { name, title: name, summary, payload: collection.schemaOf(payload, 'output') };
    operations[key] = {
      action: 'send',
      channel: channelReference,
      title: name,
      summary,
      ...(name in CHANGE_EVENTS && { description: 'A change: raises `rev` of its conversation by one (ORD-2).' }),
      messages: [messageReference(key)],
    };
  }

  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Parley messaging',
      version,
      description:
        'The socket door: Socket.IO 4, path `/socket.io`, namespace `/`. Each message below is a Socket.IO event of ' +
        'that name with one object as its argument; a command also takes an acknowledgement function, which is ' +
        'called with the reply. The same things over REST are described in `/openapi.json`, the rules in `/docs`.',
      license: { name: 'MIT' },
    },
    defaultContentType: 'application/json',
    servers: { parley: serverOf(serverUrl) },
    channels: {
      [CHANNEL]: {
        address: '/',
        title: 'The namespace `/`',
        description: `A refused connection gets \`connect_error\` with a problem object in \`err.data\` (codes: ${connectCodes()}).`,
        messages: Object.fromEntries(
          Object.keys(messages).map((key) => [key, { $ref: `#/components/messages/${key}` }]),
        ),
      },
    },
    operations,
    components: {
      messages,
      schemas: collection.schemas,
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: 'The person’s token, as `auth.token` of the Socket.IO handshake (not as a header).',
        },
      },
    },
  };
}

const channelReference: JsonObject = { $ref: `#/channels/${CHANNEL}` };

function messageReference(key: string): JsonObject {
  return { $ref: `#/channels/${CHANNEL}/messages/${key}` };
}

/** Names in the document may hold no colon. */
function keyOf(name: string): string {
  return name.replaceAll(':', '.');
}

function acknowledgement(data: Json, problem: Json): JsonObject {
  return {
    oneOf: [
      { type: 'object', required: ['ok', 'data'], properties: { ok: { const: true }, data } },
      { type: 'object', required: ['ok', 'error'], properties: { ok: { const: false }, error: problem } },
    ],
  };
}

function serverOf(serverUrl: string): JsonObject {
  const { protocol, host } = new URL(serverUrl);
  return {
    host,
    protocol: protocol === 'https:' ? 'wss' : 'ws',
    pathname: '/socket.io',
    description: 'Socket.IO 4 over WebSocket or HTTP polling.',
    security: [{ $ref: '#/components/securitySchemes/token' }],
  };
}

function connectCodes(): string {
  const codes = [
    'unauthenticated',
    'token_expired',
    'session_revoked',
    'too_many_connections',
    'rate_limited',
    'unavailable',
  ] as const;
  return codes.map((code) => `\`${code}\` ${ERRORS[code].status}`).join(', ');
}
