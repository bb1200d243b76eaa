import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  conversation,
  field,
  launch,
  message,
  open,
  type Person,
  say,
  signIn,
  startConversation,
} from './support/people.ts';
import { startServer, type TestServer } from './support/server.ts';

describe('two people in two windows', () => {
  let server: TestServer;
  let browser: Browser;
  let ada: Person;
  let bob: Person;

  beforeAll(async () => {
    [server, browser] = await Promise.all([startServer(), launch()]);
    [ada, bob] = await Promise.all([signIn(browser, 'Ada', server.url), signIn(browser, 'Bob', server.url)]);
    await startConversation(ada, ['Bob']);
    await say(ada, 'Hello Bob');
    await open(bob, 'Ada');
    await message(bob, 'Hello Bob').waitFor();
  });
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });
  beforeEach(async () => {
    await field(ada).fill('');
    await field(bob).fill('');
  });

  it('show each other what they write, with who has it and who has read it', async () => {
    await say(bob, 'Hello Ada');
    await message(ada, 'Hello Ada').waitFor();
    await message(ada, 'Hello Bob').getByRole('img', { name: 'Read' }).waitFor();
    await message(ada, 'Hello Bob').getByRole('button', { name: 'Read' }).click();
    await ada.page.getByRole('dialog', { name: 'Read by' }).getByText('Bob').waitFor();
    await ada.page.keyboard.press('Escape');
  });

  it('Shift+Enter breaks the line, Enter sends', async () => {
    await field(ada).press('a');
    await field(ada).press('Shift+Enter');
    await field(ada).pressSequentially('second line');
    await field(ada).press('Enter');
    await message(bob, 'second line').locator('br').waitFor({ state: 'attached' });
    await expect.poll(() => field(ada).inputValue()).toBe('');
  });

  it('SEND-5: Markdown is shown, HTML is text that never runs', async () => {
    await say(
      ada,
      '**bold** *soft* `code` ~~gone~~ https://example.com/a_(b)\n- one\n- two\n\n> quoted\n\n```ts\nconst x = 1;\n```',
    );
    const seen = message(bob, 'quoted').last();
    await seen.locator('strong', { hasText: 'bold' }).waitFor();
    await seen.locator('em', { hasText: 'soft' }).waitFor();
    await seen.locator('s', { hasText: 'gone' }).waitFor();
    expect(await seen.getByRole('link').getAttribute('href')).toBe('https://example.com/a_(b)');
    expect(await seen.getByRole('link').getAttribute('rel')).toContain('noopener');
    expect(await seen.getByRole('listitem').count()).toBe(2);
    await seen.locator('blockquote').waitFor();
    await seen.getByRole('button', { name: 'Copy' }).click();
    expect(await bob.page.evaluate(() => navigator.clipboard.readText())).toBe('const x = 1;');

    await say(ada, 'a < b && c > d <img src=x onerror="globalThis.hurt = true">end');
    await message(bob, 'HTML removed').waitFor();
    expect(await message(bob, 'HTML removed').locator('.parley-text').textContent()).toContain('a < b && c > d');
    expect(await bob.page.evaluate(() => 'hurt' in globalThis)).toBe(false);
  });

  it('reply, and jump to what is replied to', async () => {
    await message(bob, 'Hello Bob').first().hover();
    await message(bob, 'Hello Bob').first().getByRole('button', { name: 'Reply' }).click();
    await bob.page.getByText('Replying to Ada').waitFor();
    await say(bob, 'to that first word');
    const answer = message(ada, 'to that first word');
    await answer.getByRole('button', { name: /Hello Bob/ }).click();
    await ada.page.locator('.parley-message-highlighted', { hasText: 'Hello Bob' }).waitFor();
  });

  it('EDIT-1: arrow up edits the last message; earlier texts can be read', async () => {
    await say(bob, 'the frist text');
    await message(ada, 'the frist text').waitFor();
    await field(bob).press('ArrowUp');
    await expect.poll(() => field(bob).inputValue()).toBe('the frist text');
    await field(bob).fill('the first text');
    await field(bob).press('Enter');
    await message(ada, 'the first text').getByText('edited').waitFor();
    await message(bob, 'the first text').getByRole('button', { name: 'edited' }).click();
    await bob.page.getByRole('dialog').getByText('the frist text').waitFor();
    await bob.page.getByRole('button', { name: 'Close' }).click();
  });

  it('DEL-1: delete can be undone for a moment, then is gone for both', async () => {
    await say(ada, 'said too soon');
    await message(bob, 'said too soon').waitFor();
    const remove = async () => {
      await message(ada, 'said too soon').hover();
      await message(ada, 'said too soon').getByRole('button', { name: 'More' }).click();
      await ada.page.getByRole('menuitem', { name: 'Delete' }).click();
    };
    await remove();
    await ada.page.getByRole('button', { name: 'Undo' }).click();
    await message(ada, 'said too soon').waitFor();
    await remove();
    await message(bob, 'This message was deleted').waitFor();
    await expect.poll(() => message(bob, 'said too soon').count()).toBe(0);
  });

  it('react from the menu, from the picker, and take it back', async () => {
    const first = message(bob, 'Hello Bob').first();
    await first.hover();
    await first.getByRole('button', { name: 'More' }).click();
    await bob.page.getByRole('menuitemcheckbox', { name: 'React with 👍' }).click();
    await message(ada, 'Hello Bob').first().getByRole('button', { name: 'Bob: 👍' }).click();
    await first.getByRole('button', { name: /👍/, pressed: true }).getByText('2').waitFor();

    await message(ada, 'Hello Bob').first().hover();
    await message(ada, 'Hello Bob').first().getByRole('button', { name: 'React' }).first().click();
    await ada.page.getByRole('searchbox', { name: 'Search emoji' }).fill('party popper');
    await ada.page.getByRole('gridcell', { name: 'Party popper' }).click();
    await first.getByRole('button', { name: 'Ada: 🎉' }).waitFor();

    await first.getByRole('button', { name: /👍/ }).click();
    await message(ada, 'Hello Bob').first().getByRole('button', { name: 'You: 👍' }).waitFor();
  });

  it('typing shows, and ends with the message', async () => {
    await field(bob).pressSequentially('soon');
    await ada.page.getByText('Bob is typing').first().waitFor();
    await field(bob).press('Enter');
    await expect.poll(() => ada.page.getByText('Bob is typing').count()).toBe(0);
  });

  it('mentions and emoji are completed', async () => {
    await field(ada).pressSequentially('for @bo');
    await ada.page.getByRole('option', { name: 'Bob' }).waitFor();
    await field(ada).press('Tab');
    await field(ada).pressSequentially('a :tada');
    await ada.page.getByRole('option', { name: ':tada:' }).waitFor();
    await field(ada).press('Enter');
    await expect.poll(() => field(ada).inputValue()).toBe('for @Bob a 🎉 ');
    await field(ada).press('Enter');
    await message(bob, 'for @Bob a 🎉').locator('.parley-mention-me').waitFor();
  });

  it('READ-2: badges in the list and the title count what is unread, and go when it is read', async () => {
    await bob.page.goto(server.url);
    await conversation(bob, 'Ada').waitFor();
    await say(ada, 'one');
    await say(ada, 'two');
    await conversation(bob, 'Ada').getByText('2 unread').waitFor();
    await expect.poll(() => bob.page.title()).toBe('(2) Parley');
    await open(bob, 'Ada');
    await bob.page.getByText('New', { exact: true }).waitFor();
    await expect.poll(() => bob.page.title()).toBe('Ada · Parley');
    await message(ada, 'two').last().getByRole('img', { name: 'Read' }).waitFor();
  });

  it('drafts are kept for each conversation across a reload', async () => {
    await field(bob).fill('not yet');
    await bob.page.reload();
    await expect.poll(() => field(bob).inputValue()).toBe('not yet');
  });

  it('pin, mute, mark unread, archive from the list', async () => {
    const choose = async (name: string) => {
      await conversation(bob, 'Ada').click({ button: 'right' });
      await bob.page.getByRole('menuitem', { name, exact: true }).click();
    };
    await bob.page.goto(server.url);
    await choose('Pin');
    await conversation(bob, 'Ada').getByRole('img', { name: 'Pinned' }).waitFor();
    await choose('Mute');
    await bob.page.getByRole('menuitem', { name: 'For 1 hour' }).click();
    await conversation(bob, 'Ada').getByRole('img', { name: 'Muted' }).waitFor();
    await choose('Unmute');
    await choose('Mark as unread');
    await conversation(bob, 'Ada').getByText('1 unread').waitFor();
    await choose('Archive');
    await expect.poll(() => conversation(bob, 'Ada').count()).toBe(0);
    await bob.page.getByRole('button', { name: 'Archived' }).click();
    await choose('Unarchive');
    await bob.page.getByRole('button', { name: 'All' }).click();
    await open(bob, 'Ada');
  });

  it('groups: members, roles, rename, remove; the removed person is told', async () => {
    await ada.page.getByRole('button', { name: 'New conversation' }).click();
    await ada.page.getByRole('button', { name: 'Channel', exact: true }).click();
    await ada.page.getByLabel('Channel name').fill('general');
    await ada.page.getByRole('button', { name: 'Create' }).click();
    await field(ada).waitFor();
    await ada.page.getByRole('heading', { name: 'general' }).waitFor();
    await bob.page.getByRole('button', { name: 'Browse channels' }).click();
    await bob.page.getByRole('button', { name: 'Join' }).click();
    await bob.page.getByRole('heading', { name: 'general' }).waitFor();
    await say(bob, 'here I am');
    await message(ada, 'here I am').waitFor();

    await ada.page.getByRole('button', { name: 'Details', exact: true }).click();
    const details = ada.page.getByRole('complementary', { name: 'Details' });
    await details.getByRole('button', { name: 'Rename' }).click();
    await ada.page.getByLabel('Name', { exact: true }).fill('everything');
    await ada.page.getByRole('button', { name: 'Save' }).click();
    await conversation(bob, 'everything').waitFor();
    await details.getByRole('button', { name: 'Manage Bob' }).click();
    await ada.page.getByRole('menuitemcheckbox', { name: 'Reads only' }).click();
    await bob.page.getByText('You may read here.').waitFor();
    await details.getByRole('button', { name: 'Manage Bob' }).click();
    await ada.page.getByRole('menuitem', { name: 'Remove' }).click();
    await bob.page.getByText('You are no longer in this conversation').waitFor();
    await bob.page.getByRole('button', { name: 'Back to the list' }).click();
    await open(ada, 'Bob');
    await ada.page.getByRole('heading', { name: 'Bob' }).waitFor();
    await open(bob, 'Ada');
    await bob.page.getByRole('heading', { name: 'Ada' }).waitFor();
  });

  it('everything works by keyboard', async () => {
    await ada.page.keyboard.press('Control+k');
    await ada.page.getByRole('combobox', { name: 'Jump to' }).fill('bob');
    await ada.page.getByRole('option', { name: /Bob/ }).first().waitFor();
    await ada.page.keyboard.press('Enter');
    await field(ada).waitFor();
    await say(ada, 'last by keyboard');
    await message(ada, 'last by keyboard').getByRole('img', { name: 'Read' }).waitFor();
    await ada.page.keyboard.press('Shift+F6');
    await expect.poll(() => ada.page.evaluate(() => document.activeElement?.textContent)).toContain('last by keyboard');
    await ada.page.keyboard.press('c');
    await expect.poll(() => ada.page.evaluate(() => navigator.clipboard.readText())).toBe('last by keyboard');
    await ada.page.keyboard.press('Enter');
    await ada.page.getByRole('menu').waitFor();
    await ada.page.keyboard.press('Escape');
    await ada.page.keyboard.press('ArrowUp');
    await expect
      .poll(() => ada.page.evaluate(() => document.activeElement?.textContent))
      .not.toContain('last by keyboard');
    await ada.page.keyboard.press('r');
    await ada.page.getByText(/Replying to/).waitFor();
    await ada.page.keyboard.press('Escape');
    await expect.poll(() => ada.page.getByText(/Replying to/).count()).toBe(0);
  });

  it('a permalink leads to the message', async () => {
    await message(ada, 'last by keyboard').hover();
    await message(ada, 'last by keyboard').getByRole('button', { name: 'More' }).click();
    await ada.page.getByRole('menuitem', { name: 'Copy link' }).click();
    await ada.page.getByText('Link copied').waitFor();
    const link = await ada.page.evaluate(() => navigator.clipboard.readText());
    await bob.page.goto(link);
    await bob.page.locator('.parley-message-highlighted', { hasText: 'last by keyboard' }).waitFor();
  });

  it('new messages are announced', async () => {
    await say(bob, 'can you hear me');
    await expect
      .poll(() => ada.page.locator('[aria-live="polite"]').allTextContents())
      .toContain('Bob: can you hear me');
  });

  it('the page says nothing on the console', () => {
    expect([...ada.complaints, ...bob.complaints]).toEqual([]);
  });

  it('signing out forgets the session', async () => {
    await bob.page.goto(server.url);
    await bob.page.getByRole('button', { name: 'Account' }).click();
    await bob.page.getByRole('menuitem', { name: 'Sign out' }).click();
    await bob.page.getByRole('dialog').getByRole('button', { name: 'Sign out' }).click();
    await bob.page.getByLabel('Your name').waitFor();
    await bob.page.reload();
    await bob.page.getByLabel('Your name').waitFor();
    expect(await bob.page.getByRole('button', { name: /Continue as/ }).count()).toBe(0);
  });
});
