import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import {
  API_PREFIX,
  buildAsyncApi,
  buildOpenApi,
  COMMANDS,
  ERRORS,
  EVENTS,
  ROUTES,
  type RouteDefinition,
} from '../src/index.ts';
import { asObject, type Json, type JsonObject } from '../src/json-schema.ts';

const options = { version: '1.2.3', serverUrl: 'https://chat.example.com' };
const openApi = buildOpenApi(options);
const asyncApi = buildAsyncApi(options);

/** The value that a path of keys leads to. */
function at(document: Json, ...keys: string[]): JsonObject {
  return keys.reduce<JsonObject>((value, key) => asObject(value[key]), asObject(document));
}

/** Every `$ref` in a document. */
function references(value: Json): string[] {
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, item]: [string, Json]) =>
    key === '$ref' && typeof item === 'string' ? [item] : references(item),
  );
}

function unresolved(document: JsonObject): string[] {
  return references(document).filter(
    (reference) => Object.keys(at(document, ...reference.replace(/^#\//, '').split('/'))).length === 0,
  );
}

describe('the OpenAPI document', () => {
  it('is valid OpenAPI 3.1', async () => {
    const validator = new Validator();
    const result = await validator.validate(structuredClone(openApi) as Record<string, unknown>);
    expect(result.errors ?? []).toEqual([]);
    expect(result.valid).toBe(true);
    expect(validator.version).toBe('3.1');
  });

  it('has no reference that leads nowhere, and no shape that nobody refers to', () => {
    expect(unresolved(openApi)).toEqual([]);
    const used = new Set(references(openApi));
    const shapes = Object.keys(at(openApi, 'components', 'schemas'));
    expect(shapes.filter((name) => !used.has(`#/components/schemas/${name}`))).toEqual([]);
  });

  it.each(Object.entries(ROUTES) as [string, RouteDefinition][])('has %s with its answers and codes', (name, route) => {
    const path = API_PREFIX + route.path.replaceAll(/:(\w+)/g, '{$1}');
    const operation = at(openApi, 'paths', path, route.method.toLowerCase());
    expect(operation.operationId).toBe(name);
    expect(operation.security).toEqual(route.open ? [] : undefined);

    const answers = asObject(operation.responses);
    for (const status of Object.keys(route.answers)) expect(answers).toHaveProperty(status);
    for (const code of route.errors) {
      const schema = at(answers, String(ERRORS[code].status), 'content', 'application/problem+json');
      expect(JSON.stringify(schema)).toContain(`"${code}"`);
    }
    const placed = (path.match(/\{\w+\}/g) ?? []).map((parameter) => parameter.slice(1, -1));
    const declared = ((operation.parameters ?? []) as JsonObject[])
      .filter((parameter) => parameter.in === 'path')
      .map((parameter) => parameter.name);
    expect(declared).toEqual(placed);
  });

  it('has no operation under the prefix that is no route', () => {
    const paths = Object.entries(at(openApi, 'paths')).filter(([path]) => path.startsWith(API_PREFIX));
    expect(paths.flatMap(([, methods]) => Object.keys(asObject(methods)))).toHaveLength(Object.keys(ROUTES).length);
  });

  it('SEND-2 names the Idempotency-Key header of a send', () => {
    const send = at(openApi, 'paths', `${API_PREFIX}/conversations/{cid}/messages`, 'post');
    expect(JSON.stringify(send.parameters)).toContain('"Idempotency-Key"');
  });

  it('RATE-1 names the headers of a 429', () => {
    const refusal = at(openApi, 'paths', `${API_PREFIX}/me`, 'get', 'responses', '429', 'headers');
    expect(Object.keys(refusal)).toEqual(
      expect.arrayContaining(['Retry-After', 'RateLimit-Limit', 'RateLimit-Remaining', 'RateLimit-Reset']),
    );
  });

  it('names what stands outside of the prefix', () => {
    const outside = ['/health/live', '/health/ready', '/metrics', '/openapi.json', '/asyncapi.json', '/docs'];
    for (const path of outside) expect(at(openApi, 'paths', path, 'get').security).toEqual([]);
  });

  it('has schemas that a validator of JSON Schema takes', () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema({ $id: 'openapi', components: openApi.components });
    for (const name of Object.keys(at(openApi, 'components', 'schemas'))) {
      expect(ajv.getSchema(`openapi#/components/schemas/${name}`), name).toBeTypeOf('function');
    }
  });
});

describe('the AsyncAPI document', () => {
  it('is valid AsyncAPI 3.0', () => {
    const path = createRequire(import.meta.url).resolve('@asyncapi/specs/schemas/3.0.0.json');
    // The file brings draft 7 along; Ajv's own copy of it would be a second one.
    const ajv = new Ajv({ meta: false, validateSchema: false, strict: false, validateFormats: false, allErrors: true });
    const validate = ajv.compile(JSON.parse(readFileSync(path, 'utf8')) as object);
    validate(asyncApi);
    expect(validate.errors ?? []).toEqual([]);
    // It does look: what is no operation is refused.
    expect(validate({ ...asyncApi, operations: { wrong: { action: 'shout' } } })).toBe(false);
  });

  it('has no reference that leads nowhere', () => {
    expect(unresolved(asyncApi)).toEqual([]);
  });

  it('receives every command, answers it, and sends every event, and nothing else', () => {
    const operations = Object.values(at(asyncApi, 'operations')).map(asObject);
    const received = operations.filter((operation) => operation.action === 'receive');
    const sent = operations.filter((operation) => operation.action === 'send');
    expect(received.map((operation) => operation.title)).toEqual(Object.keys(COMMANDS));
    expect(received.every((operation) => operation.reply)).toBe(true);
    expect(sent.map((operation) => operation.title)).toEqual(Object.keys(EVENTS));
  });

  it('names the server by its address', () => {
    expect(at(asyncApi, 'servers', 'parley')).toMatchObject({ host: 'chat.example.com', protocol: 'wss' });
    const local = buildAsyncApi({ version: '1', serverUrl: 'http://127.0.0.1:3000' });
    expect(at(local, 'servers', 'parley')).toMatchObject({ host: '127.0.0.1:3000', protocol: 'ws' });
  });
});
