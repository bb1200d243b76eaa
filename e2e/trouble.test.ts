import { SignJWT } from 'jose';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import {
  closeWindows,
  conversation,
  field,
  launch,
  message,
  open,
  openWindow,
  type Person,
  say,
  signIn,
  startConversation,
} from './support/people.ts';
import { call, startServer, type TestServer } from './support/server.ts';

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser?.close());

/** All texts of the thread, top to bottom, of messages that are stored. */
function texts({ page }: Person): Promise<string[]> {
  return page.locator('[role="log"] article[data-seq] .parley-text').allInnerTexts();
}

/** Whether the browser has put a text into its storage: history is written a moment after it came. */
async function keeps(text: string): Promise<boolean> {
  const names = (await indexedDB.databases()).map(({ name }) => name).filter((name) => name !== undefined);
  const kept = await Promise.all(
    names.map(
      (name) =>
        new Promise<string>((resolve, reject) => {
          const opening = indexedDB.open(name);
          opening.onerror = () => reject(opening.error);
          opening.onsuccess = () => {
            const [store] = opening.result.objectStoreNames;
            const reading = opening.result.transaction(store!).objectStore(store!).getAll();
            reading.onsuccess = () => {
              opening.result.close();
              resolve(JSON.stringify(reading.result));
            };
          };
        }),
    ),
  );
  return kept.some((values) => values.includes(text));
}

/** Ends a server with the windows on it, which would go on trying to reach it beside the tests that follow. */
async function endServer(server: TestServer): Promise<void> {
  await closeWindows(server.url);
  await server.stop();
}

/** A server for one test. */
async function ownServer(env: Readonly<Record<string, string>> = {}): Promise<TestServer> {
  const server = await startServer(env);
  onTestFinished(() => endServer(server));
  return server;
}

describe('a server that dies and comes back, a network that goes and comes back', () => {
  let server: TestServer;
  let ada: Person;
  let bob: Person;

  beforeAll(async () => {
    server = await startServer();
    [ada, bob] = await Promise.all([signIn(browser, 'Ada', server.url), signIn(browser, 'Bob', server.url)]);
    await startConversation(ada, ['Bob']);
    await say(ada, 'begin');
    await open(bob, 'Ada');
    await message(bob, 'begin').waitFor();
  });
  afterAll(() => endServer(server));

  it('SEND-1, SEND-2: killed while both write: nothing lost, nothing twice, one order on both, and they see what happens', async () => {
    const written: string[] = [];
    const write = async (person: Person, text: string) => {
      written.push(text);
      await say(person, text);
    };
    for (const round of [1, 2, 3]) {
      await write(ada, `a${round} before`);
      await write(bob, `b${round} before`);
      const killed = server.kill();
      await write(ada, `a${round} during`);
      await killed;
      await write(bob, `b${round} during`);
      await write(ada, `a${round} still`);
      await ada.page.getByText('Connection lost. Reconnecting…').waitFor();
      await server.start();
    }
    for (const person of [ada, bob]) {
      await expect
        .poll(async () => (await texts(person)).filter((text) => written.includes(text)).length, { timeout: 30_000 })
        .toBe(written.length);
    }
    const [seenByAda, seenByBob] = [await texts(ada), await texts(bob)];
    expect(seenByAda).toEqual(seenByBob);
    expect([...seenByAda].sort()).toEqual([...written, 'begin'].sort());
  });

  it('offline: what is written waits, shows as waiting, survives a reload, and goes out once', async () => {
    await ada.context.setOffline(true);
    await say(ada, 'written offline');
    await message(ada, 'written offline').getByRole('img', { name: 'Waiting for the connection' }).waitFor();
    await ada.page.getByText('1 change waits').waitFor();
    await say(bob, 'meanwhile');
    await ada.context.setOffline(false);
    await message(bob, 'written offline').waitFor();
    await message(ada, 'meanwhile').waitFor();
    await ada.page.getByText('Back online').waitFor();
    await ada.page.reload();
    await message(ada, 'written offline').waitFor();
    expect(await message(ada, 'written offline').count()).toBe(1);
    expect(await texts(ada)).toEqual(await texts(bob));
  });

  it('opens without a network: the page from the service worker, the last messages from storage', async () => {
    await ada.page.evaluate(async () => {
      await navigator.serviceWorker.ready;
      // The worker keeps the page's files while it installs; being ready is having them.
      if (!(await caches.match('/'))) throw new Error('The page is not kept.');
    });
    await expect.poll(() => ada.page.evaluate(keeps, 'written offline')).toBe(true);
    await ada.context.setOffline(true);
    await ada.page.reload();
    await message(ada, 'written offline').waitFor();
    await ada.page.getByText('You are offline.').waitFor();
    await ada.context.setOffline(false);
    await ada.page.getByText('Back online').waitFor();
  });
});

