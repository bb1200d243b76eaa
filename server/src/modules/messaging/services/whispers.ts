import type { EventPayload } from '@parley/protocol';

/** What somebody does in a conversation that is no change of it: only the last state matters, and it may come a little later. */
export type Whisper =
  | { readonly name: 'receipt:read'; readonly payload: EventPayload<'receipt:read'> }
  | { readonly name: 'receipt:delivered'; readonly payload: EventPayload<'receipt:delivered'> }
  | { readonly name: 'typing:started' | 'typing:stopped'; readonly payload: EventPayload<'typing:started'> };

/** Of one conversation on one node, so many whispers are told to one person each a second; beyond it they gather. */
const PER_SECOND = 20_000;
/** Fewer than these at once cost too little to wait for. */
const SMALL = 100;
/** No state is kept back for longer. Below the time after which a typing mark ends by itself. */
const LONGEST_MS = 5_000;

/**
 * Receipts and typing of one conversation, on their way to those connected here. In a small conversation they are told
 * at once. Where a thousand people read what a thousand others are told of, each telling is followed by a pause as long as
 * it was costly, in which only the last state of everybody is kept; the last state is always told.
 */
export class Whispers {
  /** By kind and person. */
  readonly #waiting = new Map<string, Whisper>();
  #quietUntil = Number.NEGATIVE_INFINITY;

  add(whisper: Whisper): void {
    const key = keyOf(whisper);
    const before = this.#waiting.get(key);
    // Somebody who began and ended to type, or the other way about, is as everybody was told last.
    if (before && before.name !== whisper.name) this.#waiting.delete(key);
    else this.#waiting.set(key, whisper);
  }

  /** Milliseconds until what waits may be told; null where nothing does. */
  waitMs(now: number): number | null {
    return this.#waiting.size === 0 ? null : Math.max(0, this.#quietUntil - now);
  }

  /** All that waits, if it may be told by now, to so many people; nothing is left then. */
  take(now: number, listeners: number): readonly Whisper[] {
    if (this.waitMs(now) !== 0) return [];
    const taken = [...this.#waiting.values()];
    this.#waiting.clear();
    const told = taken.length * listeners;
    if (told >= SMALL) this.#quietUntil = now + Math.min(LONGEST_MS, (told * 1_000) / PER_SECOND);
    return taken;
  }

  /** What waits about the typing of one person, to be told with something else; nothing is left of it. */
  takeTyping(userId: string): Whisper | null {
    const key = `typing ${userId}`;
    const whisper = this.#waiting.get(key) ?? null;
    this.#waiting.delete(key);
    return whisper;
  }
}

function keyOf({ name, payload: { userId } }: Whisper): string {
  return name === 'typing:started' || name === 'typing:stopped' ? `typing ${userId}` : `${name} ${userId}`;
}
