import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { decodeSound } from './sound-decoders.ts';
import { measureLoudness } from './waveform.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-sounds-'));
});
afterAll(() => rm(folder, { recursive: true }));
afterEach(() => void vi.restoreAllMocks());

/** A tone of two seconds, low for the first and eight times as loud for the second. */
const swell = (ending: string) => readFile(new URL(`../../../../test/support/sounds/swell${ending}`, import.meta.url));

async function levelsOf(bytes: Uint8Array, mimeType: string, patienceMs = 20_000): Promise<number[] | null> {
  const path = join(folder, 'sound');
  await writeFile(path, bytes);
  return measureLoudness(decodeSound(path, mimeType)!, 16, patienceMs);
}

function wavOf(kind: number, bits: number, write: (bytes: Buffer, level: number, at: number) => void): Buffer {
  const frames = 16_000;
  const data = Buffer.alloc((frames * 2 * bits) / 8);
  for (let frame = 0; frame < frames; frame += 1) {
    const level = (frame < frames / 2 ? 0.1 : 0.8) * (frame % 2 === 0 ? 1 : -1);
    // In the second channel there is nothing.
    write(data, level, (frame * 2 * bits) / 8);
    write(data, 0, ((frame * 2 + 1) * bits) / 8);
  }
  const format = Buffer.alloc(16);
  format.writeUInt16LE(kind, 0);
  format.writeUInt16LE(2, 2);
  format.writeUInt32LE(8_000, 4);
  format.writeUInt16LE(bits, 14);
  // A chunk of an odd length, with its byte of padding, stands before the others.
  const chunks = [chunk('LIST', Buffer.from('odd')), Buffer.alloc(1), chunk('fmt ', format), chunk('data', data)];
  return Buffer.concat([Buffer.from('RIFF\0\0\0\0WAVE'), ...chunks]);
}

function chunk(name: string, content: Buffer): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(content.length);
  return Buffer.concat([Buffer.from(name), size, content]);
}

const wavs: [string, Buffer][] = [
  ['8 bits', wavOf(1, 8, (bytes, level, at) => bytes.writeUInt8(Math.round(128 + level * 127), at))],
  ['16 bits', wavOf(1, 16, (bytes, level, at) => bytes.writeInt16LE(Math.round(level * 32_767), at))],
  ['24 bits', wavOf(1, 24, (bytes, level, at) => bytes.writeIntLE(Math.round(level * 8_388_607), at, 3))],
  ['32 bits', wavOf(1, 32, (bytes, level, at) => bytes.writeInt32LE(Math.round(level * 2_147_483_647), at))],
  ['floats', wavOf(3, 32, (bytes, level, at) => bytes.writeFloatLE(level, at))],
  ['long floats', wavOf(3, 64, (bytes, level, at) => bytes.writeDoubleLE(level, at))],
];

const expectSwell = (levels: number[] | null): void => {
  expect(levels).toHaveLength(16);
  for (const level of levels!.slice(2, 7)) expect(level).toBeGreaterThan(5);
  for (const level of levels!.slice(2, 7)) expect(level).toBeLessThan(25);
  for (const level of levels!.slice(9)) expect(level).toBeGreaterThan(80);
};

describe('how loud a recording is', () => {
  it.each(wavs)('is told of WAV in %s', async (_what, bytes) => expectSwell(await levelsOf(bytes, 'audio/wav')));

  it('is told of MP3', async () => expectSwell(await levelsOf(await swell('.mp3'), 'audio/mpeg')));

  it('is told of Opus in Ogg', async () => expectSwell(await levelsOf(await swell('.opus'), 'audio/ogg')));

  it('is told of silence', async () => {
    const silence = wavOf(1, 16, () => {});
    expect(await levelsOf(silence, 'audio/wav')).toEqual(Array(16).fill(0));
  });

  it('is not told of what cannot be decoded', async () => {
    expect(decodeSound('/nowhere', 'audio/mp4')).toBeNull();
    await expect(levelsOf(await swell('-vorbis.ogg'), 'audio/ogg')).rejects.toThrow('not Opus');
    await expect(
      levelsOf(
        wavOf(2, 16, () => {}),
        'audio/wav',
      ),
    ).rejects.toThrow('no format');
    await expect(levelsOf(Buffer.alloc(100_000, 'x'), 'audio/ogg')).rejects.toThrow('not a page');
    expect(await levelsOf(Buffer.from('RIFF'), 'audio/wav')).toBeNull();
  });

  it('is not told of what takes too long', async () => {
    await expect(levelsOf(wavs[1]![1], 'audio/wav', -1)).rejects.toThrow('too long');
  });

  it('is told, or not, of whatever is cut off anywhere or has a byte changed', { timeout: 60_000 }, async () => {
    const sounds: [Buffer, string][] = [
      [await swell('.mp3'), 'audio/mpeg'],
      [await swell('.opus'), 'audio/ogg'],
      [wavs[2]![1].subarray(0, 4_000), 'audio/wav'],
    ];
    // The decoder tells it to the console, too.
    vi.spyOn(console, 'error').mockImplementation(() => {});
    vi.spyOn(console, 'log').mockImplementation(() => {});
    for (const [whole, type] of sounds) {
      for (let hundredth = 0; hundredth < 100; hundredth += 3) {
        const at = Math.floor((whole.length * hundredth) / 100);
        const changed = Buffer.from(whole);
        changed.writeUInt8(changed.readUInt8(at) ^ 0xff, at);
        for (const bytes of [whole.subarray(0, at), changed]) {
          const levels = await levelsOf(bytes, type).catch((error: unknown) => {
            expect(error).toBeInstanceOf(Error);
            return null;
          });
          expect(levels?.every((level) => level >= 0 && level <= 100) ?? true, `${type} at ${at}`).toBe(true);
        }
      }
    }
  });
});
