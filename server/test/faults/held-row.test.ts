import type { Conversation, Message, Problem } from '@parley/protocol';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

describe('a conversation whose row somebody holds', () => {
  let database: TestDatabase;
  let app: TestApp;

  beforeAll(async () => {
    database = await createTestDatabase('postgres');
    app = await startTestApp({ database });
  });

  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  it('SEND-1 delays no send to others, is answered 503 itself, and takes sends again when it is free', async () => {
    const ann = app.rest('ann');
    const create = async (title: string): Promise<string> =>
      (await ann.post<Conversation>('/conversations', { type: 'group', title, participantIds: [] })).body.id;
    const [held, free] = [await create('held'), await create('free')];
    const holder = new pg.Client({ connectionString: database.databaseUrl! });
    await holder.connect();
    await holder.query('BEGIN');
    await holder.query('SELECT 1 FROM "Conversation" WHERE id = $1 FOR UPDATE', [held]);

    const answered: string[] = [];
    const send = async (conversationId: string, content: string) => {
      const answer = await ann.post<Message | Problem>(`/conversations/${conversationId}/messages`, { content });
      answered.push(content);
      return answer;
    };
    const [waits, first, second] = await Promise.all([
      send(held, 'waits in vain'),
      send(free, 'in the same batch'),
      send(free, 'as well'),
    ]);
    expect([first.status, second.status, waits.status]).toEqual([201, 201, 503]);
    expect(answered.at(-1)).toBe('waits in vain');

    await holder.query('ROLLBACK');
    await holder.end();
    expect((await send(held, 'free again')).body).toMatchObject({ seq: 1 });
  });
});
