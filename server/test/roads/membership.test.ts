import type { Page, Participant, Problem, Role } from '@parley/protocol';
import { describe, expect, it } from 'vitest';
import { DOORS } from '../support/doors.ts';
import { changesSeen, type Person, useWorld } from '../support/world.ts';

const world = useWorld();

function giveRole(actor: Person, cid: string, userId: string, role: Role) {
  return actor.rest.patch<Participant & Problem>(`/conversations/${cid}/participants/${userId}`, { role });
}

async function rolesOf(reader: Person, cid: string): Promise<Record<string, Role>> {
  const { items } = await reader.get<Page<Participant>>(`/conversations/${cid}/participants`);
  return Object.fromEntries(items.map(({ user, role }) => [user.id, role]));
}

describe.each(DOORS)('adding over %s', (door) => {
  it('ORD-2 DLV-1 DEL-2 adds people, one change each, and tells those who were in it and those who come', async () => {
    const [ann, bob, cyd, eve] = await world.people('ann', 'bob', 'cyd', 'eve');
    const cid = await world.create('group', ann);
    await ann.send(cid, 'before');
    const [annPhone, bobPhone, evePhone] = [await ann.connect(), await bob.connect(), await eve.connect()];

    const { items } = await ann.ok(door, 'participant:add', { conversationId: cid, userIds: [bob.id, cyd.id, bob.id] });

    expect(items.map(({ user, role, rev, lastReadSeq, leftAt }) => [user.id, role, rev, lastReadSeq, leftAt])).toEqual([
      [bob.id, 'member', 3, 1, null],
      [cyd.id, 'member', 4, 1, null],
    ]);
    for (const participant of items) {
      const told = await annPhone.next('participant:joined', ({ rev }) => rev === participant.rev);
      expect(told).toEqual({ conversationId: cid, rev: participant.rev, participant });
    }
    const { conversation } = await bobPhone.next('conversation:created');
    expect(conversation).toMatchObject({ id: cid, participantCount: 3, me: { role: 'member', unreadCount: 0 } });
    expect((await bob.history(cid)).map(({ content }) => content)).toEqual(['before']);
    const last = await ann.send(cid, 'after');
    await bobPhone.next('message:created', ({ rev }) => rev === last.rev);
    await evePhone.expectNone('conversation:created');
    await evePhone.expectNone('participant:joined');

    const entries = await world.prisma.auditEntry.findMany({
      where: { conversationId: cid },
      orderBy: { position: 'asc' },
    });
    expect(entries.map(({ action, actorId, targetId }) => [action, actorId, targetId])).toEqual([
      ['participant.added', ann.id, bob.id],
      ['participant.added', ann.id, cyd.id],
    ]);
  });

  it('answers who is in already, and raises no rev for them', async () => {
    const [ann, bob, cyd] = await world.people('ann', 'bob', 'cyd');
    const cid = await world.create('group', ann, bob);
    await giveRole(ann, cid, bob.id, 'moderator');
    const input = { conversationId: cid, userIds: [bob.id, ann.id] };
    const { items } = await ann.ok(door, 'participant:add', input);
    expect(items.map(({ user, role }) => [user.id, role])).toEqual([
      [bob.id, 'moderator'],
      [ann.id, 'owner'],
    ]);
    expect((await ann.conversation(cid)).rev).toBe(2);
    const mixed = await bob.ok(door, 'participant:add', { conversationId: cid, userIds: [ann.id, cyd.id] });
    expect(mixed.items.map(({ rev }) => rev)).toEqual([1, 3]);
    expect((await ann.conversation(cid)).participantCount).toBe(3);
  });

  it('adds nobody where one of them is unknown', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann);
    const problem = await ann.refused(door, 'participant:add', { conversationId: cid, userIds: [bob.id, 'nobody'] });
    expect(problem).toMatchObject({ code: 'invalid_request', errors: [{ path: 'userIds.1' }] });
    expect(await rolesOf(ann, cid)).toEqual({ [ann.id]: 'owner' });
    expect((await ann.conversation(cid)).rev).toBe(1);
  });

  it('lets everybody join a channel, oneself only, but for those whom a moderator removed', async () => {
    const [ann, bob, cyd] = await world.people('ann', 'bob', 'cyd');
    const cid = await world.create('channel', ann);
    const join = { conversationId: cid, userIds: [bob.id] };
    const { items } = await bob.ok(door, 'participant:add', join);
    expect(items[0]).toMatchObject({ role: 'member', rev: 2 });
    expect((await bob.ok(door, 'participant:add', join)).items).toEqual(items);
    for (const userIds of [[cyd.id], [bob.id, cyd.id]]) {
      expect((await bob.refused(door, 'participant:add', { conversationId: cid, userIds })).code).toBe('forbidden');
      expect(
        (await cyd.refused(door, 'participant:add', { conversationId: cid, userIds: [bob.id, cyd.id] })).code,
      ).toBe('not_a_participant');
    }
    await bob.ok(door, 'participant:remove', { conversationId: cid, userId: bob.id });
    await bob.ok(door, 'participant:add', join);
    await ann.ok(door, 'participant:remove', { conversationId: cid, userId: bob.id });
    expect((await bob.refused(door, 'participant:add', join)).code).toBe('not_a_participant');
    expect((await bob.refused(door, 'message:send', { conversationId: cid, content: 'x' })).code).toBe(
      'not_a_participant',
    );
    // Who removed can bring back.
    await ann.ok(door, 'participant:add', join);
    await bob.ok(door, 'message:send', { conversationId: cid, content: 'x' });
  });

  it('adds nobody to a direct conversation', async () => {
    const [ann, bob, cyd] = await world.people('ann', 'bob', 'cyd');
    const admin = await world.person({ id: 'admin', roles: ['admin'] });
    const cid = await world.create('direct', ann, bob);
    for (const actor of [ann, admin]) {
      const problem = await actor.refused(door, 'participant:add', { conversationId: cid, userIds: [cyd.id] });
      expect(problem.code).toBe('forbidden');
    }
  });
});

