import type {
  Attachment,
  AuditEntry,
  Changes,
  Conversation,
  EncryptionKeys,
  Message,
  Page,
  Problem,
  Report,
  Revision,
  SearchHit,
} from '@parley/protocol';
import { API_PREFIX } from '@parley/protocol';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KeyRing } from '../../src/infrastructure/key-ring.ts';
import { KeysRepository } from '../../src/modules/confidential/repositories/keys.repository.ts';
import { KeyRotation } from '../../src/modules/confidential/services/rotation.ts';
import { newId } from '../../src/utils/ids.ts';
import { startTestApp, type TestApp, tokenOf } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { DOORS } from '../support/doors.ts';
import { download, picture, upload } from '../support/files.ts';
import { createConfidential, masterKey, masterKeys } from '../support/keys.ts';
import { recordStatements } from '../support/statements.ts';
import { useWorld } from '../support/world.ts';

describe('confidential conversations', () => {
  // The last one as an operator adds it first: every node opens what it wraps before any node wraps with it.
  const world = useWorld({ env: masterKeys('new', 'old', 'next') });

  const administrator = () => world.person({ id: 'admin', name: 'Admin', roles: ['admin'] });

  describe.each(DOORS)('over %s', (door) => {
    it('SEND-1 EDIT-1 DEL-1 DLV-2 are as any other to those in it, and nothing to others', async () => {
      const [ann, bob, eve] = await world.people('ann', 'bob', 'eve');
      const [bobPhone, evePhone] = [await bob.connect(), await eve.connect()];
      const { id: conversationId, ...created } = await ann.ok(door, 'conversation:create', {
        type: 'group',
        confidential: true,
        participantIds: [bob.id],
      });
      expect(created.confidential).toBe(true);
      const metadata = { color: 'rot', list: [1, null] };
      const first = await ann.ok(door, 'message:send', { conversationId, content: 'läuft 🙂 & <3', metadata });
      expect(first).toMatchObject({ content: 'läuft 🙂 & <3', metadata, seq: 1 });
      const { message: heard } = await bobPhone.next('message:created');
      expect({ ...heard, duplicate: false }).toEqual(first);

      const reply = await bob.ok(door, 'message:send', { conversationId, content: 'indeed', replyToId: first.id });
      expect(reply.replyTo).toMatchObject({ id: first.id, content: 'läuft 🙂 & <3' });
      const edited = await ann.ok(door, 'message:edit', { conversationId, messageId: first.id, content: 'anders' });
      expect(edited).toMatchObject({ content: 'anders', metadata });
      const update = await bobPhone.next('message:updated');
      expect(update.message).toEqual(edited);
      const revisions = await ann.get<Page<Revision>>(
        `/conversations/${conversationId}/messages/${first.id}/revisions`,
      );
      expect(revisions.items.map(({ content }) => content)).toEqual(['läuft 🙂 & <3', 'anders']);

      const history = await bob.history(conversationId);
      expect(history.map(({ content, replyTo }) => [content, replyTo?.content])).toEqual([
        ['anders', undefined],
        ['indeed', 'anders'],
      ]);
      expect(await bob.get(`/conversations/${conversationId}/messages/${first.id}`)).toEqual(edited);
      const changes = await bob.get<Changes>(`/conversations/${conversationId}/changes?after=1`);
      const told = changes.changes.flatMap((change) => (change.type === 'message' ? [change.message] : []));
      expect(told.map(({ content }) => content).sort()).toEqual(['anders', 'indeed']);
      expect((await bob.conversation(conversationId)).lastMessage?.content).toBe('indeed');
      const list = await bob.get<Page<Conversation>>('/conversations');
      expect(list.items.find(({ id }) => id === conversationId)?.lastMessage?.content).toBe('indeed');

      await ann.ok(door, 'message:delete', { conversationId, messageId: first.id });
      expect(await bob.history(conversationId)).toMatchObject([
        { content: null, metadata: null, deletedBy: ann.id },
        { content: 'indeed', replyTo: { content: null } },
      ]);

      const rows = await world.prisma.message.findMany({ where: { conversationId }, orderBy: { seq: 'asc' } });
      expect(rows.map(({ content, metadata: kept, sealed }) => [content, kept, sealed?.slice(0, 3)])).toEqual([
        [null, null, undefined],
        [null, null, 'v1.'],
      ]);
      expect((await eve.refused(door, 'message:send', { conversationId, content: 'hi' })).code).toBe(
        'not_a_participant',
      );
      expect((await eve.rest.get<Problem>(`/conversations/${conversationId}/messages`)).body.code).toBe(
        'not_a_participant',
      );
      await evePhone.expectNone('message:created');
    });

    it('SEND-2 tells a repeat from another message, by a digest that takes the key to make', async () => {
      const [ann, bob] = await world.people('ann', 'bob');
      const [mine, plain] = [await createConfidential(ann, bob), await world.create('group', ann, bob)];
      const input = { content: 'once', clientMessageId: 'k1' };
      const digests: (string | null | undefined)[] = [];
      for (const conversationId of [mine, plain]) {
        const first = await ann.ok(door, 'message:send', { conversationId, ...input });
        const again = await ann.ok(door, 'message:send', { conversationId, ...input });
        expect(again).toEqual({ ...first, duplicate: true });
        const other = await ann.refused(door, 'message:send', { conversationId, ...input, content: 'twice' });
        expect(other.code).toBe('idempotency_conflict');
        digests.push((await world.prisma.message.findUnique({ where: { id: first.id } }))?.requestDigest);
      }
      expect(digests[0]).toHaveLength(43);
      expect(digests[0]).not.toBe(digests[1]);
    });
  });

  it('gives a pair an ordinary and a confidential direct conversation, each once', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const direct = async (from: typeof ann, to: typeof ann, confidential?: boolean) => {
      const input = { type: 'direct', participantIds: [to.id], ...(confidential && { confidential }) };
      const { status, body } = await from.rest.post<Conversation>('/conversations', input);
      return { status, id: body.id, confidential: body.confidential };
    };
    const plain = await direct(ann, bob);
    const secret = await direct(ann, bob, true);
    expect([plain, secret]).toMatchObject([
      { status: 201, confidential: false },
      { status: 201, confidential: true },
    ]);
    expect(secret.id).not.toBe(plain.id);
    expect(await direct(bob, ann)).toEqual({ ...plain, status: 200 });
    expect(await direct(bob, ann, true)).toEqual({ ...secret, status: 200 });
  });

  it('keeps files, their thumbnails and names encrypted, and serves every part of them', async () => {
    const [ann, bob, eve] = await world.people('ann', 'bob', 'eve');
    const conversationId = await createConfidential(ann, bob);
    const caller = { url: world.app.url, user: ann.id };
    const text = Buffer.from('plain words, again and again. '.repeat(10_000));
    const { body: file } = await upload(caller, text, 'the plan.txt');
    const { body: image } = await upload(caller, await picture('png'), 'a view.png');
    expect(file).toMatchObject({ fileName: 'the plan.txt', size: text.length });
    const { attachments } = await ann.send(conversationId, 'look', { attachmentIds: [file.id, image.id] });
    expect(attachments.map(({ fileName }) => fileName)).toEqual(['the plan.txt', 'a view.png']);
    expect((await bob.history(conversationId))[0]?.attachments).toEqual(attachments);

    const whole = await download(world.app.url, file.url, bob.id);
    expect(whole.bytes.equals(text)).toBe(true);
    expect(whole.headers.get('content-disposition')).toContain('the plan.txt');
    for (const [start, end] of [
      [0, 0],
      [65_535, 65_536],
      [70_000, 200_000],
      [text.length - 1, text.length - 1],
    ] as const) {
      const part = await download(world.app.url, file.url, bob.id, { range: `bytes=${start}-${end}` });
      expect(part.status).toBe(206);
      expect(part.bytes.equals(text.subarray(start, end + 1)), `${start}-${end}`).toBe(true);
    }
    const known = await download(world.app.url, file.url, bob.id, { 'if-none-match': whole.headers.get('etag')! });
    expect(known.status).toBe(304);
    const thumbnail = await download(world.app.url, image.thumbnailUrl!, bob.id);
    expect(thumbnail.bytes.subarray(8, 12).toString()).toBe('WEBP');
    expect((await download(world.app.url, file.url, eve.id)).code).toBe('not_a_participant');
    const row = await world.prisma.attachment.findUnique({ where: { id: file.id } });
    expect(row).toMatchObject({ keyId: 'new', fileName: expect.stringMatching(/^v1\./) });
  });

  it('takes resumable uploads too, under the name that was given', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const conversationId = await createConfidential(ann, bob);
    const bytes = Buffer.from('in two parts. '.repeat(10_000));
    const call = async (
      method: string,
      path: string,
      headers: Record<string, string>,
      body?: Uint8Array<ArrayBuffer>,
    ) =>
      fetch(path.startsWith('http') ? path : world.app.url + path, {
        method,
        headers: { 'tus-resumable': '1.0.0', authorization: `Bearer ${await tokenOf(ann.id)}`, ...headers },
        ...(body && { body }),
      });
    const begun = await call('POST', `${API_PREFIX}/attachments/tus`, {
      'upload-length': String(bytes.length),
      'upload-metadata': `filename ${Buffer.from('later.txt').toString('base64')}`,
    });
    const path = begun.headers.get('location')!;
    const id = path.slice(path.lastIndexOf('/') + 1);
    expect(await world.prisma.attachment.findUnique({ where: { id } })).toMatchObject({
      keyId: 'new',
      fileName: expect.stringMatching(/^v1\./),
    });
    const type = { 'content-type': 'application/offset+octet-stream' };
    await call('PATCH', path, { ...type, 'upload-offset': '0' }, bytes.subarray(0, 70_000));
    const told = await call('HEAD', path, {});
    expect(told.headers.get('upload-metadata')).toContain(Buffer.from('later.txt').toString('base64'));
    await call('PATCH', path, { ...type, 'upload-offset': '70000' }, bytes.subarray(70_000));
    const { attachments } = await ann.send(conversationId, '', { attachmentIds: [id] });
    expect(attachments).toMatchObject([{ fileName: 'later.txt', size: bytes.length }]);
    const { bytes: fetched } = await download(world.app.url, attachments[0]!.url, bob.id);
    expect(fetched.equals(bytes)).toBe(true);
  });

  it('takes no file into it that is kept unencrypted', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const [mine, plain] = [await createConfidential(ann, bob), await world.create('group', ann, bob)];
    const caller = { url: world.app.url, user: ann.id };
    const ids = [
      (await upload(caller, Buffer.from('one'))).body.id,
      (await upload(caller, Buffer.from('two'))).body.id,
    ];
    // As one is from before the server had a key.
    await world.prisma.attachment.update({ where: { id: ids[1]! }, data: { keyId: null, wrappedKey: null } });
    const input = { content: 'x', attachmentIds: ids };
    const refused = await ann.refused('rest', 'message:send', { conversationId: mine, ...input });
    expect(refused).toMatchObject({ code: 'invalid_request', errors: [{ path: 'attachmentIds.1' }] });
    expect((await ann.send(plain, 'x', { attachmentIds: ids })).attachments).toHaveLength(2);
  });

  it('keeps what the audit tells sealed too, opens it to administrators, and verifies without a key', async () => {
    const admin = await administrator();
    const [ann, bob] = await world.people('ann', 'bob');
    const conversationId = await createConfidential(ann, bob);
    const { id } = await ann.send(conversationId, 'first');
    await ann.rest.patch(`/conversations/${conversationId}/messages/${id}`, { content: 'second' });
    await ann.rest.delete(`/conversations/${conversationId}/messages/${id}`);
    const audit = () => admin.get<Page<AuditEntry>>(`/audit?conversationId=${conversationId}`);
    const { items } = await audit();
    expect(items.map(({ action, before, after }) => [action, before, after])).toEqual([
      ['message.deleted', { content: 'second', metadata: null }, null],
      ['message.edited', { content: 'first' }, { content: 'second' }],
    ]);
    const kept = await world.prisma.auditEntry.findMany({ where: { conversationId, action: 'message.edited' } });
    expect(kept[0]).toMatchObject({ before: { sealed: expect.stringMatching(/^v1\./) } });
    expect(await admin.get(`/audit/verify?conversationId=${conversationId}`)).toMatchObject({ ok: true });
    // To look at them was to read there.
    expect((await audit()).items.map(({ actorId, action }) => [actorId, action])).toEqual([
      ['admin', 'conversation.read'],
      [ann.id, 'message.deleted'],
      [ann.id, 'message.edited'],
    ]);
  });

  it('audits what an administrator reads where they take no part, once in a while and not where they do', async () => {
    const admin = await administrator();
    const [ann, bob] = await world.people('ann', 'bob');
    const [theirs, reported, own] = [
      await createConfidential(ann, bob),
      await createConfidential(ann, bob),
      await createConfidential(ann, admin),
    ];
    const reads = (conversationId: string) =>
      world.prisma.auditEntry.findMany({ where: { conversationId, action: 'conversation.read' } });
    for (const conversationId of [theirs, reported, own]) await ann.send(conversationId, 'private');
    for (const path of ['', '/messages', '/changes?after=0', '/messages']) {
      await admin.get(`/conversations/${theirs}${path}`);
      await admin.get(`/conversations/${own}${path}`);
      await bob.get(`/conversations/${theirs}${path}`);
    }
    expect(await reads(theirs)).toMatchObject([{ actorId: 'admin' }]);
    expect(await reads(own)).toEqual([]);

    const [message] = await bob.history(reported);
    await bob.rest.post(`/conversations/${reported}/messages/${message!.id}/reports`, { reason: 'rude' });
    expect(await reads(reported)).toEqual([]);
    const { items } = await admin.get<Page<Report>>(`/reports?conversationId=${reported}`);
    expect(items[0]?.message?.content).toBe('private');
    expect(await reads(reported)).toMatchObject([{ actorId: 'admin' }]);
  });

  it('is not searched', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const [mine, plain] = [await createConfidential(ann, bob), await world.create('group', ann, bob)];
    await ann.send(mine, 'wombat in secret');
    const { id } = await ann.send(plain, 'wombat in public');
    const hits = (query: string) => bob.get<Page<SearchHit>>(`/search/messages?q=wombat${query}`);
    expect((await hits('')).items.map((hit) => hit.id)).toEqual([id]);
    expect((await hits(`&conversationId=${mine}`)).items).toEqual([]);
    expect(await world.prisma.searchProgress.count({ where: { conversationId: mine } })).toBe(0);
  });

  it('does not open a text that was put in the place of another, and leaves the others alone', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const conversationId = await createConfidential(ann, bob);
    const [one, two, three] = [
      await ann.send(conversationId, 'pay ann'),
      await ann.send(conversationId, 'pay bob'),
      await ann.send(conversationId, 'fine'),
    ];
    const swap = `UPDATE "Message" m SET sealed = o.sealed FROM "Message" o
      WHERE m.id IN ('${one.id}', '${two.id}') AND o.id IN ('${one.id}', '${two.id}') AND o.id <> m.id`;
    await world.prisma.$executeRawUnsafe(swap);
    const path = `/conversations/${conversationId}/messages`;
    expect((await bob.history(conversationId)).map(({ content, unreadable }) => [content, unreadable])).toEqual([
      [null, true],
      [null, true],
      ['fine', undefined],
    ]);
    for (const { id } of [one, two]) {
      for (const answer of [
        await bob.rest.get<Problem>(`${path}/${id}`),
        await ann.rest.get<Problem>(`${path}/${id}/revisions`),
        await ann.rest.patch<Problem>(`${path}/${id}`, { content: 'mine now' }),
      ]) {
        expect(answer).toMatchObject({
          status: 503,
          body: { code: 'unavailable', detail: expect.stringContaining('cannot be opened') },
        });
      }
    }
    expect((await bob.get<Message>(`${path}/${three.id}`)).content).toBe('fine');
    const quoting = await bob.send(conversationId, 'what?', { replyToId: one.id });
    expect(quoting.replyTo).toMatchObject({ id: one.id, content: null });
    expect((await bob.get<Page<Conversation>>('/conversations')).items[0]?.lastMessage?.content).toBe('what?');
    // It can be taken away still, and is whole again once the row is.
    expect((await ann.rest.delete(`${path}/${two.id}`)).status).toBe(200);
    await world.prisma.$executeRawUnsafe(
      `UPDATE "Message" SET sealed = '${(await sealedBefore(two.id)) ?? ''}' WHERE id = '${one.id}'`,
    );
    expect((await bob.get<Message>(`${path}/${one.id}`)).content).toBe('pay ann');

    // What the trail kept of the other one was the text that belongs to this one.
    async function sealedBefore(targetId: string): Promise<string | undefined> {
      const entry = await world.prisma.auditEntry.findFirst({ where: { targetId, action: 'message.deleted' } });
      return (entry?.before as { kept?: string } | null)?.kept;
    }
  });

  it('costs ordinary conversations one look-up each, and then none', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const conversationId = await world.create('group', ann, bob);
    const looks = async () => {
      const statements = await recordStatements(() => ann.send(conversationId, 'hi'));
      return statements.filter(({ text }) => text.includes('"ConversationKey"')).length;
    };
    expect([await looks(), await looks(), await looks()]).toEqual([1, 0, 0]);
  });

  it('changes the master key while people write, and needs the old one no longer', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const bytesOf = (id: string) => Buffer.from(masterKey(id).split(':')[1]!, 'base64');
    const ring = new KeyRing(['next', 'new', 'old'].map((id) => ({ id, key: bytesOf(id) })));
    const rotation = new KeyRotation({ ring, repository: new KeysRepository(world.prisma), batch: 3 });
    const ids = await Promise.all(Array.from({ length: 10 }, () => createConfidential(ann, bob)));
    const { body: file } = await upload({ url: world.app.url, user: ann.id }, Buffer.from('a file'), 'f.txt');
    // A copy of somebody's data keeps the key of its files where a job keeps what came of it.
    const copyId = newId();
    const copyKey = new KeyRing([{ id: 'new', key: bytesOf('new') }]).wrap(Buffer.alloc(32, 7), 'file', copyId);
    const result = { keyId: copyKey.keyId, wrappedKey: copyKey.wrapped, parts: 3 };
    await world.prisma.privacyJob.create({
      data: { id: copyId, kind: 'export', userId: ann.id, requestedBy: ann.id, state: 'done', result },
    });
    const before = await rotation.listKeys();
    expect(before.find(({ keyId }) => keyId === 'new')).toMatchObject({ state: 'old', files: expect.any(Number) });

    let writing = true;
    const written = ids.map(async (conversationId) => {
      let count = 0;
      for (; writing || count === 0; count++) await ann.send(conversationId, `text ${count}`);
      return count;
    });
    const progress: number[] = [];
    const done = await rotation.rotate(({ conversations }) => progress.push(conversations));
    writing = false;
    const counts = await Promise.all(written);
    expect(done.lost).toBe(0);
    expect(done.conversations).toBeGreaterThanOrEqual(ids.length);
    expect(progress.length).toBeGreaterThan(3);
    expect(await rotation.rotate()).toEqual({ conversations: 0, files: 0, lost: 0 });
    expect(await rotation.listKeys()).toMatchObject([
      { keyId: 'next', state: 'current' },
      { keyId: 'new', state: 'old', conversations: 0, files: 0 },
      { keyId: 'old', state: 'old', conversations: 0, files: 0 },
    ]);
    // With the new key alone everything opens.
    const alone = new KeyRing([{ id: 'next', key: bytesOf('next') }]);
    for (const [index, conversationId] of ids.entries()) {
      const key = await world.prisma.conversationKey.findUniqueOrThrow({ where: { conversationId } });
      expect(alone.unwrap(key, 'conversation', conversationId)).toHaveLength(32);
      expect(await bob.history(conversationId)).toHaveLength(counts[index]!);
    }
    const row = await world.prisma.attachment.findUniqueOrThrow({ where: { id: file.id } });
    expect(alone.unwrap({ keyId: row.keyId!, wrapped: row.wrappedKey! }, 'file', file.id)).toHaveLength(32);
    const job = await world.prisma.privacyJob.findUniqueOrThrow({ where: { id: copyId } });
    const kept = job.result as { keyId: string; wrappedKey: string; parts: number };
    expect(kept.parts).toBe(3);
    expect(alone.unwrap({ keyId: kept.keyId, wrapped: kept.wrappedKey }, 'file', copyId)).toEqual(Buffer.alloc(32, 7));
  });
});

