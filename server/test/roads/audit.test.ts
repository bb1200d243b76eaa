import type { AuditEntry, AuditVerdict, Page, Problem } from '@parley/protocol';
import { describe, expect, it } from 'vitest';
import { type Person, useWorld } from '../support/world.ts';

const world = useWorld();

const administrator = () => world.person({ id: 'admin', name: 'Admin', roles: ['admin'] });

async function entries(admin: Person, query: string): Promise<AuditEntry[]> {
  return (await admin.get<Page<AuditEntry>>(`/audit?${query}`)).items;
}

describe('the audit trail', () => {
  it('DEL-2 holds every edit, deletion, membership and role change: who, what, when, why, the text before', async () => {
    const admin = await administrator();
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann);
    await ann.rest.post(`/conversations/${cid}/participants`, { userIds: [bob.id] });
    await ann.rest.patch(`/conversations/${cid}/participants/${bob.id}`, { role: 'moderator' });
    const sent = await ann.send(cid, 'first');
    await ann.rest.patch(`/conversations/${cid}/messages/${sent.id}`, { content: 'second' });
    await bob.rest.delete(`/conversations/${cid}/messages/${sent.id}`, { reason: 'not <b>nice</b>' });
    await ann.rest.patch(`/conversations/${cid}`, { title: 'renamed' });
    await bob.rest.delete(`/conversations/${cid}/participants/${bob.id}`);

    const found = (await entries(admin, `conversationId=${cid}`)).reverse();
    expect(found.map(({ actorId, action, targetId, reason }) => [actorId, action, targetId, reason])).toEqual([
      [ann.id, 'participant.added', bob.id, null],
      [ann.id, 'participant.role_changed', bob.id, null],
      [ann.id, 'message.edited', sent.id, null],
      [bob.id, 'message.deleted', sent.id, 'not nice'],
      [ann.id, 'conversation.updated', cid, null],
      [bob.id, 'participant.left', bob.id, null],
    ]);
    expect(found[2]).toMatchObject({ before: { content: 'first' }, after: { content: 'second' } });
    expect(found[3]).toMatchObject({ before: { content: 'second' }, conversationId: cid });
    expect(found.map(({ previousHash }) => previousHash)).toEqual(['', ...found.slice(0, -1).map(({ hash }) => hash)]);
    expect(await admin.get(`/audit/verify?conversationId=${cid}`)).toEqual({
      ok: true,
      entries: 6,
      firstBad: null,
      problem: null,
    });
  });

  it('is read by administrators alone', async () => {
    const [ann] = await world.people('ann');
    const overseer = await world.person({ id: 'overseer', roles: ['moderator'] });
    const cid = await world.create('group', ann);
    for (const reader of [ann, overseer]) {
      for (const path of [
        '/audit',
        `/audit?conversationId=${cid}`,
        '/audit/verify',
        `/audit/verify?conversationId=${cid}`,
      ]) {
        expect((await reader.rest.get<Problem>(path)).body.code).toBe('forbidden');
      }
    }
  });

  it('is filtered by conversation, person, action and time, newest first, page by page', async () => {
    const admin = await administrator();
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    for (let count = 0; count < 5; count++) await ann.rest.patch(`/conversations/${cid}`, { title: `t${count}` });
    await ann.rest.delete(`/conversations/${cid}/participants/${bob.id}`);
    const all = await entries(admin, `conversationId=${cid}`);
    expect(all).toHaveLength(6);
    expect(all[0]?.action).toBe('participant.removed');
    expect(await entries(admin, `actorId=${ann.id}`)).toEqual(all);
    expect(await entries(admin, `actorId=${ann.id}&action=participant.removed`)).toEqual(all.slice(0, 1));
    expect(await entries(admin, `conversationId=${cid}&before=1990-01-01T00:00:00Z`)).toEqual([]);
    expect(await entries(admin, `conversationId=${cid}&after=1990-01-01T00:00:00Z`)).toEqual(all);
    const found: AuditEntry[] = [];
    for (let cursor = ''; ; ) {
      const page = await admin.get<Page<AuditEntry>>(`/audit?conversationId=${cid}&limit=4${cursor}`);
      found.push(...page.items);
      if (page.nextCursor === null) break;
      cursor = `&cursor=${page.nextCursor}`;
    }
    expect(found).toEqual(all);
    expect(await entries(admin, 'conversationId=nowhere')).toEqual([]);
  });

  it('DEL-2 shows by its chain that an entry was changed, or is missing', async () => {
    const admin = await administrator();
    const [ann] = await world.people('ann');
    const cid = await world.create('group', ann);
    for (const title of ['a', 'b', 'c', 'd']) await ann.rest.patch(`/conversations/${cid}`, { title });
    const chain = await world.prisma.auditEntry.findMany({
      where: { conversationId: cid },
      orderBy: { position: 'asc' },
    });
    const verify = () => admin.get<AuditVerdict>(`/audit/verify?conversationId=${cid}`);
    const second = chain[1]!;
    await world.prisma.auditEntry.update({ where: { id: second.id }, data: { actorId: 'somebody-else' } });
    expect(await verify()).toMatchObject({ ok: false, firstBad: second.id });
    expect(await admin.get('/audit/verify')).toMatchObject({ ok: false, firstBad: second.id });
    await world.prisma.auditEntry.update({ where: { id: second.id }, data: { actorId: second.actorId } });
    expect(await verify()).toMatchObject({ ok: true, entries: 4 });
    // In the middle, and at the end, where no later entry could tell.
    await world.prisma.auditEntry.delete({ where: { id: chain[3]!.id } });
    expect(await verify()).toMatchObject({ ok: false, entries: 3, firstBad: chain[2]!.id });
    await world.prisma.auditEntry.delete({ where: { id: chain[0]!.id } });
    expect(await verify()).toMatchObject({ ok: false, firstBad: second.id });
    expect((await admin.rest.get<Problem>('/audit/verify?conversationId=nowhere')).body.code).toBe('not_found');
  });

  it('holds what an administrator reads and does where they take no part', async () => {
    const admin = await administrator();
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    const sent = await ann.send(cid, 'private');
    await admin.get(`/conversations/${cid}/messages`);
    await admin.rest.delete(`/conversations/${cid}/messages/${sent.id}`, { reason: 'asked to' });
    const found = await entries(admin, `conversationId=${cid}`);
    expect(found.map(({ actorId, action }) => [actorId, action])).toEqual([
      ['admin', 'message.deleted'],
      ['admin', 'conversation.read'],
    ]);
    for (const name of ['message:send', 'message:edit', 'reaction:add'] as const) {
      const input = { conversationId: cid, messageId: sent.id, content: 'x', emoji: '👍' };
      const { messageId, content, emoji } = input;
      const own =
        name === 'message:send' ? { content } : name === 'message:edit' ? { messageId, content } : { messageId, emoji };
      expect((await admin.refused('rest', name, { conversationId: cid, ...own } as never)).code).toBe(
        'not_a_participant',
      );
    }
  });
});
