import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { createParleyClient, HttpRequest, ParleyClient } from '../src/index.ts';
import { systemClock } from '../src/platform.ts';
import { ModelServer } from '../src/testing/index.ts';

/*
 * The parts that only a browser has: IndexedDB, Web Locks, BroadcastChannel, page events. The server is the model, reached
 * through the test; the pages have REST only.
 */

declare global {
  interface Window {
    sdk: { createParleyClient: typeof createParleyClient };
    client: ParleyClient;
    callServer(request: HttpRequest): Promise<{ status: number; body: unknown }>;
  }
}

const model = new ModelServer({ clock: systemClock, random: Math.random });
const conversationId = model.addConversation('group', ['ada', 'bob']);
const sends: string[] = [];
let reachable = true;
let http: Server;
let context: BrowserContext;
let close = async () => {};

beforeAll(async () => {
  const result = await build({
    configFile: false,
    logLevel: 'silent',
    build: {
      write: false,
      lib: { entry: fileURLToPath(new URL('../src/index.ts', import.meta.url)), formats: ['es'], fileName: 'sdk' },
    },
  });
  const [output] = [result].flat();
  if (output === undefined || !('output' in output)) throw new Error('Nothing was built.');
  const [{ code }] = output.output;
  http = createServer(({ url }, response) => {
    const script = url === '/sdk.js';
    response.setHeader('content-type', script ? 'text/javascript' : 'text/html');
    const page = `<!doctype html><title>Test</title><script type="module">window.sdk = await import('/sdk.js')</script>`;
    response.end(script ? code : page);
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
  });
  context = await browser.newContext();
  await context.exposeFunction('callServer', (request: HttpRequest) => {
    if (!reachable) throw new Error('not reachable');
    const { clientMessageId } = (request.body ?? {}) as { clientMessageId?: string };
    if (clientMessageId !== undefined) sends.push(clientMessageId);
    return model.request(request);
  });
  close = async () => {
    await browser.close();
    http.close();
  };
}, 60_000);

afterAll(() => close());

async function openTab(): Promise<Page> {
  const page = await context.newPage();
  await page.goto(`http://127.0.0.1:${(http.address() as AddressInfo).port}/`);
  await startClient(page);
  return page;
}

async function startClient(page: Page) {
  await page.waitForFunction(() => window.sdk !== undefined);
  await page.evaluate(async (token) => {
    window.client = window.sdk.createParleyClient({
      token,
      transport: {
        request: (request) => window.callServer({ ...request, signal: undefined } as unknown as HttpRequest),
        connect: (_token, { onDown }) => {
          setTimeout(() => onDown(null));
          return { command: () => Promise.reject(new Error('no link')), close() {} };
        },
      },
    });
    await window.client.connect();
  }, model.token('ada'));
}

const send = (page: Page, content: string) =>
  page.evaluate(([id, text]) => window.client.conversation(id).send({ content: text }).id, [
    conversationId,
    content,
  ] as const);
const outboxLength = (page: Page) => page.evaluate(() => window.client.snapshot.outbox.length);
const emptied = (page: Page) => page.waitForFunction(() => window.client.snapshot.outbox.length === 0);
const stored = () => model.view('bob', conversationId).messages.map((message) => message.content);

describe('in a browser', () => {
  test('the outbox survives a reload in IndexedDB, tabs share it, and a tab that closes hands over', {
    timeout: 60_000,
  }, async () => {
    const first = await openTab();
    reachable = false;
    await send(first, 'kept');
    await first.waitForFunction(() => window.client.snapshot.outbox[0]?.attempts === 1);
    await first.reload();
    await startClient(first);
    expect(await outboxLength(first)).toBe(1);

    const second = await openTab();
    expect(await outboxLength(second)).toBe(1);
    reachable = true;
    await first.evaluate(() => window.client.wake());
    await Promise.all([emptied(first), emptied(second)]);
    expect(stored()).toEqual(['kept']);

    const before = sends.length;
    await send(second, 'from the second tab');
    await Promise.all([emptied(first), emptied(second)]);
    expect(sends.length).toBe(before + 1);

    await first.close();
    await send(second, 'after the first closed');
    await emptied(second);
    expect(stored()).toEqual(['kept', 'from the second tab', 'after the first closed']);
  });

  test('signing out leaves nothing on the device', async () => {
    const page = await openTab();
    await page.evaluate(() => window.client.signOut());
    const entries = await page.evaluate(async () => {
      const names = (await indexedDB.databases()).flatMap(({ name }) => (name?.includes('parley') ? [name] : []));
      const counts = names.map(
        (name) =>
          new Promise<number>((resolve, reject) => {
            const opening = indexedDB.open(name);
            opening.onerror = () => reject(opening.error);
            opening.onsuccess = () => {
              const counting = opening.result.transaction('entries').objectStore('entries').count();
              counting.onsuccess = () => resolve(counting.result);
            };
          }),
      );
      return await Promise.all(counts);
    });
    expect(entries).toEqual([0]);
  });
});
