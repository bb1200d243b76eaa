import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Problem, ProblemSchema, type User } from '@parley/protocol';
import { type CryptoKey, exportJWK, type GenerateKeyPairResult, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, startTestApp, TEST_SECRET, type TestApp, tokenOf } from '../support/app.ts';
import { createTestDatabase } from '../support/database.ts';

const ME = '/api/messaging/v1/me';

function withToken(app: TestApp, token: string) {
  return call<User & Problem>(app.url + ME, { headers: { authorization: `Bearer ${token}` } });
}

describe('tokens by secret', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp({
      env: { JWT_ISSUER: 'https://host.example', JWT_AUDIENCE: 'parley', RATE_LIMIT_FACTOR: '0' },
    });
  });
  afterAll(() => app.close());

  const sign = (claims: Record<string, unknown>, alg = 'HS256', secret = TEST_SECRET) =>
    new SignJWT({ iss: 'https://host.example', aud: 'parley', exp: Math.floor(Date.now() / 1000) + 600, ...claims })
      .setProtectedHeader({ alg })
      .sign(new TextEncoder().encode(secret));

  it('ACC-1 names the person of a good token', async () => {
    const token = await sign({
      sub: 'ann',
      name: 'Ann',
      picture: 'https://host.example/a.png',
      roles: ['admin', 'king', 'admin'],
    });
    const { status, body } = await withToken(app, token);
    expect(status).toBe(200);
    expect(body).toMatchObject({ id: 'ann', name: 'Ann', avatarUrl: 'https://host.example/a.png', roles: ['admin'] });
  });

  it.each<[string, () => Promise<string> | string]>([
    ['another secret', () => sign({ sub: 'ann' }, 'HS256', 'another secret that is long enough for this')],
    ['another algorithm of the same secret', () => sign({ sub: 'ann' }, 'HS512')],
    ['no algorithm', () => new UnsecuredJWT({ sub: 'ann' }).setExpirationTime('1h').encode()],
    ['no exp', () => sign({ sub: 'ann', exp: undefined })],
    ['another issuer', () => sign({ sub: 'ann', iss: 'https://evil.example' })],
    ['no audience', () => sign({ sub: 'ann', aud: undefined })],
    ['no sub', () => sign({})],
    ['an empty sub', () => sign({ sub: '' })],
    ['a sub that is no string', () => sign({ sub: 7 })],
    ['a sub of 129 characters', () => sign({ sub: 'x'.repeat(129) })],
    ['a sub with NUL', () => sign({ sub: 'a\0b' })],
    ['nbf far ahead', () => sign({ sub: 'ann', nbf: Math.floor(Date.now() / 1000) + 300 })],
    ['no JWT at all', () => 'x.y.z'],
  ])('ACC-1 refuses a token with %s', async (_what, make) => {
    const { status, body, headers } = await withToken(app, await make());
    expect(status).toBe(401);
    expect(ProblemSchema.parse(body).code).toBe('unauthenticated');
    expect(headers.get('www-authenticate')).toBe('Bearer');
  });

  it('ACC-1 refuses a call without a token', async () => {
    const { status, body } = await app.rest(null).get<Problem>('/me');
    expect([status, body.code]).toEqual([401, 'unauthenticated']);
  });

  it('ACC-4 allows 30 s of skew, and tells an ended token from a bad one', async () => {
    const now = Math.floor(Date.now() / 1000);
    expect((await withToken(app, await sign({ sub: 'ann', exp: now - 10 }))).status).toBe(200);
    const { status, body } = await withToken(app, await sign({ sub: 'ann', exp: now - 60 }));
    expect([status, body.code]).toEqual([401, 'token_expired']);
  });

  it('takes a sub of 128 characters, and cuts a name to 100 code points', async () => {
    const id = 'x'.repeat(128);
    const { body } = await withToken(app, await sign({ sub: id, name: '😀'.repeat(120) }));
    expect(body).toMatchObject({ id, name: '😀'.repeat(100) });
  });

  it('mends what a name may not hold, and drops a picture that is no web address', async () => {
    const { body } = await withToken(
      app,
      await sign({ sub: 'bob', name: ' <b>Bob</b>\0\ud800 ', picture: 'javascript:alert(1)' }),
    );
    expect(body).toMatchObject({ id: 'bob', name: 'Bob\ufffd', avatarUrl: null, roles: [] });
  });

  it('follows a changed name, and leaves the directory’s where a token has none', async () => {
    expect((await withToken(app, await sign({ sub: 'cyd', name: 'Cyd' }))).body.name).toBe('Cyd');
    expect((await withToken(app, await sign({ sub: 'cyd', name: 'Cyd B.' }))).body.name).toBe('Cyd B.');
    expect((await withToken(app, await sign({ sub: 'cyd' }))).body.name).toBe('Cyd B.');
    expect((await withToken(app, await sign({ sub: 'nameless' }))).body.name).toBe('nameless');
  });
});

