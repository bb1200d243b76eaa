import { LRUCache } from 'lru-cache';
import type { JsonBytes } from '../../../utils/json-bytes.ts';

/** The newest page of one conversation as it goes over the wire, with all that it depends on. */
export interface NewestPage {
  readonly conversationId: string;
  /** The conversation's `rev` with which the page was read. */
  readonly rev: number;
  readonly limit: number;
  readonly page: JsonBytes;
}

/** What the pages of all conversations together may take. */
const BYTES = 32 * 1024 * 1024;

/**
 * The newest pages that were asked for last, so that a thousand people who open one conversation cost one query and one
 * encoding. Whoever uses a page reads the conversation's `rev` together with their right to read it, and the page only where
 * that `rev` is another one: so no stale page is ever shown, and nothing has to be taken back. Nothing of it leaves the process.
 */
export class NewestPages {
  readonly #pages = new LRUCache<string, NewestPage>({
    maxSize: BYTES,
    sizeCalculation: ({ page }) => page.bytes.length,
  });
  /** Where no page is kept: somebody reads it now. */
  readonly #reading = new Map<string, Promise<unknown>>();

  /** The page that is kept, if any. Where somebody reads it at this moment, they are waited for, well or not. */
  async recall(conversationId: string, limit: number): Promise<NewestPage | undefined> {
    await this.#reading.get(readingOf(conversationId, limit));
    const page = this.#pages.get(conversationId);
    return page?.limit === limit ? page : undefined;
  }

  /** Others who want this page wait for the end of this reading, which keeps it. */
  announce(conversationId: string, limit: number, reading: Promise<unknown>): void {
    const key = readingOf(conversationId, limit);
    if (this.#reading.has(key)) return;
    const ended = reading.then(
      () => this.#reading.delete(key),
      () => this.#reading.delete(key),
    );
    this.#reading.set(key, ended);
  }

  /** Keeps a page, unless a newer one is kept: this one took its time. */
  keep(page: NewestPage): void {
    const kept = this.#pages.get(page.conversationId);
    if (kept === undefined || kept.rev <= page.rev) this.#pages.set(page.conversationId, page);
  }
}

function readingOf(conversationId: string, limit: number): string {
  return `${conversationId} ${limit}`;
}
