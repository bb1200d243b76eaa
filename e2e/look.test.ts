import { gzipSync } from 'node:zlib';
import type { Browser } from 'playwright-core';
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
  signIn,
  startConversation,
  TABLET,
  WIDE,
} from './support/people.ts';
import { startServer, type TestServer } from './support/server.ts';

describe('every screen: no axe violations, and a picture', () => {
  let server: TestServer;
  let browser: Browser;

  beforeAll(async () => {
    [server, browser] = await Promise.all([startServer(), launch()]);
    const [ada, bob] = await Promise.all([
      signIn(browser, 'Mina Okafor', server.url),
      signIn(browser, 'Jonas Weber', server.url),
    ]);
    await startConversation(ada, ['Jonas Weber']);
    await say(ada, 'Do you have the numbers from last week?');
    await startConversation(bob, ['Mina Okafor'], 'Summer release');
    await say(
      bob,
      'We are **nearly there**. Left to do:\n- release notes\n- one last look at `onboarding`\n\nPlan: https://example.com/plan',
    );
  });
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });

  const check = async (person: Person, name: string) => {
    await picture(person, name);
    expect(await violations(person.page)).toEqual([]);
  };

  for (const colorScheme of ['light', 'dark'] as const) {
    // A tablet differs from the others in its layout, not in its colours.
    const sizes = colorScheme === 'light' ? { wide: WIDE, tablet: TABLET, phone: PHONE } : { wide: WIDE, phone: PHONE };
    for (const [size, viewport] of Object.entries(sizes)) {
      it(`${size}, ${colorScheme}`, async () => {
        const label = (name: string) => `${name}-${size}-${colorScheme}`;
        const visitor = await openWindow(browser, 'visitor', server.url, { viewport, colorScheme });
        await check(visitor, label('sign-in'));
        const name = `Cléo ${size} ${colorScheme}`;
        const cleo = await signIn(browser, name, server.url, { viewport, colorScheme });
        await cleo.page.getByText('No conversations yet').waitFor();
        await check(cleo, label('list-empty'));

        await cleo.page.getByRole('button', { name: 'New conversation' }).click();
        await cleo.page.getByRole('option', { name: 'Mina Okafor' }).waitFor();
        await check(cleo, label('new-conversation'));
        await cleo.page.keyboard.press('Escape');
        await startConversation(cleo, ['Mina Okafor', 'Jonas Weber'], `Launch ${size} ${colorScheme}`);
        await check(cleo, label('thread-empty'));

        await say(
          cleo,
          'Good morning! The **launch** is on *Thursday*. @Mina Okafor has the plan: https://example.com/plan',
        );
        await say(cleo, '🎉🎉');
        await say(
          cleo,
          '> the plan\nHere is what is left:\n1. release notes\n2. blog post\n\n```ts\nawait ship({ to: "everyone" });\n```',
        );
        const last = message(cleo, 'release notes');
        await last.getByRole('img', { name: /Sent|Delivered/ }).waitFor();
        await last.focus();
        await cleo.page.keyboard.press('Enter');
        await cleo.page.getByRole('menu').waitFor();
        await check(cleo, label('message-menu'));
        await cleo.page.getByRole('menuitemcheckbox', { name: 'React with 🎉' }).click();
        await last.getByRole('button', { name: 'You: 🎉' }).waitFor();
        await check(cleo, label('thread'));

        await cleo.page.getByRole('button', { name: 'Emoji' }).click();
        await cleo.page.getByRole('gridcell').first().waitFor();
        await check(cleo, label('emoji'));
        await cleo.page.keyboard.press('Escape');
        await cleo.page.getByRole('button', { name: 'Details', exact: true }).click();
        await cleo.page.getByRole('complementary', { name: 'Details' }).getByText('Jonas Weber').waitFor();
        await check(cleo, label('details'));
        await cleo.page.getByRole('complementary', { name: 'Details' }).getByRole('button', { name: 'Close' }).click();
        await cleo.context.setOffline(true);
        await say(cleo, 'and this one waits');
        await cleo.page.getByText('1 change waits').waitFor();
        await check(cleo, label('offline'));
        expect(await cleo.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
        await Promise.all([cleo.context.close(), visitor.context.close()]);
      });
    }
  }

  it('right to left, in German, chosen by hand', async () => {
    const cleo = await signIn(browser, 'Cléo rtl', server.url);
    await startConversation(cleo, ['Mina Okafor']);
    await say(cleo, 'مرحبا! كيف الحال؟');
    await say(cleo, 'and in English');
    await cleo.page.getByRole('button', { name: 'Account' }).click();
    await cleo.page.getByRole('menuitem', { name: 'Preferences' }).click();
    await check(cleo, 'preferences-wide-light');
    await cleo.page.getByText('Right to left').click();
    await cleo.page.getByText('Dark', { exact: true }).click();
    await cleo.page.getByText('Deutsch').click();
    await cleo.page.keyboard.press('Escape');
    await cleo.page.getByRole('textbox', { name: 'Nachricht' }).waitFor();
    expect(await cleo.page.evaluate(() => [document.documentElement.dir, document.documentElement.lang])).toEqual([
      'rtl',
      'de',
    ]);
    await check(cleo, 'thread-wide-dark-rtl');
  });

  it('shortcuts, jump, channels', async () => {
    const cleo = await signIn(browser, 'Cléo keys', server.url);
    await cleo.page.keyboard.press('?');
    await cleo.page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
    await check(cleo, 'shortcuts-wide-light');
    await cleo.page.keyboard.press('Escape');
    await cleo.page.keyboard.press('Control+k');
    await cleo.page.getByRole('combobox', { name: 'Jump to' }).fill('mina');
    await cleo.page.getByRole('option', { name: /Mina/ }).waitFor();
    await check(cleo, 'jump-wide-light');
    await cleo.page.keyboard.press('Enter');
    await field(cleo).waitFor();
    await cleo.page.getByRole('button', { name: 'Browse channels' }).click();
    await cleo.page.getByText('No channels here.').waitFor();
    await check(cleo, 'channels-wide-light');
  });

  it('nothing moves for those who want it still', async () => {
    const cleo = await signIn(browser, 'Cléo still', server.url, { reducedMotion: 'reduce' });
    await startConversation(cleo, ['Mina Okafor']);
    await cleo.page.getByRole('button', { name: 'New conversation' }).click();
    const running = await cleo.page.evaluate(
      () => document.getAnimations().filter((one) => Number(one.effect?.getTiming().duration) > 50).length,
    );
    expect(running).toBe(0);
  });

  it('the page runs no script but its own: the policy says so, and an attempt is refused', async () => {
    const response = await fetch(server.url);
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy).toMatch(/script-src 'self'(?:;|$)/);
    expect(policy).toMatch(/style-src 'self'(?:;|$)/);
    expect(await response.text()).not.toMatch(/<script(?![^>]*\bsrc=)[^>]*>|\son\w+=|<style|\sstyle=/);
    const page = (await openWindow(browser, 'visitor', server.url)).page;
    const ran = await page.evaluate(() => {
      const script = document.createElement('script');
      script.textContent = 'globalThis.ran = true';
      document.head.append(script);
      return 'ran' in globalThis;
    });
    expect(ran).toBe(false);
  });

  it('needs at most 170 kB of script, gzipped, to begin', async () => {
    const html = await (await fetch(server.url)).text();
    const files = [...html.matchAll(/(?:src|href)="([^"]+\.js)"/g)].map(([, path]) => path!);
    expect(files.length).toBeGreaterThan(1);
    const sizes = await Promise.all(
      files.map(async (path) => gzipSync(await (await fetch(server.url + path)).bytes(), { level: 9 }).length),
    );
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(170_000);
  });

  it('can be installed: a manifest with icons that exist', async () => {
    const manifest: { icons: { src: string; sizes: string }[] } = await (
      await fetch(`${server.url}/manifest.webmanifest`)
    ).json();
    const answers = await Promise.all(
      manifest.icons.map(async ({ src }) => (await fetch(server.url + src)).headers.get('content-type')),
    );
    expect(answers).toEqual(['image/svg+xml', 'image/png', 'image/png']);
  });

  it('a second window of the same browser may be somebody else, or go on as the same', async () => {
    const ada = await signIn(browser, 'Ada twice', server.url);
    const second = await ada.context.newPage();
    await second.goto(server.url);
    await second.getByLabel('Your name').waitFor();
    await second.getByRole('button', { name: 'Continue as Ada twice' }).click();
    await second.getByRole('button', { name: 'New conversation' }).waitFor();
    await startConversation(ada, ['Mina Okafor']);
    await say(ada, 'seen in both');
    await open({ ...ada, page: second }, 'Mina Okafor');
    await message({ page: second }, 'seen in both').waitFor();
    expect(await message({ page: second }, 'seen in both').count()).toBe(1);
  });
});
