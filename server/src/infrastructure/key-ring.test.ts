import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { KeyRing } from './key-ring.ts';
import { newKey, open, seal, UnreadableError } from './sealing.ts';

const ring = (...ids: string[]) => new KeyRing(ids.map((id) => ({ id, key: new Uint8Array(32).fill(id.length) })));

function reasonOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof UnreadableError) return error.reason;
    throw error;
  }
  return 'opens';
}

describe('sealing', () => {
  const key = newKey();

  it('opens what it sealed, in its place and with its key only', () => {
    const text = Buffer.from('läuft 🙂');
    const sealed = seal(key, text, ['a', 1]);
    expect(open(key, sealed, ['a', 1])).toEqual(text);
    expect(reasonOf(() => open(key, sealed, ['a', 2]))).toBe('damage');
    expect(reasonOf(() => open(key, sealed, ['a', '1']))).toBe('damage');
    expect(reasonOf(() => open(key, sealed, ['a']))).toBe('damage');
    expect(reasonOf(() => open(newKey(), sealed, ['a', 1]))).toBe('damage');
  });

  it('does not open with any one bit changed, nor cut anywhere', () => {
    const sealed = seal(key, Buffer.from('text'), ['a']);
    const bytes = Buffer.from(sealed.slice(3), 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      expect(reasonOf(() => open(key, `v1.${changed.toString('base64url')}`, ['a']))).toBe('damage');
    }
    for (let length = 0; length < sealed.length; length++) {
      expect(reasonOf(() => open(key, sealed.slice(0, length), ['a']))).toBe('damage');
    }
  });

  it('seals the same text otherwise each time', () => {
    const texts = new Set(Array.from({ length: 100 }, () => seal(key, Buffer.from('same'), ['a'])));
    expect(texts.size).toBe(100);
  });
});

describe('the key ring', () => {
  it('wraps with the first key and unwraps with all of them', () => {
    const key = randomBytes(32);
    const old = ring('old').wrap(key, 'conversation', 'c1');
    expect(old.keyId).toBe('old');
    expect(ring('newer', 'old').unwrap(old, 'conversation', 'c1')).toEqual(key);
    expect(ring('newer', 'old').wrap(key, 'conversation', 'c1').keyId).toBe('newer');
  });

  it('unwraps for the same purpose and subject only', () => {
    const keys = ring('one');
    const wrapped = keys.wrap(randomBytes(32), 'conversation', 'c1');
    expect(reasonOf(() => keys.unwrap(wrapped, 'file', 'c1'))).toBe('key');
    expect(reasonOf(() => keys.unwrap(wrapped, 'conversation', 'c2'))).toBe('key');
    expect(reasonOf(() => ring('three').unwrap(wrapped, 'conversation', 'c1'))).toBe('key');
    const underSameId = new KeyRing([{ id: 'one', key: newKey() }]);
    expect(reasonOf(() => underSameId.unwrap(wrapped, 'conversation', 'c1'))).toBe('key');
  });

  it('has nothing to wrap with where there is no key', () => {
    expect(ring().currentId).toBeNull();
    expect(() => ring().wrap(newKey(), 'file', 'f1')).toThrow();
  });
});
