import type { Change, Changes, Problem } from '@parley/protocol';
import { describe, expect, it } from 'vitest';
import { DOORS } from '../support/doors.ts';
import { type Person, useWorld } from '../support/world.ts';

const world = useWorld();

const NOWHERE = '00000000-0000-7000-8000-000000000000';

function changes(reader: Person, cid: string, query = ''): Promise<Changes> {
  return reader.get<Changes>(`/conversations/${cid}/changes${query}`);
}

const outline = (change: Change): [number, string, string] => [
  change.rev,
  change.type,
  change.type === 'message'
    ? (change.message.content ?? '(deleted)')
    : change.type === 'participant'
      ? change.participant.user.id
      : change.conversation.id,
];

/** Reads on until nothing more follows, as a client does: after the `rev` of the last entry. */
async function readOn(reader: Person, cid: string, limit: number): Promise<Change[]> {
  const found: Change[] = [];
  for (let after = 0; ; ) {
    const page = await changes(reader, cid, `?after=${after}&limit=${limit}`);
    found.push(...page.changes);
    if (!page.hasMore) return found;
    after = page.changes.at(-1)!.rev;
  }
}

describe('changes', () => {
  it('DLV-2 ORD-2 has each thing once in its latest state, in order of rev, deletions and membership included', async () => {
    const [ann, bob, cyd] = await world.people('ann', 'bob', 'cyd');
    const cid = await world.create('group', ann, bob); // 1
    const one = await ann.send(cid, 'one'); // 2
    const two = await bob.send(cid, 'two'); // 3
    await ann.rest.post(`/conversations/${cid}/participants`, { userIds: [cyd.id] }); // 4
    await cyd.send(cid, 'three'); // 5
    await ann.rest.patch(`/conversations/${cid}/messages/${one.id}`, { content: 'one, edited' }); // 6
    await ann.rest.patch(`/conversations/${cid}`, { title: 'new' }); // 7
    await bob.rest.delete(`/conversations/${cid}/messages/${two.id}`); // 8
    await ann.rest.delete(`/conversations/${cid}/participants/${cyd.id}`); // 9
    await bob.rest.put(`/conversations/${cid}/messages/${one.id}/reactions/${encodeURIComponent('👍')}`); // 10

    const all = await changes(ann, cid);
    expect(all).toMatchObject({ rev: 10, hasMore: false });
    expect(all.changes.map(outline)).toEqual([
      [1, 'participant', ann.id],
      [1, 'participant', bob.id],
      [5, 'message', 'three'],
      [7, 'conversation', cid],
      [8, 'message', '(deleted)'],
      [9, 'participant', cyd.id],
      [10, 'message', 'one, edited'],
    ]);
    const messages = await ann.history(cid);
    for (const change of all.changes) {
      if (change.type === 'message') expect(messages).toContainEqual(change.message);
      if (change.type === 'participant')
        expect(change.participant.leftAt === null).toBe(change.participant.user.id !== cyd.id);
      if (change.type === 'conversation')
        expect(change.conversation).toMatchObject({ title: 'new', rev: 10, lastSeq: 3 });
    }
    for (let after = 0; after <= 11; after++) {
      const page = await changes(bob, cid, `?after=${after}`);
      expect(page.changes).toEqual(all.changes.filter(({ rev }) => rev > after));
      expect([page.rev, page.hasMore]).toEqual([10, false]);
    }
  });

  it('is read page by page; entries of one rev are never split', async () => {
    const names = Array.from({ length: 8 }, (_, index) => `p${index}`);
    const [ann, ...others] = await world.people(...names);
    const cid = await world.create('group', ann!, ...others);
    for (let count = 1; count <= 6; count++) await ann!.send(cid, `${count}`);
    const all = (await changes(ann!, cid)).changes;
    expect(all).toHaveLength(1 + 8 + 6);
    const first = await changes(ann!, cid, '?limit=1');
    expect(first.changes.map(({ rev }) => rev)).toEqual(Array(9).fill(1));
    expect(first).toMatchObject({ rev: 7, hasMore: true });
    for (const limit of [1, 2, 3, 9, 10, 14, 15, 1000])
      expect(await readOn(ann!, cid, limit), `limit ${limit}`).toEqual(all);
    expect((await changes(ann!, cid, '?after=6&limit=1')).hasMore).toBe(false);
  });

  it('takes a rev and a limit up to 1,000', async () => {
    const [ann, eve] = await world.people('ann', 'eve');
    const cid = await world.create('group', ann);
    for (const query of [
      '?after=-1',
      '?after=x',
      '?after=1.5',
      `?after=${2 ** 53}`,
      '?limit=0',
      '?limit=1001',
      '?after=1&after=2',
    ]) {
      const { body } = await ann.rest.get<Problem>(`/conversations/${cid}/changes${query}`);
      expect(body.code, query).toBe('invalid_request');
    }
    expect((await changes(ann, cid, `?after=${Number.MAX_SAFE_INTEGER}&limit=1000`)).changes).toEqual([]);
    expect((await eve.rest.get<Problem>(`/conversations/${cid}/changes`)).body.code).toBe('not_a_participant');
    expect((await eve.rest.get<Problem>(`/conversations/${NOWHERE}/changes`)).body.code).toBe('not_found');
    const channel = await world.create('channel', ann);
    expect((await changes(eve, channel)).rev).toBe(1);
  });
});

describe.each(DOORS)('sync over %s', (door) => {
  it('DLV-2 tells which conversations are behind, gone and new', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const [current, behind, left, added] = [
      await world.create('group', ann, bob),
      await world.create('group', ann, bob),
      await world.create('group', ann, bob),
      await world.create('direct', ann, bob),
    ];
    const foreign = await world.create('group', ann);
    await ann.send(behind, '1');
    await ann.send(behind, '2');
    await bob.rest.delete(`/conversations/${left}/participants/${bob.id}`);
    const cursors = { [current]: 1, [behind]: 1, [left]: 1, [foreign]: 1, [NOWHERE]: 3, 'no id': 0 };
    const result = await bob.ok(door, 'sync', { cursors });
    expect(result.behind).toEqual([{ conversationId: behind, rev: 3, lastSeq: 2, unreadCount: 2 }]);
    expect([...result.gone].sort()).toEqual([left, foreign, NOWHERE, 'no id'].sort());
    expect(result.added).toEqual([added]);
    const nothing = await bob.ok(door, 'sync', { cursors: {} });
    expect([nothing.behind, nothing.gone, [...nothing.added].sort()]).toEqual([
      [],
      [],
      [current, behind, added].sort(),
    ]);
    const ahead = await bob.ok(door, 'sync', { cursors: { [current]: 99, [behind]: 3, [added]: 1 } });
    expect(ahead).toEqual({ behind: [], gone: [], added: [] });
  });

  it('takes 500 cursors and no more', async () => {
    const [ann] = await world.people('ann');
    const cursors = Object.fromEntries(Array.from({ length: 501 }, (_, index) => [`c${index}`, 1]));
    expect((await ann.refused(door, 'sync', { cursors })).code).toBe('invalid_request');
    delete cursors.c500;
    expect((await ann.ok(door, 'sync', { cursors })).gone).toHaveLength(500);
    for (const wrong of [{ cursors: { c: -1 } }, { cursors: { c: '1' } }, { cursors: [] }, {}, { cursors: null }]) {
      expect((await ann.refused(door, 'sync', wrong as never)).code, JSON.stringify(wrong)).toBe('invalid_request');
    }
  });
});
