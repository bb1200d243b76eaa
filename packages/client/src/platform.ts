import type { Clock, Wake } from './platform.types.ts';

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, callback) {
    // A longer delay than 2^31 - 1 ms would fire at once.
    const timer = setTimeout(callback, Math.min(ms, 2 ** 31 - 1));
    return () => clearTimeout(timer);
  },
};

/** Signals of a browser; on other platforms there are none and the host calls `client.wake()`. */
export const webWake: Wake = {
  onWake(callback) {
    if (typeof window === 'undefined' || typeof window.addEventListener !== 'function') return () => {};
    const whenVisible = () => {
      if (document.visibilityState === 'visible') callback();
    };
    window.addEventListener('online', callback);
    window.addEventListener('pageshow', callback);
    if (typeof document !== 'undefined') document.addEventListener('visibilitychange', whenVisible);
    return () => {
      window.removeEventListener('online', callback);
      window.removeEventListener('pageshow', callback);
      if (typeof document !== 'undefined') document.removeEventListener('visibilitychange', whenVisible);
    };
  },
  onHide(callback) {
    if (typeof window === 'undefined' || typeof window.addEventListener !== 'function') return () => {};
    window.addEventListener('pagehide', callback);
    return () => window.removeEventListener('pagehide', callback);
  },
};

/** A random id of 128 bits, also where `crypto.randomUUID` is missing (plain http, older React Native). */
export function randomId(): string {
  const source = globalThis.crypto;
  if (typeof source?.randomUUID === 'function') return source.randomUUID();
  const bytes = new Uint8Array(16);
  if (typeof source?.getRandomValues === 'function') source.getRandomValues(bytes);
  else for (let index = 0; index < bytes.length; index++) bytes[index] = Math.floor(Math.random() * 256);
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** How long to wait before try number `attempt` (0, 1, 2 …): exponential with full jitter, so that a crowd spreads out. */
export function backoff(attempt: number, random: () => number, { base = 500, most = 30_000 } = {}): number {
  return Math.round(random() * Math.min(most, base * 2 ** Math.min(attempt, 16)));
}

/** What a token says of itself. Read only to know whose data to open and when to ask for a new one; the server verifies. */
export function readToken(token: string): { userId: string | null; expiresAt: number | null } {
  try {
    const payload = token.split('.')[1] ?? '';
    const binary = atob(payload.replaceAll('-', '+').replaceAll('_', '/'));
    const text = new TextDecoder().decode(Uint8Array.from(binary, (char) => char.charCodeAt(0)));
    const claims: unknown = JSON.parse(text);
    const { sub, exp } = claims as { sub?: unknown; exp?: unknown };
    return { userId: typeof sub === 'string' ? sub : null, expiresAt: typeof exp === 'number' ? exp * 1000 : null };
  } catch {
    // Not a JWT we can read: the server will say what it thinks of it.
    return { userId: null, expiresAt: null };
  }
}

/** Named listeners that cannot harm each other or the caller. */
export class Emitter<Events> {
  readonly #listeners = new Map<keyof Events, Set<(event: never) => void>>();
  readonly #onThrow: (error: unknown) => void;

  constructor(onThrow: (error: unknown) => void) {
    this.#onThrow = onThrow;
  }

  on<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  emit<Name extends keyof Events>(name: Name, event: Events[Name]): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        (listener as (event: Events[Name]) => void)(event);
      } catch (error) {
        this.#onThrow(error);
      }
    }
  }
}
