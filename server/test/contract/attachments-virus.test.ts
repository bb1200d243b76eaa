import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { API_PREFIX, type Problem } from '@parley/protocol';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startTestApp, type TestApp, tokenOf } from '../support/app.ts';
import { CLAMD_MOST, EICAR, MARKER, startClamd, type TestClamd } from '../support/clamd.ts';
import { download, picture, upload, zipOf } from '../support/files.ts';

vi.setConfig({ testTimeout: 60_000 });

let clamd: TestClamd;
let app: TestApp;
beforeAll(async () => {
  clamd = await startClamd();
  app = await startTestApp({ env: { CLAMD_URL: clamd.url } });
});
afterAll(async () => {
  await app?.close();
  await clamd?.remove();
});

const send = (bytes: Buffer<ArrayBuffer>, to = app) => upload({ url: to.url, user: 'ann' }, bytes, 'a.bin');
const staged = () => readdir(join(app.database.dataDir, 'uploads'));
const stored = async (): Promise<string[]> => {
  const folder = join(app.database.dataDir, 'files');
  const entries = existsSync(folder) ? await readdir(folder, { recursive: true, withFileTypes: true }) : [];
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
};
const rowsOf = async () => {
  const database = app.app.database.prisma;
  return database.attachment.findMany({ where: { uploaderId: 'ann' }, orderBy: { id: 'asc' } });
};

async function tus(method: string, path: string, headers: Record<string, string>, body?: Buffer<ArrayBuffer>) {
  const response = await fetch(app.url + path, {
    method,
    headers: { 'tus-resumable': '1.0.0', authorization: `Bearer ${await tokenOf('ann')}`, ...headers },
    ...(body && { body }),
  });
  return { status: response.status, text: await response.text(), headers: response.headers };
}

/** Uploads by tus in one part after it was begun; resolves to its path and the answer to that part. */
async function uploadByTus(bytes: Buffer<ArrayBuffer>) {
  const begun = await tus('POST', `${API_PREFIX}/attachments/tus`, {
    'upload-length': String(bytes.length),
    'upload-metadata': `filename ${Buffer.from('a.bin').toString('base64')}`,
  });
  const path = begun.headers.get('location')!;
  const type = 'application/offset+octet-stream';
  return { path, answer: await tus('PATCH', path, { 'upload-offset': '0', 'content-type': type }, bytes) };
}

describe('with a scanner', () => {
  it('a file without a virus is taken', async () => {
    for (const bytes of [await picture(), Buffer.alloc(CLAMD_MOST, 'x')]) {
      const { status, body } = await send(bytes);
      expect(status, JSON.stringify(body)).toBe(201);
      expect((await download(app.url, body.url, 'ann')).status).toBe(200);
    }
  });

  it('one with a virus is refused, kept apart, served to nobody, and gone after a month', async () => {
    const before = await stored();
    const known = await rowsOf();
    const infected = [EICAR, Buffer.concat([await picture(), MARKER]), zipOf('inside.txt', MARKER)];
    for (const bytes of infected) {
      const { status, body } = await send(bytes);
      expect([status, body.code, body.detail]).toEqual([422, 'virus_found', 'A virus was found in the file.']);
    }
    const byTus = await uploadByTus(Buffer.from(EICAR));
    expect([byTus.answer.status, byTus.answer.text]).toEqual([422, 'A virus was found in the file.\n']);
    expect((await tus('HEAD', byTus.path, {})).status).toBe(404);

    const rows = (await rowsOf()).slice(known.length);
    const names = rows.map(({ virus }) => virus?.replace(/\.UNOFFICIAL$/, ''));
    expect(names).toEqual(['Eicar-Test', 'Test-Marker', 'Test-Marker', 'Eicar-Test']);
    const kept = rows.map(({ id }) => `${id}.quarantine`).toSorted();
    const added = (await stored()).filter((name) => !before.includes(name));
    expect(added.toSorted()).toEqual(kept);
    expect(await staged()).toEqual([]);

    const rest = app.rest('ann');
    const { body: conversation } = await rest.post<{ id: string }>('/conversations', {
      ...{ type: 'group', title: 'x', participantIds: [] },
    });
    for (const { id } of rows) {
      for (const path of [`/attachments/${id}`, `/attachments/${id}/thumbnail`, `/attachments/${id}/link`]) {
        expect((await download(app.url, API_PREFIX + path, 'ann')).status, path).toBe(404);
      }
      const sent = await rest.post<Problem>(`/conversations/${conversation.id}/messages`, { attachmentIds: [id] });
      expect([sent.status, sent.body.errors?.[0]?.path]).toEqual([400, 'attachmentIds.0']);
    }

    const day = 24 * 3_600_000;
    await app.app.attachments.sweep(Date.now() + 2 * day);
    expect((await stored()).filter((name) => name.endsWith('.quarantine')).toSorted()).toEqual(kept);
    await app.app.attachments.sweep(Date.now() + 32 * day);
    expect((await stored()).filter((name) => name.endsWith('.quarantine'))).toEqual([]);
    expect((await rowsOf()).filter(({ quarantinedAt }) => quarantinedAt !== null)).toEqual([]);
  });

  it('one that is too large for it is a 413', async () => {
    const { status, body } = await send(Buffer.alloc(CLAMD_MOST * 3, 'x'));
    expect([status, body.code]).toEqual([413, 'payload_too_large']);
    expect(await staged()).toEqual([]);
  });

  it('that is away, a file is a 503, and an upload in parts is taken when it is back', async () => {
    await clamd.stop();
    const refused = await send(Buffer.from('only words'));
    expect([refused.status, refused.body.code]).toEqual([503, 'unavailable']);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await staged()).toEqual([]);
    const { path, answer } = await uploadByTus(Buffer.from('other words'));
    expect(answer.status).toBe(503);
    expect((await tus('HEAD', path, {})).status).toBe(503);

    const trusting = await startTestApp({ env: { CLAMD_URL: clamd.url, CLAMD_ON_FAILURE: 'accept' } });
    expect((await send(Buffer.from('only words'), trusting)).status).toBe(201);
    await trusting.close();

    await clamd.start();
    const whole = await tus('HEAD', path, {});
    expect([whole.status, whole.headers.get('upload-offset')]).toEqual([200, '11']);
    expect((await download(app.url, path.replace('/tus', ''), 'ann')).bytes.toString()).toBe('other words');
  });

  it('is reached by its socket in the file system, too', async () => {
    const local = await startTestApp({ env: { CLAMD_URL: clamd.socketUrl } });
    const statuses = [await send(Buffer.from('words'), local), await send(Buffer.from(EICAR), local)];
    expect(statuses.map(({ status }) => status)).toEqual([201, 422]);
    await local.close();
  });
});
