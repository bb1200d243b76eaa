import type { Socket } from 'node:net';
import { type Problem, ProblemSchema } from '@parley/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, startTestApp, type TestApp, tokenOf } from '../support/app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp({ env: { CORS_ORIGINS: 'https://app.example.com', MAX_CONNECTIONS_PER_USER: '3' } });
});
afterAll(() => app.close());

describe('connecting', () => {
  it.each(['websocket', 'polling'] as const)('ACC-1 lets in who has a token, over %s', async (transport) => {
    const socket = await app.connectSocket('ann', { transports: [transport] });
    const ready = await socket.next('ready');
    expect(ready).toEqual({ userId: 'ann', sessionId: expect.any(String), serverTime: expect.any(String) });
    expect([...app.app.io.of('/').sockets.values()].every(({ recovered }) => !recovered)).toBe(true);
    socket.disconnect();
  });

  it.each<[string, string, string]>([
    ['no token', '', 'unauthenticated'],
    ['a bad token', 'x.y.z', 'unauthenticated'],
  ])('ACC-1 refuses %s with the problem in err.data', async (_what, token, code) => {
    const problem = await app.connectSocket('ann', { token }).catch((error: Problem) => error);
    expect(ProblemSchema.parse(problem).code).toBe(code);
  });

  it('ACC-4 refuses a token past its end, whose skew is for verifying only', async () => {
    for (const expiresIn of [-10, -100]) {
      await expect(app.connectSocket({ id: 'ann', expiresIn })).rejects.toMatchObject({ code: 'token_expired' });
    }
  });

  it.each(['websocket', 'polling'] as const)('refuses a foreign origin over %s', async (transport) => {
    for (const origin of [
      'https://evil.example.com',
      'null',
      `${app.url}.evil.example`,
      'https://app.example.com, https://x',
    ]) {
      await expect(app.connectSocket('ann', { transports: [transport], headers: { origin } })).rejects.toBeDefined();
    }
    for (const origin of [app.url, 'https://app.example.com']) {
      const socket = await app.connectSocket('ann', { transports: [transport], headers: { origin } });
      socket.disconnect();
    }
  });

  it('answers a foreign origin 403 before anything else', async () => {
    const { status } = await call(`${app.url}/socket.io/?EIO=4&transport=polling`, {
      headers: { origin: 'https://evil.example.com' },
    });
    expect(status).toBe(403);
  });

  it('RATE-2 refuses connections over the limit of one person, and takes them again when one is closed', async () => {
    const open = [await app.connectSocket('cyd'), await app.connectSocket('cyd'), await app.connectSocket('cyd')];
    await expect(app.connectSocket('cyd')).rejects.toMatchObject({ code: 'too_many_connections', status: 429 });
    const other = await app.connectSocket('dan');
    // The server counts a connection back when it hears of its end: a retry is what a client does.
    open[0]!.disconnect();
    await expect
      .poll(() =>
        app.connectSocket('cyd').then(
          () => true,
          () => false,
        ),
      )
      .toBe(true);
    for (const socket of [...open, other]) socket.disconnect();
  });

  it('RATE-2 refuses connections over the limit of one address, whoever comes, and none of another address', async () => {
    const from = (address: string) => ({ headers: { 'x-forwarded-for': address } });
    const narrow = await startTestApp({
      env: { MAX_CONNECTIONS_PER_ADDRESS: '2', TRUST_PROXY: 'loopback' },
    });
    try {
      const first = await narrow.connectSocket('ann', from('192.0.2.1'));
      await narrow.connectSocket('ben', from('192.0.2.1'));
      const refused = narrow.connectSocket('cyd', from('192.0.2.1'));
      await expect(refused).rejects.toMatchObject({ code: 'too_many_connections', status: 429 });
      const refusedUnknown = narrow.connectSocket('cyd', { ...from('192.0.2.1'), token: 'nobody' });
      await expect(refusedUnknown).rejects.toMatchObject({ code: 'too_many_connections' });
      await narrow.connectSocket('cyd', from('192.0.2.2'));

      first.disconnect();
      const isLetIn = (): Promise<boolean> =>
        narrow.connectSocket('cyd', from('192.0.2.1')).then(
          () => true,
          () => false,
        );
      await expect.poll(isLetIn).toBe(true);
    } finally {
      await narrow.close();
    }
  });
});

