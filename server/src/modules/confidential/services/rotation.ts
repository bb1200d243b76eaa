import type { KeyPurpose, KeyRing } from '../../../infrastructure/key-ring.ts';
import { UnreadableError } from '../../../infrastructure/sealing.ts';
import {
  KEPT_KINDS,
  type KeptKey,
  type KeptKind,
  type KeysRepository,
  type KeyUse,
} from '../repositories/keys.repository.ts';

/** What one walk over the keys did. */
export interface Rotated {
  readonly conversations: number;
  readonly files: number;
  /** Keys that no master key of the ring opens. */
  readonly lost: number;
}

export type RotationProgress = Rotated;

/** Keys that are wrapped anew by one statement. */
const BATCH = 500;
/** A key that somebody else changed between reading and writing is met again on the next walk. */
const MOST_WALKS = 5;

/**
 * Wraps every data key and file key anew that the current master key did not wrap. The texts and files stay as they are.
 *
 * The server may run meanwhile: a reader gets a key as it was or as it is, and both open. It may be broken off and run again
 * at any time; what is done is not done twice.
 */
export class KeyRotation {
  readonly #ring: KeyRing;
  readonly #repository: KeysRepository;
  readonly #batch: number;

  constructor(deps: { ring: KeyRing; repository: KeysRepository; batch?: number }) {
    this.#ring = deps.ring;
    this.#repository = deps.repository;
    this.#batch = deps.batch ?? BATCH;
  }

  /**
   * @param onProgress told after each batch.
   * @param signal leaves off after the batch under way.
   */
  async rotate(onProgress: (progress: RotationProgress) => void = () => {}, signal?: AbortSignal): Promise<Rotated> {
    let [conversations, files, lost] = [0, 0, 0];
    for (let walk = 1; walk <= MOST_WALKS; walk++) {
      const before = conversations + files;
      lost = 0;
      for (const kind of KEPT_KINDS) {
        for await (const batch of this.#walk(kind)) {
          if (kind === 'conversation') conversations += batch.done;
          else files += batch.done;
          lost += batch.lost;
          onProgress({ conversations, files, lost });
          if (signal?.aborted) return { conversations, files, lost };
        }
      }
      // A walk that found nothing to do is the proof; what a node still wraps with another key comes in while one walks.
      if (conversations + files === before) break;
    }
    return { conversations, files, lost };
  }

  /** Master keys, those that are configured and those that something needs, with what each wraps. */
  async listKeys(): Promise<(KeyUse & { readonly state: 'current' | 'old' | 'missing' })[]> {
    const uses = new Map((await this.#repository.countUses()).map((use) => [use.keyId, use]));
    return [...new Set([...this.#ring.ids, ...uses.keys()])].map((keyId) => ({
      keyId,
      conversations: uses.get(keyId)?.conversations ?? 0,
      files: uses.get(keyId)?.files ?? 0,
      state: keyId === this.#ring.currentId ? 'current' : this.#ring.has(keyId) ? 'old' : 'missing',
    }));
  }

  async *#walk(kind: KeptKind): AsyncGenerator<{ done: number; lost: number }> {
    const { currentId } = this.#ring;
    if (currentId === null) throw new Error('ENCRYPTION_KEYS names no key to wrap with');
    for (const wrapper of await this.#repository.findWrappers(kind)) {
      if (wrapper !== currentId) yield* this.#walkThrough(kind, wrapper);
    }
  }

  async *#walkThrough(kind: KeptKind, wrapper: string): AsyncGenerator<{ done: number; lost: number }> {
    for (let after: string | null = null; ; ) {
      const found: KeptKey[] = await this.#repository.findWrappedBy(kind, wrapper, after, this.#batch);
      const moves = found.flatMap((before) => this.#rewrap(kind, before) ?? []);
      const done = moves.length > 0 ? await this.#repository.replace(kind, moves) : 0;
      if (found.length > 0) yield { done, lost: found.length - moves.length };
      if (found.length < this.#batch) return;
      after = found.at(-1)!.id;
    }
  }

  /** Null where no master key opens it: it is left for the day when one does. */
  #rewrap(kind: KeptKind, before: KeptKey) {
    const purpose: KeyPurpose = kind === 'conversation' ? 'conversation' : 'file';
    try {
      return { before, after: this.#ring.wrap(this.#ring.unwrap(before, purpose, before.id), purpose, before.id) };
    } catch (error) {
      if (error instanceof UnreadableError) return null;
      throw error;
    }
  }
}
