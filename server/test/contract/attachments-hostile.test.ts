import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Attachment, AttachmentSchema } from '@parley/protocol';
import sharp from 'sharp';
import { describe, expect, it, vi } from 'vitest';
import {
  blackPng,
  type Caller,
  download,
  gifOfFrames,
  PDF,
  part,
  picture,
  upload,
  uploadRaw,
  wav,
  zipOf,
  zipOfZeros,
} from '../support/files.ts';
import { useWorld } from '../support/world.ts';

// The first file waits for the process that examines files, which loads its decoders.
vi.setConfig({ testTimeout: 60_000 });

const MOST = 4_000_000;
const world = useWorld({ env: { UPLOAD_MAX_BYTES: String(MOST) } });
const me = (): Caller => ({ url: world.app.url, user: 'mallory' });

async function accepted(bytes: Buffer<ArrayBuffer>, name?: string): Promise<Attachment> {
  const { status, body } = await upload(me(), bytes, name);
  expect(status, JSON.stringify(body)).toBe(201);
  return AttachmentSchema.parse(body);
}

const fetched = async (path: string) => download(world.app.url, path, 'mallory');

/** What lies where uploads are staged. */
const staged = (): Promise<string[]> => readdir(join(world.app.database.dataDir, 'uploads'));

const stored = async (): Promise<number> => {
  const folder = join(world.app.database.dataDir, 'files');
  const entries = existsSync(folder) ? await readdir(folder, { recursive: true, withFileTypes: true }) : [];
  return entries.filter((entry) => entry.isFile()).length;
};

describe('what could run in a browser', () => {
  const script = '<script>alert(document.domain)</script>';
  const corpus: [string, string][] = [
    ['page.png', `<!doctype html><html><body>${script}</body></html>`],
    ['page.html', `<html>${script}</html>`],
    ['drawing.svg', `<svg xmlns="http://www.w3.org/2000/svg">${script}</svg>`],
    ['drawing.jpg', `<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg">${script}</svg>`],
    ['feed.xml', `<?xml version="1.0"?><?xml-stylesheet href="x.xsl"?><a/>`],
    ['code.js', 'alert(1)'],
    ['run.swf', 'CWS\x0a\x00\x00\x00\x00'],
    ['page.mht', `MIME-Version: 1.0\r\nContent-Type: multipart/related\r\n\r\n${script}`],
    ['text.txt', 'only words'],
  ];

  it.each(corpus)('serves %s as a download without a type', async (name, content) => {
    const file = await accepted(Buffer.from(content, 'latin1'), name);
    expect(file).toMatchObject({ mimeType: 'application/octet-stream', hasThumbnail: false });
    const { headers, bytes } = await fetched(file.url);
    expect(headers.get('content-type')).toBe('application/octet-stream');
    expect(headers.get('content-disposition')).toMatch(/^attachment; /);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toBe("default-src 'none'; sandbox");
    expect(headers.get('cache-control')).toBe('private, no-cache');
    expect(bytes.toString('latin1')).toBe(content);
  });

  it('serves documents as downloads under their own type', async () => {
    const file = await accepted(PDF, 'picture.png');
    const { headers } = await fetched(file.url);
    expect(headers.get('content-type')).toBe('application/pdf');
    expect(headers.get('content-disposition')).toMatch(/^attachment; /);
  });

  it('shows pictures in place, and not where a download is asked for', async () => {
    const file = await accepted(await picture('webp'), 'page.html');
    const { headers } = await fetched(file.url);
    expect([headers.get('content-type'), headers.get('content-disposition')]).toEqual([
      'image/webp',
      'inline; filename=page.html',
    ]);
    const asked = await fetched(`${file.url}?download=true`);
    expect(asked.headers.get('content-disposition')).toMatch(/^attachment; /);
  });
});

