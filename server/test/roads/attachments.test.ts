import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Attachment,
  type AttachmentLink,
  AttachmentSchema,
  type Conversation,
  type Message,
  type Page,
} from '@parley/protocol';
import { thumbHashToAverageRGBA } from 'thumbhash';
import { describe, expect, it, vi } from 'vitest';
import { DOORS } from '../support/doors.ts';
import { download, PDF, picture, upload, wav } from '../support/files.ts';
import { type Person, useWorld } from '../support/world.ts';

// The first file waits for the process that examines files, which loads its decoders.
vi.setConfig({ testTimeout: 60_000 });

const world = useWorld();

/** Uploads something that must be taken. */
async function uploadAs(person: Person, bytes: Buffer<ArrayBuffer> = PDF, name = 'a.pdf'): Promise<Attachment> {
  const { status, body } = await upload({ url: world.app.url, user: person.id }, bytes, name);
  expect(status, JSON.stringify(body)).toBe(201);
  return AttachmentSchema.parse(body);
}

const get = (person: Person | null, path: string, headers: Record<string, string> = {}, method = 'GET') =>
  download(world.app.url, path, person?.id ?? null, headers, method);

/** Where the bytes of a file are kept. */
function storedAt(id: string): string {
  return join(world.app.database.dataDir, 'files', id.slice(-2), id);
}

describe.each(DOORS)('a message with files over %s', (door) => {
  it('SEND-4 may be files alone, in the order of the send, and looks the same everywhere', async () => {
    const [ann, bob, eve] = await world.people('ann', 'bob', 'eve');
    const cid = await world.create('group', ann, bob);
    const [bobPhone, evePhone] = [await bob.connect(), await eve.connect()];
    const photo = await uploadAs(ann, await picture('jpeg'), 'beach.jpg');
    const paper = await uploadAs(ann);
    const sound = await uploadAs(ann, wav(2), 'hello.wav');
    expect(photo).toMatchObject({
      mimeType: 'image/jpeg',
      width: 320,
      height: 200,
      hasThumbnail: true,
      durationMs: null,
    });
    expect(paper).toMatchObject({
      mimeType: 'application/pdf',
      size: PDF.length,
      hasThumbnail: false,
      thumbnailUrl: null,
    });
    expect(sound).toMatchObject({ mimeType: 'audio/wav', durationMs: 2_000, width: null });

    const attachmentIds = [sound.id, photo.id.toUpperCase(), paper.id];
    const sent = await ann.ok(door, 'message:send', { conversationId: cid, attachmentIds });
    expect(sent).toMatchObject({ content: '', attachments: [sound, photo, paper], duplicate: false });
    const { duplicate: _, ...message } = sent;

    expect((await bobPhone.next('message:created')).message).toEqual(message);
    await evePhone.expectNone('message:created');
    expect(await bob.history(cid)).toEqual([message]);
    expect(await bob.get<Message>(`/conversations/${cid}/messages/${sent.id}`)).toEqual(message);
    expect(JSON.stringify(await bob.get(`/conversations/${cid}/changes`))).toContain(
      JSON.stringify(message.attachments),
    );
    expect((await bob.conversation(cid)).lastMessage).toEqual(message);
    expect((await bob.get<Page<Conversation>>('/conversations')).items[0]?.lastMessage).toEqual(message);
  });

  it('names what is wrong with a file', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    const [mine, used, his] = [await uploadAs(ann), await uploadAs(ann), await uploadAs(bob)];
    await ann.send(cid, 'x', { attachmentIds: [used.id] });
    const refusal = (attachmentIds: string[]) =>
      ann.refused(door, 'message:send', { conversationId: cid, content: 'x', attachmentIds });

    const unknown = '0190a5d0-0000-7000-8000-000000000000';
    for (const id of [unknown, 'no-id', his.id]) {
      expect(await refusal([mine.id, id])).toMatchObject({
        code: 'invalid_request',
        errors: [{ path: 'attachmentIds.1' }],
      });
    }
    expect(await refusal([mine.id, used.id])).toMatchObject({ code: 'attachment_in_use', status: 409 });
    expect((await ann.refused(door, 'message:send', { conversationId: cid, content: ' ' })).code).toBe('empty_message');
    // Nothing of all that was stored, or took the good file along.
    expect(await ann.history(cid)).toHaveLength(1);
    await ann.ok(door, 'message:send', { conversationId: cid, content: 'x', attachmentIds: [mine.id] });
  });

  it('SEND-2 is repeated with the same files, and is another message with others', async () => {
    const [ann] = await world.people('ann');
    const cid = await world.create('group', ann);
    const [one, other] = [await uploadAs(ann), await uploadAs(ann)];
    const command = { conversationId: cid, content: 'x', clientMessageId: 'k', attachmentIds: [one.id] };
    const first = await ann.ok(door, 'message:send', command);
    expect(await ann.ok(door, 'message:send', command)).toEqual({ ...first, duplicate: true });
    const changed = { ...command, attachmentIds: [other.id] };
    expect((await ann.refused(door, 'message:send', changed)).code).toBe('idempotency_conflict');
    expect(await ann.history(cid)).toHaveLength(1);
  });

  it('DEL-1 takes its files along', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    const photo = await uploadAs(ann, await picture(), 'p.png');
    const sent = await ann.send(cid, 'look', { attachmentIds: [photo.id] });
    const phone = await bob.connect();
    const { url } = await bob.get<AttachmentLink>(`/attachments/${photo.id}/link`);
    expect(existsSync(storedAt(photo.id))).toBe(true);

    const left = await ann.ok(door, 'message:delete', { conversationId: cid, messageId: sent.id });

    expect(left.attachments).toEqual([]);
    expect(JSON.stringify(await phone.next('message:deleted'))).not.toContain(photo.id);
    for (const path of [photo.url, photo.thumbnailUrl!, `${photo.url}/link`]) {
      for (const person of [ann, bob]) expect((await get(person, path)).status, path).toBe(404);
    }
    expect((await get(null, url)).status).toBe(404);
    expect(existsSync(storedAt(photo.id))).toBe(false);
    expect(existsSync(storedAt(`${photo.id}.thumbnail`))).toBe(false);
    expect(await world.prisma.attachment.findUnique({ where: { id: photo.id } })).toBeNull();
    expect(JSON.stringify(await bob.history(cid))).not.toContain(photo.id);
  });

  it('EDIT-1 keeps its files when its text changes, and may lose all its text', async () => {
    const [ann] = await world.people('ann');
    const cid = await world.create('group', ann);
    const paper = await uploadAs(ann);
    const sent = await ann.send(cid, 'look', { attachmentIds: [paper.id] });
    const target = { conversationId: cid, messageId: sent.id };
    const edited = await ann.ok(door, 'message:edit', { ...target, content: '  ' });
    expect(edited).toMatchObject({ content: '', attachments: [paper] });
    const plain = await ann.send(cid, 'text');
    const refused = await ann.refused(door, 'message:edit', { ...target, messageId: plain.id, content: '  ' });
    expect(refused.code).toBe('empty_message');
  });
});