describe.each(DOORS)('removing and leaving over %s', (door) => {
  it('DLV-4 DEL-2 tells the removed that they are out and nothing after it, the others who left', async () => {
    const [ann, bob, cyd] = await world.people('ann', 'bob', 'cyd');
    const cid = await world.create('group', ann, bob, cyd);
    const [bobPhone, cydPhone] = [await bob.connect(), await cyd.connect()];
    expect(await ann.ok(door, 'participant:remove', { conversationId: cid, userId: bob.id })).toBeNull();
    expect(await bobPhone.next('conversation:removed')).toEqual({ conversationId: cid });
    const left = await cydPhone.next('participant:left');
    expect(left).toMatchObject({ rev: 2, participant: { user: { id: bob.id, name: bob.id }, role: 'member', rev: 2 } });
    expect(left.participant.leftAt).not.toBeNull();

    const sent = await ann.send(cid, 'among us');
    await cydPhone.next('message:created', ({ rev }) => rev === sent.rev);
    await cyd.rest.post(`/conversations/${cid}/read`, { seq: 1 });
    await cydPhone.ok('typing:start', { conversationId: cid });
    await bobPhone.barrier();
    expect(bobPhone.received.map(({ name }) => name)).toEqual(['ready', 'conversation:removed']);
    for (const path of ['', '/messages', '/changes', '/participants']) {
      expect((await bob.rest.get<Problem>(`/conversations/${cid}${path}`)).body.code).toBe('not_a_participant');
    }
    const { items } = await ann.get<Page<Participant>>(`/conversations/${cid}/participants?former=true`);
    expect(items).toEqual([left.participant]);
    const row = await world.prisma.conversationParticipant.findUniqueOrThrow({
      where: { conversationId_userId: { conversationId: cid, userId: bob.id } },
    });
    expect(row.removedBy).toBe(ann.id);
    const entry = await world.prisma.auditEntry.findFirstOrThrow({ where: { conversationId: cid } });
    expect(entry).toMatchObject({ action: 'participant.removed', actorId: ann.id, targetId: bob.id });
  });

  it('lets everybody leave, and takes them out of their lists', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    await giveRole(ann, cid, bob.id, 'readonly');
    const [annPhone, bobPhone] = [await ann.connect(), await bob.connect()];
    await bob.ok(door, 'participant:remove', { conversationId: cid, userId: bob.id });
    await bobPhone.next('conversation:removed');
    await annPhone.next('participant:left');
    expect((await bob.get<Page<unknown>>('/conversations')).items).toEqual([]);
    expect((await ann.conversation(cid)).participantCount).toBe(1);
    expect((await bob.refused(door, 'participant:remove', { conversationId: cid, userId: bob.id })).code).toBe(
      'not_a_participant',
    );
    // Who comes back after leaving as a reader is a reader.
    await ann.ok(door, 'participant:add', { conversationId: cid, userIds: [bob.id] });
    expect((await rolesOf(ann, cid))[bob.id]).toBe('readonly');
    const entries = await world.prisma.auditEntry.findMany({
      where: { conversationId: cid, targetId: bob.id },
      orderBy: { position: 'asc' },
    });
    expect(entries.map(({ action }) => action)).toEqual([
      'participant.role_changed',
      'participant.left',
      'participant.added',
    ]);
  });

  it('passes ownership on when the last owner leaves: to the longest-standing moderator, else member', async () => {
    const [ann, bob, cyd, dan] = await world.people('ann', 'bob', 'cyd', 'dan');
    const cid = await world.create('group', ann, bob);
    await ann.ok(door, 'participant:add', { conversationId: cid, userIds: [cyd.id] });
    await ann.ok(door, 'participant:add', { conversationId: cid, userIds: [dan.id] });
    for (const moderator of [dan, cyd]) await giveRole(ann, cid, moderator.id, 'moderator');
    const danPhone = await dan.connect();
    const before = (await ann.conversation(cid)).rev;
    await ann.ok(door, 'participant:remove', { conversationId: cid, userId: ann.id });
    expect(await danPhone.next('participant:updated')).toMatchObject({
      rev: before + 2,
      participant: { user: { id: cyd.id }, role: 'owner' },
    });
    expect(changesSeen(danPhone, cid).map(({ rev }) => rev)).toEqual([before + 1, before + 2]);
    expect(await rolesOf(dan, cid)).toEqual({ [bob.id]: 'member', [cyd.id]: 'owner', [dan.id]: 'moderator' });
    await cyd.ok(door, 'participant:remove', { conversationId: cid, userId: cyd.id });
    await dan.ok(door, 'participant:remove', { conversationId: cid, userId: dan.id });
    expect(await rolesOf(bob, cid)).toEqual({ [bob.id]: 'owner' });
    await bob.ok(door, 'participant:remove', { conversationId: cid, userId: bob.id });
    expect(await world.prisma.conversationParticipant.count({ where: { conversationId: cid, leftAt: null } })).toBe(0);
  });

  it('leaves ownership where there is another owner, and brings a former owner back as a member', async () => {
    const [ann, bob, cyd] = await world.people('ann', 'bob', 'cyd');
    const cid = await world.create('group', ann, bob, cyd);
    await giveRole(ann, cid, cyd.id, 'owner');
    await ann.ok(door, 'participant:remove', { conversationId: cid, userId: ann.id });
    expect(await rolesOf(cyd, cid)).toEqual({ [bob.id]: 'member', [cyd.id]: 'owner' });
    await cyd.ok(door, 'participant:add', { conversationId: cid, userIds: [ann.id] });
    expect((await rolesOf(cyd, cid))[ann.id]).toBe('member');
  });

  it('lets moderators remove members, not owners or moderators; owners everybody', async () => {
    const [ann, bob, cyd, dan] = await world.people('ann', 'bob', 'cyd', 'dan');
    const cid = await world.create('group', ann, bob, cyd, dan);
    await giveRole(ann, cid, bob.id, 'moderator');
    await giveRole(ann, cid, cyd.id, 'moderator');
    for (const userId of [ann.id, cyd.id]) {
      expect((await bob.refused(door, 'participant:remove', { conversationId: cid, userId })).code).toBe('forbidden');
    }
    expect((await dan.refused(door, 'participant:remove', { conversationId: cid, userId: bob.id })).code).toBe(
      'forbidden',
    );
    await bob.ok(door, 'participant:remove', { conversationId: cid, userId: dan.id });
    expect((await bob.refused(door, 'participant:remove', { conversationId: cid, userId: dan.id })).code).toBe(
      'not_found',
    );
    await ann.ok(door, 'participant:remove', { conversationId: cid, userId: bob.id });
    expect(Object.keys(await rolesOf(ann, cid)).sort()).toEqual([ann.id, cyd.id].sort());
  });

  it('removes nobody from a direct conversation, but lets both leave', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const admin = await world.person({ id: 'admin', roles: ['admin'] });
    const cid = await world.create('direct', ann, bob);
    for (const actor of [ann, admin]) {
      expect((await actor.refused(door, 'participant:remove', { conversationId: cid, userId: bob.id })).code).toBe(
        'forbidden',
      );
    }
    await bob.ok(door, 'participant:remove', { conversationId: cid, userId: bob.id });
    expect((await bob.rest.get<Problem>(`/conversations/${cid}`)).body.code).toBe('not_a_participant');
    expect((await ann.conversation(cid)).rev).toBe(2);
  });
});

