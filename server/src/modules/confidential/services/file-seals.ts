import type { KeyRing, WrappedKey } from '../../../infrastructure/key-ring.ts';
import { newKey, UnreadableError } from '../../../infrastructure/sealing.ts';
import { FileSeal } from '../file-seal.ts';

/** What of an attachment's row says how it was sealed. */
export interface SealedFileRow {
  readonly id: string;
  /** Sealed where `keyId` is not null. */
  readonly fileName: string;
  readonly preview: string | null;
  readonly keyId: string | null;
  readonly wrappedKey: string | null;
}

/** What a name is shown as that does not open. */
const NAMELESS = 'file';

/**
 * The seals of files. Where an upload will be sent nobody knows, so with a master key every file is sealed, by a key of its
 * own; without one none is, and those from before stay as they were.
 */
export class FileSeals {
  readonly #ring: KeyRing;

  constructor(ring: KeyRing) {
    this.#ring = ring;
  }

  /** A key for a new file; null where files are kept as they are. */
  create(id: string): { readonly key: WrappedKey; readonly seal: FileSeal } | null {
    if (this.#ring.currentId === null) return null;
    const key = newKey();
    return { key: this.#ring.wrap(key, 'file', id), seal: new FileSeal(id, key) };
  }

  /**
   * The seal of a file; null where it is kept as it is.
   *
   * @throws UnreadableError where its key is lost.
   */
  of({ id, keyId, wrappedKey }: Omit<SealedFileRow, 'fileName' | 'preview'>): FileSeal | null {
    if (keyId === null || wrappedKey === null) return null;
    return new FileSeal(id, this.#ring.unwrap({ keyId, wrapped: wrappedKey }, 'file', id));
  }

  /** The same row with its name and its preview opened. That these do not open is no reason to withhold the rest. */
  openTexts<Row extends SealedFileRow>(row: Row): Row {
    if (row.keyId == null) return row;
    try {
      const seal = this.of(row);
      const preview = row.preview == null ? null : (seal?.openPreview(row.preview) ?? null);
      return { ...row, fileName: seal?.openName(row.fileName) ?? NAMELESS, preview };
    } catch (error) {
      if (!(error instanceof UnreadableError)) throw error;
      return { ...row, fileName: NAMELESS, preview: null };
    }
  }
}