describe('RATE-1: writing too fast', () => {
  it('shows when what waits goes out, and loses nothing', async () => {
    const server = await ownServer({ MESSAGE_RATE_LIMIT: '3', MESSAGE_RATE_WINDOW_SECONDS: '6' });
    const ada = await signIn(browser, 'Ada', server.url);
    await signIn(browser, 'Bob', server.url);
    await startConversation(ada, ['Bob']);
    for (const text of ['one', 'two', 'three', 'four']) await say(ada, text);
    await ada.page.getByText(/You are writing fast/).waitFor();
    await message(ada, 'four')
      .getByRole('img', { name: /Sent|Delivered/ })
      .waitFor();
    await expect.poll(() => texts(ada)).toEqual(['one', 'two', 'three', 'four']);
  });
});

describe('ACC-4: a session handed in by a host product', () => {
  const SECRET = 'a secret of at least thirty-two bytes';
  const tokenFor = (sub: string, seconds: number) =>
    new SignJWT({ name: sub })
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject(sub)
      .setIssuedAt()
      .setExpirationTime(`${seconds}s`)
      .sign(new TextEncoder().encode(SECRET));

  it('begins with a token in the fragment, which leaves the address, and ends when the token does', async () => {
    const server = await ownServer({ JWT_SECRET: SECRET, DIRECTORY: 'all' });
    const person = await openWindow(browser, 'host', `${server.url}/#token=${await tokenFor('carol', 5)}`);
    await person.page.getByRole('button', { name: 'New conversation' }).waitFor();
    expect(person.page.url()).toBe(`${server.url}/`);
    await person.page.getByText('Your session has ended').waitFor();
    await person.page.getByRole('button', { name: 'Sign in again' }).click();
    await person.page.getByLabel('Your name').fill('Carol');
    await person.page.getByRole('button', { name: 'Start chatting' }).click();
    await person.page.getByText('This server lets nobody in by name alone.').waitFor();
  });

  it('a foreign window cannot hand in a token', async () => {
    const server = await ownServer({ JWT_SECRET: SECRET });
    const person = await openWindow(browser, 'host', server.url);
    const token = await tokenFor('mallory', 60);
    await person.page.evaluate((stolen) => globalThis.postMessage({ type: 'parley:token', token: stolen }, '*'), token);
    await person.page.getByLabel('Your name').waitFor();
    expect(await person.page.getByRole('button', { name: 'New conversation' }).count()).toBe(0);
  });
});

describe('refusals', () => {
  it('a send that is refused stays, says why, and can be discarded', async () => {
    const server = await ownServer();
    const ada = await signIn(browser, 'Ada', server.url);
    const bob = await signIn(browser, 'Bob', server.url);
    await startConversation(ada, ['Bob'], 'crew');
    await say(ada, 'welcome');
    await open(bob, 'crew');
    await bob.context.setOffline(true);
    await say(bob, 'am I still in?');
    const { token, userId } = await bob.page.evaluate(() => JSON.parse(sessionStorage.getItem('parley.session')!));
    const mine = await ada.page.evaluate(() => JSON.parse(sessionStorage.getItem('parley.session')!).token);
    const id = new URL(ada.page.url()).pathname.split('/')[2];
    await call(server, mine, 'PATCH', `/conversations/${id}/participants/${encodeURIComponent(userId)}`, {
      role: 'readonly',
    });
    await bob.context.setOffline(false);
    await message(bob, 'am I still in?').getByRole('button', { name: 'Discard' }).click();
    await expect.poll(() => message(bob, 'am I still in?').count()).toBe(0);
    await bob.page.getByText('You may read here.').waitFor();
    expect(token).not.toBe(mine);
  });

  it('ACC-2: a conversation that does not exist, and one that is not mine', async () => {
    const server = await ownServer();
    const [ada, bob, eve] = await Promise.all(['Ada', 'Bob', 'Eve'].map((name) => signIn(browser, name, server.url)));
    await startConversation(ada!, ['Bob']);
    await say(ada!, 'between us');
    await conversation(bob!, 'Ada').waitFor();
    await eve!.page.goto(ada!.page.url());
    await eve!.page.getByText('You are not in this conversation').waitFor();
    await eve!.page.goto(`${server.url}/c/01900000-0000-7000-8000-000000000000`);
    await eve!.page.getByText('This conversation does not exist').waitFor();
    await eve!.page.getByRole('button', { name: 'Back to the list' }).click();
    expect(await field(eve!).count()).toBe(0);
  });
});
