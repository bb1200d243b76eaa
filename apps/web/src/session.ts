import { createParleyClient, type ParleyClient, ParleyError, signInAsGuest, type TokenReason } from '@parley/client';
import { createUploads, type Uploads } from '@parley/client/uploads';
import { forgetDrafts } from './drafts.ts';
import { reportError, setReporter } from './log.ts';
import { forgetJobs } from './privacy/begun-jobs.ts';
import { createValue, useValue } from './value.ts';

/** Who is signed in, as this browser keeps it. */
export interface Session {
  readonly token: string;
  readonly userId: string;
  readonly name: string;
  /** The host product handed the token in, and is asked for the next one. */
  readonly host: boolean;
}

/** Signed in or not. */
export type SessionState =
  | { readonly status: 'out'; readonly last: Session | null }
  | { readonly status: 'in'; readonly session: Session; readonly client: ParleyClient; readonly uploads: Uploads };

/**
 * Each window has its own session, so that two people can talk in two windows of one browser; the last guest of the browser is
 * offered in a new window.
 */
const WINDOW_KEY = 'parley.session';
const BROWSER_KEY = 'parley.lastSession';
const SIGNED_OUT = 'parley.signedOut';
/** How long the host product may take to hand in a new token. */
const HOST_PATIENCE_MS = 15_000;

/** The session of this window. */
export const session = createValue<SessionState>({ status: 'out', last: null });

/** Takes up the session of this window, one handed in by the host product, or none. */
export function openSession(): void {
  const handed = tokenInFragment();
  const kept = handed ? null : read(sessionStorage, WINDOW_KEY);
  const last = read(localStorage, BROWSER_KEY);
  if (handed) begin(handed);
  else if (kept) begin(kept);
  // A link to a message, or the installed app: nobody wants to be asked who they are.
  else if (last && (location.pathname !== '/' || matchMedia('(display-mode: standalone)').matches)) begin(last);
  else session.set({ status: 'out', last });

  globalThis.addEventListener('message', onHostMessage);
  globalThis.addEventListener('storage', onStorage);
  if (globalThis.opener) globalThis.opener.postMessage({ type: 'parley:ready' }, '*');
}

/** The files on their way of whoever is signed in. */
export function useUploadsOfSession(): Uploads {
  const state = useValue(session);
  if (state.status === 'out') throw new Error('Nobody is signed in.');
  return state.uploads;
}

/** Signs in under a name, on a server in guest mode. @throws ParleyError */
export async function signIn(name: string): Promise<void> {
  const { token, user } = await signInAsGuest({ name });
  begin({ token, userId: user.id, name: user.name, host: false });
}

/** Goes on as the last guest of this browser. */
export function resume(last: Session): void {
  begin(last);
}

/** Ends the session and forgets all of it on this device. */
export async function signOut(): Promise<void> {
  const state = session.get();
  if (state.status === 'out') return;
  const { userId } = state.session;
  leave(userId);
  try {
    localStorage.setItem(SIGNED_OUT, JSON.stringify({ userId, at: Date.now() }));
  } catch {
    // Without storage the other windows have their own sessions.
  }
  await state.client.signOut().catch((error: unknown) => reportError(error, 'sign out'));
}

function leave(userId: string): void {
  sessionStorage.removeItem(WINDOW_KEY);
  if (read(localStorage, BROWSER_KEY)?.userId === userId) localStorage.removeItem(BROWSER_KEY);
  forgetDrafts(userId);
  forgetJobs(userId);
  setReporter(null);
  session.set({ status: 'out', last: read(localStorage, BROWSER_KEY) });
}

function begin(next: Session): void {
  const state = session.get();
  if (state.status === 'in') void state.client.close();
  write(next);
  const client = createParleyClient({
    url: location.origin,
    userId: next.userId,
    token: (reason) => tokenFor(next, reason),
  });
  client.on('error', ({ error, during }) => reportError(error, during));
  void client.connect().catch((error: unknown) => reportError(error, 'connect'));
  session.set({ status: 'in', session: next, client, uploads: createUploads(client) });
  connectReports(client);
}

