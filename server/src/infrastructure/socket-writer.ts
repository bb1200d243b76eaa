import type { Writable } from 'node:stream';
import type { EventName, EventPayload } from '@parley/protocol';
import { type EngineConnection, engineConnection, type ParleySocket } from './socket-server.ts';

/**
 * Events as they go to any number of connections: each a packet of Socket.IO's own, and all of them together the frames
 * of a WebSocket, made once. Any client understands them, since nothing but the number of writes differs.
 */
export interface Packets {
  /** Of Engine.IO, for connections that get them one by one. */
  readonly texts: readonly string[];
  /** Their frames, one after the other. */
  readonly frames: Buffer;
}

/** An event as Engine.IO's text: Socket.IO's packet type 2, of the namespace `/`. */
export function encodeEvent<Name extends EventName>(name: Name, payload: EventPayload<Name>): string {
  return `2${JSON.stringify([name, payload])}`;
}

/** The answer to the packet of a command: Socket.IO's packet type 3 with the number that the client gave. */
export function encodeAnswer(id: number, answer: unknown): string {
  return `3${id}[${JSON.stringify(answer)}]`;
}

export function frameEvents(texts: readonly string[]): Packets {
  const sizes = texts.map((text) => Buffer.byteLength(text) + 1);
  const frames = Buffer.allocUnsafe(sizes.reduce((total, size) => total + headLength(size) + size, 0));
  let at = 0;
  for (const [index, text] of texts.entries()) {
    const size = sizes[index]!;
    at = writeHead(frames, at, size);
    frames[at] = ENGINE_MESSAGE;
    frames.write(text, at + 1);
    at += size;
  }
  return { texts, frames };
}

/** Engine.IO's packet type 4, as its letter. */
const ENGINE_MESSAGE = 0x34;
/** Whole, and of text; servers do not mask. */
const TEXT_FRAME = 0x81;

function headLength(size: number): number {
  return size < 126 ? 2 : size < 65_536 ? 4 : 10;
}

function writeHead(frames: Buffer, at: number, size: number): number {
  frames[at] = TEXT_FRAME;
  if (size < 126) {
    frames[at + 1] = size;
    return at + 2;
  }
  if (size < 65_536) {
    frames[at + 1] = 126;
    return frames.writeUInt16BE(size, at + 2);
  }
  frames[at + 1] = 127;
  return frames.writeBigUInt64BE(BigInt(size), at + 2);
}

/** What of `ws` is read beyond its public types, as Engine.IO itself does. */
interface WebSocketInside {
  readonly readyState: number;
  readonly _socket: Writable;
}

const OPEN = 1;

/**
 * Writes to connections. What one of them is told within a turn of the event loop leaves in one write: to wake a peer
 * is what telling costs most.
 *
 * A WebSocket that takes what it gets is written to directly, past Engine.IO's buffer, which is empty then, so the order
 * stays. One that has something waiting, and everybody on polling, gets packet by packet through Engine.IO, where they
 * are counted (DLV-5).
 */
export class SocketWriter {
  /** Those that are written to at the end of this turn; each has what it gets in `data.untold`. */
  #due: ParleySocket[] = [];
  readonly #works: (() => void)[] = [];
  #waiting = new Set<ParleySocket>();
  #isScheduled = false;

  /** Runs `work` when this turn has no more to say; what it writes belongs to the turn. */
  atEndOfTurn(work: () => void): void {
    this.#works.push(work);
    this.#schedule();
  }

  /** Nothing where the connection is gone: whoever cannot be reached asks for `changes` later. */
  write(socket: ParleySocket, packets: Packets): void {
    const connection = engineConnection(socket);
    if (connection.readyState !== 'open') return;
    if (this.#gather(socket, connection, packets.frames)) return;
    this.#waiting.add(socket);
    for (const text of packets.texts) connection.write(text, WITHOUT_COMPRESSION);
  }

  /** Tells one connection one event. */
  tell<Name extends EventName>(socket: ParleySocket, name: Name, payload: EventPayload<Name>): void {
    this.write(socket, frameEvents([encodeEvent(name, payload)]));
  }

  /** Sockets that did not take all at once, since this was asked last. */
  takeWaiting(): ReadonlySet<ParleySocket> {
    const waiting = this.#waiting;
    this.#waiting = new Set();
    return waiting;
  }

  /** Writes now what waits for the end of this turn. */
  flush(socket: ParleySocket): void {
    const { untold } = socket.data;
    if (!untold) return;
    socket.data.untold = null;
    const webSocket = webSocketOf(engineConnection(socket));
    // One write of one buffer: the kernel takes it in far less time than a list of small ones.
    webSocket?._socket.write(Array.isArray(untold) ? Buffer.concat(untold) : untold);
  }

  /** False under polling, and where something waits already. */
  #gather(socket: ParleySocket, connection: EngineConnection, frames: Buffer): boolean {
    const webSocket = webSocketOf(connection);
    if (!webSocket) return false;
    const { data } = socket;
    if (!data.untold) {
      if (connection.writeBuffer.length > 0 || webSocket._socket.writableLength > 0) return false;
      data.untold = frames;
      this.#due.push(socket);
      this.#schedule();
    } else if (Array.isArray(data.untold)) {
      data.untold.push(frames);
    } else {
      data.untold = [data.untold, frames];
    }
    return true;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#endTurn());
  }

  #endTurn(): void {
    // Still scheduled: what the works say is written below.
    for (let work = this.#works.shift(); work; work = this.#works.shift()) work();
    this.#isScheduled = false;
    const due = this.#due;
    this.#due = [];
    for (const socket of due) this.flush(socket);
  }
}

/**
 * Makes what has the commands of a socket answered by `answer`, once each, in place of Socket.IO's own way: so that an answer
 * can leave in the same write as the events of the same commit, and is encoded without looking for binary in it. Of all
 * sockets one function, so that none keeps its own.
 */
export function answerCommandsBy(
  answer: (socket: ParleySocket, id: number, answer: unknown) => void,
): (socket: ParleySocket) => void {
  function ack(this: ParleySocket, id: number): (value: unknown) => void {
    let isAnswered = false;
    return (value) => {
      if (isAnswered) return;
      isAnswered = true;
      answer(this, id, value);
    };
  }
  return (socket) => {
    (socket as unknown as { ack: typeof ack }).ack = ack;
  };
}

const WITHOUT_COMPRESSION = { compress: false } as const;

/** An open WebSocket; null under polling, and where the end has begun. */
function webSocketOf({ transport }: EngineConnection): WebSocketInside | null {
  if (transport.name !== 'websocket') return null;
  const webSocket = transport.socket as WebSocketInside | undefined;
  return webSocket?.readyState === OPEN ? webSocket : null;
}