/** A server that can be started again with other keys, on one database. */
function useRestarts() {
  let database: TestDatabase;
  let app: TestApp | undefined;
  const lines: { level: number; msg: string; missing?: string[] }[] = [];
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(async () => {
    await app?.close();
    await database.drop();
  });
  const restart = async (env: Record<string, string>) => {
    await app?.close();
    lines.length = 0;
    const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
    app = await startTestApp({ database, env: { RATE_LIMIT_FACTOR: '0', ...env }, logger });
    return app;
  };
  return { restart, lines };
}

describe('a server that may change the keys', () => {
  const { restart } = useRestarts();

  it('changes the master key by itself when an administrator says so', async () => {
    const before = await restart(masterKeys('first'));
    await before.rest('bob').get('/me');
    const input = { type: 'group', participantIds: ['bob'], confidential: true };
    const { id } = (await before.rest('ann').post<Conversation>('/conversations', input)).body;
    await before.rest('ann').post(`/conversations/${id}/messages`, { content: 'under the first key' });

    const after = await restart(masterKeys('second', 'first'));
    const admin = after.rest({ id: 'admin', roles: ['admin'] });
    const keys = async () => (await admin.get<EncryptionKeys>('/encryption/keys')).body;
    expect(await keys()).toMatchObject({
      keys: [
        { id: 'second', state: 'current', conversations: 0 },
        { id: 'first', state: 'old', conversations: 1 },
      ],
      rotation: null,
    });
    expect((await after.rest('ann').post('/encryption/rotation')).status).toBe(403);
    expect((await admin.post('/encryption/rotation')).status).toBe(202);
    await expect.poll(async () => (await keys()).rotation).toMatchObject({ state: 'done', conversations: 1, lost: 0 });
    expect((await keys()).keys).toMatchObject([
      { id: 'second', conversations: 1 },
      { id: 'first', conversations: 0 },
    ]);
    const { items } = (await admin.get<Page<AuditEntry>>('/audit?action=keys.rotated')).body;
    expect(items).toMatchObject([{ actorId: 'admin', after: { conversations: 1, lost: 0 } }]);
    const alone = await restart(masterKeys('second'));
    const history = await alone.rest('ann').get<Page<Message>>(`/conversations/${id}/messages`);
    expect(history.body.items.map(({ content }) => content)).toEqual(['under the first key']);
  });
});