/** What broke goes to the log of the server, as long as somebody is signed in. */
function connectReports(client: ParleyClient): void {
  setReporter((report) => {
    client.parts.call({ method: 'POST', path: '/client-errors', body: report }).catch(() => {
      // Where reports cannot go there is nobody to tell that either.
    });
  });
}

let hostToken: ((token: string) => void) | null = null;

/** A guest has one token; the host product is asked for another when the first ends. */
async function tokenFor(current: Session, reason: TokenReason): Promise<string | null> {
  if (reason === 'start') return read(sessionStorage, WINDOW_KEY)?.token ?? current.token;
  if (!current.host || !globalThis.opener) return reason === 'expiring' ? current.token : null;
  globalThis.opener.postMessage({ type: 'parley:token-needed', reason }, '*');
  const { promise, resolve } = Promise.withResolvers<string | null>();
  const timer = setTimeout(() => resolve(null), HOST_PATIENCE_MS);
  hostToken = resolve;
  return promise.finally(() => clearTimeout(timer));
}

/** `{ type: 'parley:token', token }` from the window that opened this one, if its origin is known. */
function onHostMessage(event: MessageEvent): void {
  if (event.source === null || event.source !== globalThis.opener || !knownOrigins().has(event.origin)) return;
  const { data } = event;
  if (typeof data !== 'object' || data?.type !== 'parley:token' || typeof data.token !== 'string') return;
  const handed = sessionFrom(data.token);
  if (!handed) return;
  const state = session.get();
  if (state.status === 'in' && state.session.userId === handed.userId) {
    write(handed);
    if (hostToken) hostToken(handed.token);
    else state.client.setToken(handed.token);
    hostToken = null;
  } else begin(handed);
}

function knownOrigins(): ReadonlySet<string> {
  const hosts = document.querySelector<HTMLMetaElement>('meta[name="parley-hosts"]')?.content ?? '';
  return new Set([location.origin, ...hosts.split(/\s+/).filter(Boolean)]);
}

/** Signing out in one window ends the person's session in all of them. */
function onStorage(event: StorageEvent): void {
  if (event.key !== SIGNED_OUT || event.newValue === null) return;
  const { userId } = JSON.parse(event.newValue);
  const state = session.get();
  if (state.status !== 'in' || state.session.userId !== userId) return;
  leave(userId);
  void state.client.close();
}

/** `#token=…`: taken out of the address at once, so that it is neither bookmarked nor shared. */
function tokenInFragment(): Session | null {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (!token) return null;
  history.replaceState(null, '', location.pathname + location.search);
  return sessionFrom(token);
}

/** Reads who the token names. It is the server that verifies it. */
function sessionFrom(token: string): Session | null {
  try {
    const [, payload = ''] = token.split('.');
    const bytes = Uint8Array.from(atob(payload.replaceAll('-', '+').replaceAll('_', '/')), (letter) =>
      letter.charCodeAt(0),
    );
    const { sub, name } = JSON.parse(new TextDecoder().decode(bytes));
    return typeof sub === 'string'
      ? { token, userId: sub, name: typeof name === 'string' ? name : sub, host: true }
      : null;
  } catch {
    return null;
  }
}

function read(storage: Storage, key: string): Session | null {
  try {
    const kept = JSON.parse(storage.getItem(key) ?? 'null');
    return typeof kept?.token === 'string' && typeof kept.userId === 'string' ? kept : null;
  } catch {
    return null;
  }
}

function write(next: Session): void {
  try {
    sessionStorage.setItem(WINDOW_KEY, JSON.stringify(next));
    if (!next.host) localStorage.setItem(BROWSER_KEY, JSON.stringify(next));
  } catch {
    // Storage is forbidden: the session lives as long as the page.
  }
}

/** Whether an error says that this server lets no guests in. */
export function isGuestsRefused(error: unknown): boolean {
  return error instanceof ParleyError && error.code === 'not_found';
}

/** Leaves a session that the server ended. What a host product's person wrote and did not send stays for the next token. */
export async function leaveEndedSession(): Promise<void> {
  const state = session.get();
  if (state.status === 'out') return;
  if (!state.session.host) return signOut();
  sessionStorage.removeItem(WINDOW_KEY);
  session.set({ status: 'out', last: read(localStorage, BROWSER_KEY) });
  await state.client.close();
}
