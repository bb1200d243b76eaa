import type { ClientToServerEvents, EventName, EventPayload, Problem, ServerToClientEvents } from '@parley/protocol';
import { io, type Socket } from 'socket.io-client';
import { ParleyError } from './error.ts';
import type { HttpRequest, Transport } from './transport.types.ts';

/** Kept equal to the protocol's `API_PREFIX` by a test; the protocol itself is not loaded at run time. */
export const API_PREFIX = '/api/messaging/v1';
/** The largest frame the server takes; a larger one would end the connection without a word. */
export const FRAME_BYTES = 128 * 1024;

const REQUEST_TIMEOUT_MS = 20_000;
const COMMAND_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 15_000;

/** The names Socket.IO itself reports under, which are no events of the server. */
const RESERVED: ReadonlySet<string> = new Set(['connect', 'connect_error', 'disconnect']);

/** The two doors over fetch and Socket.IO: WebSocket first, polling where that does not get through. */
export function createWebTransport(url?: string): Transport {
  const origin = originOf(url);
  return {
    request: (request) => requestOverFetch(origin, request),
    connect(token, handlers) {
      const socket: Socket<ServerToClientEvents, ClientToServerEvents> = io(origin, {
        auth: { token },
        transports: ['websocket', 'polling'],
        tryAllTransports: true,
        // When to try again is decided in one place, and that is not here.
        reconnection: false,
        forceNew: true,
        timeout: CONNECT_TIMEOUT_MS,
      });
      let down = false;
      const goDown = (refusal: ParleyError | null) => {
        if (down) return;
        down = true;
        socket.disconnect();
        handlers.onDown(refusal);
      };
      socket.onAny((name: string, payload: unknown) => {
        if (!down && !RESERVED.has(name)) handlers.onEvent(name as EventName, payload as EventPayload<EventName>);
      });
      socket.on('connect_error', (error: Error & { data?: unknown }) => {
        goDown(isProblem(error.data) ? ParleyError.fromProblem(error.data) : null);
      });
      socket.on('disconnect', () => goDown(null));
      return {
        command: (name, input) => sendCommand(socket, name, input),
        close() {
          down = true;
          socket.disconnect();
        },
      };
    },
  };
}

/** The server's origin: the page's own where none is given. */
export function originOf(url: string | undefined): string {
  return url ?? (typeof location === 'undefined' ? '' : location.origin);
}

async function requestOverFetch(origin: string, { method, path, query, body, token, signal }: HttpRequest) {
  const address = new URL(`${API_PREFIX}${path}`, origin);
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined) address.searchParams.set(name, String(value));
  }
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), REQUEST_TIMEOUT_MS);
  const abort = () => timeout.abort();
  signal?.addEventListener('abort', abort);
  try {
    signal?.throwIfAborted();
    const headers: Record<string, string> = { accept: 'application/json' };
    if (token !== undefined) headers.authorization = `Bearer ${token}`;
    if (body !== undefined) headers['content-type'] = 'application/json';
    const response = await fetch(address, {
      method,
      headers,
      signal: timeout.signal,
      credentials: 'omit',
      cache: 'no-store',
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const wait = Number(response.headers.get('retry-after') ?? Number.NaN);
    return {
      status: response.status,
      body: parse(text),
      retryAfterMs: Number.isFinite(wait) ? wait * 1000 : undefined,
    };
  } catch (error) {
    if (signal?.aborted) throw new ParleyError({ code: 'aborted', message: 'The call was aborted.', cause: error });
    if (timeout.signal.aborted) {
      throw new ParleyError({ code: 'timeout', message: 'The server did not answer in time.', cause: error });
    }
    throw ParleyError.from(error);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}

/** JSON, or undefined for an empty or foreign body (a proxy's error page). */
function parse(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function sendCommand(socket: Socket, name: string, input: unknown): Promise<never> {
  // Three bytes is the most a UTF-16 unit takes, so short frames need no exact count.
  const frame = JSON.stringify(input);
  if (frame.length * 3 > FRAME_BYTES && new TextEncoder().encode(frame).length > FRAME_BYTES - 1024) {
    return Promise.reject(
      new ParleyError({ code: 'payload_too_large', status: 413, message: 'The message is too large.' }),
    );
  }
  if (!socket.connected) return Promise.reject(ParleyError.from(null));
  return new Promise((resolve, reject) => {
    socket.timeout(COMMAND_TIMEOUT_MS).emit(name, input, (lost: Error | null, ack: unknown) => {
      if (lost !== null) {
        const code = socket.connected ? 'timeout' : 'network';
        reject(new ParleyError({ code, message: 'The server did not answer.', cause: lost }));
      } else if (isAck(ack)) {
        if (ack.ok) resolve(ack.data as never);
        else reject(ParleyError.fromProblem(ack.error));
      } else {
        reject(new ParleyError({ code: 'bad_answer', message: 'The server answered something unknown.' }));
      }
    });
  });
}

function isAck(value: unknown): value is { ok: true; data: unknown } | { ok: false; error: Problem } {
  if (typeof value !== 'object' || value === null || !('ok' in value)) return false;
  return value.ok === true || ('error' in value && isProblem(value.error));
}

/** Whether something is a problem object of the protocol. */
export function isProblem(value: unknown): value is Problem {
  return (
    typeof value === 'object' &&
    value !== null &&
    'code' in value &&
    typeof value.code === 'string' &&
    'detail' in value
  );
}
