import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import type { Logger } from '../../../utils/logger.ts';
import type { Backlog, IndexStep, SearchRepository } from '../repositories/search.repository.ts';
import { toVector, type Word, wordsOf } from '../search-words.ts';
import type { WordStems } from './word-stems.ts';

export interface SearchIndexerDeps {
  readonly repository: SearchRepository;
  readonly stems: WordStems;
  /** Conversations that this node changed since it was asked last. */
  readonly takeChanged: () => readonly string[];
  /** Whether messages are being sent at this moment. */
  readonly isSending: () => boolean;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
}

/** How often what this node changed is put into the index. */
const EVERY_MS = 1_000;
/** How often it looks for what was left behind: by nodes that were killed, or by this one when the database failed it. */
const SWEEP_EVERY_MS = 10 * 60_000;
const SWEEP_PAGE = 500;

/**
 * How long it rests for each moment that it worked, while this server is in use and else. Indexing costs the database
 * more than the message itself, and whoever searches brings the index up to date for what the search is about.
 */
const REST = { whileFull: 49, whileInUse: 19, else: 1 };
/** The share of a rest in which the event loop had something to do: from here on the server is in use, and has no time left. */
const IN_USE = 0.1;
const FULL = 0.9;

/**
 * A step that takes longer is followed by a smaller one: while one is carried out, whoever sends shares the processor with it,
 * and a hundred milliseconds of that are seen in their worst hundredth.
 */
const LONG_STEP_MS = 10;
const MOST_CONVERSATIONS = 20;

/** Characters. */
const LONG_TEXT = 1_000;

/** The tag by which a conversation is found among the words. No word has such a sign. */
export const tagOf = (conversationId: string): string => `#${conversationId}`;

/**
 * Puts the words of messages into the index, beside the road of a message and never on it. It follows the log as every
 * reader does: for each conversation it keeps a `rev`, and takes what changed after it. Each node sees to what it changed
 * itself; searching catches up with whatever the search is about, so an answer never lacks what was acknowledged.
 */
export class SearchIndexer {
  readonly #deps: SearchIndexerDeps;
  readonly #stopping = new AbortController();
  #running: Promise<void> | null = null;
  #sweptAt = Number.NEGATIVE_INFINITY;
  /** What this node changed and the index may not know yet. */
  #changed = new Set<string>();

  constructor(deps: SearchIndexerDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /**
   * Brings the index to the present for these conversations, or as near as `patienceMs` allows: what is far behind is
   * what was imported, or sent before there was an index, or faster than it is indexed.
   */
  async catchUp(conversationIds: readonly string[], patienceMs = Number.POSITIVE_INFINITY): Promise<void> {
    const deadline = performance.now() + patienceMs;
    const queue = [...conversationIds];
    while (queue.length > 0 && performance.now() < deadline && !this.#stopping.signal.aborted) {
      await this.#step(queue, MOST_CONVERSATIONS);
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const started = performance.now();
      try {
        await this.#work();
      } catch (error) {
        // The database is away, which others report; nothing is lost.
        if (!signal.aborted) this.#deps.logger.warn({ err: error }, 'indexing messages for search failed');
      }
      // Never more than half of the time: sending comes first.
      const rest = Math.max(EVERY_MS, performance.now() - started);
      await delay(rest, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  async #work(): Promise<void> {
    const { repository, takeChanged } = this.#deps;
    for (const id of takeChanged()) this.#changed.add(id);
    await this.#catchUpGently([...this.#changed]);
    this.#changed = new Set();
    if (performance.now() - this.#sweptAt < SWEEP_EVERY_MS) return;
    this.#sweptAt = performance.now();
    for (let after: string | null = null; !this.#stopping.signal.aborted; ) {
      const ids: string[] = await repository.findBehind(after, SWEEP_PAGE);
      if (ids.length === 0) return;
      await this.#catchUpGently(ids);
      after = ids.at(-1)!;
    }
  }

  /** Step by step, with a rest after each. */
  async #catchUpGently(conversationIds: readonly string[]): Promise<void> {
    const { signal } = this.#stopping;
    const queue = [...conversationIds];
    let most = 1;
    for (let use = 0; queue.length > 0 && !signal.aborted; ) {
      const started = performance.now();
      await this.#step(queue, most);
      const tookMs = performance.now() - started;
      most = tookMs > LONG_STEP_MS ? Math.ceil(most / 2) : Math.min(most * 2, MOST_CONVERSATIONS);
      const before = performance.eventLoopUtilization();
      await delay(this.#restFor(use) * tookMs, undefined, { signal, ref: false }).catch(() => {});
      use = performance.eventLoopUtilization(before).utilization;
    }
  }

  /** One step through the first conversations of the queue. Those with more to come go to its end: none waits for a busy one. */
  async #step(queue: string[], most: number): Promise<void> {
    const backlogs = await this.#deps.repository.findBacklog(queue.splice(0, most));
    if (backlogs.length > 0) await this.#take(backlogs);
    for (const { conversationId, hasMore } of backlogs) if (hasMore) queue.push(conversationId);
  }

  #restFor(use: number): number {
    if (use > FULL) return REST.whileFull;
    return use > IN_USE || this.#deps.isSending() ? REST.whileInUse : REST.else;
  }

  async #take(backlogs: readonly Backlog[]): Promise<void> {
    const steps: IndexStep[] = [];
    for (const backlog of backlogs) steps.push(await this.#toStep(backlog));
    await this.#deps.repository.take(steps);
  }

  async #toStep(backlog: Backlog): Promise<IndexStep> {
    const { conversationId, head, closed, hasMore, messages } = backlog;
    const texts: (Word[] | null)[] = [];
    for (const { content } of messages) {
      texts.push(content === null ? null : wordsOf(content));
      // A long text takes a millisecond: others have their turn after each.
      if (content !== null && content.length > LONG_TEXT) await nextTurn();
    }
    const stems = await this.#deps.stems.of(texts.flatMap((words) => words?.map(({ text }) => text) ?? []));
    return {
      conversationId,
      closed,
      to: hasMore ? messages.at(-1)!.rev : head,
      entries: messages.map(({ id, senderId, createdAt }, index) => {
        const words = texts[index];
        return { id, senderId, createdAt, words: words ? toVector(words, [tagOf(conversationId)], stems) : null };
      }),
    };
  }
}
