import type { AuditEntry, Page } from '@parley/protocol';
import { describe, expect, it } from 'vitest';
import { DOORS } from '../support/doors.ts';
import { type Person, useWorld } from '../support/world.ts';

const world = useWorld();

const administrator = () => world.person({ id: 'admin', name: 'Admin', roles: ['admin'] });

async function entries(admin: Person, query: string): Promise<AuditEntry[]> {
  return (await admin.get<Page<AuditEntry>>(`/audit?${query}`)).items;
}

describe('the audit trail', () => {
  it.each(DOORS)('DEL-2 holds how somebody came in by sending over %s', async (door) => {
    const admin = await administrator();
    const [ann, bob, cyd] = await world.people('ann', 'bob', 'cyd');
    const cid = await world.create('channel', ann);
    await Promise.all([bob, cyd].map((one) => one.ok(door, 'message:send', { conversationId: cid, content: '"in"' })));
    const found = await entries(admin, `conversationId=${cid}`);
    expect(found.map(({ actorId, action, targetId, after }) => [actorId === targetId, action, after])).toEqual([
      [true, 'participant.added', { role: 'member' }],
      [true, 'participant.added', { role: 'member' }],
    ]);
    expect(new Set(found.map(({ targetId }) => targetId))).toEqual(new Set([bob.id, cyd.id]));

    const direct = await world.create('direct', ann, bob);
    await bob.ok(door, 'participant:remove', { conversationId: direct, userId: bob.id });
    await ann.ok(door, 'message:send', { conversationId: direct, content: 'come back' });
    const [back] = await entries(admin, `conversationId=${direct}`);
    expect(back).toMatchObject({ actorId: ann.id, action: 'participant.added', targetId: bob.id });
    for (const id of [cid, direct]) {
      expect(await admin.get(`/audit/verify?conversationId=${id}`)).toMatchObject({ ok: true, entries: 2 });
    }
  });
});