describe('pictures', () => {
  it.each(['png', 'jpeg', 'webp', 'gif'] as const)(
    'are encoded anew: nothing that hides in a %s comes out',
    async (format) => {
      const canary = '<script>canary</script>PK\x03\x04canary';
      const original = await picture(format);
      const polyglot = Buffer.concat([original, Buffer.from(canary, 'latin1')]);
      const file = await accepted(polyglot, `p.${format}`);
      expect(file).toMatchObject({ mimeType: `image/${format}`, width: 320, height: 200, hasThumbnail: true });
      for (const path of [file.url, file.thumbnailUrl!]) {
        const { bytes } = await fetched(path);
        expect(bytes.includes('canary')).toBe(false);
        expect(await sharp(bytes).stats()).toBeTruthy();
      }
      expect((await fetched(file.url)).bytes.length).toBe(file.size);
    },
  );

  it('lose where they were taken, and stand upright', async () => {
    const tagged = await sharp(await picture('jpeg', { width: 400, height: 100 }))
      .withExif({
        IFD0: { Make: 'canary', ImageDescription: 'canary' },
        IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '52/1 31/1 12/1' },
      })
      .withMetadata({ orientation: 6 })
      .toBuffer();
    expect((await sharp(tagged).metadata()).exif).toBeDefined();
    const file = await accepted(Buffer.from(tagged), 'p.jpg');
    expect([file.width, file.height]).toEqual([100, 400]);
    for (const path of [file.url, file.thumbnailUrl!]) {
      const { bytes } = await fetched(path);
      const { exif, xmp, iptc, orientation } = await sharp(bytes).metadata();
      expect({ exif, xmp, iptc, orientation }).toEqual({});
      expect(bytes.includes('canary')).toBe(false);
    }
  });

  it('keep moving', async () => {
    const frames = await sharp(Buffer.concat([Buffer.alloc(40 * 40 * 3, 10), Buffer.alloc(40 * 40 * 3, 200)]), {
      raw: { width: 40, height: 80, channels: 3, pageHeight: 40 },
    })
      .gif({ delay: [100, 200] })
      .toBuffer();
    const file = await accepted(Buffer.from(frames), 'film.gif');
    expect([file.width, file.height]).toEqual([40, 40]);
    const { pages, delay } = await sharp((await fetched(file.url)).bytes, { animated: true }).metadata();
    expect({ pages, delay }).toEqual({ pages: 2, delay: [100, 200] });
  });

  it('are refused when they only begin like one', async () => {
    const before = await stored();
    const liars = [
      Buffer.from('GIF89a/*canary*/=1;alert(1)//'.padEnd(400, ' ')),
      Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), Buffer.alloc(2_000, 1)]),
      Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), Buffer.from('\0\0\0\x0dIHDR'), Buffer.alloc(300, 7)]),
      Buffer.concat([Buffer.from('RIFF\x10\x00\x00\x00WEBPVP8 ', 'latin1'), Buffer.alloc(300)]),
    ];
    for (const liar of liars) {
      const { status, body } = await upload(me(), liar, 'p.png');
      expect([status, body.code], liar.subarray(0, 8).toString('latin1')).toEqual([415, 'unsupported_media_type']);
    }
    expect(await stored()).toBe(before);
  });

  it.each(['png', 'jpeg', 'webp', 'gif'] as const)(
    'cut off at every hundredth of a %s are taken or refused, no more',
    async (format) => {
      const whole = await picture(format, { width: 160, height: 120 });
      const codes = new Set<string>();
      for (let hundredth = 1; hundredth < 100; hundredth += 1) {
        const cut = whole.subarray(0, Math.max(1, Math.floor((whole.length * hundredth) / 100)));
        const { status, body } = await upload(me(), cut, `p.${format}`);
        codes.add(status === 201 ? 'taken' : body.code);
      }
      expect(['taken', 'unsupported_media_type']).toEqual(expect.arrayContaining([...codes]));
      expect(await staged()).toEqual([]);
    },
    120_000,
  );
});

describe('bombs', () => {
  it('of 900 million pixels are a 413, of 10,000 frames a still, packed gigabytes stay packed, within 300 MiB', async () => {
    const black = await blackPng(30_000, 30_000);
    expect(black.length).toBeLessThan(MOST);
    const refused = await upload(me(), black, 'black.png');
    expect([refused.status, refused.body.code]).toEqual([413, 'payload_too_large']);

    const film = await accepted(gifOfFrames(10_000), 'film.gif');
    expect([film.width, film.height]).toEqual([1_000, 1_000]);
    expect((await sharp((await fetched(film.url)).bytes, { animated: true }).metadata()).pages ?? 1).toBe(1);

    for (const name of ['zeros.bin', '[Content_Types].xml', 'mimetype']) {
      const archive = await zipOfZeros(name, 1_000_000_000);
      expect(archive.length).toBeGreaterThan(100_000);
      const { status, body } = await upload(me(), archive, 'a.zip');
      if (status === 201) expect(body).toMatchObject({ size: archive.length, hasThumbnail: false });
      else expect([status, body.code]).toEqual([413, 'payload_too_large']);
    }
    for (const { peak } of await findWorkers()) expect(peak).toBeLessThan(320 * 1024);
    expect(await staged()).toEqual([]);
  }, 120_000);

  it('of a picture as large as is allowed fit', async () => {
    const file = await accepted(await blackPng(8_000, 5_000), 'black.png');
    expect([file.width, file.height]).toEqual([8_000, 5_000]);
  }, 60_000);
});

