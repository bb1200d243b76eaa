import { createServer, type Server as HttpServer } from 'node:http';
import { type AddressInfo, connect as openLine } from 'node:net';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { type Socket as ClientSocket, io as connectClient } from 'socket.io-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSocketServer, type ParleyServer, type ParleySocket } from './socket-server.ts';
import { answerCommandsBy, encodeAnswer, encodeEvent, frameEvents, SocketWriter } from './socket-writer.ts';

let http: HttpServer;
let io: ParleyServer;
let client: ClientSocket;
/** How often was written to lines that became WebSockets. */
let writes = 0;

function countWrites(line: Duplex): void {
  const [write, writeSeveral] = [line._write.bind(line), line._writev!.bind(line)];
  line._write = (...chunk) => {
    writes += 1;
    write(...chunk);
  };
  line._writev = (...chunks) => {
    writes += 1;
    writeSeveral(...chunks);
  };
}

beforeEach(() => {
  writes = 0;
});

afterEach(async () => {
  client.disconnect();
  await io.close();
});

/** A client and its socket on the server. */
async function connect(transport: 'websocket' | 'polling'): Promise<ParleySocket> {
  http = createServer();
  http.on('upgrade', (_request, line: Duplex) => countWrites(line));
  io = createSocketServer({
    httpServer: http,
    isOriginAllowed: ({ headers }) => headers.origin !== 'https://evil.example',
    config: { socketTransports: ['websocket', 'polling'], corsOrigins: [] },
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const { port } = http.address() as AddressInfo;
  const connected = new Promise<ParleySocket>((resolve) => io.on('connection', resolve));
  client = connectClient(`http://127.0.0.1:${port}`, { transports: [transport], upgrade: false, reconnection: false });
  return connected;
}

/** The first so many events that come, by name and payload. */
function receive(count: number): Promise<unknown[][]> {
  const heard: unknown[][] = [];
  return new Promise((resolve) => {
    client.onAny((...event: unknown[]) => {
      heard.push(event);
      if (heard.length === count) resolve(heard);
    });
  });
}

const removed = (conversationId: string) => encodeEvent('conversation:removed', { conversationId });

describe.each(['websocket', 'polling'] as const)('over %s', (transport) => {
  it('tells events one by one, in order, whatever their length', async () => {
    const socket = await connect(transport);
    const writer = new SocketWriter();
    // Around the lengths at which a frame takes a longer head, and text of several bytes a letter.
    const lengths = [1, 80, 81, 82, 83, 84, 85, 86, 300, 65_480, 65_490, 65_500, 65_535, 65_536, 70_000];
    const payloads = [...lengths.map((length) => 'x'.repeat(length)), 'Grüße 👋 \u0000 "\\'];
    const heard = receive(payloads.length * 2);
    writer.write(socket, frameEvents(payloads.slice(0, 5).map(removed)));
    for (const payload of payloads.slice(5)) writer.write(socket, frameEvents([removed(payload)]));
    writer.write(socket, frameEvents(payloads.map(removed)));

    const twice = [...payloads, ...payloads];
    expect(await heard).toEqual(twice.map((conversationId) => ['conversation:removed', { conversationId }]));
  });

  it('keeps the order between its own way and Engine.IO’s, where something waits', async () => {
    const socket = await connect(transport);
    const writer = new SocketWriter();
    const heard = receive(4);
    socket.emit('conversation:removed', { conversationId: '1' });
    socket.emit('conversation:removed', { conversationId: '2' });
    writer.write(socket, frameEvents([removed('3')]));
    socket.emit('conversation:removed', { conversationId: '4' });

    expect((await heard).map(([, payload]) => payload)).toEqual(
      ['1', '2', '3', '4'].map((conversationId) => ({ conversationId })),
    );
  });

  it('answers a command once, by its number', async () => {
    const socket = await connect(transport);
    const writer = new SocketWriter();
    answerCommandsBy((to, id, answer) => writer.write(to, frameEvents([encodeAnswer(id, answer)])))(socket);
    socket.use(([, acknowledge]: unknown[]) => {
      (acknowledge as (answer: unknown) => void)({ ok: true, data: 1 });
      (acknowledge as (answer: unknown) => void)({ ok: true, data: 2 });
    });
    expect(await client.timeout(10_000).emitWithAck('unread')).toEqual({ ok: true, data: 1 });
    expect(await client.timeout(10_000).emitWithAck('unread')).toEqual({ ok: true, data: 1 });
  });
});

describe('a new WebSocket', () => {
  it('is greeted in one write, and let in by another', async () => {
    await connect('websocket');
    await expect.poll(() => client.connected).toBe(true);
    expect(writes).toBe(2);
  });

  it.each([
    ['of a foreign origin', 'EIO=4&transport=websocket', 'https://evil.example', 'foreign origin'],
    ['of an unknown transport', 'EIO=4&transport=smoke', 'https://host.example', 'Transport unknown'],
    ['of an old protocol', 'EIO=3&transport=websocket', 'https://host.example', 'Unsupported protocol version'],
  ])('%s is told why it is refused', async (_what, query, origin, why) => {
    await connect('websocket');
    const line = openLine((http.address() as AddressInfo).port, '127.0.0.1');
    line.write(
      `GET /socket.io/?${query} HTTP/1.1\r\nHost: host.example\r\nOrigin: ${origin}\r\nConnection: Upgrade\r\n` +
        'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    expect(await text(line)).toContain(why);
  });
});

describe('the end of a turn', () => {
  it('writes to a connection once, what was put off to it included', async () => {
    const socket = await connect('websocket');
    const writer = new SocketWriter();
    const heard = receive(3);
    writes = 0;

    writer.atEndOfTurn(() => writer.write(socket, frameEvents([removed('late')])));
    writer.write(socket, frameEvents([removed('1')]));
    writer.write(socket, frameEvents([removed('2')]));

    expect((await heard).map(([, payload]) => payload)).toEqual(
      ['1', '2', 'late'].map((conversationId) => ({ conversationId })),
    );
    expect(writes).toBe(1);
  });

  it('comes early for a connection that is flushed, and nothing is written twice', async () => {
    const socket = await connect('websocket');
    const writer = new SocketWriter();
    const heard = receive(2);
    writer.write(socket, frameEvents([removed('1')]));
    writer.flush(socket);
    socket.emit('conversation:removed', { conversationId: '2' });

    expect((await heard).map(([, payload]) => payload)).toEqual(
      ['1', '2'].map((conversationId) => ({ conversationId })),
    );
  });
});
