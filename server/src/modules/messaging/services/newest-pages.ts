import { LRUCache } from 'lru-cache';

/** The newest page of one conversation as it goes over the wire, with all that it depends on. */
export interface NewestPage {
  readonly conversationId: string;
  /** The conversation's `rev` before the page was read: what was read may be newer, and never older. */
  readonly rev: number;
  readonly limit: number;
  /** JSON. */
  readonly text: string;
}

/** What the pages of all conversations together may take, in UTF-16 units. */
const LETTERS = 16 * 1024 * 1024;

/**
 * The newest pages that were asked for last, so that a thousand people who open one conversation cost one query and one
 * encoding. A page is asked for by the `rev` that the caller has just read together with the right to read it, so an entry
 * is never stale and nothing has to be taken back: whatever happens in a conversation makes its entry useless, and the next
 * reader replaces it. Nothing of it leaves the process.
 */
export class NewestPages {
  readonly #pages = new LRUCache<string, NewestPage>({
    maxSize: LETTERS,
    sizeCalculation: ({ text }) => text.length + 1,
  });
  /** Being read now: those who ask meanwhile wait for the same. */
  readonly #reading = new Map<string, Promise<NewestPage>>();

  /** The page, from here or from `read`. What `read` rejects with, everybody who waits for it gets. */
  async get(
    conversationId: string,
    rev: number,
    limit: number,
    read: () => Promise<Pick<NewestPage, 'text'> & { readonly keep: boolean }>,
  ): Promise<string> {
    const kept = this.#pages.get(conversationId);
    if (kept && fits(kept, conversationId, rev, limit)) return kept.text;

    const key = `${conversationId} ${rev} ${limit}`;
    const running = this.#reading.get(key);
    if (running) return (await running).text;
    const reading = this.#read({ conversationId, rev, limit }, read).finally(() => this.#reading.delete(key));
    this.#reading.set(key, reading);
    return (await reading).text;
  }

  async #read(
    of: Omit<NewestPage, 'text'>,
    read: () => Promise<Pick<NewestPage, 'text'> & { readonly keep: boolean }>,
  ): Promise<NewestPage> {
    const { text, keep } = await read();
    const page = { ...of, text };
    const kept = this.#pages.get(of.conversationId);
    // One that took its time replaces none that is newer.
    if (keep && (kept === undefined || kept.rev <= of.rev)) this.#pages.set(of.conversationId, page);
    return page;
  }
}

function fits(page: NewestPage, conversationId: string, rev: number, limit: number): boolean {
  return page.conversationId === conversationId && page.rev === rev && page.limit === limit;
}