describe('sounds and archives', () => {
  it('cut off anywhere, or that lie about their lengths, are taken as they are', async () => {
    const sound = (name: string) => readFile(new URL(`../support/sounds/${name}`, import.meta.url));
    const archive = zipOf('a.txt', Buffer.from('words '.repeat(50)));
    const whole = [wav(1), Buffer.from(await sound('swell.mp3')), Buffer.from(await sound('swell.opus')), archive, PDF];
    const cutAnywhere = async (bytes: Buffer<ArrayBuffer>): Promise<void> => {
      for (let hundredth = 1; hundredth <= 100; hundredth += 1) {
        const cut = bytes.subarray(0, Math.max(1, Math.floor((bytes.length * hundredth) / 100)));
        const file = await accepted(cut, 'a.bin');
        expect(file.size).toBe(cut.length);
      }
    };
    await Promise.all(whole.map(cutAnywhere));
    const endless = wav(1);
    endless.writeUInt32LE(0xfffffff0, 40);
    const silent = wav(1);
    // No channels, no samples in a second, none in a byte.
    for (const at of [22, 24, 34]) silent.writeUInt16LE(0, at);
    const far = Buffer.from(archive);
    // Its directory is said to lie behind the end.
    far.writeUInt32LE(0x7fffffff, far.length - 6);
    for (const liar of [
      endless,
      silent,
      far,
      Buffer.concat([Buffer.from([0xff, 0xfb, 0x90, 0x64]), randomBytes(50_000)]),
    ]) {
      expect((await accepted(liar)).size).toBe(liar.length);
    }
    expect(await staged()).toEqual([]);
  });

  it('that are pictures of more pixels than they have are refused', async () => {
    const wide = await picture('jpeg');
    // The head of the frame: its length, the bits of a sample, then height and width.
    const frame = wide.indexOf(Buffer.from([0xff, 0xc0]));
    wide.writeUInt16BE(65_500, frame + 5);
    wide.writeUInt16BE(65_500, frame + 7);
    const { status, body } = await upload(me(), wide, 'p.jpg');
    expect([status, body.code]).toEqual([413, 'payload_too_large']);
  });
});

/** A process that examines files: its id, and its largest resident size so far in KiB. */
type Worker = { pid: number; peak: number };

/** Those of this process; none where the system does not tell. */
async function findWorkers(): Promise<Worker[]> {
  if (!existsSync('/proc/self/status')) return [];
  const tasks = await readdir('/proc/self/task');
  const children = await Promise.all(
    tasks.map((task) => readFile(`/proc/self/task/${task}/children`, 'utf8').catch(() => '')),
  );
  const workers: Worker[] = [];
  for (const child of children.join(' ').split(' ').filter(Boolean)) {
    const command = await readFile(`/proc/${child}/cmdline`, 'utf8').catch(() => '');
    const status = await readFile(`/proc/${child}/status`, 'utf8').catch(() => '');
    const peak = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]);
    if (command.includes('file-worker')) workers.push({ pid: Number(child), peak });
  }
  expect(workers.length).toBeGreaterThan(0);
  return workers;
}

it('outlives the process that examines files', async () => {
  await accepted(await picture());
  for (const { pid } of await findWorkers()) process.kill(pid, 'SIGKILL');
  // It may be noticed before the next file or over it: that one upload may fail, the one after it may not.
  const { status } = await upload(me(), await picture());
  expect([201, 503]).toContain(status);
  await accepted(await picture());
});

