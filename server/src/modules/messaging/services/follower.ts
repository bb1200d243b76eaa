import type { Role } from '@parley/protocol';
import type { Fact } from '../messaging.events.ts';

/** How far this node is in one conversation, and who of the people connected here is in it. */
export class Follower {
  readonly conversationId: string;
  /** The last `rev` that was told here. */
  rev: number;
  readonly members = new Map<string, Role>();
  /** Facts that came before the ones they follow, by `rev`. */
  readonly waiting = new Map<number, Fact>();
  /** The log is being read: until it is, nothing is applied. */
  repairing = false;
  gapTimer: NodeJS.Timeout | null = null;

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

  end(): void {
    if (this.gapTimer) clearTimeout(this.gapTimer);
    this.gapTimer = null;
    this.waiting.clear();
  }
}
