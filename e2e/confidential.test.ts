import { readFile } from 'node:fs/promises';
import { SignJWT } from 'jose';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { violations } from './support/axe.ts';
import {
  conversation,
  launch,
  message,
  open,
  openWindow,
  type Person,
  PHONE,
  picture,
  say,
  startConversation,
  WIDE,
} from './support/people.ts';
import { startServer, type TestServer } from './support/server.ts';

const SECRET = 'a secret for tests that is long enough for anybody';
const KEY = `first:${Buffer.alloc(32, 7).toString('base64')}`;

describe('personal data and confidential conversations', () => {
  const env: Record<string, string> = { JWT_SECRET: SECRET, DIRECTORY: 'all', ENCRYPTION_KEYS: KEY };
  let server: TestServer;
  let browser: Browser;
  let ada: Person;
  let bob: Person;
  let admin: Person;

  const enter = async (name: string, roles: readonly string[] = []) => {
    const token = await new SignJWT({ name, roles })
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject(name.toLowerCase())
      .setExpirationTime('1h')
      .sign(new TextEncoder().encode(SECRET));
    const person = await openWindow(browser, name, `${server.url}/#token=${token}`);
    await person.page.getByRole('button', { name: 'New conversation' }).waitFor();
    return person;
  };
  const account = async (person: Person, item: string) => {
    await person.page.getByRole('button', { name: 'Account' }).click();
    await person.page.getByRole('menuitem', { name: item }).click();
  };
  const tab = async (name: string) => {
    await admin.page.getByRole('navigation', { name: 'Administration' }).getByRole('link', { name }).click();
    await admin.page.getByRole('heading', { name, level: 2 }).waitFor();
    await expect.poll(() => admin.page.locator('main .skeleton').count()).toBe(0);
  };
  const choose = async (name: string) => {
    await admin.page.getByRole('combobox', { name: 'Person' }).fill(name);
    await admin.page.getByRole('option', { name }).click();
  };
  const check = async (person: Person, name: string) => {
    await picture(person, name);
    expect(await violations(person.page)).toEqual([]);
  };

  beforeAll(async () => {
    [server, browser] = await Promise.all([startServer(env), launch()]);
    [ada, bob, admin] = await Promise.all([enter('Ada'), enter('Bob'), enter('Grace', ['admin'])]);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });

  it('a confidential conversation is begun knowingly, and marked', async () => {
    const { page } = ada;
    await page.getByRole('button', { name: 'New conversation' }).click();
    await page.getByRole('textbox', { name: 'People' }).fill('Bob');
    await page.getByRole('option', { name: 'Bob', exact: true }).click();
    await page.getByLabel('Group name').fill('Salaries');
    await page.getByRole('switch', { name: 'Confidential' }).check();
    await page.getByText('It is not end-to-end').waitFor();
    await check(ada, 'confidential-new-wide-light');
    await page.getByRole('button', { name: 'Create' }).click();
    await page.getByRole('heading', { level: 1, name: 'Salaries' }).waitFor();
    await page.getByRole('banner').or(page.locator('header')).getByText('Confidential').waitFor();
    await say(ada, 'between us');
    await conversation(bob, 'Salaries').getByRole('img', { name: 'Confidential' }).waitFor();
    await open(bob, 'Salaries');
    await message(bob, 'between us').waitFor();
    // What is confidential is not searched.
    expect(await page.getByRole('button', { name: 'In this conversation' }).count()).toBe(0);
    await check(bob, 'confidential-wide-light');

    await startConversation(ada, ['Bob'], 'Garden');
    await say(ada, 'an ordinary word');
    expect(await conversation(ada, 'Garden').getByRole('img', { name: 'Confidential' }).count()).toBe(0);
    await open(bob, 'Garden');
    await say(bob, 'something of mine');
    await message(ada, 'something of mine').waitFor();
  });

  it('people get a copy of what is theirs', async () => {
    await account(ada, 'Your data');
    const dialog = ada.page.getByRole('dialog', { name: 'Your data' });
    await dialog.getByRole('button', { name: 'Make a copy' }).click();
    await dialog.getByRole('button', { name: 'Download' }).waitFor();
    await check(ada, 'my-data-wide-light');
    const [file] = await Promise.all([
      ada.page.waitForEvent('download'),
      dialog.getByRole('button', { name: 'Download' }).click(),
    ]);
    const archive = await readFile(await file.path(), 'latin1');
    expect(archive).toContain('messages.jsonl');
    expect(archive).toContain('between us');
    expect(archive).not.toContain('something of mine');
    await dialog.getByRole('button', { name: 'Close' }).last().click();
  });

  it('a legal hold is set, keeps a person from erasure, and is lifted', async () => {
    await account(admin, 'Administration');
    await tab('Legal holds');
    await admin.page.getByText('No legal holds').waitFor();
    await choose('Bob');
    await admin.page.getByRole('textbox', { name: 'Reason' }).fill('case 12');
    await admin.page.getByRole('button', { name: 'Set hold' }).click();
    const holds = admin.page.getByRole('list', { name: 'Legal holds' });
    await holds.getByText('“case 12”').waitFor();
    await check(admin, 'admin-holds-wide-light');

    await tab('Personal data');
    await choose('Bob');
    await admin.page.getByRole('button', { name: 'Erase…' }).click();
    const dialog = admin.page.getByRole('dialog', { name: 'Erase Bob?' });
    expect(await dialog.getByRole('button', { name: 'Erase for good' }).isDisabled()).toBe(true);
    await dialog.getByLabel(/Type “Bob”/).fill('Bob');
    await check(admin, 'admin-erase-wide-light');
    await dialog.getByRole('button', { name: 'Erase for good' }).click();
    await dialog.getByText('under a legal hold').waitFor();
    await dialog.getByRole('button', { name: 'Cancel' }).click();

    await tab('Legal holds');
    await holds.getByRole('button', { name: 'Lift: Bob' }).click();
    await admin.page
      .getByRole('dialog', { name: 'Lift the hold on Bob?' })
      .getByRole('button', { name: 'Lift' })
      .click();
    await admin.page.getByText('No legal holds').waitFor();
  });

  it('how long messages are kept is previewed, then set', async () => {
    await tab('Retention');
    const days = admin.page.getByLabel('Groups');
    await days.fill('never');
    await admin.page.getByText('A whole number from 1').waitFor();
    await days.fill('30');
    await admin.page.getByText('Nothing is that old yet').waitFor();
    await check(admin, 'admin-retention-wide-light');
    await admin.page.getByRole('button', { name: 'Save' }).click();
    const dialog = admin.page.getByRole('dialog', { name: 'Change how long messages are kept?' });
    await dialog.getByText('No message is old enough').waitFor();
    await dialog.getByRole('button', { name: 'Save' }).click();
    await admin.page.getByText('Saved.').waitFor();
    await admin.page.reload();
    await expect.poll(() => admin.page.getByLabel('Groups').inputValue()).toBe('30');
  });

  it('a person is erased, and the proof is shown', async () => {
    await tab('Personal data');
    await choose('Bob');
    await admin.page.getByRole('button', { name: 'Make a copy' }).click();
    await admin.page.getByRole('article', { name: 'Copy of the data of Bob' }).getByText('Download').waitFor();
    await choose('Bob');
    await admin.page.getByRole('button', { name: 'Erase…' }).click();
    const dialog = admin.page.getByRole('dialog', { name: 'Erase Bob?' });
    await dialog.getByLabel(/Type “Bob”/).fill('Bob');
    await dialog.getByRole('button', { name: 'Erase for good' }).click();
    const erasures = admin.page.getByRole('list', { name: 'Erasures' });
    await erasures.getByText(/^Erased /).waitFor();
    await erasures.getByText('Conversations left').waitFor();
    await check(admin, 'admin-data-wide-light');
    await bob.page.getByText('Your session has ended').waitFor();
    await open(ada, 'Garden');
    await message(ada, 'This message was deleted').waitFor();
    await bob.context.close();
  });

  it('whose key is missing says so, and nothing else is harmed', async () => {
    await server.kill();
    delete env.ENCRYPTION_KEYS;
    await server.start();
    await ada.page.goto(`${server.url}/`);
    await open(ada, 'Garden');
    await message(ada, 'an ordinary word').waitFor();
    await conversation(ada, 'Salaries').getByText('Cannot be opened').waitFor();
    await conversation(ada, 'Salaries').click();
    await ada.page.getByText('its key is missing on this server').waitFor();
    await check(ada, 'key-missing-wide-light');
    await ada.page.getByRole('button', { name: 'New conversation' }).click();
    await ada.page.getByRole('textbox', { name: 'People' }).waitFor();
    expect(await ada.page.getByRole('switch', { name: 'Confidential' }).count()).toBe(0);
    await ada.page.keyboard.press('Escape');
  });

  it('all of it on a phone, in the dark', async () => {
    for (const [size, viewport] of [
      ['phone', PHONE],
      ['wide', WIDE],
    ] as const) {
      await admin.page.setViewportSize(viewport);
      await admin.page.emulateMedia({ colorScheme: 'dark' });
      for (const name of ['Personal data', 'Retention', 'Legal holds']) {
        await tab(name);
        await check(admin, `admin-${name.split(' ')[0]!.toLowerCase()}-${size}-dark`);
        expect(await admin.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
      }
    }
    await ada.page.setViewportSize(PHONE);
    await ada.page.emulateMedia({ colorScheme: 'dark' });
    await check(ada, 'key-missing-phone-dark');
  });
});
