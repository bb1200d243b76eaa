import type { Conversation, Page, Problem } from '@parley/protocol';
import { describe, expect, it } from 'vitest';
import type { Person } from '../support/world.ts';
import { useWorld } from '../support/world.ts';

const world = useWorld();

async function list(person: Person, query = ''): Promise<string[]> {
  return (await person.get<Page<Conversation>>(`/conversations${query}`)).items.map(({ id }) => id);
}

/** All pages of a list, each with one request. */
async function pages(person: Person, path: string, limit: number): Promise<Conversation[][]> {
  const found: Conversation[][] = [];
  for (let cursor = ''; ; ) {
    const page = await person.get<Page<Conversation>>(
      `${path}${path.includes('?') ? '&' : '?'}limit=${limit}${cursor}`,
    );
    found.push(page.items);
    if (page.nextCursor === null) return found;
    cursor = `&cursor=${page.nextCursor}`;
  }
}

describe('the list of conversations', () => {
  it('has mine and no others, latest activity first', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const [one, two, three] = [
      await world.create('group', ann),
      await world.create('channel', ann, bob),
      await world.create('direct', ann, bob),
    ];
    await world.create('group', bob);
    expect(await list(ann)).toEqual([three, two, one]);
    await ann.send(one, 'x');
    expect(await list(ann)).toEqual([one, three, two]);
    await bob.send(two, 'y');
    expect(await list(ann)).toEqual([two, one, three]);
    await ann.rest.delete(`/conversations/${two}/participants/${ann.id}`);
    await ann.rest.delete(`/conversations/${one}`);
    expect(await list(ann)).toEqual([three]);
  });

  it('is read page by page without a gap or a repeat, also where activity was at one moment', async () => {
    const [ann] = await world.people('ann');
    const ids: string[] = [];
    for (let count = 0; count < 7; count++) ids.push(await world.create('group', ann));
    await world.prisma.conversation.updateMany({
      where: { id: { in: ids.slice(0, 5) } },
      data: { createdAt: new Date(0) },
    });
    const found = await pages(ann, '/conversations', 2);
    expect(found.map((page) => page.length)).toEqual([2, 2, 2, 1]);
    expect(found.flat().map(({ id }) => id)).toEqual(await list(ann));
    expect(new Set(found.flat().map(({ id }) => id))).toEqual(new Set(ids));
  });

  it('shows what each of them is to me, and its newest message', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    const message = await ann.send(cid, 'hi', { mentions: [bob.id] });
    const { items } = await bob.get<Page<Conversation>>('/conversations');
    expect(items).toEqual([await bob.conversation(cid)]);
    const { duplicate: _, ...stored } = message;
    expect(items[0]).toMatchObject({
      lastMessage: stored,
      lastSeq: 1,
      rev: 2,
      me: { role: 'member', unreadCount: 1, mentionCount: 1 },
    });
  });

  it('is filtered: all without the archived, unread, pinned, archived', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const [plain, unread, pinned, archived] = [
      await world.create('group', bob, ann),
      await world.create('group', bob, ann),
      await world.create('group', bob, ann),
      await world.create('group', bob, ann),
    ];
    await bob.send(unread, 'x');
    await ann.rest.patch(`/conversations/${pinned}/me`, { pinned: true });
    await ann.rest.patch(`/conversations/${archived}/me`, { archived: true });
    expect(await list(ann)).toEqual([unread, pinned, plain]);
    expect(await list(ann, '?filter=all')).toEqual([unread, pinned, plain]);
    expect(await list(ann, '?filter=unread')).toEqual([unread]);
    expect(await list(ann, '?filter=pinned')).toEqual([pinned]);
    expect(await list(ann, '?filter=archived')).toEqual([archived]);
    // One's settings are one's own.
    expect(await list(bob, '?filter=archived')).toEqual([]);
    const problem = await ann.rest.get<Problem>('/conversations?filter=muted');
    expect(problem.body).toMatchObject({ code: 'invalid_request', errors: [{ path: 'filter' }] });
  });

  it('takes limits from 1 to 200 and cursors of its own making', async () => {
    const [ann] = await world.people('ann');
    await world.create('group', ann);
    await world.create('group', ann);
    for (const limit of ['0', '201', '-1', '1.5', 'x', '']) {
      const { body } = await ann.rest.get<Problem>(`/conversations?limit=${limit}`);
      expect(body, limit).toMatchObject({ code: 'invalid_request', errors: [{ path: 'limit' }] });
    }
    expect((await ann.rest.get('/conversations?limit=200')).status).toBe(200);
    for (const cursor of ['x', 'e30', 'bnVsbA', 'W10', encodeURIComponent('{"at":"now"}')]) {
      const { body } = await ann.rest.get<Problem>(`/conversations?cursor=${cursor}`);
      expect(body, cursor).toMatchObject({ code: 'invalid_request', errors: [{ path: 'cursor' }] });
    }
  });
});

