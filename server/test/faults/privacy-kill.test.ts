import {
  API_PREFIX,
  type AuditVerdict,
  type Changes,
  type Conversation,
  type Erasure,
  type Message,
  type Page,
} from '@parley/protocol';
import { describe, expect, it } from 'vitest';
import { call, tokenOf } from '../support/app.ts';
import { createTestDatabase } from '../support/database.ts';
import { type NodeProcess, startNode } from '../support/node-process.ts';

const ADMIN = { id: 'root', name: 'Root', roles: ['admin'] };
const MESSAGES = 200;

async function ask<Body>(node: NodeProcess, user: typeof ADMIN | string, method: string, path: string, body?: unknown) {
  const answer = await call<Body>(node.url + API_PREFIX + path, {
    method,
    headers: {
      authorization: `Bearer ${await tokenOf(user)}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  if (answer.status >= 400) throw new Error(`${method} ${path}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

describe.each(['embedded', 'postgres'] as const)('an erasure, on %s', (kind) => {
  it('DEL-1 ORD-2 goes on after the process was killed in the middle of it', async () => {
    const database = await createTestDatabase(kind);
    const env = {
      DATABASE_URL: database.databaseUrl,
      DATA_DIR: database.dataDir,
      RATE_LIMIT_FACTOR: '0',
      MESSAGE_RATE_LIMIT: '1000000',
    };
    const node = await startNode(env);
    try {
      for (const id of ['ann', 'bob']) await ask(node, id, 'GET', '/me');
      const { id: cid } = await ask<Conversation>(node, 'bob', 'POST', '/conversations', {
        type: 'group',
        participantIds: ['ann'],
      });
      const send = (number: number) =>
        ask(node, 'ann', 'POST', `/conversations/${cid}/messages`, { content: `canary ${number}` });
      await Promise.all(Array.from({ length: MESSAGES }, (_, index) => send(index)));
      const { id } = await ask<Erasure>(node, ADMIN, 'POST', '/users/ann/erasure');
      const look = () => ask<Erasure>(node, ADMIN, 'GET', `/erasures/${id}`);
      const seenDone: number[] = [];
      await expect
        .poll(async () => seenDone.push((await look()).progress.done) && seenDone.at(-1), {
          timeout: 60_000,
          interval: 20,
        })
        .toBeGreaterThan(0);
      await node.end('SIGKILL');
      expect(seenDone.at(-1)).toBeLessThan(MESSAGES);
      await node.start();
      await expect.poll(async () => (await look()).state, { timeout: 60_000, interval: 100 }).toBe('done');

      const { pseudonym, proof } = await look();
      expect(proof).toEqual({ messages: MESSAGES, files: 0, conversations: 1, kept: 0 });
      const seen: Message[] = [];
      for (let query = 'after=0&limit=200'; ; ) {
        const page = await ask<Page<Message>>(node, 'bob', 'GET', `/conversations/${cid}/messages?${query}`);
        seen.push(...page.items);
        if (page.nextCursor === null) break;
        query = `limit=200&cursor=${page.nextCursor}`;
      }
      expect(new Set(seen.map(({ content, senderId }) => `${content} ${senderId}`))).toEqual(
        new Set([`null ${pseudonym}`]),
      );
      expect(seen).toHaveLength(MESSAGES);
      const { changes, rev } = await ask<Changes>(
        node,
        'bob',
        'GET',
        `/conversations/${cid}/changes?after=0&limit=1000`,
      );
      // Each message was touched once by its deletion, and once only: no `rev` is left out, none was taken twice.
      expect(rev).toBe(1 + MESSAGES + 1 + MESSAGES);
      expect(changes.at(-1)?.rev).toBe(rev);
      expect(await ask<AuditVerdict>(node, ADMIN, 'GET', '/audit/verify')).toMatchObject({ ok: true });
    } finally {
      await node.end('SIGKILL');
      await database.drop();
    }
  }, 180_000);
});
