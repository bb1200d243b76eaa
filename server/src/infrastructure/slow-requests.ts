import type { IncomingMessage, Server } from 'node:http';

/** A body that brings less than this in a window of time is not waited for: a kilobyte a second. */
const WINDOW_MS = 60_000;
const WINDOW_BYTES = 60 * 1024;

/** Watches how fast bodies come in. */
export interface SlowRequests {
  /** One window is over: ends the requests that brought too little in it. */
  check(): void;
  stop(): void;
}

/**
 * Ends requests whose body comes too slowly, in place of a time limit for the whole of it: a large file over a slow line is
 * welcome as long as it comes, and a line that only pretends is not. A whole window is waited for, so the end comes after one
 * to two of them. What the server itself does not read for the moment is not counted against anybody.
 */
export function endSlowRequests(server: Server): SlowRequests {
  /** Requests whose body is not here yet, with what their connection had brought at the last check; null: since then. */
  const open = new Map<IncomingMessage, number | null>();
  server.on('request', (request: IncomingMessage) => {
    if (request.complete) return;
    open.set(request, null);
    request.once('end', () => open.delete(request));
    request.once('close', () => open.delete(request));
  });
  const check = (): void => {
    for (const [request, before] of open) {
      const { socket, complete, readableLength, readableHighWaterMark } = request;
      const waitsForUs = readableLength >= readableHighWaterMark;
      if (complete) open.delete(request);
      else if (before === null || waitsForUs || socket.bytesRead - before >= WINDOW_BYTES) {
        open.set(request, socket.bytesRead);
      } else socket.destroy();
    }
  };
  const timer = setInterval(check, WINDOW_MS).unref();
  return { check, stop: () => clearInterval(timer) };
}
