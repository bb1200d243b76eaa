import type { Role } from '@parley/protocol';
import type { Fact } from '../messaging.events.ts';

/** How far this node is in one conversation, and who of the people connected here is in it. */
export class Follower {
  readonly conversationId: string;
  /** The last `rev` that was told here. */
  rev: number;
  /** The highest `rev` that was told of while the log was being read. */
  toldMeanwhile = 0;
  readonly members = new Map<string, Role>();
  /** Facts that came before the ones they follow, by `rev`. */
  readonly waiting = new Map<number, Fact>();
  /** The log is being read: until it is, nothing is applied. */
  repairing = false;
  gapTimer: NodeJS.Timeout | null = null;
  /** What the members are still to be told, in order. */
  #untold: Untold[] = [];

  constructor(conversationId: string, rev: number) {
    this.conversationId = conversationId;
    this.rev = rev;
  }

  /** The waiting fact with the next `rev`, if it is there. */
  takeNext(): Fact | null {
    const fact = this.waiting.get(this.rev + 1);
    if (!fact) return null;
    this.waiting.delete(this.rev + 1);
    return fact;
  }

  /** Everything up to `rev` was told, one way or the other. */
  advance(rev: number): void {
    this.rev = Math.max(this.rev, rev);
    for (const waiting of this.waiting.keys()) if (waiting <= this.rev) this.waiting.delete(waiting);
  }

  /** Puts an event behind the others. @param except who among the members is not told of it; null: all are. */
  addUntold(text: string, except: ReadonlySet<string> | null): void {
    const last = this.#untold.at(-1);
    if (last && last.except === null && except === null) last.texts.push(text);
    else this.#untold.push({ texts: [text], except });
  }

  /** All of it; nothing is left. */
  takeUntold(): readonly Untold[] {
    const untold = this.#untold;
    if (untold.length > 0) this.#untold = [];
    return untold;
  }

  end(): void {
    if (this.gapTimer) clearTimeout(this.gapTimer);
    this.gapTimer = null;
    this.waiting.clear();
    this.#untold = [];
  }
}

/** Events one after the other that the same people are told. */
interface Untold {
  readonly texts: string[];
  readonly except: ReadonlySet<string> | null;
}
