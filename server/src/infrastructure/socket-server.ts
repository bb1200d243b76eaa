import type { Server as HttpServer, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import {
  CAPS,
  type ClientToServerEvents,
  SESSION_END_REASONS,
  type ServerToClientEvents,
  type SessionEndCode,
} from '@parley/protocol';
import { type DefaultEventsMap, Server, type Socket } from 'socket.io';
import type { Config } from '../config.ts';
import type { OriginCheck } from '../middleware/origin.ts';
import type { Actor } from '../utils/actor.ts';
import type { Logger } from '../utils/logger.ts';

/** What the server knows of a connected socket. */
export interface SocketData {
  /** Replaced by `auth:refresh`: read it anew for each use. */
  actor: Actor;
  readonly sessionId: string;
  /** Where it connects from, as far as TRUST_PROXY lets us know. */
  readonly address: string;
  /** Carries `socketId` and `userId`. */
  readonly log: Logger;
  /** Set once the server has ended the session: nothing more is read from it or told to it. */
  ended: SessionEndCode | null;
  /** Set once it follows the conversations of its person: from then on it is told their changes. */
  isFollowing: boolean;
  /** Frames that wait for the end of this turn; the writer's own (socket-writer.ts). */
  untold: Buffer | Buffer[] | null;
  /** Writes at once what waits for the end of this turn (socket-writer.ts). */
  flush(socket: ParleySocket): void;
}

export type ParleyServer = Server<ClientToServerEvents, ServerToClientEvents, DefaultEventsMap, SocketData>;
export type ParleySocket = Socket<ClientToServerEvents, ServerToClientEvents, DefaultEventsMap, SocketData>;

/** What of Engine.IO's connection this server reads beyond its public types. */
export interface EngineConnection {
  readonly readyState: string;
  readonly remoteAddress: string;
  readonly writeBuffer: { readonly data?: string | Buffer }[];
  request: unknown;
  readonly transport: {
    readonly name: string;
    readonly socket?: { readonly bufferedAmount: number; terminate(): void; pause(): void; resume(): void };
  };
  /** A packet, of which Engine.IO counts what waits. */
  write(text: string, options: { readonly compress: boolean }): void;
  close(discard?: boolean): void;
  once(event: 'close', listener: () => void): void;
  on(event: 'close', listener: () => void): void;
  on(event: 'packet', listener: (packet: { readonly type: string }) => void): void;
}

/** The Engine.IO connection of a socket. The one place that widens its type. */
export function engineConnection(socket: { readonly conn: ParleySocket['conn'] }): EngineConnection {
  return socket.conn as unknown as EngineConnection;
}

export interface SocketServerOptions {
  httpServer: HttpServer;
  isOriginAllowed: OriginCheck;
  config: Pick<Config, 'socketTransports' | 'corsOrigins'>;
}

/**
 * Socket.IO on the port of REST.
 *
 * Connection state recovery stays off: it would put a socket back into rooms its person was removed from meanwhile, and
 * `changes` does better. No cookies, no compression, no WebTransport (which passes by the origin check).
 */
export function createSocketServer({ httpServer, isOriginAllowed, config }: SocketServerOptions): ParleyServer {
  return new Server(httpServer, {
    path: '/socket.io',
    transports: [...config.socketTransports],
    serveClient: false,
    maxHttpBufferSize: CAPS.frameBytes,
    perMessageDeflate: false,
    httpCompression: false,
    // Whoever has not signed in by then is not going to.
    connectTimeout: 10_000,
    // Runs for the first request of a connection, on both transports; the `cors` option below only sets headers.
    allowRequest: (request, decide) => {
      const allowed = isOriginAllowed(request);
      if (allowed && isWebSocket(request)) greetInOneWrite(request.socket);
      decide(allowed ? null : 'foreign origin', allowed);
    },
    ...(config.corsOrigins.length > 0 && { cors: { origin: [...config.corsOrigins], methods: ['GET', 'POST'] } }),
  });
}

/** Asks for a WebSocket, in the protocol that is let in. */
function isWebSocket({ headers, url }: IncomingMessage): boolean {
  return headers.upgrade !== undefined && url!.includes('EIO=4');
}

/**
 * What a new WebSocket is told at once, that it is one and the packet that opens Engine.IO's connection, leaves in one write:
 * to write is what telling costs most. Only for one that is let in: Engine.IO destroys the line of any other right after it has
 * written why, and what waits on it would be lost.
 */
function greetInOneWrite(line: Duplex): void {
  line.cork();
  setImmediate(() => line.uncork());
}

/** A client that does not even take its farewell is cut off after this time. */
const FAREWELL_MS = 2_000;

/**
 * Ends a session: tells the client why (`session:ended`) and whether to come back, then disconnects it. The connection
 * closes once that is written. Nothing is told to the socket afterwards; a second call does nothing.
 *
 * @param retryAfterMs how long the client should wait before it comes back.
 */
export function endSession(socket: ParleySocket, code: SessionEndCode, retryAfterMs?: number): void {
  if (socket.data.ended !== null || !socket.connected) return;
  socket.data.ended = code;
  const connection = engineConnection(socket);
  // Answers that were given come before the farewell.
  socket.data.flush(socket);
  // What still waits for a stuck reader is dropped: it comes again by `changes`, and the farewell must not stand behind it.
  if (code === 'too_slow') connection.writeBuffer.length = 0;
  socket.emit('session:ended', {
    code,
    detail: SESSION_END_REASONS[code].message,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
  // Leaves all rooms and emits `disconnect` here at once; Engine.IO closes after the last packet is written.
  socket.disconnect(true);
  cutOff(connection);
}

/** Frees the connection of a client that stopped reading, which would otherwise hold its buffers until a ping fails. */
function cutOff(connection: EngineConnection): void {
  if (connection.readyState === 'closed') return;
  const timer = setTimeout(() => {
    if (connection.transport.socket) connection.transport.socket.terminate();
    else connection.close(true);
  }, FAREWELL_MS);
  timer.unref();
  connection.once('close', () => clearTimeout(timer));
}

/**
 * Reads from a connection or not. What it says meanwhile waits on its own side of the line, where TCP keeps it, and costs this
 * server nothing; one that pours without end is not heard in time when it is pinged, and ends. Over polling each message is a
 * call of its own, which is always read.
 */
export function setReading(socket: ParleySocket, isReading: boolean): void {
  const line = engineConnection(socket).transport.socket;
  if (isReading) line?.resume();
  else line?.pause();
}

/**
 * Lets go of the first HTTP request of a connection, which Socket.IO would keep for as long as it lives: its headers, its
 * buffers, and the token.
 */
export function releaseHandshake(socket: ParleySocket): void {
  engineConnection(socket).request = null;
  const { handshake } = socket;
  handshake.auth = EMPTY;
  handshake.headers = EMPTY;
  handshake.query = EMPTY;
  handshake.url = '';
}

/** One for all connections. */
const EMPTY = Object.freeze({});
