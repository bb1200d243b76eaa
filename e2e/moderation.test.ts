import { SignJWT } from 'jose';
import type { Browser, BrowserContextOptions } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { violations } from './support/axe.ts';
import {
  field,
  launch,
  message,
  open,
  openWindow,
  type Person,
  PHONE,
  picture,
  say,
  startConversation,
} from './support/people.ts';
import { startServer, type TestServer } from './support/server.ts';

const SECRET = 'a secret for tests that is long enough for anybody';

describe('keeping everybody safe', () => {
  let server: TestServer;
  let browser: Browser;
  let ada: Person;
  let bob: Person;
  let admin: Person;

  const enter = async (name: string, roles: readonly string[] = [], options: BrowserContextOptions = {}) => {
    const token = await new SignJWT({ name, roles })
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject(name.toLowerCase())
      .setExpirationTime('1h')
      .sign(new TextEncoder().encode(SECRET));
    const person = await openWindow(browser, name, `${server.url}/#token=${token}`, options);
    await person.page.getByRole('button', { name: 'New conversation' }).waitFor();
    return person;
  };

  beforeAll(async () => {
    [server, browser] = await Promise.all([startServer({ JWT_SECRET: SECRET, DIRECTORY: 'all' }), launch()]);
    ada = await enter('Ada');
    bob = await enter('Bob');
    admin = await enter('Grace', ['admin']);
    await startConversation(ada, ['Bob'], 'Garden');
    await say(ada, 'Hello all');
    await open(bob, 'Garden');
    await say(bob, 'buy my miracle pills');
    await message(ada, 'miracle pills').waitFor();
  });
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });

  const choose = async (person: Person, text: string, item: string | RegExp) => {
    await message(person, text).hover();
    await message(person, text).getByRole('button', { name: 'More' }).click();
    await person.page.getByRole('menuitem', { name: item }).click();
  };
  const tab = async (name: string) => {
    await admin.page.getByRole('navigation', { name: 'Administration' }).getByRole('link', { name }).click();
    await admin.page.getByRole('heading', { name, level: 2 }).waitFor();
  };

  it('a message is reported with a reason', async () => {
    await choose(ada, 'miracle pills', 'Report…');
    const dialog = ada.page.getByRole('dialog', { name: 'Report this message' });
    await dialog.getByText('buy my miracle pills').waitFor();
    await picture(ada, 'report-wide-light');
    expect(await violations(ada.page)).toEqual([]);
    await dialog.getByRole('textbox', { name: /Tell more/ }).fill('every day the same');
    await dialog.getByRole('button', { name: 'Report', exact: true }).click();
    await ada.page.getByText('Reported. Thank you.').waitFor();
  });

  it('administrators have a screen, nobody else does', async () => {
    await admin.page.getByRole('button', { name: 'Account' }).click();
    await admin.page.getByRole('menuitem', { name: 'Administration' }).click();
    await admin.page.getByRole('article', { name: 'Report of a message by Bob' }).waitFor();
    await admin.page.getByText('Spam or fraud: every day the same').waitFor();
    await picture(admin, 'admin-reports-wide-light');
    expect(await violations(admin.page)).toEqual([]);

    await bob.page.getByRole('button', { name: 'Account' }).click();
    expect(await bob.page.getByRole('menuitem', { name: 'Administration' }).count()).toBe(0);
    await bob.page.keyboard.press('Escape');
    const nosy = await bob.context.newPage();
    await nosy.goto(`${server.url}/admin`);
    await nosy.getByText('This is for administrators').or(nosy.getByLabel('Your name')).waitFor();
    await nosy.close();
  });

  it('a report is settled: the message is deleted, its author silenced, and the audit trail has it', async () => {
    const report = admin.page.getByRole('article', { name: 'Report of a message by Bob' });
    await report.getByRole('textbox', { name: 'Note' }).fill('advertising');
    await report.getByRole('button', { name: 'More about Bob' }).click();
    await admin.page.getByRole('menuitem', { name: 'Delete, silence for a week' }).click();
    await admin.page.getByText('Nothing is reported').waitFor();
    await message(ada, 'This message was deleted').waitFor();
    await admin.page.getByRole('button', { name: 'Closed' }).click();
    await admin.page.getByText('Message deleted').waitFor();

    await say(bob, 'may I?');
    await message(bob, 'may I?')
      .getByText(/not allowed/)
      .waitFor();
    await picture(bob, 'silenced-wide-light');

    await tab('Audit trail');
    await admin.page.getByText('“advertising”').first().waitFor();
    await admin.page.getByRole('button', { name: 'Verify the whole trail' }).click();
    const verdict = admin.page.getByRole('main').getByRole('status');
    await expect.poll(() => verdict.textContent()).toMatch(/^ ?Whole: \d+ entries$/);
    await picture(admin, 'admin-audit-wide-light');
    expect(await violations(admin.page)).toEqual([]);
    await admin.page.getByRole('combobox', { name: 'Action' }).fill('message.deleted');
    await expect.poll(() => admin.page.getByRole('list', { name: 'Audit trail' }).getByRole('article').count()).toBe(1);
  });

  it('people are found, let write again, banned and let in again', async () => {
    await tab('People');
    await admin.page.getByRole('searchbox', { name: 'Search people' }).fill('bob');
    const people = admin.page.getByRole('list', { name: 'People' });
    await people.getByText(/Silenced until/).waitFor();
    await picture(admin, 'admin-people-wide-light');
    expect(await violations(admin.page)).toEqual([]);
    await people.getByRole('button', { name: 'Manage Bob' }).click();
    await admin.page.getByRole('menuitem', { name: 'Let them write again' }).click();
    await expect.poll(() => people.getByText(/Silenced until/).count()).toBe(0);
    await message(bob, 'may I?').getByRole('button', { name: 'Try again' }).click();
    await message(ada, 'may I?').waitFor();

    await people.getByRole('button', { name: 'Manage Bob' }).click();
    await admin.page.getByRole('menuitem', { name: 'Ban' }).click();
    await admin.page.getByRole('dialog', { name: 'Ban Bob?' }).getByRole('button', { name: 'Ban' }).click();
    await people.getByText(/^Banned/).waitFor();
    await bob.page.getByText('Your session has ended').waitFor();
    await picture(bob, 'banned-wide-light');
    await people.getByRole('button', { name: 'Manage Bob' }).click();
    await admin.page.getByRole('menuitem', { name: 'Lift the ban' }).click();
    await expect.poll(() => people.getByText(/^Banned/).count()).toBe(0);
    await bob.context.close();
    bob = await enter('Bob');
    await open(bob, 'Garden');
  });

  it('a rule holds a message back until it is approved', async () => {
    await tab('Words and links');
    await admin.page.getByRole('textbox', { name: 'Word or domain' }).fill('lottery');
    await admin.page.getByRole('button', { name: 'Add' }).click();
    await admin.page.getByRole('list', { name: 'Words and links' }).getByText('lottery').waitFor();
    await picture(admin, 'admin-rules-wide-light');
    expect(await violations(admin.page)).toEqual([]);

    await say(bob, 'you won the lottery');
    await message(bob, 'you won the lottery')
      .getByText(/waits for a moderator/)
      .waitFor();
    await picture(bob, 'held-wide-light');
    expect(await message(ada, 'lottery').count()).toBe(0);
    await tab('Held messages');
    const held = admin.page.getByRole('article', { name: 'Held message by Bob' });
    await held.getByText('you won the lottery').waitFor();
    await picture(admin, 'admin-held-wide-light');
    expect(await violations(admin.page)).toEqual([]);
    await held.getByRole('button', { name: 'Approve' }).click();
    await message(ada, 'you won the lottery').waitFor();
    await expect.poll(() => message(bob, 'waits for a moderator').count()).toBe(0);
    expect(await message(bob, 'you won the lottery').count()).toBe(1);
  });

  it('slow mode counts down, read-only closes the field', async () => {
    await ada.page.getByRole('button', { name: 'Details', exact: true }).click();
    const details = ada.page.getByRole('complementary', { name: 'Details' });
    await details.getByRole('combobox', { name: 'Slow mode' }).selectOption({ label: 'Every 1 min' });
    // The last message is not a minute old.
    await bob.page.getByText(/Slow mode: you can write again in \d+ s/).waitFor();
    await field(bob).fill('patience');
    await expect.poll(() => bob.page.getByRole('button', { name: 'Send', exact: true }).isDisabled()).toBe(true);
    await picture(bob, 'slow-mode-wide-light');
    expect(await violations(bob.page)).toEqual([]);
    await details.getByRole('switch', { name: 'Only owners and moderators' }).check();
    await bob.page.getByText('Only owners and moderators write here.').waitFor();
    await picture(ada, 'details-moderation-wide-light');
    expect(await violations(ada.page)).toEqual([]);
    await details.getByRole('switch', { name: 'Only owners and moderators' }).uncheck();
    await details.getByRole('combobox', { name: 'Slow mode' }).selectOption({ label: 'Off' });
    await field(bob).waitFor();
    await details.getByRole('button', { name: 'Close' }).click();
  });

  it('somebody is blocked and unblocked; the other one is not told', async () => {
    await startConversation(ada, ['Bob']);
    await say(ada, 'between the two of us');
    await ada.page.getByRole('button', { name: 'Details', exact: true }).click();
    const details = ada.page.getByRole('complementary', { name: 'Details' });
    await details.getByRole('button', { name: 'Block Bob' }).click();
    await ada.page.getByText('You blocked Bob.').waitFor();
    await picture(ada, 'blocked-wide-light');
    expect(await violations(ada.page)).toEqual([]);
    await open(bob, 'Ada');
    await message(bob, 'between the two of us').waitFor();
    await say(bob, 'are you there?');
    await message(bob, 'are you there?').getByText('You cannot exchange messages').waitFor();
    await ada.page.getByRole('button', { name: 'Unblock', exact: true }).click();
    await field(ada).waitFor();
    await message(bob, 'are you there?').getByRole('button', { name: 'Try again' }).click();
    await message(ada, 'are you there?').waitFor();
  });

  it('all of it on a phone, in the dark', async () => {
    await admin.page.setViewportSize(PHONE);
    await admin.page.emulateMedia({ colorScheme: 'dark' });
    for (const name of ['Reports', 'Held messages', 'People', 'Words and links', 'Audit trail']) {
      await tab(name);
      await expect.poll(() => admin.page.locator('main .skeleton').count()).toBe(0);
      await picture(admin, `admin-${name.split(' ')[0]!.toLowerCase()}-phone-dark`);
      expect(await violations(admin.page)).toEqual([]);
      expect(await admin.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
    }
  });
});
