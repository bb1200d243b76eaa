import type { Conversation, Message, Page, Problem } from '@parley/protocol';
import { beforeAll, describe, expect, it } from 'vitest';
import { upload } from '../support/files.ts';
import { recordStatements } from '../support/statements.ts';
import { type Person, useWorld } from '../support/world.ts';

const world = useWorld();

let ann: Person;
let cid: string;
beforeAll(async () => {
  [ann] = await world.people('ann');
  cid = await world.create('group', ann);
  for (let seq = 1; seq <= 25; seq++) await ann.send(cid, `m${seq}`);
});

const read = (query: string) => ann.get<Page<Message>>(`/conversations/${cid}/messages${query}`);
const seqs = ({ items }: Page<Message>) => items.map(({ seq }) => seq);
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

describe('a page of history', () => {
  it('ORD-1 is the newest one without a parameter, oldest first within it', async () => {
    expect(seqs(await read(''))).toEqual(range(1, 25));
    expect((await read('')).nextCursor).toBeNull();
    expect(seqs(await read('?limit=10'))).toEqual(range(16, 25));
  });

  it('goes on to older ones by its cursor, without a gap or a repeat, while new ones come in', async () => {
    const first = await read('?limit=10');
    await ann.send(cid, 'm26');
    const second = await read(`?limit=10&cursor=${first.nextCursor}`);
    const third = await read(`?limit=10&cursor=${second.nextCursor}`);
    expect([seqs(second), seqs(third), third.nextCursor]).toEqual([range(6, 15), range(1, 5), null]);
    expect((await read(`?limit=5&cursor=${second.nextCursor}`)).nextCursor).toBeNull();
  });

  it('is before, after or around a position', async () => {
    expect(seqs(await read('?before=10&limit=3'))).toEqual([7, 8, 9]);
    expect(seqs(await read('?after=10&limit=3'))).toEqual([11, 12, 13]);
    expect(seqs(await read('?around=10&limit=5'))).toEqual([8, 9, 10, 11, 12]);
    expect(seqs(await read('?around=1&limit=5'))).toEqual([1, 2, 3]);
    expect(seqs(await read('?around=26&limit=4'))).toEqual([25, 26]);
    expect(seqs(await read('?before=1'))).toEqual([]);
    expect(seqs(await read('?after=26'))).toEqual([]);
    expect(seqs(await read(`?after=${Number.MAX_SAFE_INTEGER}`))).toEqual([]);
    expect(seqs(await read(`?before=${Number.MAX_SAFE_INTEGER}&limit=1`))).toEqual([26]);
    expect(seqs(await read('?after=0&limit=2'))).toEqual([1, 2]);
  });

  it('goes on in the direction that was asked for', async () => {
    const forward: number[] = [];
    let page = await read('?after=3&limit=7');
    for (;;) {
      forward.push(...seqs(page));
      if (page.nextCursor === null) break;
      page = await read(`?limit=7&cursor=${page.nextCursor}`);
    }
    expect(forward).toEqual(range(4, 26));
    const back = await read('?before=10&limit=4');
    expect(seqs(await read(`?limit=4&cursor=${back.nextCursor}`))).toEqual(range(2, 5));
    const around = await read('?around=10&limit=4');
    expect(seqs(await read(`?limit=4&cursor=${around.nextCursor}`))).toEqual(range(5, 8));
  });

  it('takes one position at a time, and cursors of its own making', async () => {
    const wrong = async (query: string) => {
      const { status, body } = await ann.rest.get<Problem>(`/conversations/${cid}/messages${query}`);
      return [status, body.code];
    };
    const { nextCursor: ofList } = await ann.get<Page<unknown>>('/conversations?limit=1');
    for (const query of [
      '?before=5&after=1',
      '?around=5&after=1',
      '?before=-1',
      '?before=x',
      '?before=1.5',
      `?before=${2 ** 53}`,
      '?before=5&before=6',
      '?limit=0',
      '?limit=201',
      '?cursor=x',
      '?cursor=e30',
      `?cursor=${Buffer.from('{"before":-1}').toString('base64url')}`,
      `?cursor=${Buffer.from('{"before":1e300}').toString('base64url')}`,
      `?cursor=${Buffer.from('{"before":1,"after":2}').toString('base64url')}`,
      `?cursor=${ofList ?? 'none'}`,
    ]) {
      expect(await wrong(query), query).toEqual([400, 'invalid_request']);
    }
  });

  it('shows each message as it is by itself', async () => {
    const { items } = await read('?after=24&limit=1');
    expect(await ann.get(`/conversations/${cid}/messages/${items[0]?.id}`)).toEqual(items[0]);
    for (const mid of ['x', '00000000-0000-7000-8000-000000000000']) {
      expect((await ann.rest.get<Problem>(`/conversations/${cid}/messages/${mid}`)).body.code).toBe('not_found');
    }
  });

  it('ACC-2 is open to everybody in a channel, and to participants alone elsewhere', async () => {
    const [bob] = await world.people('bob');
    const channel = await world.create('channel', ann);
    const sent = await ann.send(channel, 'to all');
    expect(await bob.history(channel)).toHaveLength(1);
    expect(await bob.get(`/conversations/${channel}/messages/${sent.id}`)).toMatchObject({ content: 'to all' });
    expect((await bob.rest.get<Problem>(`/conversations/${cid}/messages`)).body.code).toBe('not_a_participant');
    // A message is reached through its own conversation only.
    const { items } = await read('?limit=1');
    expect((await bob.rest.get<Problem>(`/conversations/${channel}/messages/${items[0]?.id}`)).body.code).toBe(
      'not_found',
    );
    expect((await bob.rest.get<Problem>('/conversations/x/messages')).body.code).toBe('not_found');
  });
});

