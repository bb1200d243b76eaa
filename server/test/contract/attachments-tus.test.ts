import { createHash, randomBytes, randomInt } from 'node:crypto';
import { readdir, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { API_PREFIX, type AttachmentLink } from '@parley/protocol';
import { Upload } from 'tus-js-client';
import { describe, expect, it, vi } from 'vitest';
import { TEST_SECRET, tokenOf } from '../support/app.ts';
import { createTestDatabase } from '../support/database.ts';
import { download, picture } from '../support/files.ts';
import { endProgram, findFreePort, startProgram } from '../support/processes.ts';
import { useWorld } from '../support/world.ts';

// The first file waits for the process that examines files, which loads its decoders.
vi.setConfig({ testTimeout: 60_000 });

const TUS = `${API_PREFIX}/attachments/tus`;
const MOST = 6_000_000;
/** Of the upload whose server is killed in the middle; `PARLEY_UPLOAD_BYTES=200000000` is the long run. */
const KILLED_BYTES = Number(process.env.PARLEY_UPLOAD_BYTES ?? 6_000_000);
/** Uploads that are cut off; `PARLEY_UPLOAD_CUTS=500` is the long run. */
const CUTS = Number(process.env.PARLEY_UPLOAD_CUTS ?? 20);
const world = useWorld({ env: { UPLOAD_MAX_BYTES: String(MOST) } });

const encoded = (text: string): string => Buffer.from(text).toString('base64');
const idOf = (uploadUrl: string): string => uploadUrl.slice(uploadUrl.lastIndexOf('/') + 1);

/** One call of tus by hand. */
async function tus(
  method: string,
  path: string,
  user: string | null,
  headers: Record<string, string> = {},
  body?: Buffer<ArrayBuffer>,
): Promise<{ status: number; headers: Headers; text: string }> {
  const response = await fetch(path.startsWith('http') ? path : world.app.url + path, {
    method,
    headers: {
      'tus-resumable': '1.0.0',
      ...(user !== null && { authorization: `Bearer ${await tokenOf(user)}` }),
      ...headers,
    },
    ...(body && { body }),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** Begins an upload by hand; resolves to its path. */
async function begin(user: string, size: number, name = 'a.bin'): Promise<string> {
  const { status, headers } = await tus('POST', TUS, user, {
    'upload-length': String(size),
    'upload-metadata': `filename ${encoded(name)}`,
  });
  expect(status).toBe(201);
  return headers.get('location')!;
}

const append = (path: string, user: string, offset: number, bytes: Buffer<ArrayBuffer>) =>
  tus(
    'PATCH',
    path,
    user,
    { 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream' },
    bytes,
  );

/** Uploads with the official client to the end; resolves to the address of the upload. */
async function uploadWithClient(
  url: string,
  user: string,
  bytes: Buffer,
  options: {
    uploadUrl?: string;
    chunkSize?: number;
    onChunk?: (sent: number, upload: Upload) => void;
    delays?: number[];
  } = {},
): Promise<string> {
  const token = await tokenOf(user);
  return new Promise((resolve, reject) => {
    const upload = new Upload(bytes, {
      endpoint: url + TUS,
      metadata: { filename: 'big.bin' },
      headers: { authorization: `Bearer ${token}` },
      chunkSize: options.chunkSize ?? 512 * 1024,
      retryDelays: options.delays ?? null,
      uploadUrl: options.uploadUrl ?? null,
      onChunkComplete: (_size, sent) => options.onChunk?.(sent, upload),
      onError: reject,
      onSuccess: () => resolve(upload.url!),
    });
    upload.start();
  });
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

describe('a resumable upload', () => {
  it('becomes an attachment of its own id, which can be sent', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    const photo = await picture('jpeg', { width: 1200, height: 900 });
    const id = idOf(await uploadWithClient(world.app.url, ann.id, photo, { chunkSize: 2_000 }));
    const { attachment } = await ann.get<AttachmentLink>(`/attachments/${id}/link`);
    expect(attachment).toMatchObject({ id, fileName: 'big.bin', mimeType: 'image/jpeg', width: 1200, height: 900 });
    const sent = await ann.send(cid, '', { attachmentIds: [id] });
    expect(sent.attachments).toEqual([attachment]);
    expect((await download(world.app.url, attachment.url, bob.id)).status).toBe(200);
  });

  it('goes on where it was cut, by the client or in the middle of a part', async () => {
    const bytes = randomBytes(3_000_000);
    let address: string | undefined;
    await new Promise<void>((resolve, reject) => {
      uploadWithClient(world.app.url, 'ann', bytes, {
        onChunk: (sent, upload) => {
          if (sent < 1_000_000 || address) return;
          address = upload.url!;
          upload.abort().then(resolve, reject);
        },
      }).catch(reject);
    });
    const path = new URL(address!).pathname;

    // Half a part, then the connection is gone.
    const before = Number((await tus('HEAD', path, 'ann')).headers.get('upload-offset'));
    const cut = request(world.app.url + path, {
      method: 'PATCH',
      headers: {
        'tus-resumable': '1.0.0',
        authorization: `Bearer ${await tokenOf('ann')}`,
        'upload-offset': before,
        'content-type': 'application/offset+octet-stream',
        'content-length': 500_000,
      },
    });
    cut.on('error', () => {});
    await new Promise<void>((resolve) => cut.write(bytes.subarray(before, before + 200_000), () => resolve()));
    const closed = new Promise((resolve) => cut.once('close', resolve));
    cut.destroy();
    await closed;

    const offset = Number((await tus('HEAD', path, 'ann')).headers.get('upload-offset'));
    expect(offset).toBeGreaterThanOrEqual(before);
    expect(offset).toBeLessThanOrEqual(before + 200_000);
    await uploadWithClient(world.app.url, 'ann', bytes, { uploadUrl: address! });
    const file = await download(world.app.url, `${API_PREFIX}/attachments/${idOf(path)}`, 'ann');
    expect(sha256(file.bytes)).toBe(sha256(bytes));
  });

  it('is there at the end also when the process ended between the last byte and looking at it', async () => {
    const photo = await picture();
    const path = await begin('ann', photo.length);
    await writeFile(join(world.app.database.dataDir, 'uploads', idOf(path)), photo);
    expect((await tus('HEAD', path, 'ann')).headers.get('upload-offset')).toBe(String(photo.length));
    expect((await download(world.app.url, `${API_PREFIX}/attachments/${idOf(path)}`, 'ann')).status).toBe(200);
    // And tells so for ever after.
    expect((await tus('HEAD', path, 'ann')).headers.get('upload-offset')).toBe(String(photo.length));
  });

  it('cannot be sent before it is whole', async () => {
    const [ann] = await world.people('ann');
    const cid = await world.create('group', ann);
    const path = await begin(ann.id, 100);
    await append(path, ann.id, 0, Buffer.alloc(50));
    const refused = await ann.refused('rest', 'message:send', { conversationId: cid, attachmentIds: [idOf(path)] });
    expect(refused).toMatchObject({ code: 'invalid_request', errors: [{ path: 'attachmentIds.0' }] });
    expect((await download(world.app.url, `${API_PREFIX}/attachments/${idOf(path)}`, ann.id)).status).toBe(404);
  });

  it('ACC-2 does not exist for anybody else, on any verb', async () => {
    const path = await begin('ann', 100);
    for (const who of ['eve', null]) {
      const status = who === null ? 401 : 404;
      expect((await tus('HEAD', path, who)).status).toBe(status);
      expect((await append(path, who ?? '', 0, Buffer.alloc(100)).catch(() => ({ status }))).status).toBe(status);
      expect((await tus('DELETE', path, who)).status).toBe(status);
    }
    expect((await tus('POST', TUS, null, { 'upload-length': '1' })).status).toBe(401);
    expect((await tus('OPTIONS', TUS, null)).status).toBe(401);
    expect((await tus('HEAD', path, 'ann')).headers.get('upload-offset')).toBe('0');
    for (const id of ['no-id', '..%2F..%2Fpglite', '0190a5d0-0000-7000-8000-000000000000']) {
      expect((await tus('HEAD', `${TUS}/${id}`, 'ann')).status, id).toBe(404);
    }
  });

  it('can be given up until it is sent', async () => {
    const [ann] = await world.people('ann');
    const cid = await world.create('group', ann);
    const path = await begin(ann.id, 10);
    await append(path, ann.id, 0, Buffer.from('0123456789'));
    const kept = await begin(ann.id, 10);
    await append(kept, ann.id, 0, Buffer.from('0123456789'));
    await ann.send(cid, 'x', { attachmentIds: [idOf(kept)] });

    expect((await tus('DELETE', path, ann.id)).status).toBe(204);
    expect((await tus('HEAD', path, ann.id)).status).toBe(404);
    expect((await tus('DELETE', kept, ann.id)).status).toBe(409);
    expect((await download(world.app.url, `${API_PREFIX}/attachments/${idOf(kept)}`, ann.id)).status).toBe(200);
  });

  it('keeps the rules of tus', async () => {
    const path = await begin('ann', 10);
    expect((await append(path, 'ann', 5, Buffer.from('x'))).status).toBe(409);
    expect((await append(path, 'ann', 0, Buffer.alloc(11))).status).toBe(413);
    expect((await tus('HEAD', path, 'ann')).headers.get('upload-offset')).toBe('0');
    const discovered = await tus('OPTIONS', TUS, 'ann');
    expect(discovered.headers.get('tus-extension')).toBe('creation,creation-with-upload,termination');
    expect(discovered.headers.get('tus-max-size')).toBe(String(MOST));
    expect(discovered.headers.get('access-control-allow-origin')).toBeNull();
    expect(discovered.headers.get('x-content-type-options')).toBe('nosniff');
    expect(discovered.headers.get('x-request-id')).toBeTruthy();
    const refused = (headers: Record<string, string>) => tus('POST', TUS, 'ann', headers).then(({ status }) => status);
    expect(await refused({ 'upload-length': String(MOST + 1) })).toBe(413);
    expect(await refused({ 'upload-length': '0', 'upload-metadata': `filename ${encoded('a')}` })).toBe(400);
    expect(await refused({ 'upload-length': '5', 'upload-metadata': `filename ${encoded('a\0b')}` })).toBe(400);
    expect(await refused({ 'upload-defer-length': '1' })).toBe(501);
    expect(await refused({ 'upload-concat': `final;${TUS}/../../etc/passwd` })).toBe(501);
  });

  it('is refused at its end when it is not what it says, and nothing is left of it', async () => {
    const liar = Buffer.concat([(await picture('png')).subarray(0, 40), Buffer.alloc(500, 1)]);
    const path = await begin('ann', liar.length, 'p.png');
    const { status, text } = await append(path, 'ann', 0, liar);
    expect([status, text]).toEqual([415, 'The file is damaged.\n']);
    expect((await tus('HEAD', path, 'ann')).status).toBe(404);
    expect(await readdir(join(world.app.database.dataDir, 'uploads'))).not.toContain(idOf(path));
  });
});

it('a killed server takes an upload up again where it was', async () => {
  const database = await createTestDatabase();
  const port = await findFreePort();
  const url = `http://127.0.0.1:${port}`;
  const start = () =>
    startProgram(process.execPath, [join(import.meta.dirname, '../../src/main.ts')], {
      ready: /Parley is ready at/,
      spawn: {
        env: {
          PATH: process.env.PATH,
          NODE_ENV: 'test',
          PORT: String(port),
          HOST: '127.0.0.1',
          JWT_SECRET: TEST_SECRET,
          DATA_DIR: database.dataDir,
          UPLOAD_MAX_BYTES: String(KILLED_BYTES),
          ...(database.databaseUrl && { DATABASE_URL: database.databaseUrl }),
        },
      },
    });
  let server = await start();
  try {
    const bytes = randomBytes(KILLED_BYTES);
    let restarted: Promise<void> | undefined;
    const address = await uploadWithClient(url, 'ann', bytes, {
      delays: new Array<number>(60).fill(1_000),
      onChunk: (sent) => {
        if (sent < KILLED_BYTES / 2 || restarted) return;
        restarted = endProgram(server, 'SIGKILL')
          .then(start)
          .then((again) => {
            server = again;
          });
      },
    });
    await restarted;
    expect(restarted).toBeDefined();
    const file = await download(url, `${API_PREFIX}/attachments/${idOf(address)}`, 'ann');
    expect(sha256(file.bytes)).toBe(sha256(bytes));
    expect(await readdir(join(database.dataDir, 'uploads'))).toEqual([]);
  } finally {
    await endProgram(server, 'SIGKILL');
    await database.drop();
  }
}, 600_000);

it('uploads that are cut off anywhere leave nothing behind', { timeout: 600_000 }, async () => {
  const [ann] = await world.people('ann');
  const token = await tokenOf(ann.id);
  const photo = await picture('jpeg', { width: 640, height: 480 });
  const head = Buffer.from('--x\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n');
  const form = Buffer.concat([head, photo, Buffer.from('\r\n--x--\r\n')]);

  /** Sends so many bytes of a body, and hangs up. */
  const cut = async (method: string, path: string, headers: Record<string, string>, body: Buffer, at: number) => {
    const call = request(world.app.url + path, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-length': body.length, ...headers },
    });
    call.on('error', () => {});
    const closed = new Promise((resolve) => call.once('close', resolve));
    await new Promise<void>((resolve) => call.write(body.subarray(0, at), () => resolve()));
    call.destroy();
    await closed;
  };
  const cutForm = (at: number) =>
    cut('POST', `${API_PREFIX}/attachments`, { 'content-type': 'multipart/form-data; boundary=x' }, form, at);
  const cutPart = async (at: number) => {
    const path = await begin(ann.id, photo.length, 'a.jpg');
    const type = 'application/offset+octet-stream';
    const headers = { 'tus-resumable': '1.0.0', 'upload-offset': '0', 'content-type': type };
    await cut('PATCH', path, headers, photo, at);
  };

  for (let done = 0; done < CUTS; done += 10) {
    const some = Array.from({ length: Math.min(10, CUTS - done) }, (_, index) =>
      index % 2 === 0 ? cutForm(randomInt(1, form.length + 1)) : cutPart(randomInt(1, photo.length + 1)),
    );
    await Promise.all(some);
  }
  // What came in whole all the same is whole; of everything else there is no attachment, before any sweep.
  const ready = await world.prisma.attachment.findMany({ where: { uploaderId: ann.id, readyAt: { not: null } } });
  for (const { id } of ready) {
    expect((await download(world.app.url, `${API_PREFIX}/attachments/${id}`, ann.id)).status).toBe(200);
  }

  const { dataDir } = world.app.database;
  // The last ones may be examined still.
  await vi.waitFor(
    async () => {
      await world.app.app.attachments.sweep(Date.now() + 25 * 3_600_000);
      expect(await world.prisma.attachment.count({ where: { uploaderId: ann.id } })).toBe(0);
      expect(await readdir(join(dataDir, 'uploads'))).toEqual([]);
      const rows = await world.prisma.attachment.findMany({ select: { id: true, bytesId: true } });
      const known = rows.map(({ id, bytesId }) => bytesId ?? id);
      const stored = await readdir(join(dataDir, 'files'), { recursive: true, withFileTypes: true });
      const names = stored.filter((entry) => entry.isFile()).map(({ name }) => name.split('.')[0]!);
      expect(names.filter((id) => !known.includes(id))).toEqual([]);
    },
    { timeout: 60_000, interval: 200 },
  );
});
