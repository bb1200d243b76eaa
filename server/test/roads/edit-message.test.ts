import type { Message, Page, Revision } from '@parley/protocol';
import { describe, expect, it } from 'vitest';
import { DOORS } from '../support/doors.ts';
import { changesSeen, useWorld } from '../support/world.ts';

const world = useWorld();

describe.each(DOORS)('editing over %s', (door) => {
  it('EDIT-1 ORD-2 DEL-2 changes the text, keeps the earlier ones, tells everybody in it and leaves an audit entry', async () => {
    const [ann, bob, eve] = await world.people('ann', 'bob', 'eve');
    const cid = await world.create('group', ann, bob);
    const sent = await bob.send(cid, 'first', { metadata: { kept: true } });
    const [annPhone, evePhone] = [await ann.connect(), await eve.connect()];

    const edited = await bob.ok(door, 'message:edit', { conversationId: cid, messageId: sent.id, content: ' second ' });

    expect(edited).toMatchObject({ id: sent.id, seq: 1, rev: 3, content: 'second', metadata: { kept: true } });
    expect(edited.editedAt).not.toBeNull();
    expect(await annPhone.next('message:updated')).toEqual({ conversationId: cid, rev: 3, message: edited });
    expect(await ann.history(cid)).toEqual([edited]);
    await bob.ok(door, 'message:edit', { conversationId: cid, messageId: sent.id, content: 'third' });
    await annPhone.next('message:updated');
    expect(changesSeen(annPhone, cid).map(({ rev }) => rev)).toEqual([3, 4]);
    await evePhone.expectNone('message:updated');

    const path = `/conversations/${cid}/messages/${sent.id}/revisions`;
    for (const reader of [bob, ann]) {
      const { items } = await reader.get<Page<Revision>>(path);
      expect(items.map(({ content, by }) => [content, by])).toEqual([
        ['first', bob.id],
        ['second', bob.id],
        ['third', bob.id],
      ]);
      expect(items.map(({ at }) => at)).toEqual([sent.createdAt, edited.editedAt, expect.any(String)]);
    }
    const entries = await world.prisma.auditEntry.findMany({
      where: { targetId: sent.id },
      orderBy: { position: 'asc' },
    });
    expect(entries.map(({ actorId, action, before, after }) => ({ actorId, action, before, after }))).toEqual([
      { actorId: bob.id, action: 'message.edited', before: { content: 'first' }, after: { content: 'second' } },
      { actorId: bob.id, action: 'message.edited', before: { content: 'second' }, after: { content: 'third' } },
    ]);
  });

  it('EDIT-1 is the author’s alone; earlier texts are the author’s and the moderators’', async () => {
    const [ann, bob, cyd, eve] = await world.people('ann', 'bob', 'cyd', 'eve');
    const cid = await world.create('group', ann, bob, cyd);
    const sent = await bob.send(cid, 'mine');
    const input = { conversationId: cid, messageId: sent.id, content: 'theirs' };
    for (const other of [ann, cyd]) expect((await other.refused(door, 'message:edit', input)).code).toBe('forbidden');
    expect((await eve.refused(door, 'message:edit', input)).code).toBe('not_a_participant');
    const path = `/conversations/${cid}/messages/${sent.id}/revisions`;
    expect((await cyd.rest.get<{ code: string }>(path)).body.code).toBe('forbidden');
    expect((await eve.rest.get<{ code: string }>(path)).body.code).toBe('not_a_participant');
    // Whoever is out edits nothing any more, and a reader neither.
    await ann.rest.patch(`/conversations/${cid}/participants/${bob.id}`, { role: 'readonly' });
    expect((await bob.refused(door, 'message:edit', input)).code).toBe('forbidden');
    await bob.ok(door, 'participant:remove', { conversationId: cid, userId: bob.id });
    expect((await bob.refused(door, 'message:edit', input)).code).toBe('not_a_participant');
    expect((await ann.history(cid))[0]).toMatchObject({ content: 'mine', rev: sent.rev });
  });

  it('EDIT-1 with `ifRev` changes only what has not changed since', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    const sent = await ann.send(cid, '1');
    const input = { conversationId: cid, messageId: sent.id };
    const edited = await ann.ok(door, 'message:edit', { ...input, content: '2', ifRev: sent.rev });
    const stale = await ann.refused(door, 'message:edit', { ...input, content: '3', ifRev: sent.rev });
    expect(stale).toMatchObject({ code: 'revision_conflict', status: 409 });
    expect((await ann.conversation(cid)).rev).toBe(edited.rev);
    // Other messages do not count as a change of this one.
    await bob.send(cid, 'between');
    await ann.ok(door, 'message:edit', { ...input, content: '3', ifRev: edited.rev });
  });

  it('raises no rev for the same text, and takes no text that a send would not take', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    const sent = await ann.send(cid, 'same');
    const bobPhone = await bob.connect();
    const input = { conversationId: cid, messageId: sent.id };
    const { duplicate: _, ...unchanged } = sent;
    expect(await ann.ok(door, 'message:edit', { ...input, content: ' same ' })).toEqual(unchanged);
    for (const [content, code] of [
      ['', 'empty_message'],
      ['\u200b', 'empty_message'],
      ['<b></b>', 'empty_message'],
      ['x'.repeat(10_001), 'message_too_long'],
      ['\0', 'invalid_request'],
      ['\ud800', 'invalid_request'],
    ] as const) {
      expect((await ann.refused(door, 'message:edit', { ...input, content })).code).toBe(code);
    }
    const edited = await ann.ok(door, 'message:edit', { ...input, content: '<i>new</i>' });
    expect(edited).toMatchObject({ content: 'new', sanitized: true, rev: 3 });
    await bobPhone.next('message:updated');
    expect(changesSeen(bobPhone, cid)).toEqual([{ name: 'message:updated', rev: 3 }]);
  });

  it('answers what is not there and what was deleted', async () => {
    const [ann] = await world.people('ann');
    const cid = await world.create('group', ann);
    const other = await world.create('group', ann);
    const elsewhere = await ann.send(other, 'elsewhere');
    const sent = await ann.send(cid, 'x');
    for (const messageId of [elsewhere.id, 'no id']) {
      const problem = await ann.refused(door, 'message:edit', { conversationId: cid, messageId, content: 'y' });
      expect(problem.code).toBe('not_found');
    }
    const nowhere = { conversationId: '00000000-0000-7000-8000-000000000000', messageId: sent.id, content: 'y' };
    expect((await ann.refused(door, 'message:edit', nowhere)).code).toBe('not_found');
    await ann.ok(door, 'message:delete', { conversationId: cid, messageId: sent.id });
    const problem = await ann.refused(door, 'message:edit', { conversationId: cid, messageId: sent.id, content: 'y' });
    expect(problem).toMatchObject({ code: 'message_deleted', status: 409 });
    const { items } = await ann.get<Page<Revision>>(`/conversations/${cid}/messages/${sent.id}/revisions`);
    expect(items).toEqual([]);
    expect((await ann.get<Message>(`/conversations/${cid}/messages/${sent.id}`)).content).toBeNull();
  });
});
