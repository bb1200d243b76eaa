import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Ack } from '@parley/protocol';
import { pino } from 'pino';
import { io as connectClient, type Socket } from 'socket.io-client';
import { afterEach, describe, expect, it } from 'vitest';
import {
  createSocketServer,
  endSession,
  engineConnection,
  type ParleyServer,
  type ParleySocket,
} from '../infrastructure/socket-server.ts';
import { SocketWriter } from '../infrastructure/socket-writer.ts';
import type { Actor } from '../utils/actor.ts';
import { AppError } from '../utils/app-error.ts';
import { createMetrics } from '../utils/metrics.ts';
import { createConnectionSlots } from './connection-slots.ts';
import { createLimitGuard } from './limit-guard.ts';
import { createRateLimits } from './rate-limit.ts';
import { type CommandHandlers, MOST_WAITING_COMMANDS, openSocketDoor, type SocketDoorDeps } from './socket-door.ts';

const logger = pino({ level: 'silent' });
const actor: Actor = {
  id: 'ann',
  name: 'Ann',
  avatarUrl: null,
  roles: [],
  expiresAt: Date.now() + 3_600_000,
  issuedAt: null,
};

let http: HttpServer;
let server: ParleyServer;
let client: Socket;

afterEach(async () => {
  client.disconnect();
  await server.close();
});

