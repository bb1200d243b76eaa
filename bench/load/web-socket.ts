import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';

/**
 * A WebSocket of the load generator: no more than what its own targets need, so that one core can read half a million
 * messages a second. Text frames only; they are handed out as bytes that are valid during the call.
 */
export class LoadSocket {
  readonly #socket: Socket;
  readonly #onText: (text: Buffer, socket: LoadSocket) => void;
  #rest: Buffer | null = null;
  #isOpen = false;
  /** Resolves when the connection has ended, however that came. */
  readonly closed: Promise<void>;

  private constructor(socket: Socket, onText: (text: Buffer, socket: LoadSocket) => void) {
    this.#socket = socket;
    this.#onText = onText;
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
  }

  /** Resolves once the server has agreed; rejects when it refuses. */
  static open(port: number, path: string, onText: (text: Buffer, socket: LoadSocket) => void): Promise<LoadSocket> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const load = new LoadSocket(socket, onText);
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.once('close', () => reject(new Error('the server closed the connection')));
      socket.once('connect', () => {
        socket.write(
          `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
            `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
        );
      });
      socket.on('data', (data) => {
        if (load.#isOpen) {
          load.#read(data);
          return;
        }
        const head = load.#rest ? Buffer.concat([load.#rest, data]) : data;
        const end = head.indexOf('\r\n\r\n');
        if (end < 0) {
          load.#rest = head;
        } else if (!head.subarray(0, end).toString('latin1').startsWith('HTTP/1.1 101')) {
          reject(new Error(head.toString('latin1').slice(0, 300)));
          socket.destroy();
        } else {
          load.#isOpen = true;
          load.#rest = null;
          resolve(load);
          if (head.length > end + 4) load.#read(head.subarray(end + 4));
        }
      });
    });
  }

  send(text: string): void {
    const payload = Buffer.from(text);
    const { length } = payload;
    const head = length < 126 ? 6 : length < 65_536 ? 8 : 14;
    const frame = Buffer.allocUnsafe(head + length);
    frame[0] = 0x81;
    if (head === 6) frame[1] = 0x80 | length;
    else if (head === 8) {
      frame[1] = 0xfe;
      frame.writeUInt16BE(length, 2);
    } else {
      frame[1] = 0xff;
      frame.writeBigUInt64BE(BigInt(length), 2);
    }
    // The mask that must be there is all zero, so the text stays as it is.
    frame.fill(0, head - 4, head);
    payload.copy(frame, head);
    this.#socket.write(frame);
  }

  /** Reads no more, so that what comes piles up on the way. */
  stopReading(): void {
    this.#socket.pause();
  }

  /** Cuts the connection. */
  destroy(): void {
    this.#socket.destroy();
  }

  #read(data: Buffer): void {
    const bytes = this.#rest ? Buffer.concat([this.#rest, data]) : data;
    let at = 0;
    while (bytes.length - at >= 2) {
      const opcode = bytes[at]! & 0x0f;
      let length = bytes[at + 1]! & 0x7f;
      let head = 2;
      if (length === 126) {
        if (bytes.length - at < 4) break;
        length = bytes.readUInt16BE(at + 2);
        head = 4;
      } else if (length === 127) {
        if (bytes.length - at < 10) break;
        length = Number(bytes.readBigUInt64BE(at + 2));
        head = 10;
      }
      if (bytes.length - at < head + length) break;
      if (opcode === 1) this.#onText(bytes.subarray(at + head, at + head + length), this);
      else if (opcode === 8) this.#socket.end();
      at += head + length;
    }
    this.#rest = at === bytes.length ? null : Buffer.from(bytes.subarray(at));
  }
}