describe('tokens by key set', () => {
  let app: TestApp;
  let keyServer: Server;
  let keySetIsAway = false;
  let rsa: GenerateKeyPairResult;
  let ec: GenerateKeyPairResult;

  beforeAll(async () => {
    rsa = await generateKeyPair('RS256');
    ec = await generateKeyPair('ES256');
    const keys = [
      { ...(await exportJWK(rsa.publicKey)), kid: 'rsa', alg: 'RS256' },
      { ...(await exportJWK(ec.publicKey)), kid: 'ec', alg: 'ES256' },
    ];
    keyServer = createServer((_request, response) => {
      response.statusCode = keySetIsAway ? 500 : 200;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ keys }));
    });
    await new Promise<void>((resolve) => keyServer.listen(0, '127.0.0.1', resolve));
    const { port } = keyServer.address() as AddressInfo;
    app = await startTestApp({ env: { JWT_SECRET: undefined, JWT_JWKS_URL: `http://127.0.0.1:${port}/jwks.json` } });
  });
  afterAll(async () => {
    await app.close();
    await new Promise((resolve) => keyServer.close(resolve));
  });

  const sign = (alg: string, kid: string | undefined, key: CryptoKey | Uint8Array) =>
    new SignJWT({})
      .setProtectedHeader({ alg, ...(kid && { kid }) })
      .setSubject('ann')
      .setExpirationTime('10m')
      .sign(key);

  it('says unavailable, not unauthenticated, while the key set cannot be had', async () => {
    keySetIsAway = true;
    const { status, body } = await withToken(app, await sign('RS256', 'rsa', rsa.privateKey));
    expect([status, body.code]).toEqual([503, 'unavailable']);
    keySetIsAway = false;
  });

  it('ACC-1 takes tokens of any key of the set, with and without kid', async () => {
    expect((await withToken(app, await sign('RS256', 'rsa', rsa.privateKey))).status).toBe(200);
    expect((await withToken(app, await sign('ES256', 'ec', ec.privateKey))).status).toBe(200);
    expect((await withToken(app, await sign('ES256', undefined, ec.privateKey))).status).toBe(200);
  });

  it('ACC-1 refuses unknown keys, and a public key used as a secret', async () => {
    const stranger = await generateKeyPair('RS256');
    expect((await withToken(app, await sign('RS256', 'rsa', stranger.privateKey))).status).toBe(401);
    expect((await withToken(app, await sign('RS256', 'unknown', rsa.privateKey))).status).toBe(401);
    const published = new TextEncoder().encode(JSON.stringify(await exportJWK(rsa.publicKey)));
    expect((await withToken(app, await sign('HS256', 'rsa', published))).status).toBe(401);
  });
});

describe('guest mode', () => {
  it('gives a token that lives through a restart, and limits sign-ins for each address', async () => {
    const database = await createTestDatabase();
    const env = { JWT_SECRET: undefined };
    const first = await startTestApp({ env, database });
    const { status, body } = await first
      .rest(null)
      .post<{ token: string; user: User }>('/auth/guest', { name: ' <i>Ann</i> ' });
    expect(status).toBe(201);
    expect(body.user).toEqual({ id: expect.stringMatching(/^guest-/), name: 'Ann', avatarUrl: null });
    expect((await first.rest(null).post<Problem>('/auth/guest', { name: '  ' })).body.errors?.[0]?.path).toBe('name');

    for (let count = 2; count < 20; count++) await first.rest(null).post('/auth/guest', { name: 'More' });
    const limited = await first.rest(null).post<Problem>('/auth/guest', { name: 'Too many' });
    expect([limited.status, limited.body.code]).toEqual([429, 'rate_limited']);
    expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0);
    await first.close();

    const second = await startTestApp({ env, database });
    expect((await withToken(second, body.token)).body).toMatchObject({ id: body.user.id, name: 'Ann', roles: [] });
    await second.close();
    await database.drop();
  });

  it('is closed where tokens come from the host product', async () => {
    const app = await startTestApp();
    const { status, body } = await app.rest(null).post<Problem>('/auth/guest', { name: 'Ann' });
    expect([status, body.code]).toEqual([404, 'not_found']);
    await app.close();
  });
});

