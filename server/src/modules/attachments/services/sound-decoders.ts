import { createReadStream } from 'node:fs';
import { MPEGDecoder } from 'mpg123-decoder';
import { OpusDecoder } from 'opus-decoder';
import type { SoundPiece } from './waveform.ts';

/**
 * Decodes sound piece by piece: WAV, MP3, and Opus in Ogg. Null for a type that cannot be decoded here. What is damaged ends
 * early or with an error.
 */
export function decodeSound(path: string, mimeType: string): AsyncIterable<SoundPiece> | null {
  switch (mimeType) {
    case 'audio/wav':
      return decodeWav(readPieces(path));
    case 'audio/mpeg':
      return decodeMp3(readPieces(path));
    case 'audio/ogg':
    case 'audio/opus':
      return decodeOgg(readPieces(path));
    default:
      return null;
  }
}

type Pieces = AsyncIterable<Buffer>;

const readPieces = (path: string): Pieces => createReadStream(path, { highWaterMark: 32 * 1024 });

async function* decodeMp3(pieces: Pieces): AsyncGenerator<SoundPiece> {
  const decoder = new MPEGDecoder();
  await decoder.ready;
  try {
    for await (const piece of pieces) yield decoder.decode(piece).channelData;
  } finally {
    decoder.free();
  }
}

/** Reads samples of a WAV file as numbers from -1 to 1. */
interface WavFormat {
  readonly channels: number;
  readonly sampleBytes: number;
  readonly read: (bytes: Buffer, offset: number) => number;
}

const PCM = 1;
const FLOAT = 3;
/** The real one is in the extension. */
const EXTENSIBLE = 0xfffe;

async function* decodeWav(pieces: Pieces): AsyncGenerator<SoundPiece> {
  let bytes = Buffer.alloc(0);
  let format: WavFormat | undefined;
  /** Bytes of a chunk of no interest that are still to come. */
  let skip = 12;
  let inData = false;
  for await (const piece of pieces) {
    bytes = Buffer.concat([bytes, piece]);
    while (!inData) {
      const skipped = Math.min(skip, bytes.length);
      bytes = bytes.subarray(skipped);
      skip -= skipped;
      if (skip > 0 || bytes.length < 8) break;
      const name = bytes.toString('latin1', 0, 4);
      const size = bytes.readUInt32LE(4);
      if (name === 'data') {
        inData = true;
        bytes = bytes.subarray(8);
      } else if (name === 'fmt ') {
        if (bytes.length < 8 + Math.min(size, 40)) break;
        format = readWavFormat(bytes.subarray(8, 8 + size));
        skip = 8 + size + (size % 2);
      } else skip = 8 + size + (size % 2);
    }
    if (!inData) continue;
    if (!format) throw new Error('the samples come before their format');
    const frame = format.channels * format.sampleBytes;
    const whole = Math.floor(bytes.length / frame);
    yield readSamples(bytes, whole, format);
    bytes = bytes.subarray(whole * frame);
  }
}

function readWavFormat(head: Buffer): WavFormat {
  if (head.length < 16) throw new Error('no format of sound');
  const kind = head.readUInt16LE(0) === EXTENSIBLE && head.length >= 26 ? head.readUInt16LE(24) : head.readUInt16LE(0);
  const channels = head.readUInt16LE(2);
  const bits = head.readUInt16LE(14);
  const read = SAMPLES.get(`${kind}-${bits}`);
  if (!read || channels < 1 || channels > 32) throw new Error('no format that can be read here');
  return { channels, sampleBytes: bits / 8, read };
}

const SAMPLES: ReadonlyMap<string, WavFormat['read']> = new Map([
  [`${PCM}-8`, (bytes: Buffer, at: number) => (bytes.readUInt8(at) - 128) / 128],
  [`${PCM}-16`, (bytes: Buffer, at: number) => bytes.readInt16LE(at) / 2 ** 15],
  [`${PCM}-24`, (bytes: Buffer, at: number) => bytes.readIntLE(at, 3) / 2 ** 23],
  [`${PCM}-32`, (bytes: Buffer, at: number) => bytes.readInt32LE(at) / 2 ** 31],
  [`${FLOAT}-32`, (bytes: Buffer, at: number) => bytes.readFloatLE(at)],
  [`${FLOAT}-64`, (bytes: Buffer, at: number) => bytes.readDoubleLE(at)],
]);