describe('the session of a token', () => {
  it('ACC-4 tells the end ahead, then ends the session and the connection', async () => {
    const socket = await app.connectSocket({ id: 'eve', expiresIn: 3 });
    const { at } = await socket.next('session:expiring');
    expect(new Date(at).getTime()).toBeGreaterThan(Date.now());
    const ended = await socket.next('session:ended');
    expect(ended).toEqual({ code: 'token_expired', detail: expect.any(String) });
    expect(Date.now()).toBeGreaterThanOrEqual(new Date(at).getTime() - 5);
    expect(await socket.disconnected).toBe('io server disconnect');
  });

  it('ACC-4 carries on with a new token of the same user, and of no other', async () => {
    const socket = await app.connectSocket({ id: 'fay', expiresIn: 3 });
    const { at } = await socket.next('session:expiring');
    const refused = await socket.command('auth:refresh', { token: await tokenOf('somebody-else') });
    expect(refused).toMatchObject({ ok: false, error: { code: 'forbidden', status: 403 } });
    const bad = await socket.command('auth:refresh', { token: 'x' });
    expect(bad).toMatchObject({ ok: false, error: { code: 'unauthenticated' } });

    const { expiresAt } = await socket.ok('auth:refresh', { token: await tokenOf({ id: 'fay', expiresIn: 30 }) });
    expect(new Date(expiresAt).getTime()).toBeGreaterThan(new Date(at).getTime());
    // Less than 60 s are left of this one too, so it is told anew, with its own end.
    expect((await socket.next('session:expiring')).at).toBe(expiresAt);
    await socket.ok('auth:refresh', { token: await tokenOf({ id: 'fay', expiresIn: 3600 }) });
    await socket.expectNone('session:ended');
    expect(socket.raw.connected).toBe(true);
  });
});

describe('frames of every kind', () => {
  it('answers each that can be answered, and lives', async () => {
    const socket = await app.connectSocket('gil');
    const refused = { ok: false, error: { code: 'invalid_request', status: 400 } };
    const send = { conversationId: 'c', content: 'x' };
    expect(await socket.send('message:send')).toMatchObject(refused);
    expect(await socket.send('message:send', null)).toMatchObject(refused);
    expect(await socket.send('message:send', 'text')).toMatchObject(refused);
    expect(await socket.send('message:send', [send])).toMatchObject(refused);
    expect(await socket.send('message:send', send, 'more')).toMatchObject(refused);
    expect(await socket.send('message:send', Buffer.from('binary'))).toMatchObject(refused);
    expect(await socket.send('message:send', { ...send, content: Buffer.from('x') })).toMatchObject(refused);
    expect(await socket.send('message:send', { ...send, metadata: { a: Buffer.from('x') } })).toMatchObject(refused);
    expect(await socket.send('message:send', { ...send, content: 'a\0b' })).toMatchObject(refused);
    expect(await socket.send('message:send', { ...send, content: '\ud800' })).toMatchObject(refused);
    expect(await socket.send('message:send', { ...send, unknown: 1 })).toMatchObject({
      error: { errors: [{ path: 'unknown' }] },
    });
    for (const name of ['no:such', 'error', 'constructor', '__proto__', 'toString', 'message:created', '']) {
      expect(await socket.send(name, {})).toMatchObject(refused);
    }
    expect(socket.raw.connected).toBe(true);
  });

  it('carries out a command without an acknowledgement, and survives nonsense without one', async () => {
    const [hal, ida] = [await app.connectSocket('hal'), await app.connectSocket('ida')];
    const untyped = hal.raw as unknown as { emit(name: string, ...args: unknown[]): void };
    for (const args of [[], [null], ['x', 1, {}], [{}]]) {
      for (const name of ['message:send', 'error', 'no:such', 'auth:refresh', 'typing:start'])
        untyped.emit(name, ...args);
    }
    untyped.emit('conversation:create', { type: 'direct', participantIds: ['ida'] });
    expect((await ida.next('conversation:created')).conversation.type).toBe('direct');
    expect(hal.raw.connected).toBe(true);
  });

  it.each([
    ['a packet that cannot be read', '42["message:send",{'],
    ['a reserved event', '42["disconnect"]'],
    ['an attachment that never comes', '451-["message:send",{"_placeholder":true,"num":0}]'],
    ['an answer to nothing', '4399["x"]'],
    ['a second namespace', '40/admin,'],
    ['a number as name', '42[7,{}]'],
    ['no data', '42'],
    [
      'nesting without end',
      `42["message:send",{"conversationId":"c","metadata":{"a":${'['.repeat(30_000)}${']'.repeat(30_000)}}}]`,
    ],
  ])('lives through %s', async (_what, frame) => {
    const socket = await app.connectSocket('jon');
    const { engine } = socket.raw.io;
    // The raw frame, as no client of ours would write it; the server may close the connection, but must live.
    (engine.transport as unknown as { ws: { send(data: string): void } }).ws.send(frame);
    const next = await app.connectSocket('jon');
    await next.barrier();
    socket.disconnect();
    next.disconnect();
    expect((await call(`${app.url}/health/live`)).status).toBe(200);
  });

  it('ends a connection whose frame is over 128 KiB', async () => {
    const socket = await app.connectSocket('kim');
    const untyped = socket.raw as unknown as { emit(name: string, ...args: unknown[]): void };
    untyped.emit('message:send', { conversationId: 'c', content: 'x'.repeat(140_000) });
    await socket.disconnected;
    expect((await call(`${app.url}/health/live`)).status).toBe(200);
  });
});

