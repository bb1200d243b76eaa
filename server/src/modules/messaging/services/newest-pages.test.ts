import { describe, expect, it } from 'vitest';
import { NewestPages } from './newest-pages.ts';

/** Reads that can be counted, and let go one by one. */
function reader() {
  const waiting: ((text: string) => void)[] = [];
  return {
    waiting,
    read: async () => ({ text: await new Promise<string>((resolve) => waiting.push(resolve)), keep: true }),
  };
}

const never = async (): Promise<never> => {
  throw new Error('nothing is to be read');
};
const reads =
  (text: string, keep = true) =>
  async () => ({ text, keep });

describe('NewestPages', () => {
  it('reads a page once for each rev, and never answers with that of another one', async () => {
    const pages = new NewestPages();
    expect(await pages.get('a', 1, 50, reads('a1'))).toBe('a1');
    expect(await pages.get('a', 1, 50, never)).toBe('a1');
    expect(await pages.get('a', 2, 50, reads('a2'))).toBe('a2');
    expect(await pages.get('a', 1, 50, reads('a1 again'))).toBe('a1 again');
    expect(await pages.get('a', 2, 50, never)).toBe('a2');
    expect(await pages.get('b', 2, 50, reads('b2'))).toBe('b2');
    expect(await pages.get('a', 2, 20, reads('a2 of 20'))).toBe('a2 of 20');
  });

  it('lets those who ask together wait for one reading', async () => {
    const pages = new NewestPages();
    const { read, waiting } = reader();
    const asked = [pages.get('a', 1, 50, read), pages.get('a', 1, 50, read), pages.get('a', 2, 50, read)];
    expect(waiting).toHaveLength(2);
    waiting[1]!('two');
    waiting[0]!('one');
    expect(await Promise.all(asked)).toEqual(['one', 'one', 'two']);
    // The slower one was of an older moment: it replaced nothing.
    expect(await pages.get('a', 2, 50, never)).toBe('two');
  });

  it('keeps no page that is not whole, and none whose reading failed', async () => {
    const pages = new NewestPages();
    await pages.get('a', 1, 50, reads('in part', false));
    expect(await pages.get('a', 1, 50, reads('whole'))).toBe('whole');
    await expect(pages.get('b', 1, 50, never)).rejects.toThrow('nothing is to be read');
    expect(await pages.get('b', 1, 50, reads('b'))).toBe('b');
  });
});
