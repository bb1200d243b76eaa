import { once } from 'node:events';
import { connect } from 'node:net';
import type { Ack, Conversation, EventPayload, Message, SentMessage } from '@parley/protocol';
import { io, type Socket } from 'socket.io-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, tokenOf } from '../support/app.ts';
import { startBalancer, type TestBalancer } from '../support/balancer.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { type NodeProcess, startNode } from '../support/node-process.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

/** No answer, or one that leaves it open whether the message was stored: sent again under the same key. */
const RETRIED_STATUSES = [0, 502, 503, 504];
/** After an answer that says to come back; a send is tried again at once otherwise. */
const RETRY_MS = 50;
const MOST_TRIES = 200;

/** What became of one client's sends. */
interface Sent {
  readonly keys: string[];
  /** Statuses of definite refusals. There must be none. */
  readonly refused: number[];
  retries: number;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Sends one message after the other, each under its key until the answer is definite, as long as `goOn` says so. */
async function sendAll(
  name: string,
  goOn: () => boolean,
  send: (clientMessageId: string) => Promise<number>,
): Promise<Sent> {
  const sent: Sent = { keys: [], refused: [], retries: 0 };
  for (let number = 0; goOn(); number++) {
    const key = `${name}-${number}`;
    let status = await send(key);
    for (let tries = 1; RETRIED_STATUSES.includes(status) && tries < MOST_TRIES; tries++) {
      sent.retries++;
      await pause(RETRY_MS);
      status = await send(key);
    }
    if (status === 200 || status === 201) sent.keys.push(key);
    else sent.refused.push(status);
  }
  return sent;
}

describe('a rolling restart behind the balancer', () => {
  let database: TestDatabase;
  let redis: TestRedis;
  let nodes: NodeProcess[];
  let balancer: TestBalancer;
  const sockets: Socket[] = [];

  beforeAll(async () => {
    redis = await startRedis();
    database = await createTestDatabase('postgres');
    const env = {
      DATABASE_URL: database.databaseUrl,
      DATA_DIR: database.dataDir,
      REDIS_URL: redis.url,
      RATE_LIMIT_FACTOR: '0',
      MESSAGE_RATE_LIMIT: '1000000',
      TRUST_PROXY: 'loopback',
    };
    nodes = await Promise.all([startNode(env), startNode(env)]);
    balancer = await startBalancer(nodes.map(({ address }) => address));
    await balancer.untilUp(2);
  }, 90_000);

  afterAll(async () => {
    for (const socket of sockets) socket.disconnect();
    await balancer.stop();
    for (const node of nodes) await node.end('SIGTERM');
    await database.drop();
    await redis.stop();
  });

  async function restOf(person: string) {
    const headers = { authorization: `Bearer ${await tokenOf(person)}`, 'content-type': 'application/json' };
    return (method: string, path: string, body?: unknown) =>
      fetch(`${balancer.url}/api/messaging/v1${path}`, {
        method,
        headers,
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
  }

  /** A client as the documents describe it: comes back at once when it is told to. */
  async function connectClient(person: string, transports: ('websocket' | 'polling')[]) {
    const raw = io(balancer.url, {
      auth: { token: await tokenOf(person) },
      transports,
      forceNew: true,
      reconnectionDelay: 20,
      reconnectionDelayMax: 200,
    });
    sockets.push(raw);
    const told: string[] = [];
    const seen: EventPayload<'message:created'>[] = [];
    raw.on('session:ended', ({ code }: { code: string }) => told.push(code));
    raw.on('message:created', (event: EventPayload<'message:created'>) => seen.push(event));
    // The server ended the connection, so the client library waits to be told to come back.
    raw.on('disconnect', (reason) => {
      if (reason === 'io server disconnect') raw.connect();
    });
    await once(raw as unknown as NodeJS.EventEmitter, 'ready');
    return { raw, told, seen };
  }

  it('SEND-1 loses no send and fails none, tells sockets to come back, and ends each node with 0', async () => {
    const people = ['ann', 'bob', 'cid', 'dan', 'eve', 'fay'];
    for (const person of people) await (await restOf(person))('GET', '/me');
    const created = await (await restOf('ann'))('POST', '/conversations', {
      type: 'group',
      title: 'Rolling',
      participantIds: people.slice(1),
    });
    const { id } = (await created.json()) as Conversation;

    const clients = await Promise.all(
      people.slice(0, 4).map((person, index) => connectClient(person, index === 3 ? ['polling'] : ['websocket'])),
    );
    let rolling = true;
    const work = [
      ...clients.map(({ raw }, index) =>
        sendAll(
          `socket-${index}`,
          () => rolling,
          async (clientMessageId) => {
            const ack = await raw
              .timeout(3_000)
              .emitWithAck('message:send', { conversationId: id, content: clientMessageId, clientMessageId })
              .catch((): Ack<SentMessage> | null => null);
            return ack === null ? 0 : ack.ok ? 201 : (ack as { error: { status: number } }).error.status;
          },
        ),
      ),
      ...people.slice(4).map(async (person) => {
        const rest = await restOf(person);
        return sendAll(
          `rest-${person}`,
          () => rolling,
          async (clientMessageId) => {
            const body = { content: clientMessageId, clientMessageId };
            const response = await rest('POST', `/conversations/${id}/messages`, body).catch(() => null);
            await response?.arrayBuffer().catch(() => null);
            return response?.status ?? 0;
          },
        );
      }),
    ];

    const codes: (number | null)[] = [];
    for (const node of nodes) {
      codes.push(await node.end('SIGTERM'));
      await node.start();
      await balancer.untilUp(2);
    }
    rolling = false;
    const results = await Promise.all(work);

    expect(codes).toEqual([0, 0]);
    expect(results.flatMap(({ refused }) => refused)).toEqual([]);
    const acknowledged = results.flatMap(({ keys }) => keys);
    expect(acknowledged.length).toBeGreaterThan(100);
    // Every client was on one of the nodes, and both went. Over polling, whoever has no request waiting at that moment
    // finds the node gone instead, and comes back all the same.
    for (const { told } of clients.slice(0, 3)) expect(told).toContain('server_shutdown');

    const opened = await database.open();
    const rows = await opened.prisma.message.findMany({ where: { conversationId: id }, orderBy: { seq: 'asc' } });
    await opened.close();
    expect(rows.map(({ seq }) => Number(seq))).toEqual(rows.map((_, index) => index + 1));
    expect(rows.map(({ clientMessageId }) => clientMessageId).sort()).toEqual([...acknowledged].sort());

    // DLV-2: what a client saw, and what it asks for, is the log.
    const rest = await restOf('bob');
    const last = (await (await rest('POST', `/conversations/${id}/messages`, { content: 'last' })).json()) as Message;
    for (const { seen, raw } of clients) {
      if (!seen.some(({ rev }) => rev === last.rev)) {
        await new Promise<void>((resolve) =>
          raw.on('message:created', ({ rev }: { rev: number }) => rev === last.rev && resolve()),
        );
      }
      const revs = seen.map(({ rev }) => rev);
      expect(revs).toEqual([...new Set(revs)].sort((a, b) => a - b));
    }
  }, 180_000);
});

describe('a node that goes down', () => {
  it('is not ready from the first moment, refuses who is new, tells its sockets, and finishes what was begun', async () => {
    const database = await createTestDatabase();
    const node = await startTestApp({ database, env: { RATE_LIMIT_FACTOR: '0' } });
    await node.rest('ann').get('/me');
    const { body } = await node.rest('ann').post<Conversation>('/conversations', { type: 'channel', title: 'Going' });
    const [socket, idle] = [await node.connectSocket('ann'), await node.connectSocket('ann')];
    expect((await fetch(`${node.url}/health/ready`)).status).toBe(200);

    // Half a request: its head is judged, its body is on the way. Its client would go on using the connection afterwards.
    const { hostname, port } = new URL(node.url);
    const request = connect(Number(port), hostname);
    const content = JSON.stringify({ content: 'begun before' });
    const accepted = once(node.app.http.server, 'request');
    request.write(
      `POST /api/messaging/v1/conversations/${body.id}/messages HTTP/1.1\r\nHost: x\r\n` +
        `Authorization: Bearer ${await tokenOf('ann')}\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${content.length}\r\n\r\n${content.slice(0, 5)}`,
    );
    await accepted;
    let answer = '';
    request.on('data', (chunk: Buffer) => {
      answer += chunk.toString();
    });
    const answered = once(request, 'close');
    const sending = socket.command('message:send', { conversationId: body.id, content: 'begun before, too' });
    // Answered, or cut off by the end of the session: then it is the client's to send again.
    sending.catch(() => {});

    const closing = node.app.close();
    const ready = await node.app.http.inject('/health/ready');
    expect(ready.statusCode).toBe(503);
    const refused = connect(Number(port), hostname);
    const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
    for (const one of [socket, idle]) {
      expect(await one.next('session:ended')).toMatchObject({ code: 'server_shutdown', retryAfterMs: 0 });
      await one.disconnected;
    }
    request.write(content.slice(5));
    await answered;
    expect(answer).toMatch(/^HTTP\/1.1 201 /);
    await closing;

    // What was answered is there, and nothing is there by half.
    const opened = await database.open();
    const rows = await opened.prisma.message.findMany({ orderBy: { seq: 'asc' } });
    expect(rows.map(({ content: text }) => text)).toContain('begun before');
    expect(rows.map(({ seq }) => Number(seq))).toEqual(rows.map((_, index) => index + 1));
    await opened.close();
    await database.drop();
  });
});
