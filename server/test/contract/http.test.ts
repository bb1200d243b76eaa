import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { Writable } from 'node:stream';
import { gunzipSync, gzipSync } from 'node:zlib';
import { type Conversation, type Problem, ProblemSchema } from '@parley/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Readiness } from '../../src/modules/system/index.ts';
import { createLogger } from '../../src/utils/logger.ts';
import { call, type RestAnswer, startTestApp, type TestApp, tokenOf } from '../support/app.ts';
import { findFreePort } from '../support/processes.ts';

const API = '/api/messaging/v1';

let app: TestApp;
const lines: string[] = [];

beforeAll(async () => {
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(...chunk.toString().trim().split('\n'));
      done();
    },
  });
  app = await startTestApp({
    logger: createLogger({ logLevel: 'debug', environment: 'production' }, destination),
    env: { CORS_ORIGINS: 'https://app.example.com', RATE_LIMIT_FACTOR: '0', TRUST_PROXY: '1' },
  });
});
afterAll(() => app.close());

async function authorized(headers: Record<string, string> = {}): Promise<Record<string, string>> {
  return { authorization: `Bearer ${await tokenOf('ann')}`, ...headers };
}

function expectProblem({ status, body, headers }: RestAnswer<Problem>, code: string): void {
  const problem = ProblemSchema.parse(body);
  expect(problem.code).toBe(code);
  expect(problem.status).toBe(status);
  expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(headers.get('x-request-id')).toBe(problem.requestId);
}

