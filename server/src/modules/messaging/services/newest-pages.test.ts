import { describe, expect, it } from 'vitest';
import { JsonBytes } from '../../../utils/json-bytes.ts';
import { type NewestPage, NewestPages } from './newest-pages.ts';

const page = (conversationId: string, rev: number, limit = 50): NewestPage => ({
  conversationId,
  rev,
  limit,
  page: JsonBytes.of(`${conversationId}${rev} of ${limit}`),
});

describe('NewestPages', () => {
  it('keeps the newest page of each conversation, for the length that was asked for', async () => {
    const pages = new NewestPages();
    expect(await pages.recall('a', 50)).toBeUndefined();
    pages.keep(page('a', 2));
    pages.keep(page('b', 7));
    expect(await pages.recall('a', 50)).toEqual(page('a', 2));
    expect(await pages.recall('a', 20)).toBeUndefined();

    // One that took its time replaces none that is newer.
    pages.keep(page('a', 1));
    expect(await pages.recall('a', 50)).toEqual(page('a', 2));
    pages.keep(page('a', 3, 20));
    expect(await pages.recall('a', 20)).toEqual(page('a', 3, 20));
    expect(await pages.recall('b', 50)).toEqual(page('b', 7));
  });

  it('lets those who ask meanwhile wait for a reading, and nobody for a page of another length', async () => {
    const pages = new NewestPages();
    const reading = Promise.withResolvers<void>();
    pages.announce('a', 50, reading.promise);
    const answers: (NewestPage | undefined)[] = [];
    const waiting = [pages.recall('a', 50), pages.recall('a', 50)].map(async (one) => answers.push(await one));
    expect(await pages.recall('a', 20)).toBeUndefined();
    expect(await pages.recall('b', 50)).toBeUndefined();
    expect(answers).toEqual([]);

    pages.keep(page('a', 1));
    reading.resolve();
    await Promise.all(waiting);
    expect(answers).toEqual([page('a', 1), page('a', 1)]);
  });

  it('lets them go on by themselves where the reading fails', async () => {
    const pages = new NewestPages();
    const reading = Promise.withResolvers<void>();
    pages.announce('a', 50, reading.promise);
    const asked = pages.recall('a', 50);
    reading.reject(new Error('refused'));
    expect(await asked).toBeUndefined();
    expect(await pages.recall('a', 50)).toBeUndefined();
  });
});