/** The real door and a real client; only the commands are ours. */
async function open(handlers: CommandHandlers, deps: Partial<SocketDoorDeps> = {}): Promise<void> {
  http = createServer();
  server = createSocketServer({
    httpServer: http,
    isOriginAllowed: () => true,
    config: { socketTransports: ['websocket'], corsOrigins: [] },
  });
  const metrics = createMetrics();
  const limits = createRateLimits({ messageLimit: 30, messageWindowSeconds: 60, factor: 0, prefix: '', logger });
  openSocketDoor({
    io: server,
    handlers,
    connect: async () => {},
    disconnect: () => {},
    authenticate: async () => actor,
    readAddress: () => '127.0.0.1',
    limits: createLimitGuard(limits, metrics),
    metrics,
    logger,
    connections: createConnectionSlots({ most: 20, mostOfAddress: 20, client: null, prefix: '' }),
    writer: new SocketWriter(),
    isClosing: () => false,
    ...deps,
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const { port } = http.address() as AddressInfo;
  client = connectClient(`http://127.0.0.1:${port}`, {
    transports: ['websocket'],
    reconnection: false,
    forceNew: true,
  });
  await new Promise<void>((resolve, reject) => {
    client.once('connect', resolve);
    client.once('connect_error', reject);
  });
}

function command(name: string, input: unknown): Promise<Ack<unknown>> {
  return client.emitWithAck(name, input) as Promise<Ack<unknown>>;
}

/** A promise that is settled by hand. */
function gate() {
  let pass = (): void => {};
  const passed = new Promise<void>((resolve) => {
    pass = resolve;
  });
  return { passed, pass };
}

const conversationId = 'c';

describe('the commands of one socket', () => {
  it('DLV-1 take effect in the order in which they were sent, while reading ones pass by', async () => {
    const first = gate();
    const log: string[] = [];
    await open({
      'conversation:read': async ({ input }) => {
        log.push(`begin ${input.seq}`);
        if (input.seq === 1) await first.passed;
        log.push(`end ${input.seq}`);
        return { lastReadSeq: input.seq, lastDeliveredSeq: input.seq, unreadCount: 0 };
      },
      'typing:stop': async () => null,
    });
    const reads = [1, 2, 3].map((seq) => command('conversation:read', { conversationId, seq }));
    expect(await command('typing:stop', { conversationId })).toEqual({ ok: true, data: null });
    expect(log).toEqual(['begin 1']);
    first.pass();
    await Promise.all(reads);
    expect(log).toEqual(['begin 1', 'end 1', 'begin 2', 'end 2', 'begin 3', 'end 3']);
  });

  it('go on after one that failed, whatever it threw', async () => {
    const thrown: unknown[] = [new Error('secret'), new AppError('blocked'), 'a string', undefined];
    await open({
      'conversation:read': async ({ input }) => {
        if (input.seq < thrown.length) throw thrown[input.seq];
        return { lastReadSeq: 9, lastDeliveredSeq: 9, unreadCount: 0 };
      },
    });
    const acks = await Promise.all([0, 1, 2, 3, 4].map((seq) => command('conversation:read', { conversationId, seq })));
    expect(acks.map((ack) => (ack.ok ? 'ok' : ack.error.code))).toEqual([
      'internal',
      'blocked',
      'internal',
      'internal',
      'ok',
    ]);
    expect(JSON.stringify(acks)).not.toContain('secret');
  });

  it('are refused, not held in memory, when too many wait', async () => {
    const first = gate();
    await open({
      'conversation:read': async ({ input }) => {
        if (input.seq === 0) await first.passed;
        return { lastReadSeq: 0, lastDeliveredSeq: 0, unreadCount: 0 };
      },
    });
    const acks = Array.from({ length: MOST_WAITING_COMMANDS }, (_, seq) =>
      command('conversation:read', { conversationId, seq }),
    );
    const over = await command('conversation:read', { conversationId, seq: 1 });
    expect(over).toMatchObject({ ok: false, error: { code: 'rate_limited', retryAfterMs: expect.any(Number) } });
    first.pass();
    expect((await Promise.all(acks)).every(({ ok }) => ok)).toBe(true);
  });

  it('RATE-2 that come as a flood are refused at little cost, and then not heard for a while', async () => {
    const metrics = createMetrics();
    const lines: string[] = [];
    const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
    // A hundredth of 1,200 a minute.
    const limits = createRateLimits({ messageLimit: 30, messageWindowSeconds: 60, factor: 0.01, prefix: '', logger });
    let carriedOut = 0;
    await open(
      {
        'typing:stop': async () => {
          carriedOut += 1;
          return null;
        },
      },
      { limits: createLimitGuard(limits, metrics), metrics, logger: log },
    );
    const [socket] = server.of('/').sockets.values();
    const line = engineConnection(socket!).transport.socket as unknown as { isPaused: boolean };
    const acks = await Promise.all(Array.from({ length: 100 }, () => command('typing:stop', { conversationId })));
    expect(carriedOut).toBe(12);
    const refused = acks.filter((ack) => !ack.ok);
    expect(refused).toHaveLength(88);
    for (const ack of refused) {
      expect(ack).toMatchObject({ error: { code: 'rate_limited', retryAfterMs: expect.any(Number) } });
    }
    expect(new Set(refused.map((ack) => !ack.ok && ack.error.requestId)).size).toBe(88);
    expect(line.isPaused).toBe(true);

    // Said meanwhile: heard after the pause, and answered.
    const later = command('typing:stop', { conversationId });
    expect(await later).toMatchObject({ error: { code: 'rate_limited' } });
    const told = lines.filter((text) => text.includes('refused'));
    expect(told.length).toBeLessThan(10);
    expect(told.some((text) => text.includes('"commands refused"'))).toBe(true);
    expect(carriedOut).toBe(12);
  });

  it('that still wait when the session ends are not carried out', async () => {
    const first = gate();
    const carriedOut: number[] = [];
    await open({
      'conversation:read': async ({ input, socket }) => {
        carriedOut.push(input.seq);
        endSession(socket, 'session_revoked');
        await first.passed;
        return { lastReadSeq: 0, lastDeliveredSeq: 0, unreadCount: 0 };
      },
    });
    const gone = new Promise((resolve) => client.once('disconnect', resolve));
    for (const seq of [1, 2]) client.emit('conversation:read', { conversationId, seq });
    await gone;
    first.pass();
    await new Promise((resolve) => setImmediate(resolve));
    expect(carriedOut).toEqual([1]);
  });

  it('answers a command that nobody handles like an unknown one', async () => {
    await open({});
    expect(await command('message:send', { conversationId, content: 'x' })).toMatchObject({
      error: { code: 'invalid_request' },
    });
  });
});

describe('a connection', () => {
  it('is ended with a reason when its rooms cannot be joined', async () => {
    const ended = gate();
    await open(
      {},
      {
        connect: async () => {
          await ended.passed;
          throw new Error('database away');
        },
      },
    );
    const told = new Promise((resolve) => client.once('session:ended', resolve));
    ended.pass();
    expect(await told).toMatchObject({ code: 'server_shutdown', retryAfterMs: 1_000 });
  });

  it('is refused while the server goes down', async () => {
    await expect(open({}, { isClosing: () => true })).rejects.toMatchObject({
      data: { code: 'unavailable', retryAfterMs: 1_000 },
    });
  });

  it('is told of its end once, and the module once of its disconnection', async () => {
    const left: ParleySocket[] = [];
    await open({}, { disconnect: (socket) => left.push(socket) });
    const told: unknown[] = [];
    client.on('session:ended', (payload: unknown) => told.push(payload));
    const gone = new Promise((resolve) => client.once('disconnect', resolve));
    const [socket] = server.of('/').sockets.values();
    endSession(socket!, 'session_revoked');
    endSession(socket!, 'too_slow');
    await gone;
    expect(told).toEqual([{ code: 'session_revoked', detail: expect.any(String) }]);
    expect(left).toEqual([socket]);
  });
});
