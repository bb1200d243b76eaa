import type { Conversation, Message, SentMessage } from '@parley/protocol';
import { describe, expect, it } from 'vitest';
import { CopyError, copyDatabase } from '../../src/infrastructure/copy-database.ts';
import { startTestApp } from '../support/app.ts';
import { createTestDatabase } from '../support/database.ts';

describe.each([
  ['embedded', 'postgres'],
  ['postgres', 'embedded'],
] as const)('copying from %s to %s', (from, to) => {
  it('takes everything along, and people go on where they were', async () => {
    const [source, target] = [await createTestDatabase(from), await createTestDatabase(to)];
    const before = await startTestApp({ database: source });
    await before.rest('bob').get('/me');
    const { body: conversation } = await before
      .rest('ann')
      .post<Conversation>('/conversations', { type: 'group', title: 'Über uns', participantIds: ['bob'] });
    const path = `/conversations/${conversation.id}`;
    const send = { content: 'hello, "world" \\ 👋\n', clientMessageId: 'k1', metadata: { a: [1, null, 'x'] } };
    const { body: sent } = await before.rest('ann').post<SentMessage>(`${path}/messages`, send);
    await before.rest('ann').patch(`${path}/messages/${sent.id}`, { content: 'hello again' });
    await before.rest('bob').put(`${path}/messages/${sent.id}/reactions/👍`);
    const { body: gone } = await before.rest('bob').post<SentMessage>(`${path}/messages`, { content: 'away with it' });
    await before.rest('bob').delete(`${path}/messages/${gone.id}`, { reason: 'typo' });
    const history = await before.rest('bob').get(`${path}/messages`);
    const audit = await before.rest({ id: 'root', roles: ['admin'] }).get('/audit');
    await before.close();

    const [old, copy] = [await source.open(), await target.open()];
    const tables = await copyDatabase(old.prisma, copy.prisma);
    expect(tables.find(({ name }) => name === 'Message')).toEqual({ name: 'Message', rows: 2 });
    await expect(copyDatabase(old.prisma, copy.prisma)).rejects.toThrow(CopyError);
    await old.close();
    await copy.close();

    const after = await startTestApp({ database: target });
    expect((await after.rest('bob').get(`${path}/messages`)).body).toEqual(history.body);
    const root = after.rest({ id: 'root', roles: ['admin'] });
    expect((await root.get('/audit')).body).toEqual(audit.body);
    expect((await root.get('/audit/verify')).body).toMatchObject({ ok: true });
    // SEND-2: the key is known there as well; ORD-1: the numbers go on.
    expect((await after.rest('ann').post<SentMessage>(`${path}/messages`, send)).body).toMatchObject({
      duplicate: true,
    });
    expect((await after.rest('ann').post<Message>(`${path}/messages`, { content: 'next' })).body.seq).toBe(3);
    await after.close();
    await source.drop();
    await target.drop();
  }, 60_000);
});
