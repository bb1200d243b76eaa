import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UnreadableError } from '../../infrastructure/sealing.ts';
import { type FileKind, FileSeal } from './file-seal.ts';

const CHUNK = 64 * 1024;
const seal = new FileSeal('f1', randomBytes(32));

async function gather(stream: Readable): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

/** As it comes from a socket: in pieces of any size. */
function inPieces(bytes: Buffer, size: number): Readable {
  return Readable.from(
    (function* () {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    })(),
  );
}

async function sealed(bytes: Buffer, by = seal, kind: FileKind = 'file', piece = 50_000): Promise<Buffer> {
  const through = by.sealBytes(kind);
  const [, result] = await Promise.all([pipeline(inPieces(bytes, piece), through), gather(through)]);
  return result;
}

const storeOf = (bytes: Buffer) => async (range?: { start: number; end: number }) =>
  inPieces(range ? bytes.subarray(range.start, range.end + 1) : bytes, 30_000);

async function opened(
  stored: Buffer,
  size: number,
  range?: { start: number; end: number },
  by = seal,
  kind: FileKind = 'file',
): Promise<Buffer> {
  return gather((await by.openBytes(kind, size, storeOf(stored), range))!);
}

describe('a sealed file', () => {
  it('gives back every part of itself, whatever its length and in whatever pieces it came', async () => {
    const sizes = [1, 15, 16, 17, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7];
    const ranges = fc.constantFrom(...sizes).chain((size) =>
      fc.record({
        size: fc.constant(size),
        ends: fc.tuple(fc.nat(size - 1), fc.nat(size - 1)),
        piece: fc.integer({ min: 1, max: 200_000 }).map((piece) => Math.max(piece, Math.ceil(size / 50))),
      }),
    );
    await fc.assert(
      fc.asyncProperty(ranges, async ({ size, ends, piece }) => {
        const bytes = randomBytes(size);
        const stored = await sealed(bytes, seal, 'file', piece);
        expect((await opened(stored, size)).equals(bytes)).toBe(true);
        const [start, end] = [Math.min(...ends), Math.max(...ends)];
        expect((await opened(stored, size, { start, end })).equals(bytes.subarray(start, end + 1))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('does not open changed, cut off, lengthened, with parts moved, as another file or as its own thumbnail', async () => {
    const bytes = randomBytes(2 * CHUNK + 100);
    const stored = await sealed(bytes);
    const chunkAt = (index: number): number => 33 + index * (CHUNK + 16);
    const changed = Buffer.from(stored);
    changed[chunkAt(1) + 5]! ^= 1;
    const swapped = Buffer.concat([
      stored.subarray(0, 33),
      stored.subarray(chunkAt(1), chunkAt(2)),
      stored.subarray(chunkAt(0), chunkAt(1)),
      stored.subarray(chunkAt(2)),
    ]);
    const other = await sealed(bytes);
    const mixed = Buffer.concat([stored.subarray(0, chunkAt(2)), other.subarray(chunkAt(2))]);
    const size = bytes.length;
    for (const [what, work] of Object.entries({
      changed: () => opened(changed, size),
      swapped: () => opened(swapped, size),
      mixed: () => opened(mixed, size),
      'cut off in a chunk': () => opened(stored.subarray(0, -1), size),
      'cut off after a chunk': () => opened(stored.subarray(0, chunkAt(2)), size),
      'said to be shorter': () => opened(stored, 2 * CHUNK),
      'said to be longer': () => opened(stored, size + CHUNK),
      'another file': () => opened(stored, size, undefined, new FileSeal('f2', Buffer.alloc(32))),
      'its thumbnail': () => opened(stored, size, undefined, seal, 'thumbnail'),
      'no sealed file': () => opened(bytes, size),
      empty: () => opened(Buffer.alloc(0), size),
    })) {
      await expect(work(), what).rejects.toBeInstanceOf(UnreadableError);
    }
    // What was not changed of a changed file opens still.
    expect(await opened(changed, size, { start: 0, end: 99 })).toEqual(bytes.subarray(0, 100));
  });

  it('holds nothing of what is in it, nor the same twice', async () => {
    const bytes = Buffer.alloc(100_000, 'canary');
    const [one, two] = [await sealed(bytes), await sealed(bytes)];
    expect(one.includes('canary')).toBe(false);
    expect(one.subarray(33, 100)).not.toEqual(two.subarray(33, 100));
    expect(seal.sealName('canary.pdf')).not.toContain('canary');
    expect(seal.openName(seal.sealName('canary.pdf'))).toBe('canary.pdf');
    expect(seal.openPreview(seal.sealPreview('canary'))).toBe('canary');
    // What is put in another's place does not open.
    expect(() => seal.openPreview(seal.sealName('canary'))).toThrow('sealed for another place');
    expect(await seal.openBytes('file', 5, async () => null)).toBeNull();
  });
});