describe('the list of channels', () => {
  it('ACC-2 shows channels to everybody signed in, by title, with what they are to me', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const tag = `ch-${ann.id}`;
    const made: Record<string, string> = {};
    for (const title of ['b%', 'a', 'c_']) {
      const { body } = await ann.rest.post<Conversation>('/conversations', {
        type: 'channel',
        title: `${tag} ${title}`,
      });
      made[title] = body.id;
    }
    await ann.rest.post('/conversations', { type: 'group', title: `${tag} group` });
    const found = await pages(bob, `/channels?query=${tag.toUpperCase()}`, 2);
    expect(found.map((page) => page.map(({ title }) => title))).toEqual([[`${tag} a`, `${tag} b%`], [`${tag} c_`]]);
    expect(found.flat().every(({ me }) => me === null)).toBe(true);
    expect((await ann.get<Page<Conversation>>(`/channels?query=${tag}`)).items[0]?.me?.role).toBe('owner');
    // What LIKE takes for a pattern is text here.
    for (const [query, title] of [
      ['b%25', 'b%'],
      ['c_', 'c_'],
    ] as const) {
      const { items } = await bob.get<Page<Conversation>>(`/channels?query=${query}`);
      expect(items.filter(({ title: one }) => one?.startsWith(tag)).map(({ id }) => id)).toEqual([made[title]]);
    }
    expect((await bob.conversation(made.a!)).me).toBeNull();
    await ann.rest.delete(`/conversations/${made.a}`);
    expect((await bob.get<Page<Conversation>>(`/channels?query=${tag}`)).items).toHaveLength(2);
  });
});

describe('one conversation', () => {
  it('ACC-2 is 404 where there is none and 403 where it is not mine', async () => {
    const [ann, bob, eve] = await world.people('ann', 'bob', 'eve');
    for (const type of ['group', 'direct'] as const) {
      const cid = await world.create(type, ann, bob);
      const { status, body } = await eve.rest.get<Problem>(`/conversations/${cid}`);
      expect([status, body.code]).toEqual([403, 'not_a_participant']);
      await bob.rest.delete(`/conversations/${cid}/participants/${bob.id}`);
      expect((await bob.rest.get<Problem>(`/conversations/${cid}`)).body.code).toBe('not_a_participant');
      expect((await ann.rest.get(`/conversations/${cid.toUpperCase()}`)).status).toBe(200);
    }
    for (const cid of ['00000000-0000-7000-8000-000000000000', 'x', '%F0%9F%91%8D']) {
      expect((await eve.rest.get<Problem>(`/conversations/${cid}`)).body.code).toBe('not_found');
    }
  });

  it('shows the first ten of those present, and counts all', async () => {
    const names = Array.from({ length: 13 }, (_, index) => `p${index}`);
    const [owner, ...others] = await world.people(...names);
    const cid = await world.create('group', owner!, ...others);
    const seen = await owner!.conversation(cid);
    expect([seen.participants?.length, seen.participantCount]).toEqual([10, 13]);
    for (const { user } of seen.participants!.slice(5)) {
      if (user.id !== owner!.id) await owner!.rest.delete(`/conversations/${cid}/participants/${user.id}`);
    }
    const after = await owner!.conversation(cid);
    expect(after.participants?.length).toBe(after.participantCount);
  });
});
