import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Attachment, AttachmentSchema } from '@parley/protocol';
import { describe, expect, it, vi } from 'vitest';
import { download, picture, upload, wav } from '../support/files.ts';
import { type Person, useWorld } from '../support/world.ts';

// The first file waits for the process that examines files, which loads its decoders.
vi.setConfig({ testTimeout: 60_000 });

const world = useWorld();

async function uploadAs(person: Person, bytes: Buffer<ArrayBuffer>, name = 'a.bin'): Promise<Attachment> {
  const { status, body } = await upload({ url: world.app.url, user: person.id }, bytes, name);
  expect(status, JSON.stringify(body)).toBe(201);
  return AttachmentSchema.parse(body);
}

/** Files in the storage whose bytes are these. */
async function copiesOf(ids: readonly string[]): Promise<string[]> {
  const folder = join(world.app.database.dataDir, 'files');
  if (!existsSync(folder)) return [];
  const names = (await readdir(folder, { recursive: true })).map((path) => path.slice(path.lastIndexOf('/') + 1));
  return names.filter((name) => ids.includes(name));
}

const statusOf = async (person: Person, path: string) => (await download(world.app.url, path, person.id)).status;
const staged = () => readdir(join(world.app.database.dataDir, 'uploads'));

describe('the same bytes of the same person', () => {
  it('are stored once, and each file has its own name, message and end', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    const photo = await picture('png', { width: 90, height: 60 });
    const first = await uploadAs(ann, photo, 'one.png');
    const second = await uploadAs(ann, photo, 'two.png');
    expect(second.id).not.toBe(first.id);
    const { id: _, url: __, thumbnailUrl: ___, fileName: ____, ...facts } = first;
    expect(second).toMatchObject({ ...facts, fileName: 'two.png' });
    const ids = [first, second].map(({ id }) => id);
    expect(await copiesOf(ids)).toEqual([first.id]);

    const message = await ann.send(cid, 'one', { attachmentIds: [first.id] });
    await ann.send(cid, 'two', { attachmentIds: [second.id] });
    const before = await download(world.app.url, second.url, bob.id);
    // The one that brought the bytes goes first.
    await ann.ok('rest', 'message:delete', { conversationId: cid, messageId: message.id });
    expect(await statusOf(bob, first.url)).toBe(404);
    const after = await download(world.app.url, second.url, bob.id);
    expect([after.status, after.bytes.equals(before.bytes)]).toEqual([200, true]);
    expect(await statusOf(bob, second.thumbnailUrl!)).toBe(200);
    expect(await copiesOf(ids)).toEqual([first.id]);

    // A third shares what the second one has, and the last one takes the bytes along.
    const third = await uploadAs(ann, photo, 'three.png');
    expect(await copiesOf([...ids, third.id])).toEqual([first.id]);
    for (const { id } of [second, third]) await world.prisma.attachment.update({ where: { id }, data: OLD });
    await world.prisma.message.updateMany({ where: { conversationId: cid }, data: { deletedAt: new Date() } });
    await world.app.app.attachments.sweep();
    expect(await copiesOf([...ids, third.id, `${first.id}.thumbnail`])).toEqual([]);
    expect(await world.prisma.attachment.count({ where: { uploaderId: ann.id } })).toBe(0);
  });

  it('are stored once more for somebody else, and for other bytes', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const bytes = randomBytes(2_000);
    const files = [await uploadAs(ann, bytes), await uploadAs(bob, bytes), await uploadAs(ann, randomBytes(2_000))];
    expect(await copiesOf(files.map(({ id }) => id))).toHaveLength(3);
    const rows = await world.prisma.attachment.findMany({ where: { id: { in: files.map(({ id }) => id) } } });
    expect(rows.map(({ bytesId }) => bytesId)).toEqual([null, null, null]);
  });

  it('are stored once when they come at the same moment', async () => {
    const [ann] = await world.people('ann');
    for (const bytes of [randomBytes(300_000), await picture('jpeg', { width: 120, height: 80 }), wav(3)]) {
      const files = await Promise.all(Array.from({ length: 6 }, () => uploadAs(ann, bytes)));
      const ids = files.map(({ id }) => id);
      expect(new Set(ids).size).toBe(6);
      expect(await copiesOf(ids)).toHaveLength(1);
      const contents = await Promise.all(files.map(({ url }) => download(world.app.url, url, ann.id)));
      expect(new Set(contents.map((one) => createHash('sha256').update(one.bytes).digest('hex'))).size).toBe(1);
      expect(contents.map(({ status }) => status)).toEqual(Array(6).fill(200));
    }
    expect(await staged()).toEqual([]);
  });

  it('are there for an upload that meets the removal of the only other one', async () => {
    const [ann] = await world.people('ann');
    const { attachments } = world.app.app;
    for (let round = 0; round < 12; round += 1) {
      const bytes = randomBytes(20_000);
      const first = await uploadAs(ann, bytes);
      await world.prisma.attachment.update({ where: { id: first.id }, data: { createdAt: OLD.createdAt } });
      const [second] = await Promise.all([uploadAs(ann, bytes), attachments.sweep(), attachments.sweep()]);
      const fetched = await download(world.app.url, second.url, ann.id);
      expect([fetched.status, fetched.bytes.equals(bytes)], `round ${round}`).toEqual([200, true]);
      expect(await copiesOf([first.id, second.id])).toHaveLength(1);
      expect(await statusOf(ann, first.url)).toBe(404);
    }
  });

  it('go when all that share them go at the same moment', async () => {
    const [ann] = await world.people('ann');
    const bytes = randomBytes(20_000);
    const files = [await uploadAs(ann, bytes), await uploadAs(ann, bytes), await uploadAs(ann, bytes)];
    const ids = files.map(({ id }) => id);
    await world.prisma.attachment.updateMany({ where: { id: { in: ids } }, data: OLD });
    const { attachments } = world.app.app;
    await Promise.all([attachments.sweep(), attachments.sweep(), attachments.sweep()]);
    expect(await copiesOf(ids)).toEqual([]);
    expect(await world.prisma.attachment.count({ where: { id: { in: ids } } })).toBe(0);
  });
});

