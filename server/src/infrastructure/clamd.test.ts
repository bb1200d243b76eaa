import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { scanWithClamd } from './clamd.ts';

// What a scanner in trouble does; what a sound one does is tested with clamd itself (test/contract/attachments-virus.test.ts).

let folder: string;
let path: string;
let server: Server | undefined;
const SIZE = 3_000_000;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-clamd-'));
  path = join(folder, 'file');
  await writeFile(path, Buffer.alloc(SIZE, 'x'));
});
afterAll(() => rm(folder, { recursive: true }));
afterEach(() => void server?.close());

/** Scans against something that behaves so. */
async function scan(behave: (socket: Socket) => void, patienceMs = 20_000) {
  server = createServer((socket) => {
    socket.on('error', () => {});
    behave(socket);
  });
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return scanWithClamd(path, { host: '127.0.0.1', port }, patienceMs);
}

describe('a scan', () => {
  it('sends the file in pieces with their lengths, and an empty one at the end', async () => {
    const parts: Buffer[] = [];
    const verdict = await scan((socket) =>
      socket.on('data', (data) => {
        parts.push(data);
        if (data.subarray(-4).equals(Buffer.alloc(4))) socket.end('stream: OK\0');
      }),
    );
    expect(verdict).toEqual({ verdict: 'clean' });
    const sent = Buffer.concat(parts);
    expect(sent.toString('latin1', 0, 10)).toBe('zINSTREAM\0');
    let bytes = 0;
    let at = 10;
    for (let length = sent.readUInt32BE(at); length > 0; length = sent.readUInt32BE(at)) {
      bytes += length;
      at += 4 + length;
    }
    expect([bytes, at + 4]).toEqual([SIZE, sent.length]);
  });

  it('hears an answer that comes before the end of the file', async () => {
    const verdict = await scan((socket) => socket.once('data', () => socket.end('stream: Some.Virus FOUND\0')));
    expect(verdict).toEqual({ verdict: 'infected', virus: 'Some.Virus' });
  });

  it.each([
    ['hangs up', (socket: Socket) => socket.destroy()],
    ['hangs up in the middle', (socket: Socket) => socket.once('data', () => socket.destroy())],
    ['says something else', (socket: Socket) => socket.once('data', () => socket.end('UNKNOWN COMMAND\0'))],
    ['says half', (socket: Socket) => socket.once('data', () => socket.end('stream: O'))],
    ['never stops', (socket: Socket) => socket.once('data', () => socket.end('x'.repeat(100_000)))],
  ])('fails where it %s', async (_what, behave) => {
    await expect(scan(behave)).rejects.toThrow(/clamd|ECONNRESET|EPIPE/);
  });

  it('does not wait for ever', async () => {
    await expect(scan((socket) => socket.resume(), 200)).rejects.toThrow('did not answer in time');
    // Nor where it reads nothing: then it is the sending that stands still.
    await expect(scan((socket) => socket.pause(), 200)).rejects.toThrow('did not answer in time');
  });

  it('fails where nobody listens', async () => {
    await expect(scanWithClamd(path, { path: join(folder, 'no.sock') }, 1_000)).rejects.toThrow('ENOENT');
  });
});
