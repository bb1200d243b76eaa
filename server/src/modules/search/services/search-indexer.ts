import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import type { Logger } from '../../../utils/logger.ts';
import type { Backlog, IndexStep, SearchRepository } from '../repositories/search.repository.ts';
import { toVector, type Word, wordsOf } from '../search-words.ts';
import type { WordStems } from './word-stems.ts';

export interface SearchIndexerDeps {
  readonly repository: SearchRepository;
  readonly stems: WordStems;
  /** This node, by the name under which it leaves notices of changes. */
  readonly nodeId: string;
  /** Whether messages are being sent at this moment. */
  readonly isSending: () => boolean;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
}

/** How often what this node changed is put into the index. */
const EVERY_MS = 1_000;
/** How far back it looks: a run may take some time, and notices are kept for a minute. */
const LOOK_BACK_SECONDS = 30;
/** How often it looks for what other nodes left behind when they were killed. */
const SWEEP_EVERY_MS = 10 * 60_000;
const SWEEP_PAGE = 500;

/**
 * How long it rests for each moment that it worked, while this server is in use and else. Indexing costs the database
 * more than the message itself, and whoever searches brings the index up to date for what the search is about.
 */
const REST = { whileInUse: 19, else: 1 };
/** The share of a rest in which the event loop had something to do: from here on the server is in use. */
const IN_USE = 0.1;

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
   * what was imported, or sent before there was an index.
   */
  async catchUp(conversationIds: readonly string[], patienceMs = Number.POSITIVE_INFINITY): Promise<void> {
    const deadline = performance.now() + patienceMs;
    while (performance.now() < deadline && !this.#stopping.signal.aborted) {
      const backlogs = await this.#deps.repository.findBacklog(conversationIds);
      if (backlogs.length === 0) return;
      await this.#take(backlogs);
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
    const { repository, nodeId } = this.#deps;
    await this.#catchUpGently(await repository.findChanged(nodeId, LOOK_BACK_SECONDS));
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
    for (let inUse = false; !signal.aborted; ) {
      const started = performance.now();
      const backlogs = await this.#deps.repository.findBacklog(conversationIds);
      if (backlogs.length === 0) return;
      await this.#take(backlogs);
      const share = inUse || this.#deps.isSending() ? REST.whileInUse : REST.else;
      const before = performance.eventLoopUtilization();
      await delay(share * (performance.now() - started), undefined, { signal, ref: false }).catch(() => {});
      inUse = performance.eventLoopUtilization(before).utilization > IN_USE;
    }
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
