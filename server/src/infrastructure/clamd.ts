import { open as openFile } from 'node:fs/promises';
import { connect, type NetConnectOpts, type Socket } from 'node:net';

/** What clamd says of a file. */
export type ClamdVerdict =
  | { readonly verdict: 'clean' }
  | { readonly verdict: 'infected'; readonly virus: string }
  /** Longer than its `StreamMaxLength`. */
  | { readonly verdict: 'too_large' };

const PIECE_BYTES = 64 * 1024;

/** A daemon that is there is reached within this time. */
const CONNECT_MS = 10_000;

/** More than any answer of clamd. */
const ANSWER_BYTES = 4_096;

/**
 * Lets a ClamAV daemon look into a local file: one connection, the file in pieces with their lengths before them (INSTREAM),
 * one line back. No more of it is in memory than clamd has taken.
 *
 * @throws Error when it cannot be reached, is silent for `patienceMs`, or answers with anything else.
 */
export async function scanWithClamd(path: string, address: NetConnectOpts, patienceMs: number): Promise<ClamdVerdict> {
  const { socket, answer } = open(address, patienceMs);
  try {
    // It may answer, and hang up, before it has all.
    await Promise.race([sendFile(path, socket), answer]);
    return judge(await answer);
  } catch (error) {
    // Past its limit it says so and hangs up at once: whoever is still sending then may see no more than that.
    if (wasCutOff(error) && (await isAlive(address, patienceMs))) return { verdict: 'too_large' };
    throw error;
  } finally {
    socket.destroy();
  }
}

async function isAlive(address: NetConnectOpts, patienceMs: number): Promise<boolean> {
  const { socket, answer } = open(address, patienceMs);
  try {
    await write(socket, Buffer.from('zPING\0'));
    return (await answer) === 'PONG';
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

function open(address: NetConnectOpts, patienceMs: number): { socket: Socket; answer: Promise<string> } {
  const socket = connect(address);
  socket.setTimeout(Math.min(patienceMs, CONNECT_MS), () => socket.destroy(new Error('clamd did not answer in time')));
  socket.once('connect', () => socket.setTimeout(patienceMs));
  return { socket, answer: readAnswer(socket) };
}

function wasCutOff(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EPIPE' || error.code === 'ECONNRESET');
}

async function sendFile(path: string, socket: Socket): Promise<void> {
  const file = await openFile(path, 'r');
  try {
    await write(socket, Buffer.from('zINSTREAM\0'));
    const piece = Buffer.alloc(4 + PIECE_BYTES);
    for (;;) {
      const { bytesRead } = await file.read(piece, 4, PIECE_BYTES);
      piece.writeUInt32BE(bytesRead, 0);
      // A piece of no length is the end.
      await write(socket, piece.subarray(0, 4 + bytesRead));
      if (bytesRead === 0 || socket.destroyed) return;
    }
  } finally {
    await file.close();
  }
}

/** Resolves when the piece is on its way, or the connection is over: why it is, the answer says. */
function write(socket: Socket, bytes: Buffer): Promise<void> {
  if (socket.destroyed || !socket.writable) return Promise.resolve();
  return new Promise((resolve) => {
    socket.once('close', resolve);
    socket.write(bytes, () => {
      socket.off('close', resolve);
      resolve();
    });
  });
}

function readAnswer(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    let trouble: Error | undefined;
    socket.on('data', (data) => {
      text += data.toString('utf8');
      if (text.includes('\0')) resolve(text.slice(0, text.indexOf('\0')));
      else if (text.length > ANSWER_BYTES) socket.destroy(new Error('clamd said too much'));
    });
    socket.on('error', (error) => {
      trouble = error;
    });
    socket.on('close', () => reject(trouble ?? new Error('clamd hung up without an answer')));
  });
}

function judge(answer: string): ClamdVerdict {
  if (answer === 'stream: OK') return { verdict: 'clean' };
  const virus = /^stream: (.{1,200}) FOUND$/.exec(answer)?.[1];
  if (virus !== undefined) return { verdict: 'infected', virus };
  if (answer.startsWith('INSTREAM size limit exceeded')) return { verdict: 'too_large' };
  throw new Error(`clamd answered ${JSON.stringify(answer.slice(0, 200))}`);
}