it('says what a picture will look like and how loud a recording is, before their bytes are there', async () => {
  const [ann, bob] = await world.people('ann', 'bob');
  const cid = await world.create('group', ann, bob);
  const photo = await uploadAs(ann, await picture('jpeg', { width: 300, height: 200 }), 'beach.jpg');
  const shown = thumbHashToAverageRGBA(Buffer.from(photo.placeholder!, 'base64'));
  // Mostly the orange of the picture, with a quarter of green in it.
  expect(shown.r).toBeGreaterThan(shown.g);
  expect(shown.g).toBeGreaterThan(shown.b);
  const swell = await readFile(new URL('../support/sounds/swell.mp3', import.meta.url));
  const sound = await uploadAs(ann, Buffer.from(swell), 'swell.mp3');
  expect(sound.waveform).toHaveLength(64);
  expect(sound.waveform![10]).toBeLessThan(25);
  expect(sound.waveform![50]).toBeGreaterThan(80);
  const vorbis = await readFile(new URL('../support/sounds/swell-vorbis.ogg', import.meta.url));
  const other = await uploadAs(ann, Buffer.from(vorbis), 'swell.ogg');
  expect(other).toMatchObject({ mimeType: 'audio/ogg', durationMs: 2_000 });
  for (const file of [other, await uploadAs(ann)]) {
    expect(Object.keys(file)).not.toContain('waveform');
    expect(Object.keys(file)).not.toContain('placeholder');
  }
  const phone = await bob.connect();
  await ann.send(cid, 'look', { attachmentIds: [photo.id, sound.id, other.id] });
  expect((await phone.next('message:created')).message.attachments).toEqual([photo, sound, other]);
});

