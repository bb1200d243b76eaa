import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { violations } from './support/axe.ts';
import {
  field,
  launch,
  message,
  type Person,
  PHONE,
  picture,
  say,
  signIn,
  startConversation,
} from './support/people.ts';
import { call, startServer, type TestServer } from './support/server.ts';

/** Enough that the first hit lies far above what is loaded on opening. */
const LINES = 150;

describe('search', () => {
  let server: TestServer;
  let browser: Browser;
  let ada: Person;
  let bob: Person;

  beforeAll(async () => {
    [server, browser] = await Promise.all([startServer(), launch()]);
    ada = await signIn(browser, 'Ada', server.url);
    bob = await signIn(browser, 'Bob', server.url);
    await startConversation(ada, ['Bob']);
    const id = new URL(ada.page.url()).pathname.split('/')[2];
    const token: string = await ada.page.evaluate(() => JSON.parse(sessionStorage.getItem('parley.session')!).token);
    const path = `/conversations/${id}/messages`;
    await call(server, token, 'POST', path, { content: 'the lighthouse keeper wrote first' });
    for (let line = 1; line <= LINES; line += 1) await call(server, token, 'POST', path, { content: `line ${line}` });
    await call(server, token, 'POST', path, { content: 'a <lighthouse> & its "keeper" again' });
    await startConversation(ada, ['Bob'], 'Harbour');
    await say(ada, 'Which lighthouse do you mean, and when did we two see it for the last time?');
    await message(ada, 'Which lighthouse')
      .getByRole('img', { name: /Sent|Delivered/ })
      .waitFor();
  });
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });

  const pane = ({ page }: Person) => page.getByRole('complementary', { name: 'Search messages' });
  const found = (person: Person) => pane(person).getByRole('listbox').getByRole('option');
  const input = (person: Person) => pane(person).getByRole('combobox', { name: 'Search messages' });

  it('everywhere, from the list: what is found is marked, as text', async () => {
    await ada.page.getByRole('searchbox', { name: 'Search', exact: true }).fill('lighthouse');
    await ada.page.getByRole('button', { name: 'Search messages for “lighthouse”' }).click();
    const hits = found(ada);
    await expect.poll(() => hits.count()).toBe(3);
    expect(await hits.locator('mark').allTextContents()).toEqual(['lighthouse', 'lighthouse', 'lighthouse']);
    await hits.filter({ hasText: 'a <lighthouse> & its "keeper" again' }).waitFor();
    const best = pane(ada).getByRole('button', { name: 'Best first' });
    await best.click();
    await expect.poll(() => hits.first().textContent()).toContain('its "keeper" again');
    await best.click();
    await expect.poll(() => hits.first().textContent()).toContain('Which lighthouse');
    await picture(ada, 'search-everywhere-wide-light');
    expect(await violations(ada.page)).toEqual([]);
  });

  it('shows a hit in its context, in another conversation too, and stays for the next one', async () => {
    await input(ada).focus();
    await input(ada).press('ArrowDown');
    await input(ada).press('ArrowDown');
    await input(ada).press('Enter');
    await ada.page.locator('.parley-message-highlighted', { hasText: 'wrote first' }).waitFor();
    await message(ada, 'line 1').first().waitFor();
    await pane(ada).waitFor();
    await input(ada).press('ArrowUp');
    await input(ada).press('Enter');
    await ada.page.locator('.parley-message-highlighted', { hasText: 'again' }).waitFor();
  });

  it('in one conversation by Ctrl+F, with filters; Escape gives the focus back to the field', async () => {
    await input(ada).press('Escape');
    await expect.poll(() => pane(ada).count()).toBe(0);
    await field(ada).press('Control+f');
    await input(ada).fill('keeper');
    await expect.poll(() => found(ada).count()).toBe(2);
    await pane(ada).getByRole('combobox', { name: 'From' }).selectOption({ label: 'Bob' });
    await pane(ada).getByText('No message has “keeper”.').waitFor();
    await picture(ada, 'search-nothing-wide-light');
    await pane(ada).getByRole('combobox', { name: 'From' }).selectOption({ label: 'From anybody' });
    await pane(ada).getByRole('button', { name: 'Everywhere' }).click();
    await input(ada).fill('"do you mean"');
    await pane(ada)
      .getByRole('option', { name: /Harbour/ })
      .waitFor();
    await input(ada).press('Escape');
    await expect.poll(() => field(ada).evaluate((element) => element === document.activeElement)).toBe(true);
  });

  it('on a phone it covers the conversation until a hit is chosen', async () => {
    await bob.page.setViewportSize(PHONE);
    await bob.page.emulateMedia({ colorScheme: 'dark' });
    await bob.page.getByRole('button', { name: 'Account' }).click();
    await bob.page.getByRole('menuitem', { name: 'Search messages' }).click();
    await input(bob).fill('light');
    await expect.poll(() => found(bob).count()).toBe(3);
    await picture(bob, 'search-phone-dark');
    expect(await violations(bob.page)).toEqual([]);
    await pane(bob)
      .getByRole('option', { name: /wrote first/ })
      .click();
    await bob.page.locator('.parley-message-highlighted', { hasText: 'wrote first' }).waitFor();
    expect(await pane(bob).count()).toBe(0);
  });

  it('nobody’s page complained', () => {
    expect([...ada.complaints, ...bob.complaints]).toEqual([]);
  });
});
