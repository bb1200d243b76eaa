import type { Role } from '@parley/protocol';
import type { ParleySocket } from '../../../infrastructure/socket-server.ts';
import type { Fact } from '../messaging.events.ts';
import { type Whisper, Whispers } from './whispers.ts';

/** How far this node is in one conversation, and who of the people connected here is in it. */
export class Follower {
  readonly conversationId: string;
  /** The last `rev` that was told here. */
  rev: number;
  /** The highest `rev` that was told of while the log was being read. */
  toldMeanwhile = 0;
  readonly #members = new Map<string, Role>();
  /** Gathered when first asked for, and let go as soon as somebody comes or goes. */
  #audience: readonly ParleySocket[] | null = null;
  /** The log is being read: until it is, nothing is applied. */
  repairing = false;
  /** Something is to be told at the end of this turn. */
  isDue = false;
  gapTimer: NodeJS.Timeout | null = null;
  /** Until receipts and typing may be told again. */
  whisperTimer: NodeJS.Timeout | null = null;
  /** What the members are still to be told, in order. */
  #untold: Untold[] = [];
  /** Facts that came before the ones they follow, by `rev`. Like the next one made when needed: most conversations lie still. */
  #waiting: Map<number, Fact> | null = null;
  #whispers: Whispers | null = null;

  constructor(conversationId: string, rev: number) {
    this.conversationId = conversationId;
    this.rev = rev;
  }

  get members(): ReadonlyMap<string, Role> {
    return this.#members;
  }

  /** Takes somebody in, or gives them another role. */
  setMember(userId: string, role: Role): void {
    this.#members.set(userId, role);
    this.#audience = null;
  }

  removeMember(userId: string): void {
    this.#members.delete(userId);
    this.#audience = null;
  }

  /** The connections that are told what happens here. @param connectionsOf those of one member. */
  audience(connectionsOf: (userId: string) => readonly ParleySocket[]): readonly ParleySocket[] {
    this.#audience ??= [...this.#members.keys()].flatMap(connectionsOf);
    return this.#audience;
  }

  /** A connection of a member came or is gone. */
  forgetAudience(): void {
    this.#audience = null;
  }

  /** Keeps a fact until those before it were told. */
  addWaiting(fact: Fact): void {
    this.#waiting ??= new Map();
    this.#waiting.set(fact.payload.rev, fact);
  }

  get hasWaiting(): boolean {
    return this.#waiting !== null && this.#waiting.size > 0;
  }

  /** The waiting fact with the next `rev`, if it is there. */
  takeNext(): Fact | null {
    const fact = this.#waiting?.get(this.rev + 1);
    if (!fact) return null;
    this.#waiting!.delete(this.rev + 1);
    return fact;
  }

  /** Everything up to `rev` was told, one way or the other. */
  advance(rev: number): void {
    this.rev = Math.max(this.rev, rev);
    for (const waiting of this.#waiting?.keys() ?? NOTHING) if (waiting <= this.rev) this.#waiting!.delete(waiting);
  }

  /** Puts an event behind the others. @param except who among the members is not told of it; null: all are. */
  addUntold(text: string, except: ReadonlySet<string> | null): void {
    const last = this.#untold.at(-1);
    if (last && last.except === null && except === null) last.texts.push(text);
    else this.#untold.push({ texts: [text], except });
  }

  /** All of it, without what is whispered; nothing is left. */
  takeUntold(): readonly Untold[] {
    const untold = this.#untold;
    if (untold.length > 0) this.#untold = [];
    return untold;
  }

  /** Receipts and typing on their way. */
  get whispers(): Whispers {
    this.#whispers ??= new Whispers();
    return this.#whispers;
  }

  /** Those that may be told by now. */
  takeWhispers(): readonly Whisper[] {
    return this.#whispers?.take(performance.now(), this.members.size) ?? NOTHING;
  }

  /** What waits to be told about the typing of one person. */
  takeTyping(userId: string): Whisper | null {
    return this.#whispers?.takeTyping(userId) ?? null;
  }

  end(): void {
    if (this.gapTimer) clearTimeout(this.gapTimer);
    this.gapTimer = null;
    if (this.whisperTimer) clearTimeout(this.whisperTimer);
    this.whisperTimer = null;
    this.#whispers = null;
    this.#waiting = null;
    this.#untold = [];
  }
}

const NOTHING: readonly never[] = [];

/** Events one after the other that the same people are told. */
interface Untold {
  readonly texts: string[];
  readonly except: ReadonlySet<string> | null;
}
