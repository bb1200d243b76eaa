import type { Logger } from 'pino';
import type { Notices } from '../repositories/changes.repository.ts';

/** Where the tailer reads, and whom it tells. */
export interface TailerDeps {
  readonly reader: {
    findNoticeCursor(): Promise<string>;
    findNotices(cursor: string): Promise<Notices>;
    deleteOldNotices(): Promise<void>;
  };
  readonly feed: {
    noteHead(conversationId: string, rev: number): void;
    noteMemberships(conversationId: string, userIds: readonly string[]): Promise<void>;
  };
  readonly logger: Logger;
  /** Milliseconds between two reads. */
  readonly intervalMs?: number;
}

const CLEANING_EVERY = 15;

/**
 * Reads about once a second which conversations changed lately, whoever changed them, and shows the feed where the log
 * is. What a lost hint, a killed node or a failed telling kept from people connected here is made good by this (DLV-3).
 *
 * A head that the feed has not told yet may be on its way this very moment, so one is reported only when it was there a
 * read ago as well.
 */
export class Tailer {
  readonly #deps: TailerDeps;
  #cursor: string | null = null;
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> = Promise.resolve();
  #rounds = 0;
  #stopped = false;
  #failing = false;
  #earlier: Notices['heads'] = [];

  constructor(deps: TailerDeps) {
    this.#deps = deps;
  }

  async start(): Promise<void> {
    this.#cursor = await this.#deps.reader.findNoticeCursor();
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer) clearTimeout(this.#timer);
    await this.#running;
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#running = this.#round().finally(() => this.#schedule());
    }, this.#deps.intervalMs ?? 1_000);
  }

  async #round(): Promise<void> {
    const { reader, feed, logger } = this.#deps;
    try {
      const notices = await reader.findNotices(this.#cursor ?? (await reader.findNoticeCursor()));
      for (const { conversationId, rev } of this.#earlier) feed.noteHead(conversationId, rev);
      for (const { conversationId, userIds } of notices.memberships)
        await feed.noteMemberships(conversationId, userIds);
      this.#earlier = notices.heads;
      this.#cursor = notices.cursor;
      this.#rounds += 1;
      if (this.#rounds % CLEANING_EVERY === 0) await reader.deleteOldNotices();
      if (this.#failing) logger.info('the tailer reads the log again');
      this.#failing = false;
    } catch (error) {
      // Nothing is lost: the cursor stays, and the next round reads from there.
      if (!this.#failing) logger.warn({ err: error }, 'the tailer cannot read the log');
      this.#failing = true;
    }
  }
}
