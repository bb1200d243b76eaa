import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Ack,
  API_PREFIX,
  type AuditVerdict,
  type Changes,
  type Conversation,
  type Message,
  type Page,
  type SentMessage,
} from '@parley/protocol';
import { io, type Socket } from 'socket.io-client';
import { describe, expect, it } from 'vitest';
import { call, tokenOf } from '../support/app.ts';
import { createTestDatabase } from '../support/database.ts';
import { type NodeProcess, startNode } from '../support/node-process.ts';
import { seed } from '../support/seed.ts';

/** How often the process is killed on each database; `PARLEY_KILL_ROUNDS=50` is the long run. */
const ROUNDS = Number(process.env.PARLEY_KILL_ROUNDS ?? 5);
const SENDERS = ['ann', 'bob', 'cyd', 'dan'];
/** Kills come after so many acknowledgements of a round, drawn anew each time. */
const MOST_BEFORE_KILL = 40;

/** Sends one message after the other, each until it is acknowledged, always with the same key. */
class Sender {
  readonly acked = new Map<string, SentMessage>();
  readonly #userId: string;
  readonly #socket: Socket;
  readonly #conversationId: string;
  readonly #onAck: () => void;
  #stopped = false;
  retries = 0;

  constructor(options: { url: string; userId: string; token: string; conversationId: string; onAck: () => void }) {
    this.#userId = options.userId;
    this.#conversationId = options.conversationId;
    this.#onAck = options.onAck;
    this.#socket = io(options.url, {
      auth: { token: options.token },
      transports: ['websocket'],
      forceNew: true,
      reconnectionDelay: 20,
      reconnectionDelayMax: 100,
    });
  }

  /** Resolves after `stop`, when the message under way is acknowledged. */
  async run(): Promise<void> {
    for (let number = 1; !this.#stopped; number += 1) {
      const key = `${this.#userId} ${number}`;
      this.acked.set(key, await this.#sendUntilAcked(key));
      this.#onAck();
    }
    this.#socket.disconnect();
  }

  stop(): void {
    this.#stopped = true;
  }

  async #sendUntilAcked(key: string): Promise<SentMessage> {
    for (;;) {
      if (!this.#socket.connected) await once(this.#socket as never, 'connect');
      const input = { conversationId: this.#conversationId, content: `text of ${key}`, clientMessageId: key };
      const ack = (await this.#socket
        .timeout(10_000)
        .emitWithAck('message:send', input)
        // The connection went, and whether the message is stored nobody knows: the same key tells.
        .catch(() => null)) as Ack<SentMessage> | null;
      if (ack?.ok) return ack.data;
      if (ack && ack.error.code !== 'unavailable') throw new Error(`${key} was refused: ${ack.error.code}`);
      this.retries += 1;
      await sleep(ack ? (ack.error.retryAfterMs ?? 0) : 0);
    }
  }
}

async function get<Body>(node: NodeProcess, userId: string, path: string, roles: string[] = []): Promise<Body> {
  const token = await tokenOf({ id: userId, name: userId, roles });
  const { status, body } = await call<Body>(node.url + API_PREFIX + path, {
    headers: { authorization: `Bearer ${token}` },
  });
  if (status !== 200) throw new Error(`GET ${path}: ${JSON.stringify(body)}`);
  return body;
}

async function createGroup(node: NodeProcess): Promise<string> {
  const [owner = '', ...participantIds] = SENDERS;
  for (const userId of SENDERS) await get(node, userId, '/me');
  const { body } = await call<Conversation>(`${node.url + API_PREFIX}/conversations`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await tokenOf(owner)}`, 'content-type': 'application/json' },
    body: JSON.stringify({ type: 'group', participantIds }),
  });
  return body.id;
}

async function history(node: NodeProcess, cid: string): Promise<Message[]> {
  const messages: Message[] = [];
  for (let query = '?after=0&limit=200'; ; ) {
    const page = await get<Page<Message>>(node, SENDERS[0]!, `/conversations/${cid}/messages${query}`);
    messages.push(...page.items);
    if (page.nextCursor === null) return messages;
    query = `?limit=200&cursor=${page.nextCursor}`;
  }
}

describe.each(['embedded', 'postgres'] as const)('kill -9 under load on %s', (kind) => {
  it(
    `SEND-1 SEND-2 ORD-1 ORD-2 keeps every acknowledged message, once, numbered without a gap, over ${ROUNDS} kills (seed ${seed})`,
    async () => {
      const database = await createTestDatabase(kind);
      const node = await startNode({
        DATABASE_URL: database.databaseUrl,
        DATA_DIR: database.dataDir,
        RATE_LIMIT_FACTOR: '0',
        MESSAGE_RATE_LIMIT: '1000000',
      });
      const senders: Sender[] = [];
      try {
        const conversationId = await createGroup(node);
        let acked = 0;
        let wake = (): void => {};
        const ackedUpTo = (count: number): Promise<void> =>
          new Promise((resolve) => {
            wake = () => acked >= count && resolve();
            wake();
          });
        for (const userId of SENDERS) {
          const token = await tokenOf(userId);
          const onAck = (): void => {
            acked += 1;
            wake();
          };
          senders.push(new Sender({ url: node.url, userId, token, conversationId, onAck }));
        }
        const running = senders.map((sender) => sender.run());
        const failed = Promise.all(running).then(() => Promise.reject(new Error('the senders ended too early')));
        failed.catch(() => undefined);

        for (let round = 1; round <= ROUNDS; round++) {
          // Drawn from the seed: where in the road of a message the kill comes is up to the machine.
          const luck = Math.imul(seed ^ round, 0x9e3779b1) >>> 0;
          await Promise.race([ackedUpTo(acked + 5 + (luck % MOST_BEFORE_KILL)), failed]);
          await node.end('SIGKILL');
          // By itself, with no hand: the same command as ever.
          await node.start();
        }
        await Promise.race([ackedUpTo(acked + 20), failed]);
        for (const sender of senders) sender.stop();
        await Promise.all(running);

        const stored = await history(node, conversationId);
        expect(stored.map(({ seq }) => seq)).toEqual(stored.map((_, index) => index + 1));
        expect(stored.map(({ rev }) => rev)).toEqual(stored.map((_, index) => index + 2));
        const byKey = new Map(stored.map((message) => [message.clientMessageId, message]));
        expect(byKey.size).toBe(stored.length);
        // No more is stored than was sent, and each is what its acknowledgement said.
        expect(stored).toHaveLength(senders.reduce((sum, sender) => sum + sender.acked.size, 0));
        for (const sender of senders) {
          const seqs = [...sender.acked.values()].map(({ seq }) => seq);
          expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
          for (const [key, { duplicate: _, ...message }] of sender.acked) expect(byKey.get(key)).toEqual(message);
        }
        // A run in which nothing was under way when the process died would show nothing.
        expect(senders.reduce((sum, sender) => sum + sender.retries, 0)).toBeGreaterThan(0);

        const changes = await get<Changes>(
          node,
          SENDERS[0]!,
          `/conversations/${conversationId}/changes?after=${stored.length}`,
        );
        expect(changes).toMatchObject({ rev: stored.length + 1, hasMore: false });
        const verdict = await get<AuditVerdict>(node, 'admin', '/audit/verify', ['admin']);
        expect(verdict.ok).toBe(true);
        for (const userId of SENDERS) {
          const { me, lastSeq } = await get<Conversation>(node, userId, `/conversations/${conversationId}`);
          const own = Math.max(...stored.filter(({ senderId }) => senderId === userId).map(({ seq }) => seq));
          expect(me).toMatchObject({ lastReadSeq: own, unreadCount: lastSeq - own });
        }
      } finally {
        for (const sender of senders) sender.stop();
        await node.end('SIGKILL');
        await database.drop();
      }
    },
    // Generous: each round starts a process, and the machine may be busy.
    300_000 + ROUNDS * 40_000,
  );
});
