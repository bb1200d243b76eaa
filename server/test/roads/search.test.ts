import type { Page, SearchHit, SentMessage } from '@parley/protocol';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { SearchRepository } from '../../src/modules/search/repositories/search.repository.ts';
import { parseQuery, toQuery } from '../../src/modules/search/search-words.ts';
import { createConfidential, masterKeys } from '../support/keys.ts';
import { seed } from '../support/seed.ts';
import { type Person, useWorld } from '../support/world.ts';

const world = useWorld({ env: masterKeys('one') });

async function search(who: Person, q: string, more: Record<string, string> = {}): Promise<SearchHit[]> {
  const hits: SearchHit[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const query: string = new URLSearchParams({ q, ...more, ...(cursor && { cursor }) }).toString();
    const page: Page<SearchHit> = await who.get<Page<SearchHit>>(`/search/messages?${query}`);
    hits.push(...page.items);
    cursor = page.nextCursor;
  }
  return hits;
}

const textsOf = async (...args: Parameters<typeof search>) => (await search(...args)).map(({ content }) => content);

describe('searching', () => {
  it('finds what was just acknowledged by the beginning of words, newest first, with ranges', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    for (const text of ['Hello there', 'nothing', 'well, HELLO again', 'Othello']) await ann.send(cid, text);
    const hits = await search(bob, 'hel');
    expect(hits.map(({ content }) => content)).toEqual(['well, HELLO again', 'Hello there']);
    expect(hits[0]!.highlights).toEqual([{ start: 6, end: 11 }]);
    const { highlights, ...message } = hits[1]!;
    expect(highlights).toEqual([{ start: 0, end: 5 }]);
    expect(message).toEqual(await bob.get(`/conversations/${cid}/messages/${message.id}`));
    expect(await textsOf(bob, 'again hel')).toEqual(['well, HELLO again']);
    expect(await textsOf(bob, '"hello there"')).toEqual(['Hello there']);
    expect(await textsOf(bob, '"there hello"')).toEqual([]);
    expect(await textsOf(bob, '"hel there"')).toEqual([]);
  });

  it('takes anything for a query', async () => {
    const [ann] = await world.people('ann');
    const cid = await world.create('group', ann);
    await ann.send(cid, "it's 100% <3 & | ! : * \\ ' 'quoted' a:b");
    for (const q of ["it's", '100%', "'quoted'", 'a:b', "\\ '100"]) {
      expect(await search(ann, q), q).toHaveLength(1);
    }
    for (const q of ['!', "'", '\\', '" "', ':*', '& | !', '<->']) expect(await search(ann, q), q).toEqual([]);
    for (const q of ['', '  ', 'x'.repeat(201), 'a\0']) {
      const query = new URLSearchParams({ q }).toString();
      expect(await ann.rest.get(`/search/messages?${query}`), q).toMatchObject({
        status: 400,
        body: { errors: [{ path: 'q' }] },
      });
    }
    expect((await ann.rest.get('/search/messages')).status).toBe(400);
    expect((await ann.rest.get('/search/messages?q=a&before=yesterday')).status).toBe(400);
    expect((await ann.rest.get('/search/messages?q=a&cursor=nonsense')).status).toBe(400);
  });

  it('ACC-2 finds only in what one may read now', async () => {
    const [ann, bob, eve] = await world.people('ann', 'bob', 'eve');
    const group = await world.create('group', ann, bob);
    const channel = await world.create('channel', ann);
    const direct = await world.create('direct', ann, bob);
    for (const cid of [group, channel, direct]) await ann.send(cid, 'papaya');
    const found = async (who: Person) => (await search(who, 'papaya')).map(({ conversationId }) => conversationId);
    expect(await found(ann)).toEqual([direct, channel, group]);
    expect(await found(bob)).toEqual([direct, channel, group]);
    expect(await found(eve)).toEqual([channel]);
    const inGroup = `/search/messages?q=papaya&conversationId=${group}`;
    expect(await eve.rest.get(inGroup)).toMatchObject({ status: 403, body: { code: 'not_a_participant' } });
    expect(await eve.rest.get('/search/messages?q=papaya&conversationId=none')).toMatchObject({ status: 404 });
    expect((await search(eve, 'papaya', { conversationId: channel })).length).toBe(1);

    await ann.rest.delete(`/conversations/${group}/participants/${bob.id}`);
    expect(await found(bob)).toEqual([direct, channel]);
    expect((await bob.rest.get(inGroup)).status).toBe(403);
    // An administrator reads a conversation of others when they name it, and that is in the audit.
    const admin = await world.person({ id: 'the-admin', roles: ['admin'] });
    expect(await found(admin)).toEqual([channel]);
    expect((await search(admin, 'papaya', { conversationId: group })).length).toBe(1);
    expect(await world.prisma.auditEntry.count({ where: { conversationId: group, actorId: 'the-admin' } })).toBe(1);

    await ann.rest.delete(`/conversations/${group}`);
    expect(await found(ann)).toEqual([direct, channel]);
    await ann.rest.delete(`/conversations/${channel}`);
    expect(await found(eve)).toEqual([]);
  });

  it('DEL-1 EDIT-1 finds a message by the text it has now, and nothing of it once deleted', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    const sent = await ann.send(cid, 'first quince');
    expect(await textsOf(bob, 'quince')).toEqual(['first quince']);
    const path = `/conversations/${cid}/messages/${sent.id}`;
    await ann.rest.patch(path, { content: 'second medlar' });
    expect(await textsOf(bob, 'quince')).toEqual([]);
    await bob.rest.put(`${path}/reactions/👍`);
    expect(await textsOf(bob, 'medlar')).toEqual(['second medlar']);
    await ann.rest.delete(path);
    expect(await world.prisma.searchEntry.count({ where: { messageId: sent.id } })).toBe(0);
    expect(await textsOf(bob, 'medlar')).toEqual([]);
    expect(await textsOf(bob, 'second')).toEqual([]);
    // Also where nobody had searched in between.
    const other = await ann.send(cid, 'sloe');
    await ann.rest.delete(`/conversations/${cid}/messages/${other.id}`);
    expect(await textsOf(bob, 'sloe')).toEqual([]);
    expect(await world.prisma.searchEntry.count({ where: { conversationId: cid } })).toBe(0);
  });

  it('finds nothing in confidential conversations, and keeps no word of them', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await createConfidential(ann, bob);
    await ann.send(cid, 'rambutan');
    expect(await textsOf(bob, 'rambutan')).toEqual([]);
    expect(await textsOf(bob, 'rambutan', { conversationId: cid })).toEqual([]);
    expect(await world.prisma.searchEntry.count({ where: { conversationId: cid } })).toBe(0);
  });

  it('narrows by sender, conversation, time and file', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const one = await world.create('group', ann, bob);
    const two = await world.create('group', ann, bob);
    const first = await ann.send(one, 'lychee one');
    const second = await bob.send(one, 'lychee two');
    const third = await bob.send(two, 'lychee three');
    const times = [first, second, third].map(({ createdAt }) => createdAt);
    expect(await textsOf(ann, 'lychee', { senderId: bob.id })).toEqual(['lychee three', 'lychee two']);
    expect(await textsOf(ann, 'lychee', { conversationId: one })).toEqual(['lychee two', 'lychee one']);
    const between = new Date((Date.parse(times[0]!) + Date.parse(times[2]!)) / 2).toISOString();
    const all = ['lychee three', 'lychee two', 'lychee one'];
    const sides = [await textsOf(ann, 'lychee', { after: between }), await textsOf(ann, 'lychee', { before: between })];
    expect(all.filter((text) => sides.flat().includes(text))).toEqual(sides.flat());
    expect(sides[0]).toContain('lychee three');
    expect(sides[1]).toContain('lychee one');
    expect(await textsOf(ann, 'lychee', { before: times[0]! })).toEqual([]);
    expect(await textsOf(ann, 'lychee', { after: times[2]! })).toEqual([]);
    expect(await textsOf(ann, 'lychee', { hasFile: 'false' })).toEqual(all);
    expect(await textsOf(ann, 'lychee', { hasFile: 'true' })).toEqual([]);
  });

  it('goes on after a page as if no message had come since', async () => {
    const [ann] = await world.people('ann');
    const cid = await world.create('group', ann);
    const sent: SentMessage[] = [];
    for (let number = 0; number < 7; number++) sent.push(await ann.send(cid, `durian ${number}`));
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: Page<SearchHit> = await ann.get(`/search/messages?q=durian&limit=2${cursor && `&cursor=${cursor}`}`);
      expect(page.items.length).toBeGreaterThan(0);
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor;
      await ann.send(cid, 'durian new');
    }
    expect(seen).toEqual(sent.map(({ id }) => id).reverse());
  });

  it('puts those first that have the words closest, most often and in the shortest text', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    const ranked = [
      'plum pear',
      'plum, pear, and much else that stands here to make it long',
      'a plum, and only after many other words that stand between them a pear',
    ];
    for (const text of [ranked[0]!, ranked[2]!, ranked[1]!]) await ann.send(cid, text);
    expect(await textsOf(bob, 'plum pear', { order: 'best' })).toEqual(ranked);
    expect(await textsOf(bob, 'plum pear', { order: 'newest' })).toEqual([ranked[1], ranked[2], ranked[0]]);
    for (const text of ['kiwi', 'kiwi kiwi kiwi', 'the kiwi']) await ann.send(cid, text);
    expect(await textsOf(bob, 'kiwi', { order: 'best' })).toEqual(['kiwi kiwi kiwi', 'kiwi', 'the kiwi']);
    expect((await ann.rest.get('/search/messages?q=kiwi&order=worst')).status).toBe(400);
  });

  it('goes on after a page of the best as if no better one had come since', async () => {
    const [ann] = await world.people('ann');
    const cid = await world.create('group', ann);
    const texts = [3, 1, 4, 1, 5, 2].map((times) => `${'fig '.repeat(times)}and much else`);
    for (const text of texts) await ann.send(cid, text);
    const wanted = await textsOf(ann, 'fig', { order: 'best' });
    expect(wanted[0]).toContain('fig fig fig fig fig');
    expect(wanted).toHaveLength(texts.length);
    const seen: (string | null)[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const query: string = `q=fig&order=best&limit=2${cursor && `&cursor=${cursor}`}`;
      const page: Page<SearchHit> = await ann.get(`/search/messages?${query}`);
      seen.push(...page.items.map(({ content }) => content));
      cursor = page.nextCursor;
      if (cursor === null) continue;
      await ann.send(cid, 'fig fig fig fig fig fig');
      await ann.send(cid, 'a fig that stands in the longest of all these texts');
      const inOther = await ann.rest.get(`/search/messages?q=fig&cursor=${cursor}`);
      expect(inOther).toMatchObject({ status: 400, body: { errors: [{ path: 'cursor' }] } });
    }
    expect(seen).toEqual(wanted);
    const newest: Page<SearchHit> = await ann.get('/search/messages?q=fig&limit=2');
    expect((await ann.rest.get(`/search/messages?q=fig&order=best&cursor=${newest.nextCursor}`)).status).toBe(400);
    const place = Buffer.from(JSON.stringify({ at: '2026-01-01T00:00:00Z', id: cid, rank: 'much', newest: {} }));
    const forged = `/search/messages?q=fig&order=best&cursor=${place.toString('base64url')}`;
    expect((await ann.rest.get(forged)).status).toBe(400);
  });

  it('finds what a killed node left out of the index', async () => {
    const [ann] = await world.people('ann');
    const cid = await world.create('group', ann);
    await Promise.all(Array.from({ length: 60 }, (_, number) => ann.send(cid, `guava ${number}`)));
    expect(await search(ann, 'guava')).toHaveLength(60);
    await world.prisma.searchEntry.deleteMany({ where: { conversationId: cid } });
    await world.prisma.searchProgress.deleteMany({ where: { conversationId: cid } });
    expect(await search(ann, 'guava')).toHaveLength(60);
  });
});