describe('roles', () => {
  it('ORD-2 DEL-2 are given by owners, told to all, and leave an audit entry', async () => {
    const [ann, bob, cyd] = await world.people('ann', 'bob', 'cyd');
    const cid = await world.create('group', ann, bob, cyd);
    const cydPhone = await cyd.connect();
    const { status, body } = await giveRole(ann, cid, bob.id, 'moderator');
    expect(status).toBe(200);
    expect(body).toMatchObject({ user: { id: bob.id }, role: 'moderator', rev: 2 });
    expect(await cydPhone.next('participant:updated')).toEqual({ conversationId: cid, rev: 2, participant: body });
    // The same again is no change.
    expect((await giveRole(ann, cid, bob.id, 'moderator')).body).toEqual(body);
    expect((await ann.conversation(cid)).rev).toBe(2);
    const entries = await world.prisma.auditEntry.findMany({ where: { conversationId: cid } });
    expect(entries).toMatchObject([
      {
        action: 'participant.role_changed',
        targetId: bob.id,
        before: { role: 'member' },
        after: { role: 'moderator' },
      },
    ]);
    for (const actor of [bob, cyd]) {
      expect((await giveRole(actor, cid, cyd.id, 'owner')).body.code).toBe('forbidden');
    }
    expect((await giveRole(ann, cid, 'nobody', 'member')).body.code).toBe('not_found');
    expect((await giveRole(ann, cid, bob.id, 'king' as Role)).body.code).toBe('invalid_request');
  });

  it('take effect at once: a reader sends nothing more', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    const bobPhone = await bob.connect();
    await bobPhone.ok('message:send', { conversationId: cid, content: 'x' });
    await giveRole(ann, cid, bob.id, 'readonly');
    expect(await bobPhone.command('message:send', { conversationId: cid, content: 'y' })).toMatchObject({
      ok: false,
      error: { code: 'forbidden' },
    });
    expect(await bobPhone.command('typing:start', { conversationId: cid })).toMatchObject({
      error: { code: 'forbidden' },
    });
    await giveRole(ann, cid, bob.id, 'member');
    await bobPhone.ok('message:send', { conversationId: cid, content: 'z' });
  });

  it('leave a conversation its last owner until another one is named', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    expect((await giveRole(ann, cid, ann.id, 'member')).body.code).toBe('forbidden');
    await giveRole(ann, cid, bob.id, 'owner');
    expect((await giveRole(ann, cid, ann.id, 'member')).body.role).toBe('member');
    expect((await giveRole(ann, cid, bob.id, 'member')).body.code).toBe('forbidden');
  });

  it('do not change in a direct conversation', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('direct', ann, bob);
    const admin = await world.person({ id: 'admin', roles: ['admin'] });
    for (const actor of [ann, admin]) expect((await giveRole(actor, cid, bob.id, 'owner')).body.code).toBe('forbidden');
  });
});

describe('the list of participants', () => {
  it('is read page by page, in order of joining', async () => {
    const [ann, ...others] = await world.people('ann', 'p1', 'p2', 'p3', 'p4', 'p5', 'p6');
    const cid = await world.create('group', ann!, ...others.slice(0, 4));
    for (const other of others.slice(4))
      await ann!.rest.post(`/conversations/${cid}/participants`, { userIds: [other.id] });
    const found: string[] = [];
    for (let cursor = ''; ; ) {
      const page = await ann!.get<Page<Participant>>(`/conversations/${cid}/participants?limit=2${cursor}`);
      found.push(...page.items.map(({ user }) => user.id));
      if (page.nextCursor === null) break;
      expect(page.items).toHaveLength(2);
      cursor = `&cursor=${page.nextCursor}`;
    }
    expect(found.slice(5)).toEqual(others.slice(4).map(({ id }) => id));
    expect(new Set(found)).toEqual(new Set([ann!, ...others].map(({ id }) => id)));
    expect(found).toHaveLength(7);
    const empty = await ann!.get<Page<Participant>>(`/conversations/${cid}/participants?former=true`);
    expect(empty).toEqual({ items: [], nextCursor: null });
  });
});
