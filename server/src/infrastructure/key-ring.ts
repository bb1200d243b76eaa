import type { EncryptionKey } from '../config.ts';
import { open, seal, UnreadableError } from './sealing.ts';

/** A key as it is kept: sealed by the master key of that id. */
export interface WrappedKey {
  readonly keyId: string;
  readonly wrapped: string;
}

/** What a wrapped key is for; one does not open as the other. */
export type KeyPurpose = 'conversation' | 'file';

/**
 * The master keys of ENCRYPTION_KEYS. The first one wraps, all of them unwrap. They wrap the keys of conversations and files
 * and nothing else, so that changing the master key means to wrap those few bytes anew and to touch no text.
 */
export class KeyRing {
  readonly #keys: ReadonlyMap<string, Uint8Array>;
  /** Of the key that wraps; null where there is none. */
  readonly currentId: string | null;

  constructor(keys: readonly EncryptionKey[]) {
    this.#keys = new Map(keys.map(({ id, key }) => [id, key]));
    this.currentId = keys[0]?.id ?? null;
  }

  get ids(): string[] {
    return [...this.#keys.keys()];
  }

  has(keyId: string): boolean {
    return this.#keys.has(keyId);
  }

  /** Wraps a key with the current master key, bound to what it belongs to. */
  wrap(key: Uint8Array, purpose: KeyPurpose, subjectId: string): WrappedKey {
    const keyId = this.currentId;
    if (keyId === null) throw new Error('there is no master key to wrap with');
    return { keyId, wrapped: seal(this.#keys.get(keyId)!, key, contextOf(purpose, subjectId, keyId)) };
  }

  /**
   * The key that was wrapped for this subject.
   *
   * @throws UnreadableError `key` where the master key is not in the ring, `damage` where it does not open with it.
   */
  unwrap({ keyId, wrapped }: WrappedKey, purpose: KeyPurpose, subjectId: string): Buffer {
    const key = this.#keys.get(keyId);
    if (!key) throw new UnreadableError('key', `the master key ${keyId} is not among ENCRYPTION_KEYS`);
    try {
      return open(key, wrapped, contextOf(purpose, subjectId, keyId));
    } catch (error) {
      // Whoever keeps another key under the same id has lost the one it was wrapped with.
      throw new UnreadableError('key', `what the master key ${keyId} wrapped does not open with it`, { cause: error });
    }
  }
}

const contextOf = (purpose: KeyPurpose, subjectId: string, keyId: string) => ['key', purpose, subjectId, keyId];