describe('names', () => {
  const named: [string, string][] = [
    ['../../../etc/passwd', 'passwd'],
    ['C:\\Windows\\system32\\cmd.exe', 'cmd.exe'],
    ['..', 'file'],
    ['.', 'file'],
    ['a/..', 'file'],
    ['', 'file'],
    ['  photo \u2028.png  ', 'photo .png'],
    ['invoice\u202Efdp.exe', 'invoicefdp.exe'],
    ['<img src=x onerror=alert(1)>.png', '.png'],
    ['a < b && c > d.txt', 'a < b && c > d.txt'],
    ['über 日本 😀.png', 'über 日本 😀.png'],
    ['%2e%2e%2fpasswd', '%2e%2e%2fpasswd'],
    [`${'x'.repeat(300)}.tar.gz`, `${'x'.repeat(197)}.gz`],
    ['con.txt:stream', 'con.txt:stream'],
  ];

  it.each(named)('%j is kept as %j', async (given, kept) => {
    const form = `${part(`Content-Disposition: form-data; name="file"; filename="${given}"`, 'text')}--x--\r\n`;
    const { status, body } = await uploadRaw(me(), form);
    expect([status, body.fileName]).toEqual([201, kept]);
    const { headers } = await fetched(body.url);
    // Read back as a browser would: nothing in a name ends the header or begins another one.
    expect(headers.get('content-disposition')).toMatch(/^attachment; filename=[\x20-\x7e]*$/);
  });

  it('with what no text may hold are a 400', async () => {
    const form = `${part('Content-Disposition: form-data; name="file"; filename="a\0b.txt"', 'text')}--x--\r\n`;
    const { status, body } = await uploadRaw(me(), form);
    expect([status, body.code]).toEqual([400, 'invalid_request']);
  });
});

describe('forms', () => {
  const file = 'Content-Disposition: form-data; name="file"; filename="a.txt"';
  const end = '--x--\r\n';
  const bad: [string, string, string, number][] = [
    ['no file', end, 'multipart/form-data; boundary=x', 400],
    ['nothing', '', 'multipart/form-data; boundary=x', 400],
    ['an empty file', part(file, '') + end, 'multipart/form-data; boundary=x', 400],
    ['two files', part(file, 'a') + part(file, 'b') + end, 'multipart/form-data; boundary=x', 413],
    [
      'another field',
      part('Content-Disposition: form-data; name="note"', 'x') + part(file, 'a') + end,
      'multipart/form-data; boundary=x',
      400,
    ],
    [
      'a file by another name',
      part('Content-Disposition: form-data; name="upload"; filename="a"', 'x') + end,
      'multipart/form-data; boundary=x',
      400,
    ],
    [
      'a name of the language',
      part('Content-Disposition: form-data; name="__proto__"; filename="a"', 'x') + end,
      'multipart/form-data; boundary=x',
      400,
    ],
    [
      'text as a file',
      part('Content-Disposition: form-data; name="file"', 'x') + end,
      'multipart/form-data; boundary=x',
      400,
    ],
    ['no end', part(file, 'a'), 'multipart/form-data; boundary=x', 400],
    ['no boundary', part(file, 'a') + end, 'multipart/form-data', 400],
    ['JSON', '{"file":"x"}', 'application/json', 415],
    ['a plain body', 'x', 'application/octet-stream', 415],
    ['a form of the other kind', 'file=x', 'application/x-www-form-urlencoded', 415],
  ];

  it.each(bad)('with %s are refused', async (_what, form, type, status) => {
    const before = await stored();
    const answer = await uploadRaw(me(), form, type);
    expect(answer.status, JSON.stringify(answer.body)).toBe(status);
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(await staged()).toEqual([]);
    // Of two files the first one was whole before the second was seen.
    if (status !== 413) expect(await stored()).toBe(before);
  });
});

describe('sizes', () => {
  it('are judged before the body is read, where they are told', async () => {
    const { status, body } = await upload(me(), Buffer.alloc(MOST + 100_000), 'big.bin');
    expect([status, body.code]).toEqual([413, 'payload_too_large']);
  });

  it('are counted where they are not', async () => {
    const head = `--x\r\nContent-Disposition: form-data; name="file"; filename="big.bin"\r\n\r\n`;
    let sent = 0;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode(head)),
      pull: (controller) => {
        sent += 65_536;
        if (sent > MOST + 2_000_000) return controller.close();
        controller.enqueue(new Uint8Array(65_536));
      },
    });
    const answer = await uploadRaw(me(), body);
    expect([answer.status, answer.body.code], JSON.stringify(answer.body)).toEqual([413, 'payload_too_large']);
    expect(await staged()).toEqual([]);
  });

  it('up to the limit are taken', async () => {
    expect((await accepted(Buffer.alloc(MOST, 'x'), 'full.bin')).size).toBe(MOST);
    const { status } = await upload(me(), Buffer.alloc(MOST + 1, 'x'), 'more.bin');
    expect(status).toBe(413);
  });
});