describe('searching with SEARCH_LANGUAGE', () => {
  const english = useWorld({ env: { SEARCH_LANGUAGE: 'english' } });

  it('finds other endings of a word, but not of one in quotes', async () => {
    const [ann] = await english.people('ann');
    const cid = await english.create('group', ann);
    for (const text of ['my house', 'two houses', 'he was running', 'they run']) await ann.send(cid, text);
    expect(await textsOf(ann, 'houses')).toEqual(['two houses', 'my house']);
    expect(await textsOf(ann, 'house')).toEqual(['two houses', 'my house']);
    expect(await textsOf(ann, '"houses"')).toEqual(['two houses']);
    expect(await textsOf(ann, 'runs')).toEqual(['they run', 'he was running']);
    expect((await search(ann, 'runs'))[1]?.highlights).toEqual([{ start: 7, end: 14 }]);
  });

  it('makes the index anew where the language changed', async () => {
    const repository = new SearchRepository(english.prisma);
    expect(await repository.changeLanguage('english')).toBe(false);
    expect(await english.prisma.searchEntry.count()).toBeGreaterThan(0);
    expect(await repository.changeLanguage('german')).toBe(true);
    expect(await english.prisma.searchEntry.count()).toBe(0);
    expect(await repository.findStems('german', ['hauses', 'der'])).toEqual([['hauses', 'haus']]);
    await repository.changeLanguage('english');
  });
});

