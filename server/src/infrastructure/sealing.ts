import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

/**
 * Why something that was sealed does not open: its key is not on this server, or it was changed, or put where it does not
 * belong.
 */
export type UnreadableReason = 'key' | 'damage';

/** Something that was sealed does not open. */
export class UnreadableError extends Error {
  override readonly name = 'UnreadableError';
  readonly reason: UnreadableReason;

  constructor(reason: UnreadableReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** What a sealed thing is bound to: it opens in the same context only. */
export type SealContext = readonly (string | number)[];

export const KEY_BYTES = 32;

const ALGORITHM = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Before every sealed text; another way of sealing would have another one. */
const VERSION = 'v1';

/** A new random key of 256 bits. */
export function newKey(): Buffer {
  return randomBytes(KEY_BYTES);
}

/** A key for one use, out of another one (HKDF with SHA-256). */
export function deriveKey(key: Uint8Array, use: SealContext, salt: Uint8Array = new Uint8Array()): Buffer {
  return Buffer.from(hkdfSync('sha256', key, salt, bytesOf(use), KEY_BYTES));
}

/** Seals bytes with AES-256-GCM under a random nonce: `v1.` and base64url of nonce, ciphertext and tag. */
export function seal(key: Uint8Array, bytes: Uint8Array, context: SealContext): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(ALGORITHM, key, nonce).setAAD(bytesOf(context));
  const sealed = Buffer.concat([nonce, cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
  return `${VERSION}.${sealed.toString('base64url')}`;
}

/**
 * Opens what `seal` made.
 *
 * @throws UnreadableError where it was made with another key or context, or was changed since.
 */
export function open(key: Uint8Array, sealed: string, context: SealContext): Buffer {
  const [version, text] = sealed.split('.', 2);
  const bytes = Buffer.from(text ?? '', 'base64url');
  if (version !== VERSION || bytes.length < NONCE_BYTES + TAG_BYTES) {
    throw new UnreadableError('damage', 'this is nothing that was sealed here');
  }
  try {
    const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
      .setAAD(bytesOf(context))
      .setAuthTag(bytes.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch (error) {
    throw new UnreadableError('damage', 'it was changed, or sealed for another place', { cause: error });
  }
}

/** As JSON: no two contexts look the same. */
function bytesOf(context: SealContext): Buffer {
  return Buffer.from(JSON.stringify(['parley', VERSION, ...context]));
}
