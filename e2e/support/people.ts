import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Locator,
  type Page,
} from 'playwright-core';

const EXECUTABLE = process.env.CHROMIUM ?? '/usr/bin/chromium';
const ARTEFACTS = fileURLToPath(new URL('../../artefacts/', import.meta.url));

export const WIDE = { width: 1440, height: 900 };
export const TABLET = { width: 820, height: 1180 };
export const PHONE = { width: 390, height: 844 };

/** Debian's Chromium with a fresh profile. */
export function launch(args: readonly string[] = []): Promise<Browser> {
  return chromium.launch({
    executablePath: EXECUTABLE,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', ...args],
  });
}

/** Somebody with a browser of their own. */
export interface Person {
  readonly name: string;
  readonly page: Page;
  readonly context: BrowserContext;
  /** What the page complained about: errors, and console lines of any kind. */
  readonly complaints: string[];
}

/** The windows that are open, for a test that fails to show what was in them. */
export const windows = new Set<Person>();

/** Opens a window for somebody, not signed in. */
export async function openWindow(
  browser: Browser,
  name: string,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Person> {
  const context = await browser.newContext({ viewport: WIDE, locale: 'en-US', colorScheme: 'light', ...options });
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: new URL(url).origin });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on('console', (line) => complaints.push(`${line.type()}: ${line.text()}`));
  const person = { name, page, context, complaints };
  windows.add(person);
  page.once('close', () => windows.delete(person));
  await page.goto(url);
  return person;
}

/** Closes the windows that are open on a server. */
export async function closeWindows(url: string): Promise<void> {
  const those = [...windows].filter(({ page }) => page.url().startsWith(url));
  await Promise.all(those.map(({ context }) => context.close()));
}

/** Opens a window and signs in by name. */
export async function signIn(
  browser: Browser,
  name: string,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Person> {
  const person = await openWindow(browser, name, url, options);
  await person.page.getByLabel('Your name').fill(name);
  await person.page.getByRole('button', { name: 'Start chatting' }).click();
  await person.page.getByRole('button', { name: 'New conversation' }).waitFor();
  return person;
}

/** Starts a conversation; with a title it is a group. */
export async function startConversation({ page }: Person, people: readonly string[], title?: string): Promise<void> {
  await page.getByRole('button', { name: 'New conversation' }).click();
  for (const name of people) {
    await page.getByRole('textbox', { name: 'People' }).fill(name);
    await page.getByRole('option', { name, exact: true }).click();
  }
  if (title) await page.getByLabel('Group name').fill(title);
  await page.getByRole('button', { name: 'Create' }).click();
  await shown({ page }, title ?? people[0]!);
}

/** Waits until a conversation is on the screen: the one before has a field for writing too. */
async function shown({ page }: Pick<Person, 'page'>, name: string): Promise<void> {
  await page.getByRole('heading', { level: 1, name }).waitFor();
  await field({ page }).waitFor();
}

/** The field for writing. */
export function field({ page }: Pick<Person, 'page'>): Locator {
  return page.getByRole('textbox', { name: 'Message' });
}

/** Writes and sends. */
export async function say(person: Person, text: string): Promise<void> {
  await field(person).fill(text);
  await person.page.getByRole('button', { name: 'Send' }).click();
}

/** The message with this text. */
export function message({ page }: Pick<Person, 'page'>, text: string): Locator {
  return page.getByRole('article').filter({ hasText: text });
}

/** Opens a conversation from the list. */
export async function open({ page }: Person, name: string): Promise<void> {
  await conversation({ page }, name).click();
  await shown({ page }, name);
}

/** A conversation's line in the list. */
export function conversation({ page }: Pick<Person, 'page'>, name: string): Locator {
  const title = page.locator('.parley-conversation-title', { hasText: name });
  return page.getByRole('list', { name: 'Conversations' }).getByRole('link').filter({ has: title });
}

/** Keeps a picture of the screen in `artefacts/`. */
export async function picture({ page }: Pick<Person, 'page'>, name: string): Promise<void> {
  await mkdir(ARTEFACTS, { recursive: true });
  await page.evaluate(async () => {
    await document.fonts.ready;
    // What moves for ever (a spinner) may be caught at any moment; what comes in must be in.
    const ending = document
      .getAnimations()
      .filter((one) => one.effect?.getComputedTiming().iterations !== Number.POSITIVE_INFINITY);
    await Promise.allSettled(ending.map((one) => one.finished));
  });
  await page.screenshot({ path: `${ARTEFACTS}${name}.png` });
}