/** Words of scripts with spaces between words, as they are compared; and runs of characters of scripts without. */
const SPACED = ['tea', 'team', 'teapot', 'чай', 'чайник', 'τσάι', 'شاي', 'चाय', 'चायदानी', '차가', 'trà', '2026', 'te'];
const RUNS = [[...'お茶をのむ'], [...'茶壺和茶'], [...'喝茶'], ['ช', 'า', 'ร้', 'อ', 'น'], ['ร้', 'อ', 'น'], ['ຊ', 'າ']];
const plain = (word: string) =>
  word
    .normalize('NFD')
    .replaceAll(/[\u0300-\u036f]/g, '')
    .normalize('NFC');

type Piece = { readonly word: string } | { readonly run: readonly string[] };

const piece: fc.Arbitrary<Piece> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...SPACED).map((word) => ({ word })) },
  { weight: 1, arbitrary: fc.constantFrom(...RUNS).map((run) => ({ run })) },
);
const message = fc.record({
  pieces: fc.array(piece, { minLength: 1, maxLength: 6 }),
  separator: fc.constantFrom(' ', ', ', '\n', ' — ', ' (…) '),
  shout: fc.boolean(),
});

const query = fc.oneof(
  fc.tuple(fc.constantFrom(...SPACED), fc.nat(8)).map(([word, length]) => {
    const part = [...word].slice(0, 1 + (length % [...word].length)).join('');
    return { kind: 'prefix' as const, text: part };
  }),
  fc.tuple(fc.constantFrom(...SPACED), fc.constantFrom(...SPACED)).map((words) => ({ kind: 'phrase' as const, words })),
  fc.tuple(fc.constantFrom(...SPACED), fc.constantFrom(...SPACED)).map((words) => ({ kind: 'both' as const, words })),
  fc.tuple(fc.constantFrom(...RUNS), fc.nat(5), fc.nat(5)).map(([run, from, length]) => {
    const start = from % run.length;
    return { kind: 'run' as const, run: run.slice(start, start + 1 + (length % (run.length - start))) };
  }),
);

