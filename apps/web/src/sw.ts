/// <reference lib="webworker" />
/**
 * The service worker: the app opens without a network. Pages come from the network first, files with a hash in their name from
 * the cache first; the API and the live connection are never touched.
 */
export type {};

declare const self: ServiceWorkerGlobalScope;

const CACHE = 'parley-shell';
const PAGE = '/';
/** A network that does not answer counts as none after this. */
const PATIENCE_MS = 4_000;

self.addEventListener('install', (event) => {
  event.waitUntil(keepShell().then(() => self.skipWaiting()));
});

self.addEventListener('activate', (event) => {
  event.waitUntil(self.clients.claim());
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== self.location.origin) return;
  if (request.mode === 'navigate' && (url.pathname === PAGE || /^\/(?:c|admin)(?:\/|$)/.test(url.pathname))) {
    event.respondWith(pageFor(event));
  } else if (/^\/(?:assets|emoji)\/|^\/(?:icon|manifest|theme)[^/]*$/.test(url.pathname)) {
    event.respondWith(fileFor(request));
  }
});

async function pageFor(event: FetchEvent): Promise<Response> {
  try {
    const response = await fetch(event.request, { signal: AbortSignal.timeout(PATIENCE_MS) });
    if (response.ok) event.waitUntil(keepShell());
    return response;
  } catch {
    return (await caches.match(PAGE)) ?? Response.error();
  }
}

async function fileFor(request: Request): Promise<Response> {
  const kept = await caches.match(request);
  if (kept) return kept;
  const response = await fetch(request);
  if (response.ok) await (await caches.open(CACHE)).put(request, response.clone());
  return response;
}

/** Keeps the page and all it may need; forgets files of earlier builds. Keeps the old ones when any is missing. */
async function keepShell(): Promise<void> {
  const cache = await caches.open(CACHE);
  const [page, list] = await Promise.all([
    fetch(PAGE, { cache: 'no-cache' }),
    fetch('/assets.json', { cache: 'no-cache' }),
  ]);
  if (!page.ok || !list.ok) return;
  const files: string[] = await list.json();
  const missing = (await Promise.all(files.map(async (file) => ((await cache.match(file)) ? [] : [file])))).flat();
  await cache.addAll(missing);
  await cache.put(PAGE, page);
  const wanted = new Set(files);
  for (const request of await cache.keys()) {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith('/assets/') && !wanted.has(pathname)) await cache.delete(request);
  }
}
