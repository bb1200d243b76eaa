import type { Conversation, Problem } from '@parley/protocol';
import { describe, expect, it } from 'vitest';
import { DOORS } from '../support/doors.ts';
import { changesSeen, useWorld } from '../support/world.ts';

const world = useWorld();

describe.each(DOORS)('changing a conversation over %s', (door) => {
  it('ORD-2 changes title, picture and metadata, tells everybody in it, and leaves an audit entry', async () => {
    const [ann, bob, eve] = await world.people('ann', 'bob', 'eve');
    const cid = await world.create('group', ann, bob);
    await bob.send(cid, 'x');
    const [bobPhone, evePhone] = [await bob.connect(), await eve.connect()];
    const change = {
      title: ' New <b>title</b> ',
      avatarUrl: 'https://img.example.com/a.png',
      metadata: { a: { b: 1 } },
    };
    const updated = await ann.ok(door, 'conversation:update', { conversationId: cid, ...change });
    expect(updated).toMatchObject({ ...change, title: 'New title', rev: 3, lastSeq: 1, me: { role: 'owner' } });
    const told = await bobPhone.next('conversation:updated');
    const { me: _, participants: __, ...shared } = updated;
    expect(told).toEqual({ conversationId: cid, rev: 3, conversation: shared });
    expect(await bob.conversation(cid)).toMatchObject(shared);
    await evePhone.expectNone('conversation:updated');
    const entry = await world.prisma.auditEntry.findFirstOrThrow({ where: { conversationId: cid } });
    expect(entry).toMatchObject({ action: 'conversation.updated', actorId: ann.id, after: { title: 'New title' } });
    const cleared = await ann.ok(door, 'conversation:update', { conversationId: cid, title: null, avatarUrl: null });
    expect(cleared).toMatchObject({ title: null, avatarUrl: null, metadata: change.metadata, rev: 4 });
  });

  it('raises no rev for what is the same', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    const bobPhone = await bob.connect();
    const first = await ann.ok(door, 'conversation:update', {
      conversationId: cid,
      title: 'T',
      metadata: { a: 1, b: [2] },
    });
    for (const same of [{ title: ' T ' }, { metadata: { b: [2], a: 1 } }, {}]) {
      expect(await ann.ok(door, 'conversation:update', { conversationId: cid, ...same })).toEqual(first);
    }
    await ann.send(cid, 'after');
    await bobPhone.next('message:created');
    expect(changesSeen(bobPhone, cid).map(({ rev }) => rev)).toEqual([2, 3]);
  });

  it('is for owners and moderators; nobody renames a direct conversation', async () => {
    const [ann, bob, cyd, eve] = await world.people('ann', 'bob', 'cyd', 'eve');
    const cid = await world.create('group', ann, bob, cyd);
    await ann.rest.patch(`/conversations/${cid}/participants/${bob.id}`, { role: 'moderator' });
    await bob.ok(door, 'conversation:update', { conversationId: cid, title: 'by bob' });
    expect((await cyd.refused(door, 'conversation:update', { conversationId: cid, title: 'x' })).code).toBe(
      'forbidden',
    );
    expect((await eve.refused(door, 'conversation:update', { conversationId: cid, title: 'x' })).code).toBe(
      'not_a_participant',
    );
    const direct = await world.create('direct', ann, bob);
    expect((await ann.refused(door, 'conversation:update', { conversationId: direct, title: 'x' })).code).toBe(
      'forbidden',
    );
    expect((await ann.conversation(cid)).title).toBe('by bob');
  });

  it('refuses what is no title, picture or metadata', async () => {
    const [ann] = await world.people('ann');
    const cid = await world.create('group', ann);
    for (const [change, path] of [
      [{ title: '' }, 'title'],
      [{ title: 'x'.repeat(201) }, 'title'],
      [{ title: '\0' }, 'title'],
      [{ avatarUrl: 'javascript:alert(1)' }, 'avatarUrl'],
      [{ avatarUrl: 'no address' }, 'avatarUrl'],
      [{ metadata: { a: { b: { c: { d: { e: {} } } } } } }, 'metadata'],
      [{ metadata: { a: 'x'.repeat(8 * 1024) } }, 'metadata'],
      [{ metadata: { '<b>': 1 } }, 'metadata'],
      [{ type: 'channel' }, 'type'],
    ] as const) {
      const problem = await ann.refused(door, 'conversation:update', { conversationId: cid, ...change } as never);
      expect([problem.code, problem.errors?.[0]?.path], JSON.stringify(change).slice(0, 80)).toEqual([
        'invalid_request',
        path,
      ]);
    }
    const deep = { a: { b: { c: { d: { e: 1 } } } } };
    expect((await ann.ok(door, 'conversation:update', { conversationId: cid, metadata: deep })).metadata).toEqual(deep);
    expect(
      (await ann.ok(door, 'conversation:update', { conversationId: cid, title: '𝔘'.repeat(200) })).title,
    ).toHaveLength(400);
  });
});