describe('every answer', () => {
  it('has an id, is not stored, and is told in one line of the log', async () => {
    const { headers } = await app.rest('ann').get('/me', { 'x-request-id': 'id-of-the-caller:1' });
    expect(headers.get('x-request-id')).toBe('id-of-the-caller:1');
    expect(headers.get('cache-control')).toBe('no-store');
    const own = lines.map((line) => JSON.parse(line)).filter(({ requestId }) => requestId === 'id-of-the-caller:1');
    expect(own).toEqual([expect.objectContaining({ msg: 'request', userId: 'ann', route: `${API}/me`, status: 200 })]);
  });

  it('gets an id of ours where the caller’s is not one for a log', async () => {
    const { headers } = await app.rest('ann').get('/me', { 'x-request-id': 'x"} {"level":"error' });
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('never shows a token or what was searched for in the log', async () => {
    const token = await tokenOf('ann');
    await app.rest('ann').get('/users?query=somebody-secret');
    await call(`${app.url}${API}/me?token=${token}`, { headers: { authorization: `Bearer ${token}` } });
    const log = lines.join('\n');
    expect(log).not.toContain('somebody-secret');
    expect(log).not.toContain(token);
    expect(log).not.toContain('"level":"debug"');
  });
});

describe('a long answer', () => {
  /** As the bytes came, which `fetch` would unpack. */
  async function fetchBytes(path: string, headers: Record<string, string>) {
    const request = get(`${app.url}${API}${path}`, { headers: await authorized(headers) });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    return { headers: response.headers, bytes: Buffer.concat(await response.toArray()) };
  }

  it('is packed for who can unpack it, and a short one is not', async () => {
    const ann = app.rest('ann');
    const { body } = await ann.post<Conversation>('/conversations', { type: 'group', title: 'long' });
    for (let nth = 0; nth < 30; nth += 1) await ann.post(`/conversations/${body.id}/messages`, { content: `${nth}` });
    const path = `/conversations/${body.id}/messages`;
    const plain = await fetchBytes(path, {});
    const packed = await fetchBytes(path, { 'accept-encoding': 'br, gzip' });
    expect(plain.headers['content-encoding']).toBeUndefined();
    expect(packed.headers).toMatchObject({ 'content-encoding': 'gzip', etag: plain.headers.etag });
    expect(packed.headers.vary).toMatch(/accept-encoding/i);
    expect(gunzipSync(packed.bytes)).toEqual(plain.bytes);
    expect(packed.bytes.length).toBeLessThan(plain.bytes.length / 4);
    expect((await fetchBytes(path, { 'accept-encoding': 'gzip;q=0' })).bytes).toEqual(plain.bytes);
    expect((await fetchBytes('/me', { 'accept-encoding': 'gzip' })).headers['content-encoding']).toBeUndefined();
  });

  it('is not unpacked where a caller sends one', async () => {
    const body = gzipSync(JSON.stringify({ type: 'group', title: ' '.repeat(1_000_000) }));
    const headers = await authorized({ 'content-type': 'application/json', 'content-encoding': 'gzip' });
    const answer = await call<Problem>(`${app.url}${API}/conversations`, { method: 'POST', headers, body });
    expect(answer.status).toBe(400);
  });
});

describe('what is no good request', () => {
  const post = async (body: string | Uint8Array<ArrayBuffer>, type = 'application/json', path = '/conversations') =>
    call<Problem>(app.url + API + path, { method: 'POST', headers: await authorized({ 'content-type': type }), body });

  it.each<[string, () => Promise<RestAnswer<Problem>>, string, number]>([
    ['an unknown path', () => app.rest('ann').get('/nothing'), 'not_found', 404],
    ['an unknown path with a bad body', () => post('{', 'application/json', '/nothing'), 'not_found', 404],
    ['a path outside the prefix', () => call(`${app.url}/api/other`), 'not_found', 404],
    [
      'a percent sign that is no escape',
      async () => call(`${app.url}${API}/users/%zz`, { method: 'PUT', headers: await authorized() }),
      'invalid_request',
      400,
    ],
    [
      'bytes in a path that are no text',
      async () => call(`${app.url}${API}/users/%ff`, { method: 'PUT', headers: await authorized() }),
      'invalid_request',
      400,
    ],
    ['NUL in a path', () => app.rest('ann').put('/users/a%00b', {}), 'invalid_request', 400],
    ['NUL in a query', () => app.rest('ann').get('/users?query=%00'), 'invalid_request', 400],
    ['no body', () => app.rest('ann').post('/conversations'), 'invalid_request', 400],
    ['half a JSON', () => post('{"type":'), 'invalid_request', 400],
    ['JSON that is no object', () => post('[]'), 'invalid_request', 400],
    ['null', () => post('null'), 'invalid_request', 400],
    ['a prototype', () => post('{"type":"group","__proto__":{"x":1}}'), 'invalid_request', 400],
    ['bytes that are no UTF-8', () => post(new Uint8Array([0x22, 0xff, 0x22])), 'invalid_request', 400],
    [
      'JSON nested without end',
      () => post(`{"type":"group","metadata":{"a":${'['.repeat(30_000)}${']'.repeat(30_000)}}}`),
      'invalid_request',
      400,
    ],
    [
      'a body of more than 64 KiB',
      () => post(JSON.stringify({ type: 'group', title: 'x'.repeat(65_536) })),
      'payload_too_large',
      413,
    ],
    [
      'another type of content',
      () => post('type=group', 'application/x-www-form-urlencoded'),
      'unsupported_media_type',
      415,
    ],
    ['text as content', () => post('{}', 'text/plain'), 'unsupported_media_type', 415],
    [
      'a token of another scheme',
      () => call(`${app.url}${API}/me`, { headers: { authorization: 'Basic eDp5' } }),
      'unauthenticated',
      401,
    ],
  ])('answers %s with the one error body', async (_what, send, code, status) => {
    const answer = await send();
    expect(answer.status).toBe(status);
    expectProblem(answer, code);
  });

  it('names every wrong field, unknown ones too', async () => {
    const { body } = await app
      .rest('ann')
      .post<Problem>('/conversations', { type: 'party', participantIds: ['ok', 7], colour: 'red' });
    expect(body.errors?.map(({ path }) => path).sort()).toEqual(['colour', 'participantIds.1', 'type']);
  });

  it('answers a wrong method with those that are right', async () => {
    const answer = await app.rest('ann').patch<Problem>('/conversations');
    expect(answer.status).toBe(405);
    expectProblem(answer, 'method_not_allowed');
    expect(answer.headers.get('allow')).toBe('GET, HEAD, POST');
    const deep = await app.rest('ann').post<Problem>('/conversations/1/messages/2/reactions/x', {});
    expect(deep.headers.get('allow')).toBe('DELETE, PUT');
  });

  it('refuses a key of a repeat that no body could hold', async () => {
    const answer = await app
      .rest('ann')
      .post<Problem>('/conversations/1/messages', { content: 'x' }, { 'idempotency-key': 'k'.repeat(65) });
    expectProblem(answer, 'invalid_request');
    expect(answer.body.errors?.[0]?.path).toBe('Idempotency-Key');
  });

  it('answers what is not HTTP, and goes on', async () => {
    const { port } = new URL(app.url);
    const answer = await new Promise<string>((resolve, reject) => {
      let text = '';
      const socket = connect(Number(port), '127.0.0.1', () => socket.write('NONSENSE\r\n\r\n'));
      socket.on('data', (chunk) => {
        text += chunk.toString();
      });
      socket.on('close', () => resolve(text));
      socket.on('error', reject);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain('"code":"invalid_request"');
    expect((await app.rest('ann').get('/me')).status).toBe(200);
  });
});

describe('the browser’s rules', () => {
  it('lets pages of allowed origins in, and no others', async () => {
    const preflight = (origin: string) =>
      call(`${app.url}${API}/me`, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'GET', 'access-control-request-headers': 'authorization' },
      });
    const allowed = await preflight('https://app.example.com');
    expect(allowed.status).toBe(204);
    expect(allowed.headers.get('access-control-allow-origin')).toBe('https://app.example.com');
    expect((await preflight('https://evil.example.com')).headers.get('access-control-allow-origin')).toBeNull();
  });

  it('serves the page to navigation only, under a policy without inline script', async () => {
    const { status, headers, body } = await call<string>(`${app.url}/some/place`, { headers: { accept: 'text/html' } });
    expect(status).toBe(200);
    expect(body).toContain('<html');
    expect(headers.get('content-security-policy')).toMatch(/script-src 'self';/);
    expect(headers.get('content-security-policy')).not.toContain('unsafe');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect((await call(`${app.url}/missing.js`, { headers: { accept: '*/*' } })).status).toBe(404);
    expect((await call(`${app.url}${API}/some/place`, { headers: { accept: 'text/html' } })).status).toBe(404);
  });
});

describe('without a token', () => {
  it('tells health by dependency', async () => {
    expect((await call(`${app.url}/health/live`)).body).toEqual({ status: 'ok' });
    const { status, body } = await call<Record<string, unknown>>(`${app.url}/health/ready`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      status: 'ok',
      dependencies: {
        database: { status: 'ok', latencyMs: expect.any(Number) },
        clock: { status: 'ok', skewMs: expect.any(Number) },
      },
    });
  });

  it('RATE-3 is degraded, and serves, while Redis is away', async () => {
    const own = await startTestApp({ env: { REDIS_URL: `redis://127.0.0.1:${await findFreePort()}` } });
    const { status, body } = await call<Readiness>(`${own.url}/health/ready`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ status: 'degraded', dependencies: { redis: { status: 'degraded' } } });
    expect((await own.rest('ann').get('/me')).status).toBe(200);
    await own.close();
  });

  it('is ok with Redis', async () => {
    const own = await startTestApp({ env: { REDIS_URL: process.env.PARLEY_TEST_REDIS_URL } });
    await expect
      .poll(async () => (await call<Readiness>(`${own.url}/health/ready`)).body.status, { timeout: 5_000 })
      .toBe('ok');
    expect((await own.rest('ann').get('/me')).status).toBe(200);
    await own.close();
  });

  it('tells metrics, unless they are turned off', async () => {
    const { body } = await call<string>(`${app.url}/metrics`);
    for (const name of [
      'parley_http_requests_total',
      'parley_sockets',
      'parley_message_batch_size',
      'parley_database_connections',
      'nodejs_eventloop_lag_seconds',
    ]) {
      expect(body).toContain(name);
    }
    const quiet = await startTestApp({ env: { METRICS_ENABLED: 'false' } });
    expect((await call(`${quiet.url}/metrics`)).status).toBe(404);
    await quiet.close();
  });

  it('serves the documents of the protocol', async () => {
    const openApi = await call<{ openapi: string; servers: { url: string }[] }>(`${app.url}/openapi.json`);
    expect(openApi.body.openapi).toMatch(/^3\.1/);
    expect(openApi.body.servers[0]?.url).toContain(app.url);
    expect((await call<{ asyncapi: string }>(`${app.url}/asyncapi.json`)).body.asyncapi).toMatch(/^3\./);
    for (const path of ['/docs', '/docs/errors']) {
      expect((await call<string>(app.url + path)).body).toContain('/docs/docs.css');
    }
    expect((await call(`${app.url}/docs/docs.css`)).headers.get('content-type')).toMatch(/^text\/css/);
  });
});

describe('going down', () => {
  it('refuses new calls, ends sessions with a reason, and closes twice without harm', async () => {
    const own = await startTestApp();
    const socket = await own.connectSocket('ann');
    const closed = own.app.close();
    expect(await socket.next('session:ended')).toMatchObject({ code: 'server_shutdown' });
    expect(await socket.disconnected).toBe('io server disconnect');
    await Promise.all([closed, own.app.close()]);
    await expect(fetch(`${own.url}/health/live`)).rejects.toThrow();
    await own.database.drop();
  });
});
