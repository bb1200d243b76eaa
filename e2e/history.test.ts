import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  conversation,
  launch,
  message,
  type Person,
  picture,
  say,
  signIn,
  startConversation,
} from './support/people.ts';
import { call, startServer, type TestServer } from './support/server.ts';

/** `E2E_HISTORY=2000` makes it faster to try things; the depths below go with it. */
const MESSAGES = Number(process.env.E2E_HISTORY ?? 10_000);
const DEPTH = Math.round(MESSAGES * 0.3);
const MIDDLE = MESSAGES / 2;
const AT_ONCE = 64;

describe(`a conversation of ${MESSAGES} messages`, () => {
  let server: TestServer;
  let browser: Browser;
  let ada: Person;
  let bob: Person;
  let path: string;

  beforeAll(async () => {
    [server, browser] = await Promise.all([startServer(), launch()]);
    ada = await signIn(browser, 'Ada', server.url);
    bob = await signIn(browser, 'Bob', server.url);
    await startConversation(ada, ['Bob']);
    path = new URL(ada.page.url()).pathname;
    const token: string = await ada.page.evaluate(() => JSON.parse(sessionStorage.getItem('parley.session')!).token);
    await ada.page.goto(server.url);
    let next = 1;
    const sender = async () => {
      while (next <= MESSAGES) {
        const number = next;
        next += 1;
        const lines =
          number % 7 === 0
            ? '\nwith a second line\nand a third'
            : number % 11 === 0
              ? ` ${'that is long '.repeat(20)}`
              : '';
        await call(server, token, 'POST', `/conversations/${path.split('/')[2]}/messages`, {
          content: `number ${number}${lines}`,
        });
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, sender));
  }, 900_000);
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });

  /** Runs in the page, so it stands by itself. With `scrollBy` it scrolls first and looks as the next frame is painted. */
  const look = async (scrollBy: number | null) => {
    const element = document.querySelector('[role="log"]')!;
    if (scrollBy !== null) {
      element.scrollBy(0, scrollBy);
      await new Promise(requestAnimationFrame);
    }
    const log = element.getBoundingClientRect();
    return [...document.querySelectorAll<HTMLElement>('[role="log"] article[data-seq]')]
      .filter((article) => {
        const box = article.getBoundingClientRect();
        return box.bottom > log.top && box.top < log.bottom;
      })
      .map((article) => Number(article.dataset.seq));
  };
  const seqs = ({ page }: Pick<Person, 'page'>) => page.evaluate(look, null);
  const contiguous = (numbers: readonly number[]) =>
    numbers.every((number, at) => at === 0 || number === numbers[at - 1]! + 1);

  /** Scrolls, and says what is on the screen then. */
  const scroll = async ({ page }: Person, by: number) => {
    const shown = await page.evaluate(look, by);
    if (contiguous(shown)) return shown;
    // A row that was drawn for the first time is measured by then, and takes its place in the frame after.
    return page.evaluate(look, 0);
  };

  it('READ-2: the one who has read nothing sees how much, and begins at the first unread message', async () => {
    await conversation(bob, 'Ada').getByText(`${MESSAGES} unread`).waitFor();
    await conversation(bob, 'Ada').click();
    await bob.page.getByText('New', { exact: true }).waitFor();
    await expect.poll(async () => (await seqs(bob))[0]).toBe(1);
    await picture(bob, 'history-first-unread');
  });

  it('goes to the newest with one press, and reads the conversation by that', async () => {
    await bob.page.getByRole('button', { name: /jump down|Jump to the newest/ }).click();
    await expect.poll(async () => (await seqs(bob)).at(-1)).toBe(MESSAGES);
    await expect.poll(() => conversation(bob, 'Ada').getByText('unread').count()).toBe(0);
  });

  it('the first message is painted soon after the click, whatever the length', async () => {
    await conversation(ada, 'Bob').waitFor();
    const ms = await ada.page.evaluate(async () => {
      const link = document.querySelector<HTMLElement>('.parley-conversations a')!;
      const begun = performance.now();
      link.click();
      while (!document.querySelector('[role="log"] article')) await new Promise(requestAnimationFrame);
      await new Promise(requestAnimationFrame);
      return performance.now() - begun;
    });
    // Told, not judged: how fast the machine is at this moment is no property of the app.
    process.stdout.write(`first message painted ${Math.round(ms)} ms after the click\n`);
    await expect.poll(async () => (await seqs(ada)).at(-1)).toBe(MESSAGES);
  });

  it('scrolls up through thousands without a gap, a blank screen or ever more elements', async () => {
    let lowest = MESSAGES;
    let blank = 0;
    for (let turn = 0; turn < 2_000 && lowest > MESSAGES - DEPTH; turn += 1) {
      const shown = await scroll(bob, -700);
      if (shown.length === 0) blank += 1;
      else lowest = Math.min(lowest, shown[0]!);
      expect(contiguous(shown)).toBe(true);
    }
    expect(lowest).toBeLessThanOrEqual(MESSAGES - DEPTH);
    expect(blank).toBe(0);
    expect(await bob.page.locator('[role="log"] article').count()).toBeLessThan(80);
  }, 180_000);

  it('holds its place while others write', async () => {
    const before = await seqs(bob);
    await say(ada, 'far below');
    await bob.page.getByRole('button', { name: '1 new, jump down' }).waitFor();
    expect(await seqs(bob)).toEqual(before);
    await bob.page.getByRole('button', { name: '1 new, jump down' }).click();
    await message(bob, 'far below').waitFor();
  });

  it('a permalink opens in the middle, and both directions go on from there', async () => {
    await bob.page.goto(`${server.url}${path}/${MIDDLE}`);
    await bob.page.locator(`.parley-message-highlighted[data-seq="${MIDDLE}"]`).waitFor();
    const reach = async (by: number, done: (shown: readonly number[]) => boolean) => {
      for (let turn = 0; turn < 300; turn += 1) {
        const shown = await scroll(bob, by);
        expect(contiguous(shown)).toBe(true);
        if (done(shown)) return;
      }
      throw new Error(`Not reached; shown: ${await seqs(bob)}`);
    };
    await reach(-700, (shown) => shown[0]! < MIDDLE - 200);
    await reach(700, (shown) => shown.at(-1)! > MIDDLE + 300);
  }, 120_000);
});