describe('a server without the keys', () => {
  const { restart, lines } = useRestarts();

  it.each([
    ['another key', masterKeys('other')],
    ['another key under the same id', { ENCRYPTION_KEYS: masterKey('other').replace('other', 'first') }],
    ['no key', {} as Record<string, string>],
  ])('says so in that conversation, and harms nothing else: %s', async (what, env) => {
    const first = await restart(masterKeys('first'));
    const [annId, bobId] = [`ann of ${what}`, `bob of ${what}`];
    for (const name of [annId, bobId]) await first.rest(name).get('/me');
    const create = async (input: object) => {
      const all = { type: 'group', participantIds: [bobId], ...input };
      return (await first.rest(annId).post<Conversation>('/conversations', all)).body.id;
    };
    const [lost, plain] = [await create({ confidential: true }), await create({})];
    const { body: file } = await upload({ url: first.url, user: annId }, Buffer.from('words'), 'secret name.txt');
    const send = (to: TestApp, cid: string, input: object) =>
      to.rest(annId).post<Message & Problem>(`/conversations/${cid}/messages`, input);
    const { body: old } = await send(first, lost, { content: 'before', clientMessageId: 'k1' });
    await send(first, plain, { content: 'with a file', attachmentIds: [file.id] });

    const after = await restart(env);
    const bob = after.rest(bobId);
    const socket = await after.connectSocket(bobId);
    const saysSo = { status: 503, body: { code: 'unavailable', detail: expect.stringContaining('key') } };
    for (const path of ['/messages', `/messages/${old.id}`]) {
      expect(await bob.get(`/conversations/${lost}${path}`), path).toMatchObject(saysSo);
    }
    expect(await send(after, lost, { content: 'more' })).toMatchObject(saysSo);
    expect(await send(after, lost, { content: 'before', clientMessageId: 'k1' })).toMatchObject({ status: 503 });
    expect(await after.rest(annId).patch(`/conversations/${lost}/messages/${old.id}`, { content: 'x' })).toMatchObject(
      saysSo,
    );
    expect((await download(after.url, file.url, bobId)).code).toBe('unavailable');

    // All that is not the text goes on: the list, what changed, receipts, people, deletion.
    const { body: list } = await bob.get<Page<Conversation>>('/conversations');
    expect(list.items.map(({ id, lastMessage }) => [id, lastMessage?.content, lastMessage?.unreadable])).toEqual([
      [plain, 'with a file', undefined],
      [lost, null, true],
    ]);
    const { body: changes } = await bob.get<Changes>(`/conversations/${lost}/changes?after=0`);
    expect(changes).toMatchObject({ hasMore: false, changes: expect.arrayContaining([expect.anything()]) });
    expect((await bob.post(`/conversations/${lost}/read`, { seq: 1 })).status).toBe(200);
    const { body: history } = await bob.get<Page<Message>>(`/conversations/${plain}/messages`);
    expect(history.items[0]?.attachments).toMatchObject([{ fileName: 'file' }] satisfies Partial<Attachment>[]);
    expect((await send(after, plain, { content: 'still here' })).status).toBe(201);
    await socket.next('message:created', ({ conversationId }) => conversationId === plain);
    const admin = after.rest({ id: 'root', roles: ['admin'] });
    expect((await admin.get(`/audit?conversationId=${lost}`)).status).toBe(200);
    const said = lines.filter(({ level }) => level >= 50).map(({ msg }) => msg);
    expect(said).toContain('a message of a confidential conversation does not open');
    const missing = lines.find((line) => line.missing);
    expect(missing?.missing).toEqual(env.ENCRYPTION_KEYS?.startsWith('first') ? undefined : ['first']);

    // The key back, all is as before.
    const again = await restart(masterKeys('new', 'first'));
    expect((await again.rest(bobId).get<Message>(`/conversations/${lost}/messages/${old.id}`)).body.content).toBe(
      'before',
    );
    expect((await download(again.url, file.url, bobId)).bytes.toString()).toBe('words');
    expect((await send(again, lost, { content: 'before', clientMessageId: 'k1' })).body).toMatchObject({
      duplicate: true,
      id: old.id,
    });
  });

  it('refuses to make a conversation confidential, by the name of the field', async () => {
    const plain = await restart({});
    const answer = await plain.rest('ann').post<Problem>('/conversations', { type: 'group', confidential: true });
    expect(answer).toMatchObject({
      status: 400,
      body: { code: 'invalid_request', errors: [{ path: 'confidential' }] },
    });
  });
});