describe('bad tokens and refusals', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp();
  });
  afterAll(() => app.close());

  it('RATE-2 limits bad tokens of an address over both doors, while good and merely ended ones pass', async () => {
    for (let count = 1; count <= 28; count++) expect((await withToken(app, 'bad')).status).toBe(401);
    await expect(app.connectSocket('ann', { token: 'bad' })).rejects.toMatchObject({
      code: 'unauthenticated',
      status: 401,
    });
    await expect(app.connectSocket('ann', { token: 'bad' })).rejects.toMatchObject({ code: 'unauthenticated' });
    await expect(app.connectSocket('ann', { token: 'bad' })).rejects.toMatchObject({
      code: 'rate_limited',
      status: 429,
    });
    const limited = await withToken(app, 'bad');
    expect([limited.status, limited.body.code]).toEqual([429, 'rate_limited']);
    expect((await withToken(app, await tokenOf({ id: 'ann', expiresIn: -100 }))).body.code).toBe('token_expired');
    expect((await withToken(app, await tokenOf('ann'))).status).toBe(200);
  });

  it('RATE-2 turns refusals into 429 past their limit, while good calls go on', async () => {
    const rest = app.rest('prober');
    for (let count = 1; count <= 60; count++) expect((await rest.put('/users/x', {})).status).toBe(403);
    expect((await rest.put<Problem>('/users/x', {})).body.code).toBe('rate_limited');
    expect((await rest.get('/me')).status).toBe(200);
  });
});

describe('the directory', () => {
  const enter = async (app: TestApp, ...ids: string[]) => {
    for (const id of ids) await app.rest({ id, name: `Name of ${id}` }).get('/me');
  };
  type Page = { items: User[]; nextCursor: string | null };

  it('DIRECTORY=all finds everybody by a part of the name, page by page', async () => {
    const app = await startTestApp({ env: { DIRECTORY: 'all' } });
    await enter(app, 'u1', 'u2', 'u3', 'x%_');
    const first = await app.rest('u1').get<Page>('/users?query=NAME%20of%20u&limit=2');
    expect(first.body.items.map(({ id }) => id)).toEqual(['u2', 'u3']);
    expect(first.body.nextCursor).toBeNull();
    const page = await app.rest({ id: 'u1', name: 'Name of u1' }).get<Page>('/users?limit=2');
    const rest = await app
      .rest({ id: 'u1', name: 'Name of u1' })
      .get<Page>(`/users?limit=2&cursor=${page.body.nextCursor}`);
    expect([...page.body.items, ...rest.body.items].map(({ id }) => id)).toEqual(['u1', 'u2', 'u3', 'x%_']);
    expect((await app.rest('u2').get<Page>('/users?query=%25_')).body.items.map(({ id }) => id)).toEqual(['x%_']);
    expect((await app.rest('u2').get<Problem>('/users?cursor=nonsense')).body.errors?.[0]?.path).toBe('cursor');
    expect((await app.rest('u2').get<Problem>('/users?limit=201')).body.errors?.[0]?.path).toBe('limit');
    await app.close();
  });

  it('DIRECTORY=shared finds those one shares a conversation with, DIRECTORY=off nobody', async () => {
    const app = await startTestApp();
    await enter(app, 'ann', 'bob', 'eve');
    expect((await app.rest('ann').get<Page>('/users')).body.items).toEqual([]);
    const made = await app.rest('ann').post('/conversations', { type: 'direct', participantIds: ['bob'] });
    expect(made.status).toBe(201);
    expect((await app.rest('ann').get<Page>('/users')).body.items.map(({ id }) => id)).toEqual(['bob']);
    expect((await app.rest('eve').get<Page>('/users')).body.items).toEqual([]);
    await app.close();

    const off = await startTestApp({ env: { DIRECTORY: 'off' } });
    await enter(off, 'ann');
    expect((await off.rest('ann').get<Page>('/users')).body).toEqual({ items: [], nextCursor: null });
    await off.close();
  });

  it('lets administrators enter and change people', async () => {
    const app = await startTestApp({ env: { DIRECTORY: 'all' } });
    const admin = app.rest({ id: 'root', name: 'Root', roles: ['admin'] });
    const made = await admin.put('/users/new', { name: 'New', avatarUrl: 'https://host.example/n.png' });
    expect([made.status, made.body]).toEqual([
      201,
      { id: 'new', name: 'New', avatarUrl: 'https://host.example/n.png' },
    ]);
    const changed = await admin.put('/users/new', { avatarUrl: null });
    expect([changed.status, changed.body]).toEqual([200, { id: 'new', name: 'New', avatarUrl: null }]);
    expect((await admin.put('/users/plain', {})).body).toEqual({ id: 'plain', name: 'plain', avatarUrl: null });
    expect((await admin.put<Problem>('/users/new', { name: '<b></b>' })).body.errors?.[0]?.path).toBe('name');
    expect((await admin.put<Problem>('/users/new', { nick: 'x' })).body.errors?.[0]?.path).toBe('nick');
    const id = '😀'.repeat(64);
    expect((await admin.put(`/users/${encodeURIComponent(id)}`, {})).body).toMatchObject({ id });
    const moderator = app.rest({ id: 'mod', roles: ['moderator'] });
    expect((await moderator.put<Problem>('/users/new', { name: 'X' })).body.code).toBe('forbidden');
    await app.close();
  });
});