describe('a page', () => {
  it('EDIT-1 DEL-1 REA-1 has of each message all that it has by itself, wherever the page begins', async () => {
    const [bob] = await world.people('bob');
    const id = await world.create('group', ann, bob);
    const path = `/conversations/${id}/messages`;
    const file = (await upload({ url: world.app.url, user: ann.id }, new TextEncoder().encode('a file'))).body;
    const plain = await ann.send(id, 'plain');
    await ann.send(id, 'an answer', { replyToId: plain.id });
    await ann.send(id, 'a mention', { mentions: [bob.id] });
    await ann.send(id, 'with a file', { attachmentIds: [file.id] });
    await ann.send(id, 'with metadata', { metadata: { color: 'red' } });
    await ann.send(id, 'a <script>bad()</script>word');
    const edited = await ann.send(id, 'before');
    await ann.rest.patch(`${path}/${edited.id}`, { content: 'after' });
    const liked = await ann.send(id, 'liked');
    await bob.rest.put(`${path}/${liked.id}/reactions/${encodeURIComponent('👍')}`);
    const once = await ann.send(id, 'liked once');
    await bob.rest.put(`${path}/${once.id}/reactions/${encodeURIComponent('👍')}`);
    await bob.rest.delete(`${path}/${once.id}/reactions/${encodeURIComponent('👍')}`);
    const gone = await ann.send(id, 'gone', { mentions: [bob.id] });
    await ann.rest.delete(`${path}/${gone.id}`);

    const { items } = await ann.get<Page<Message>>(path);
    expect(items).toMatchObject([
      { content: 'plain', reactions: [], attachments: [], mentions: [], metadata: null, replyTo: null },
      { replyTo: { id: plain.id, content: 'plain' } },
      { mentions: [bob.id] },
      { attachments: [{ id: file.id }] },
      { metadata: { color: 'red' } },
      { content: 'a word', sanitized: true },
      { content: 'after', editedAt: expect.stringMatching(/Z$/) },
      { reactions: [{ emoji: '👍', count: 1, userIds: [bob.id] }] },
      { content: 'liked once', reactions: [] },
      { content: null, mentions: [], deletedAt: expect.stringMatching(/Z$/), deletedBy: ann.id },
    ]);
    for (const message of items) expect(await ann.get(`${path}/${message.id}`)).toEqual(message);
    for (const query of ['?before=11', '?after=0', '?around=5&limit=20']) {
      expect((await bob.get<Page<Message>>(`${path}${query}`)).items, query).toEqual(items);
    }
    const { items: list } = await bob.get<Page<Conversation>>('/conversations');
    expect(list.find((one) => one.id === id)?.lastMessage).toEqual(items.at(-1));
  });
});

describe('a page that is kept ready', () => {
  it('is read once, however many open the conversation together', async () => {
    const names = Array.from({ length: 12 }, (_, index) => `reader${index}`);
    const [owner, ...others] = await world.people('owner', ...names);
    const id = await world.create('group', owner!, ...others);
    await owner!.send(id, 'one');
    // Known from here on, so that no call has to enter them first.
    await Promise.all(others.map((other) => other.get('/me')));
    const open = (other: Person) => other.get<Page<Message>>(`/conversations/${id}/messages`);
    const pagesRead = async () => {
      const statements = await recordStatements(async () => {
        const pages = await Promise.all(others.map(open));
        for (const { items } of pages) expect(items).toMatchObject([{ content: 'one' }]);
      });
      return statements.filter(({ text }) => text.includes('AS "sentAt"')).length;
    };
    expect([await pagesRead(), await pagesRead()]).toEqual([1, 0]);
  });

  it('DEL-1 EDIT-1 shows at once what happened, and never what is deleted; ACC-2 nothing of it is for others', async () => {
    const [owner, friend, stranger] = await world.people('owner', 'friend', 'stranger');
    const id = await world.create('group', owner, friend);
    const path = `/conversations/${id}/messages`;
    const texts = async (reader: Person) => (await reader.get<Page<Message>>(path)).items.map(({ content }) => content);
    const message = await owner.send(id, 'a secret');
    expect([await texts(owner), await texts(friend)]).toEqual([['a secret'], ['a secret']]);
    await owner.rest.patch(`${path}/${message.id}`, { content: 'no secret' });
    expect(await texts(friend)).toEqual(['no secret']);
    await owner.rest.delete(`${path}/${message.id}`);
    expect(await texts(friend)).toEqual([null]);

    expect((await stranger.rest.get(path)).status).toBe(403);
    await owner.rest.delete(`/conversations/${id}/participants/${friend.id}`);
    expect((await friend.rest.get(path)).status).toBe(403);
  });

  it('is not sent again to who has it, until anything in the conversation changes', async () => {
    const [reader] = await world.people('reader');
    const id = await world.create('group', reader);
    await reader.send(id, 'one');
    const get = (known = '') =>
      reader.rest.get<Page<Message>>(`/conversations/${id}/messages`, { 'if-none-match': known });
    const first = await get();
    expect(first.headers.get('content-type')).toBe('application/json; charset=utf-8');
    const etag = first.headers.get('etag')!;
    for (const known of [etag, etag.replace('W/', ''), `"another", ${etag}`]) {
      expect(await get(known)).toMatchObject({ status: 304, body: '' });
    }
    await reader.send(id, 'two');
    const changed = await get(etag);
    expect([changed.status, changed.body.items.length]).toEqual([200, 2]);
  });
});
