import type { Bus } from '../../../infrastructure/redis-bus.ts';
import { gatherCalls } from '../../../utils/gather-calls.ts';
import type { Logger } from '../../../utils/logger.ts';
import type { BlocksRepository } from '../repositories/blocks.repository.ts';

export interface BlockListDeps {
  readonly repository: Pick<BlocksRepository, 'findCuts' | 'findChanged' | 'isCut'>;
  /** Hints that a block changed on another node; null where this is the only one. */
  readonly bus: Bus | null;
  readonly logger: Pick<Logger, 'warn'>;
  /** Milliseconds, never going back. */
  readonly clock?: () => number;
}

/** How often the database is asked what changed: the bound of what a lost hint costs. */
const REVIEW_MS = 2_000;
/** What changed this long ago is looked at again: longer than any transaction may take. */
const REVIEW_WINDOW_SECONDS = 30;
const CHANNEL = 'blocks';
const NOBODY: ReadonlySet<string> = new Set();

/**
 * Between whom of the people connected to this node nothing is shown. It is asked with every receipt and typing mark,
 * which may cost no query, so it is kept in memory: read when somebody connects, followed by hints of the nodes, and
 * compared with the database every two seconds. Access never rests on it: sending asks the table itself.
 */
export class BlockList {
  readonly #deps: BlockListDeps;
  readonly #clock: () => number;
  /** Connected people, with the reading of their blocks. */
  readonly #connected = new Map<string, Promise<void>>();
  /** Connected people → everybody they are cut off from. */
  readonly #cutOff = new Map<string, Set<string>>();
  /** The same turned round: anybody → those of the connected people who are cut off from them. */
  readonly #hidden = new Map<string, Set<string>>();
  #reviewedAt: number;
  #timer: NodeJS.Timeout | null = null;
  #reviewing: Promise<void> | null = null;
  readonly #loadSoon = gatherCalls<string, void>(async (userIds) => {
    await this.#load(userIds);
    return [];
  });

  constructor(deps: BlockListDeps) {
    this.#deps = deps;
    this.#clock = deps.clock ?? (() => performance.now());
    this.#reviewedAt = this.#clock();
    deps.bus?.subscribe(CHANNEL);
    deps.bus?.listen((channel, payload) => {
      if (channel === CHANNEL) this.#heed(payload);
    });
  }

  /** Somebody connects: resolves once it is known with whom they are cut off. */
  load(userId: string): Promise<void> {
    const known = this.#connected.get(userId);
    if (known) return known;
    const loading = this.#loadSoon(userId);
    this.#connected.set(userId, loading);
    // Whoever connects is told; the next connection reads again.
    loading.catch(() => this.drop(userId));
    return loading;
  }

  /** The last connection of somebody is gone. */
  drop(userId: string): void {
    this.#connected.delete(userId);
    for (const other of this.#cutOff.get(userId) ?? []) this.#show(other, userId);
  }

  /** Those of the people connected here who are to see nothing of this one. */
  hiddenFrom(userId: string): ReadonlySet<string> {
    return this.#hidden.get(userId) ?? NOBODY;
  }

  /** Everybody whom this person is cut off from; read anew for somebody who is not connected here. */
  async findCutOff(userId: string): Promise<ReadonlySet<string>> {
    const loading = this.#connected.get(userId);
    if (!loading) return new Set((await this.#deps.repository.findCuts([userId])).map(([, other]) => other));
    await loading;
    return this.#cutOff.get(userId) ?? NOBODY;
  }

  /** Whether one of the two blocks the other, as the database has it. */
  isCut(one: string, other: string): Promise<boolean> {
    return this.#deps.repository.isCut(one, other);
  }

  /** A block between these two began or ended: takes effect here before it resolves, and is a hint to the other nodes. */
  async noteChange(one: string, other: string): Promise<void> {
    this.#deps.bus?.publish(CHANNEL, JSON.stringify([one, other]));
    this.#set(one, other, await this.#deps.repository.isCut(one, other));
  }

  /** Makes good what hints did not say. */
  async review(): Promise<void> {
    const now = this.#clock();
    if (now - this.#reviewedAt > (REVIEW_WINDOW_SECONDS / 2) * 1_000) {
      await this.#load([...this.#connected.keys()]);
    } else {
      const changed = await this.#deps.repository.findChanged(REVIEW_WINDOW_SECONDS);
      for (const { pair, cut } of changed) this.#set(...pair, cut);
    }
    this.#reviewedAt = now;
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#reviewing ??= this.review()
        // The next one reads over a longer time.
        .catch((error: unknown) => this.#deps.logger.warn({ err: error }, 'comparing blocks with the database failed'))
        .finally(() => {
          this.#reviewing = null;
        });
    }, REVIEW_MS);
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    if (this.#timer) clearInterval(this.#timer);
    await this.#reviewing;
  }

  async #load(userIds: readonly string[]): Promise<void> {
    const cuts = await this.#deps.repository.findCuts(userIds);
    for (const userId of userIds) for (const other of this.#cutOff.get(userId) ?? []) this.#show(other, userId);
    for (const [person, other] of cuts) this.#hide(other, person);
  }

  #heed(payload: string): void {
    const [one, other] = readPair(payload);
    if (one === undefined || other === undefined) return;
    if (!this.#connected.has(one) && !this.#connected.has(other)) return;
    this.#deps.repository.isCut(one, other).then(
      (cut) => this.#set(one, other, cut),
      // The next review sees it.
      (error: unknown) => this.#deps.logger.warn({ err: error }, 'reading a changed block failed'),
    );
  }

  #set(one: string, other: string, cut: boolean): void {
    for (const [person, hidden] of [
      [one, other],
      [other, one],
    ] as const) {
      if (cut) this.#hide(person, hidden);
      else this.#show(person, hidden);
    }
  }

  #hide(person: string, from: string): void {
    if (!this.#connected.has(from)) return;
    this.#hidden.set(person, (this.#hidden.get(person) ?? new Set()).add(from));
    this.#cutOff.set(from, (this.#cutOff.get(from) ?? new Set()).add(person));
  }

  #show(person: string, to: string): void {
    remove(this.#hidden, person, to);
    remove(this.#cutOff, to, person);
  }
}

function remove(sets: Map<string, Set<string>>, key: string, item: string): void {
  const set = sets.get(key);
  if (set?.delete(item) && set.size === 0) sets.delete(key);
}

/** The pair of a hint; nothing where another version says something else. */
function readPair(payload: string): string[] {
  try {
    const pair: unknown = JSON.parse(payload);
    return Array.isArray(pair) && pair.every((id) => typeof id === 'string') ? pair : [];
  } catch {
    return [];
  }
}