describe('my settings', () => {
  it('are mine alone: no rev, no event, and kept', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    const annPhone = await ann.connect();
    const until = '2099-01-01T00:00:00.000Z';
    const { status, body } = await bob.rest.patch<Conversation>(`/conversations/${cid}/me`, {
      mutedUntil: '2099-01-01T02:00:00+02:00',
      pinned: true,
      archived: true,
      notify: 'mentions',
    });
    expect(status).toBe(200);
    expect(body.me).toMatchObject({ mutedUntil: until, pinnedAt: expect.any(String), notify: 'mentions' });
    expect(body.rev).toBe(1);
    expect((await ann.conversation(cid)).me).toMatchObject({
      mutedUntil: null,
      pinnedAt: null,
      archivedAt: null,
      notify: 'all',
    });
    const again = await bob.rest.patch<Conversation>(`/conversations/${cid}/me`, { pinned: true });
    expect(again.body.me).toEqual(body.me);
    const cleared = await bob.rest.patch<Conversation>(`/conversations/${cid}/me`, {
      mutedUntil: null,
      pinned: false,
      archived: false,
    });
    expect(cleared.body.me).toMatchObject({ mutedUntil: null, pinnedAt: null, archivedAt: null, notify: 'mentions' });
    await annPhone.barrier();
    expect(annPhone.received.map(({ name }) => name)).toEqual(['ready']);
  });

  it('ACC-2 are for participants, and take nothing else', async () => {
    const [ann, eve] = await world.people('ann', 'eve');
    const cid = await world.create('channel', ann);
    expect((await eve.rest.patch<Problem>(`/conversations/${cid}/me`, { pinned: true })).body.code).toBe(
      'not_a_participant',
    );
    for (const wrong of [{ pinned: 'yes' }, { notify: 'some' }, { mutedUntil: 'tomorrow' }, { muted: true }]) {
      expect((await ann.rest.patch<Problem>(`/conversations/${cid}/me`, wrong)).body.code).toBe('invalid_request');
    }
  });
});

describe('deleting a conversation', () => {
  it('is the owner’s, and ends it for everybody on every door', async () => {
    const [ann, bob, cyd] = await world.people('ann', 'bob', 'cyd');
    const cid = await world.create('group', ann, bob, cyd);
    const sent = await bob.send(cid, 'x');
    await ann.rest.patch(`/conversations/${cid}/participants/${bob.id}`, { role: 'moderator' });
    const phones = [await ann.connect(), await bob.connect(), await cyd.connect()];
    for (const other of [bob, cyd]) {
      expect((await other.rest.delete<Problem>(`/conversations/${cid}`)).body.code).toBe('forbidden');
    }
    expect((await ann.rest.delete(`/conversations/${cid}`)).status).toBe(204);
    for (const phone of phones) expect(await phone.next('conversation:removed')).toEqual({ conversationId: cid });
    for (const path of ['', '/messages', `/messages/${sent.id}`, '/changes', '/participants']) {
      expect((await ann.rest.get<Problem>(`/conversations/${cid}${path}`)).body.code).toBe('not_found');
    }
    for (const door of DOORS) {
      expect((await bob.refused(door, 'message:send', { conversationId: cid, content: 'x' })).code).toBe('not_found');
      expect((await bob.refused(door, 'conversation:read', { conversationId: cid, seq: 1 })).code).toBe('not_found');
      expect(await bob.ok(door, 'sync', { cursors: { [cid]: 1 } })).toMatchObject({ gone: [cid], behind: [] });
    }
    expect((await ann.rest.delete<Problem>(`/conversations/${cid}`)).body.code).toBe('not_found');
    const entry = await world.prisma.auditEntry.findFirstOrThrow({
      where: { conversationId: cid, action: 'conversation.deleted' },
    });
    expect(entry.actorId).toBe(ann.id);
  });

  it('lets the two of a direct one begin anew, where an administrator deleted it', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const admin = await world.person({ id: 'admin', roles: ['admin'] });
    const cid = await world.create('direct', ann, bob);
    expect((await ann.rest.delete<Problem>(`/conversations/${cid}`)).body.code).toBe('forbidden');
    expect((await admin.rest.delete(`/conversations/${cid}`)).status).toBe(204);
    expect(await world.create('direct', bob, ann)).not.toBe(cid);
  });
});