type Query = typeof query extends fc.Arbitrary<infer Value> ? Value : never;

/** What search must find, told from how the message was made and not from its text. */
function expected(pieces: readonly Piece[], asked: Query): boolean {
  const words = pieces.map((one) => ('word' in one ? plain(one.word) : null));
  const begins = (part: string) => words.some((word) => word?.startsWith(plain(part)));
  switch (asked.kind) {
    case 'prefix':
      return begins(asked.text);
    case 'both':
      return asked.words.every(begins);
    case 'phrase':
      return words.some((word, at) => word === plain(asked.words[0]) && words[at + 1] === plain(asked.words[1]));
    case 'run': {
      // Runs that follow each other are one to search: what stands between them is no character.
      const text = pieces.map((one) => ('run' in one ? one.run.join('·') : '#')).join('·');
      return `·${text}·`.includes(`·${asked.run.join('·')}·`);
    }
  }
}

function textOf(asked: Query): string {
  switch (asked.kind) {
    case 'prefix':
      return asked.text.toUpperCase();
    case 'both':
      return asked.words.join(' ');
    case 'phrase':
      return `"${asked.words.join(' ')}"`;
    case 'run':
      return asked.run.join('');
  }
}

describe(`search against an oracle (seed ${seed})`, () => {
  const corpus = fc.sample(message, { numRuns: 150, seed });
  let searchers: Person[];
  const kept: { pieces: readonly Piece[]; sent: SentMessage; seenBy: readonly Person[] }[] = [];

  beforeAll(async () => {
    const [ann, bob, eve] = await world.people('ann', 'bob', 'eve');
    searchers = [ann, bob, eve];
    const places = [
      { cid: await world.create('group', ann, bob), seenBy: [ann, bob] },
      { cid: await world.create('direct', ann, eve), seenBy: [ann, eve] },
      { cid: await world.create('channel', ann), seenBy: searchers },
    ];
    for (const [index, { pieces, separator, shout }] of corpus.entries()) {
      const text = pieces.map((one) => ('word' in one ? one.word : one.run.join(''))).join(separator);
      const { cid, seenBy } = places[index % places.length]!;
      const sent = await ann.send(cid, shout ? text.toUpperCase() : text);
      if (index % 10 === 9) await ann.rest.delete(`/conversations/${cid}/messages/${sent.id}`);
      else kept.push({ pieces, sent, seenBy });
    }
  });

  it('finds exactly what is there, in several scripts, by either way through the index', async () => {
    const byIndex = new SearchRepository(world.prisma, { walkMost: 1 });
    const fewRanked = new SearchRepository(world.prisma, { mostRanked: 5 });
    await fc.assert(
      fc.asyncProperty(query, fc.nat(2), async (asked, number) => {
        const searcher = searchers[number]!;
        const wanted = kept
          .filter(({ pieces, seenBy }) => seenBy.includes(searcher) && expected(pieces, asked))
          .map(({ sent }) => sent)
          .sort((a, b) => (a.createdAt === b.createdAt ? (a.id < b.id ? 1 : -1) : a.createdAt < b.createdAt ? 1 : -1));
        const hits = await search(searcher, textOf(asked), { limit: '20' });
        expect(hits.map(({ content }) => content)).toEqual(wanted.map(({ content }) => content));
        for (const { highlights } of hits) expect(highlights.length).toBeGreaterThan(0);

        const searchable = await byIndex.findSearchable(searcher.id);
        const terms = parseQuery(textOf(asked));
        const filter = {
          words: toQuery(terms, []),
          tagged: toQuery(
            terms,
            searchable.map(({ id }) => `#${id}`),
          ),
          conversationIds: searchable.map(({ id }) => id),
        };
        const found = await byIndex.find({ ...filter, place: undefined, limit: 1_000 });
        expect(found.map(({ id }) => id)).toEqual(wanted.map(({ id }) => id));

        // The best are the same messages in another order; and of fewer that are ranked, the newest.
        const best = await search(searcher, textOf(asked), { limit: '20', order: 'best' });
        expect(best.map(({ id }) => id).sort()).toEqual(wanted.map(({ id }) => id).sort());
        const few = await fewRanked.findBest({ ...filter, limit: 1_000 }, undefined);
        const newest = wanted.slice(0, 5).map(({ id }) => id);
        expect(few.map(({ id }) => id).sort()).toEqual(newest.sort());
      }),
      { numRuns: 60, seed },
    );
  }, 120_000);
});