it('belongs to one message, whoever sends first', async () => {
  const [ann] = await world.people('ann');
  const cids = await Promise.all([1, 2, 3, 4].map(() => world.create('group', ann)));
  const paper = await uploadAs(ann);
  const sends = await Promise.all(
    cids.map((cid) => ann.act('rest', 'message:send', { conversationId: cid, attachmentIds: [paper.id] })),
  );
  const codes = sends.map((ack) => (ack.ok ? 'sent' : ack.error.code));
  expect(codes.toSorted()).toEqual(['attachment_in_use', 'attachment_in_use', 'attachment_in_use', 'sent']);
});

describe('fetching', () => {
  it('ACC-2 is for the uploader until it is sent, then for whoever may read the message, at each fetch anew', async () => {
    const [ann, bob, cat, eve] = await world.people('ann', 'bob', 'cat', 'eve');
    const cid = await world.create('group', ann, bob, cat);
    const photo = await uploadAs(ann, await picture(), 'p.png');
    const paths = [photo.url, photo.thumbnailUrl!, `${photo.url}/link`];
    const statuses = (person: Person | null) =>
      Promise.all(paths.map(async (path) => (await get(person, path)).status));

    expect(await statuses(ann)).toEqual([200, 200, 200]);
    expect(await statuses(bob)).toEqual([404, 404, 404]);
    expect(await statuses(null)).toEqual([401, 401, 401]);

    await ann.send(cid, 'look', { attachmentIds: [photo.id] });
    expect(await statuses(bob)).toEqual([200, 200, 200]);
    expect(await statuses(eve)).toEqual([403, 403, 403]);
    expect((await get(eve, photo.url)).code).toBe('not_a_participant');

    // A link is one's own, and reaches no further than its person does.
    const bobs = await bob.get<AttachmentLink>(`/attachments/${photo.id}/link`);
    expect((await get(null, bobs.url)).status).toBe(200);
    await ann.ok('rest', 'participant:remove', { conversationId: cid, userId: bob.id });
    expect(await statuses(bob)).toEqual([403, 403, 403]);
    expect((await get(null, bobs.url)).code).toBe('not_a_participant');
    await cat.ok('rest', 'participant:remove', { conversationId: cid, userId: cat.id });
    expect(await statuses(cat)).toEqual([403, 403, 403]);

    await ann.rest.delete(`/conversations/${cid}`);
    expect(await statuses(ann)).toEqual([404, 404, 404]);
  });

  it('ACC-2 of a channel is for everybody signed in', async () => {
    const [ann, eve] = await world.people('ann', 'eve');
    const cid = await world.create('channel', ann);
    const paper = await uploadAs(ann);
    await ann.send(cid, 'look', { attachmentIds: [paper.id] });
    expect((await get(eve, paper.url)).bytes.equals(PDF)).toBe(true);
    expect((await get(null, paper.url)).status).toBe(401);
  });

  it('answers 404 to what is no file', async () => {
    const [ann] = await world.people('ann');
    const paper = await uploadAs(ann);
    const paths = ['no-id', '..%2F..%2Fpglite', '0190a5d0-0000-7000-8000-000000000000', `${paper.id}/thumbnail`];
    for (const path of paths) expect((await get(ann, `/api/messaging/v1/attachments/${path}`)).status, path).toBe(404);
  });

  it('signs addresses that cannot be bent', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const [one, other] = [await uploadAs(ann, await picture(), 'p.png'), await uploadAs(ann)];
    const link = await ann.get<AttachmentLink>(`/attachments/${one.id}/link`);
    expect(link.attachment).toEqual(one);
    expect(Date.parse(link.expiresAt) - Date.now()).toBeLessThanOrEqual(15 * 60_000);
    const query = new URLSearchParams(link.url.split('?')[1]);
    const bent = (changes: Record<string, string>, path = one.url) =>
      get(null, `${path}?${new URLSearchParams({ ...Object.fromEntries(query), ...changes })}`);

    expect((await bent({})).status).toBe(200);
    expect((await bent({}, one.thumbnailUrl!)).headers.get('content-type')).toBe('image/webp');
    expect((await bent({}, other.url)).code).toBe('unauthenticated');
    expect((await bent({ user: bob.id })).code).toBe('unauthenticated');
    expect((await bent({ expires: String(Number(query.get('expires')) + 1) })).code).toBe('unauthenticated');
    expect((await bent({ signature: '' })).code).toBe('unauthenticated');
    // It opens files and nothing else.
    expect((await get(null, `/api/messaging/v1/me?${query}`)).status).toBe(401);
    expect((await get(null, `${one.url}/link?${query}`)).status).toBe(401);
  });

  it('ends a link with the token it was asked for with', async () => {
    const [ann] = await world.people('ann');
    const paper = await uploadAs(ann);
    const brief = await world.app
      .rest({ id: ann.id, expiresIn: -5 })
      .get<AttachmentLink>(`/attachments/${paper.id}/link`);
    expect(brief.status).toBe(200);
    expect((await get(null, brief.body.url)).code).toBe('token_expired');
  });

  it('answers ranges and conditions', async () => {
    const [ann] = await world.people('ann');
    const bytes = Buffer.from(Array.from({ length: 1_000 }, (_, index) => index % 251));
    const { url } = await uploadAs(ann, bytes, 'x.bin');
    const whole = await get(ann, url);
    const etag = whole.headers.get('etag')!;
    const modified = whole.headers.get('last-modified')!;
    expect(etag).toBe(`"${createHash('sha256').update(bytes).digest('hex')}"`);
    expect(whole.bytes.equals(bytes)).toBe(true);
    expect(whole.headers.get('accept-ranges')).toBe('bytes');

    const ranges: [string, number, number][] = [
      ['bytes=0-0', 0, 0],
      ['bytes=10-19', 10, 19],
      ['bytes=990-', 990, 999],
      ['bytes=-10', 990, 999],
      ['bytes=-5000', 0, 999],
      ['bytes=500-99999', 500, 999],
    ];
    for (const [range, start, end] of ranges) {
      const answer = await get(ann, url, { range });
      expect(answer.status, range).toBe(206);
      expect(answer.headers.get('content-range')).toBe(`bytes ${start}-${end}/1000`);
      expect(answer.bytes.equals(bytes.subarray(start, end + 1)), range).toBe(true);
    }
    for (const range of ['bytes=1000-', 'bytes=-0', 'bytes=5000-6000']) {
      const answer = await get(ann, url, { range });
      expect([answer.status, answer.headers.get('content-range')], range).toEqual([416, 'bytes */1000']);
      expect(answer.code).toBe('invalid_request');
    }
    for (const range of ['bytes=5-1', 'bytes=-', 'items=0-1', 'bytes=0-1,5-6', 'bytes=a-b']) {
      expect((await get(ann, url, { range })).status, range).toBe(200);
    }
    expect((await get(ann, url, { range: 'bytes=0-1', 'if-range': etag })).status).toBe(206);
    expect((await get(ann, url, { range: 'bytes=0-1', 'if-range': modified })).status).toBe(206);
    expect((await get(ann, url, { range: 'bytes=0-1', 'if-range': '"another"' })).status).toBe(200);

    for (const known of [etag, `W/${etag}`, `"a", ${etag}`, '*']) {
      const answer = await get(ann, url, { 'if-none-match': known });
      expect([answer.status, answer.bytes.length], known).toEqual([304, 0]);
      expect(answer.headers.get('etag')).toBe(etag);
    }
    expect((await get(ann, url, { 'if-none-match': '"another"', 'if-modified-since': modified })).status).toBe(200);
    expect((await get(ann, url, { 'if-modified-since': modified })).status).toBe(304);
    expect((await get(ann, url, { 'if-modified-since': 'Thu, 01 Jan 2015 00:00:00 GMT' })).status).toBe(200);

    const head = await get(ann, url, {}, 'HEAD');
    expect([head.status, head.bytes.length, head.headers.get('content-length')]).toEqual([200, 0, '1000']);
  });
});

it('sweeps what nobody sent for a day, and nothing else', async () => {
  const [ann] = await world.people('ann');
  const cid = await world.create('group', ann);
  // Of different content: bytes that others share stay.
  const old = await uploadAs(ann, Buffer.from('long ago'), 'a.txt');
  const [young, sent] = [await uploadAs(ann), await uploadAs(ann)];
  await ann.send(cid, 'x', { attachmentIds: [sent.id] });
  const yesterday = new Date(Date.now() - 25 * 3_600_000);
  await world.prisma.attachment.updateMany({
    where: { id: { in: [old.id, sent.id] } },
    data: { createdAt: yesterday },
  });

  await world.app.app.attachments.sweep();

  expect((await get(ann, old.url)).status).toBe(404);
  expect(existsSync(storedAt(old.id))).toBe(false);
  expect((await get(ann, young.url)).status).toBe(200);
  expect((await get(ann, sent.url)).status).toBe(200);
  expect(await readdir(join(world.app.database.dataDir, 'uploads'))).toEqual([]);
});
