import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { deflateSync } from 'node:zlib';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { violations } from './support/axe.ts';
import {
  conversation,
  field,
  launch,
  message,
  open,
  type Person,
  PHONE,
  picture,
  say,
  signIn,
  startConversation,
  WIDE,
} from './support/people.ts';
import { startServer, type TestServer } from './support/server.ts';

/** A picture of so many pixels, in bands of colour. */
function png(width: number, height: number, hue: number): Buffer {
  const row = (y: number) => {
    const pixels = Array.from({ length: width }, (_, x) => [
      (hue + (x * 80) / width) & 255,
      ((y * 160) / height + 60) & 255,
      (200 - hue + (x * 40) / width) & 255,
    ]);
    return Buffer.from([0, ...pixels.flat()]);
  };
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    const check = Buffer.alloc(4);
    check.writeUInt32BE(crc(body));
    return Buffer.concat([length, body, check]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const pixels = deflateSync(Buffer.concat(Array.from({ length: height }, (_, y) => row(y))));
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
  return Buffer.concat([signature, chunk('IHDR', head), chunk('IDAT', pixels), chunk('IEND', Buffer.alloc(0))]);
}

function crc(bytes: Buffer): number {
  let value = ~0;
  for (const byte of bytes) {
    value ^= byte;
    for (let bit = 0; bit < 8; bit += 1) value = (value >>> 1) ^ (value & 1 ? 0xedb88320 : 0);
  }
  return ~value >>> 0;
}

const image = (name: string, width = 640, height = 400, hue = 40) => ({
  name,
  mimeType: 'image/png',
  buffer: png(width, height, hue),
});
const notes = (name = 'notes.txt') => ({ name, mimeType: 'text/plain', buffer: Buffer.from('what was said') });

describe('files', () => {
  let server: TestServer;
  let browser: Browser;
  let ada: Person;
  let bob: Person;

  beforeAll(async () => {
    [server, browser] = await Promise.all([
      startServer({ UPLOAD_MAX_BYTES: '80000000' }),
      launch(['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream']),
    ]);
    ada = await signIn(browser, 'Ada', server.url);
    bob = await signIn(browser, 'Bob', server.url);
    await startConversation(ada, ['Bob']);
    await say(ada, 'Hello Bob');
    await open(bob, 'Ada');
  });
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });

  /** A browser tells every request that found no server; that one was killed on purpose. */
  const ignoreOutage = () => {
    for (const { complaints } of [ada, bob]) {
      const others = complaints.filter((line) => !/ERR_CONNECTION|ERR_EMPTY_RESPONSE|WebSocket|503/.test(line));
      complaints.splice(0, complaints.length, ...others);
    }
  };
  const attach = ({ page }: Person, files: { name: string; mimeType: string; buffer: Buffer }[]) =>
    page.locator('input[type="file"][multiple]').setInputFiles(files);
  const tray = ({ page }: Person) => page.getByRole('list', { name: 'Files to send' });

  it('are chosen, shown while they go up, and sent with words or alone', async () => {
    await attach(ada, [image('beach.png'), notes()]);
    await tray(ada).getByText('beach.png').waitFor();
    await tray(ada).getByText('notes.txt').waitFor();
    await picture(ada, 'upload-tray-wide-light');
    expect(await violations(ada.page)).toEqual([]);
    await say(ada, 'from the sea');
    const seen = message(bob, 'from the sea');
    const beach = seen.getByRole('button', { name: 'Open beach.png' });
    await beach.waitFor();
    // What stands in for it until it is there.
    expect(await beach.evaluate((button) => getComputedStyle(button).backgroundImage)).toMatch(
      /^url\("data:image\/png/,
    );
    await seen.getByRole('button', { name: 'Download notes.txt' }).waitFor();
    expect(await tray(ada).count()).toBe(0);

    await attach(ada, [image('alone.png', 300, 500, 150)]);
    await tray(ada).getByText('alone.png').waitFor();
    await ada.page.getByRole('button', { name: 'Send', exact: true }).click();
    await bob.page.getByRole('button', { name: 'Open alone.png' }).waitFor();
    await conversation(bob, 'Ada').getByText('Photo').waitFor();
    await picture(bob, 'attachments-wide-light');
    expect(await violations(bob.page)).toEqual([]);
  });

  it('are downloaded under their own names', async () => {
    const saving = bob.page.waitForEvent('download');
    await bob.page.getByRole('button', { name: 'Download notes.txt' }).click();
    const download = await saving;
    expect(download.suggestedFilename()).toBe('notes.txt');
    expect(download.url()).toContain('signature=');
  });

  it('nothing moves when a picture loads: it has its shape before', async () => {
    const box = await bob.page.getByRole('button', { name: 'Open beach.png' }).boundingBox();
    expect(box!.width / box!.height).toBeCloseTo(640 / 400, 1);
  });

  it('pictures open in a gallery that the keyboard walks through', async () => {
    await bob.page.getByRole('button', { name: 'Open beach.png' }).click();
    const gallery = bob.page.getByRole('dialog', { name: 'Pictures' });
    await gallery.getByRole('img', { name: 'beach.png' }).waitFor();
    await gallery.getByText('1 of 2').waitFor();
    await picture(bob, 'gallery-wide-light');
    expect(await violations(bob.page)).toEqual([]);
    await bob.page.keyboard.press('ArrowRight');
    const next = gallery.getByRole('img', { name: 'alone.png' });
    await next.waitFor();
    const before = (await next.boundingBox())!.width;
    await bob.page.keyboard.press('+');
    await expect.poll(async () => (await next.boundingBox())!.width).toBeGreaterThan(before * 1.4);
    await bob.page.keyboard.press('0');
    await expect.poll(async () => (await next.boundingBox())!.width).toBe(before);
    await bob.page.keyboard.press('Escape');
    await expect.poll(() => gallery.count()).toBe(0);
  });

  it('pasted and dropped ones are added', async () => {
    await field(ada).evaluate((element) => {
      const data = new DataTransfer();
      data.items.add(new File(['pasted'], 'pasted.txt', { type: 'text/plain' }));
      element.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
    });
    await tray(ada).getByText('pasted.txt').waitFor();
    await ada.page.getByRole('log').evaluate((element) => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File(['dropped'], 'dropped.txt', { type: 'text/plain' }));
      element.dispatchEvent(new DragEvent('dragenter', { dataTransfer, bubbles: true, cancelable: true }));
    });
    await ada.page.getByText('Drop files to send them to Bob').waitFor();
    await picture(ada, 'drop-zone-wide-light');
    await ada.page.getByRole('log').evaluate((element) => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File(['dropped'], 'dropped.txt', { type: 'text/plain' }));
      element.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }));
    });
    await tray(ada).getByText('dropped.txt').waitFor();
    for (const name of ['pasted.txt', 'dropped.txt'])
      await ada.page.getByRole('button', { name: `Take out ${name}` }).click();
    await expect.poll(() => tray(ada).count()).toBe(0);
  });

  it('a large one is paused, resumed, survives a reload, and its message waits for it', async () => {
    const slow = await ada.context.newCDPSession(ada.page);
    const limit = (uploadThroughput: number) =>
      slow.send('Network.emulateNetworkConditions', {
        offline: false,
        latency: 0,
        downloadThroughput: -1,
        uploadThroughput,
      });
    await limit(400_000);
    await attach(ada, [{ name: 'film.bin', mimeType: 'application/octet-stream', buffer: Buffer.alloc(6_000_000, 7) }]);
    await ada.page.getByRole('progressbar', { name: 'film.bin' }).waitFor();
    await ada.page.getByRole('button', { name: 'Pause film.bin' }).click();
    await tray(ada).getByText('Paused at').waitFor();
    await picture(ada, 'upload-paused-wide-light');
    await ada.page.getByRole('button', { name: 'Resume film.bin' }).click();
    await ada.page.getByRole('button', { name: 'Pause film.bin' }).waitFor();
    await say(ada, 'the whole film');
    await message(ada, 'the whole film')
      .getByText(/ of 6 MB/)
      .waitFor();
    await picture(ada, 'upload-waiting-wide-light');
    await say(ada, 'meanwhile');
    await message(bob, 'meanwhile').waitFor();
    expect(await message(bob, 'the whole film').count()).toBe(0);

    await ada.page.reload();
    await message(ada, 'the whole film').getByText('film.bin').waitFor();
    await limit(-1);
    await message(bob, 'the whole film').getByRole('button', { name: 'Download film.bin' }).waitFor();
    expect(await message(bob, 'the whole film').count()).toBe(1);
  });

  it('an upload goes on after the server was killed in the middle of it, and every byte agrees', async () => {
    const slow = await ada.context.newCDPSession(ada.page);
    const limit = (uploadThroughput: number) =>
      slow.send('Network.emulateNetworkConditions', {
        offline: false,
        latency: 0,
        downloadThroughput: -1,
        uploadThroughput,
      });
    const bytes = randomBytes(8_000_000);
    await limit(800_000);
    await attach(ada, [{ name: 'survivor.bin', mimeType: 'application/octet-stream', buffer: bytes }]);
    const progress = ada.page.getByRole('progressbar', { name: 'survivor.bin' });
    await expect.poll(async () => Number(await progress.getAttribute('aria-valuenow'))).toBeGreaterThan(20);
    await server.kill();
    await say(ada, 'through thick and thin');
    await limit(-1);
    await server.start();
    const link = message(bob, 'through thick and thin').getByRole('button', { name: 'Download survivor.bin' });
    await link.waitFor({ timeout: 60_000 });
    const saving = bob.page.waitForEvent('download');
    await link.click();
    const digest = (of: Buffer) => createHash('sha256').update(of).digest('hex');
    expect(digest(await readFile(await (await saving).path()))).toBe(digest(bytes));
    ignoreOutage();
  });

  it('a voice message is recorded, sent and played', async () => {
    await ada.page.getByRole('button', { name: 'Record a voice message' }).click();
    const recorder = ada.page.getByRole('group', { name: 'Voice message' });
    await recorder.getByRole('timer').filter({ hasText: '0:01' }).waitFor();
    await picture(ada, 'voice-recording-wide-light');
    expect(await violations(ada.page)).toEqual([]);
    await recorder.getByRole('button', { name: 'Send' }).click();
    const play = bob.page.getByRole('button', { name: 'Play' });
    await play.waitFor();
    await conversation(bob, 'Ada').getByText('Voice message').waitFor();
    await play.click();
    await bob.page.getByRole('button', { name: 'Pause' }).waitFor();
    await picture(bob, 'voice-message-wide-light');
    await play.waitFor();
  });

  it('look right on a phone and in the dark', async () => {
    for (const [name, viewport] of Object.entries({ wide: WIDE, phone: PHONE })) {
      await bob.page.emulateMedia({ colorScheme: 'dark' });
      await bob.page.setViewportSize(viewport);
      await message(bob, 'from the sea').scrollIntoViewIfNeeded();
      await picture(bob, `attachments-${name}-dark`);
      expect(await violations(bob.page)).toEqual([]);
    }
    await attach(bob, [image('one.png'), notes('a rather long name of a file that nobody can read to its end.txt')]);
    await tray(bob).getByText('one.png').waitFor();
    await picture(bob, 'upload-tray-phone-dark');
    expect(await violations(bob.page)).toEqual([]);
    expect(await bob.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
    await bob.page.getByRole('button', { name: 'Open beach.png' }).click();
    await bob.page.getByRole('dialog', { name: 'Pictures' }).getByRole('img', { name: 'beach.png' }).waitFor();
    await picture(bob, 'gallery-phone-dark');
  });

  it('nobody’s page complained', () => {
    expect([...ada.complaints, ...bob.complaints]).toEqual([]);
  });
});