const OLD = { createdAt: new Date(Date.now() - 26 * 3_600_000), deletedAt: new Date() };

describe('with a master key', () => {
  const sealed = useWorld({ env: { ENCRYPTION_KEYS: `one:${Buffer.alloc(32, 7).toString('base64')}` } });

  it('every file has bytes of its own, and no hash tells what is in it', async () => {
    const [ann] = await sealed.people('ann');
    const bytes = await picture('png', { width: 90, height: 60 });
    const caller = { url: sealed.app.url, user: ann.id };
    const files = [(await upload(caller, bytes)).body, (await upload(caller, bytes)).body];
    const rows = await sealed.prisma.attachment.findMany({ where: { uploaderId: ann.id } });
    expect(rows.map(({ contentHash, bytesId }) => [contentHash, bytesId])).toEqual([
      [null, null],
      [null, null],
    ]);
    expect(new Set(rows.map(({ sha256 }) => sha256)).size).toBe(2);
    // What is shown before the bytes are there is a picture of them.
    expect(files.map(({ placeholder }) => typeof placeholder)).toEqual(['string', 'string']);
    for (const { preview } of rows) {
      expect(preview).toMatch(/^v1\./);
      expect(preview).not.toContain(files[0]!.placeholder!);
    }
    const cid = await sealed.create('group', ann);
    const sent = await ann.send(cid, 'look', { attachmentIds: [files[0]!.id] });
    expect(sent.attachments).toEqual([files[0]]);
    expect((await ann.history(cid))[0]?.attachments).toEqual([files[0]]);
  });
});