describe('a client that stops reading', () => {
  it('DLV-5 is told to come back and cut off, while others go on', async () => {
    const [stuck, other] = [await app.connectSocket('oda'), await app.connectSocket('pam')];
    const ofServer = [...app.app.io.of('/').sockets.values()].find(({ data }) => data.actor.id === 'oda')!;
    const gone = new Promise((resolve) => ofServer.once('disconnect', resolve));
    const connection = (stuck.raw.io.engine.transport as unknown as { ws: { _socket: Socket } }).ws._socket;

    connection.pause();
    // More than the kernel takes for us, so that it waits in the process.
    for (let count = 0; count < 200; count++) {
      ofServer.emit('typing:started', { conversationId: 'x'.repeat(100_000), userId: 'x' });
    }
    await other.barrier();
    await gone;
    connection.resume();
    expect(await stuck.next('session:ended')).toMatchObject({ code: 'too_slow' });
    await stuck.disconnected;
    await other.barrier();
  });
});

describe('limits of commands', () => {
  it('RATE-2 limits sync over both doors together', async () => {
    const socket = await app.connectSocket('lea');
    const rest = app.rest('lea');
    for (let count = 1; count <= 30; count++) {
      expect((await socket.command('sync', { cursors: {} })).ok).toBe(true);
      expect((await rest.post('/sync', { cursors: {} })).status).toBe(200);
    }
    expect(await socket.command('sync', { cursors: {} })).toMatchObject({
      ok: false,
      error: { code: 'rate_limited', status: 429, retryAfterMs: expect.any(Number) },
    });
    const limited = await rest.post<Problem>('/sync', { cursors: {} });
    expect(limited.body.code).toBe('rate_limited');
    expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(limited.headers.get('ratelimit-limit')).toBe('60');
    expect((await rest.get('/me')).status).toBe(200);
  });

  it('RATE-2 turns refusals of both doors into 429 past their limit', async () => {
    const socket = await app.connectSocket('max');
    const nowhere = '00000000-0000-7000-8000-000000000000';
    for (let count = 1; count <= 30; count++) {
      expect(await socket.command('conversation:read', { conversationId: nowhere, seq: 1 })).toMatchObject({
        error: { code: 'not_found' },
      });
      expect((await app.rest('max').get<Problem>(`/conversations/${nowhere}`)).body.code).toBe('not_found');
    }
    expect(await socket.command('conversation:read', { conversationId: nowhere, seq: 1 })).toMatchObject({
      error: { code: 'rate_limited' },
    });
    expect((await socket.command('sync', { cursors: {} })).ok).toBe(true);
  });
});

describe('the settings of the door', () => {
  it('takes websocket alone where polling is turned off', async () => {
    const own = await startTestApp({ env: { SOCKET_TRANSPORTS: 'websocket' } });
    await expect(own.connectSocket('ann', { transports: ['polling'] })).rejects.toBeDefined();
    expect((await own.connectSocket('ann')).raw.connected).toBe(true);
    await own.close();
  });

  it('keeps nothing of the handshake', async () => {
    await app.connectSocket('ned');
    const socket = [...app.app.io.of('/').sockets.values()].find(({ data }) => data.actor.id === 'ned')!;
    expect(socket.handshake).toMatchObject({ auth: {}, headers: {}, query: {} });
    expect(socket.request).toBeNull();
  });
});