function readSamples(bytes: Buffer, frames: number, { channels, sampleBytes, read }: WavFormat): SoundPiece {
  return Array.from({ length: channels }, (_, channel) =>
    Float32Array.from({ length: frames }, (_, frame) => read(bytes, (frame * channels + channel) * sampleBytes)),
  );
}

async function* decodeOgg(pieces: Pieces): AsyncGenerator<SoundPiece> {
  let decoder: OpusDecoder | undefined;
  let count = 0;
  try {
    for await (const packets of readOggPackets(pieces)) {
      const frames: Buffer[] = [];
      for (const packet of packets) {
        count += 1;
        // The first packet says how the others are to be decoded, the second one is text.
        if (count === 1) decoder = await openOpus(packet);
        else if (count > 2) frames.push(packet);
      }
      if (decoder && frames.length > 0) yield decoder.decodeFrames(frames).channelData;
    }
  } finally {
    decoder?.free();
  }
}

/** RFC 7845, 5.1. */
async function openOpus(head: Buffer): Promise<OpusDecoder> {
  if (head.length < 19 || head.toString('latin1', 0, 8) !== 'OpusHead') throw new Error('not Opus');
  const channels = head.readUInt8(9);
  const preSkip = head.readUInt16LE(10);
  const family = head.readUInt8(18);
  if (channels < 1 || channels > 8 || family > 1) throw new Error('channels that cannot be decoded here');
  const layout =
    family === 0
      ? { streamCount: 1, coupledStreamCount: channels - 1, channelMappingTable: [0, 1].slice(0, channels) }
      : {
          streamCount: head.readUInt8(19),
          coupledStreamCount: head.readUInt8(20),
          channelMappingTable: [...head.subarray(21, 21 + channels)],
        };
  const decoder = new OpusDecoder({ channels, preSkip, ...layout });
  await decoder.ready;
  return decoder;
}

const PAGE_HEAD = 27;
const CONTINUED = 1;

/** More than any packet of sound. */
const PACKET_BYTES = 1024 ** 2;

/** The packets of the first stream of an Ogg file, page by page (RFC 3533). */
async function* readOggPackets(pieces: Pieces): AsyncGenerator<Buffer[]> {
  let bytes = Buffer.alloc(0);
  let serial: number | undefined;
  let begun: Buffer[] = [];
  for await (const piece of pieces) {
    bytes = Buffer.concat([bytes, piece]);
    for (;;) {
      const page = readPage(bytes);
      if (!page) break;
      bytes = bytes.subarray(page.length);
      serial ??= page.serial;
      if (page.serial !== serial) continue;
      if (!page.isContinued) begun = [];
      const packets: Buffer[] = [];
      for (const segment of page.segments) {
        begun.push(segment);
        // Segments of 255 bytes go on in the next one.
        if (segment.length === 255) continue;
        packets.push(Buffer.concat(begun));
        begun = [];
      }
      if (begun.length * 255 > PACKET_BYTES) throw new Error('a packet is too large');
      yield packets;
    }
  }
}

interface OggPage {
  /** Bytes of it, its head included. */
  readonly length: number;
  readonly serial: number;
  readonly isContinued: boolean;
  readonly segments: readonly Buffer[];
}

/** The page that bytes begin with; null where it is not whole yet. */
function readPage(bytes: Buffer): OggPage | null {
  if (bytes.length < PAGE_HEAD) return null;
  if (bytes.toString('latin1', 0, 4) !== 'OggS') throw new Error('not a page of Ogg');
  const table = bytes.subarray(PAGE_HEAD, PAGE_HEAD + bytes.readUInt8(26));
  const length = PAGE_HEAD + table.length + table.reduce((sum, size) => sum + size, 0);
  if (table.length < bytes.readUInt8(26) || bytes.length < length) return null;
  let at = PAGE_HEAD + table.length;
  const segments = Array.from(table, (size) => {
    at += size;
    return bytes.subarray(at - size, at);
  });
  return {
    length,
    serial: bytes.readUInt32LE(14),
    isContinued: (bytes.readUInt8(5) & CONTINUED) !== 0,
    segments,
  };
}
