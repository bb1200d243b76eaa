import { once } from 'node:events';
import { crc32, createDeflate, deflateSync } from 'node:zlib';
import { API_PREFIX, type Attachment, type Problem } from '@parley/protocol';
import sharp from 'sharp';
import { call, type RestAnswer, type TestUser, tokenOf } from './app.ts';

/** An address of the API and the headers of somebody who calls it. */
export interface Caller {
  readonly url: string;
  readonly user: TestUser;
}

/** Uploads bytes as a form, the way a browser does; refusals are answers too. */
export async function upload(
  { url, user }: Caller,
  bytes: Uint8Array<ArrayBuffer>,
  name = 'file.bin',
): Promise<RestAnswer<Attachment & Problem>> {
  const form = new FormData();
  form.append('file', new Blob([bytes]), name);
  return call(`${url}${API_PREFIX}/attachments`, {
    method: 'POST',
    body: form,
    headers: { authorization: `Bearer ${await tokenOf(user)}` },
  });
}

/** Uploads a form of any making. */
export async function uploadRaw(
  { url, user }: Caller,
  body: string | ReadableStream<Uint8Array>,
  contentType = 'multipart/form-data; boundary=x',
): Promise<RestAnswer<Attachment & Problem>> {
  return call(`${url}${API_PREFIX}/attachments`, {
    method: 'POST',
    body,
    headers: { authorization: `Bearer ${await tokenOf(user)}`, 'content-type': contentType },
    ...(body instanceof ReadableStream && { duplex: 'half' }),
  } as RequestInit);
}

/** One part of a form with the boundary `x`, its head byte by byte as given. */
export function part(head: string, body: string): string {
  return `--x\r\n${head}\r\n\r\n${body}\r\n`;
}

/** What a file answered, its bytes included. */
export interface Fetched {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
  /** The code of a refusal. */
  readonly code: string | undefined;
}

/** Fetches a file by its path, as somebody or, with null, without a token. */
export async function download(
  url: string,
  path: string,
  user: TestUser | null,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Fetched> {
  const response = await fetch(url + path, {
    method,
    headers: { ...(user !== null && { authorization: `Bearer ${await tokenOf(user)}` }), ...headers },
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  const isProblem = response.headers.get('content-type')?.startsWith('application/problem+json');
  return {
    status: response.status,
    headers: response.headers,
    bytes,
    code: isProblem && bytes.length > 0 ? (JSON.parse(bytes.toString()) as Problem).code : undefined,
  };
}

/** A picture with something to see in it, of one of the formats that are encoded anew. */
export async function picture(
  format: 'png' | 'jpeg' | 'webp' | 'gif' = 'png',
  { width = 320, height = 200 } = {},
): Promise<Buffer<ArrayBuffer>> {
  const background = { r: 200, g: 80, b: 40 };
  const stripes = Buffer.from(
    `<svg width="${width}" height="${height}"><rect width="50%" height="50%" fill="#2a6"/></svg>`,
  );
  const made = sharp({ create: { width, height, channels: 3, background } }).composite([{ input: stripes }]);
  return Buffer.from(await made.toFormat(format).toBuffer());
}

/** The smallest PDF that readers take. */
export const PDF = Buffer.from(
  '%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n' +
    'trailer<</Root 1 0 R>>\n%%EOF\n',
);

/** A recording in PCM of so many seconds. */
export function wav(seconds: number): Buffer<ArrayBuffer> {
  const rate = 8_000;
  const data = rate * seconds;
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + data, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(rate, 28);
  head.writeUInt16LE(1, 32);
  head.writeUInt16LE(8, 34);
  head.write('data', 36);
  head.writeUInt32LE(data, 40);
  return Buffer.concat([head, Buffer.alloc(data, 128)]);
}

/** An archive with one compressed entry, which unpacks to so many zero bytes. */
export async function zipOfZeros(name: string, size: number): Promise<Buffer<ArrayBuffer>> {
  return zipOfPacked(name, await deflateZeros(size), size, 0);
}

/** An archive with one compressed entry. */
export function zipOf(name: string, content: Buffer): Buffer<ArrayBuffer> {
  return zipOfPacked(name, deflateSync(content), content.length, crc32(content));
}

function zipOfPacked(name: string, deflated: Buffer, size: number, check: number): Buffer<ArrayBuffer> {
  // Raw deflate is what zlib writes between its head of 2 bytes and its tail of 4.
  const packed = deflated.subarray(2, -4);
  const fields = Buffer.alloc(26);
  fields.writeUInt16LE(20, 0);
  fields.writeUInt16LE(8, 4);
  fields.writeUInt32LE(check, 10);
  fields.writeUInt32LE(packed.length, 14);
  fields.writeUInt32LE(size, 18);
  fields.writeUInt16LE(name.length, 22);
  const local = Buffer.concat([Buffer.from('PK\x03\x04'), fields, Buffer.from(name), packed]);
  const central = Buffer.concat([
    Buffer.from('PK\x01\x02\x14\x00', 'latin1'),
    fields,
    Buffer.alloc(14),
    Buffer.from(name),
  ]);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 0, 'latin1');
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(local.length, 16);
  return Buffer.concat([local, central, end]);
}

/** A whole, valid picture of one bit a pixel, black all over. */
export async function blackPng(width: number, height: number): Promise<Buffer<ArrayBuffer>> {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.writeUInt8(1, 8);
  const rows = await deflateZeros(height * (1 + Math.ceil(width / 8)));
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk('IHDR', head), chunk('IDAT', rows), chunk('IEND', Buffer.alloc(0))]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}

/** A film of so many frames on a canvas of 1,000 by 1,000. */
export function gifOfFrames(frames: number): Buffer<ArrayBuffer> {
  const head = Buffer.from('474946383961e803e803800000000000ffffff', 'hex');
  const frame = Buffer.from('21f904000a0000002c00000000010001000002024401003b', 'hex').subarray(0, -1);
  return Buffer.concat([head, ...new Array<Buffer>(frames).fill(frame), Buffer.from(';')]);
}

async function deflateZeros(size: number): Promise<Buffer> {
  if (size < 1_000_000) return deflateSync(Buffer.alloc(size));
  const deflate = createDeflate({ level: 1 });
  const packed: Buffer[] = [];
  deflate.on('data', (data: Buffer) => packed.push(data));
  const zeros = Buffer.alloc(1_000_000);
  for (let left = size; left > 0; left -= zeros.length) {
    if (!deflate.write(zeros.subarray(0, Math.min(left, zeros.length)))) await once(deflate, 'drain');
  }
  deflate.end();
  await once(deflate, 'end');
  return Buffer.concat(packed);
}
