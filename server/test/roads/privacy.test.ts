import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  API_PREFIX,
  type Attachment,
  type AuditEntry,
  type AuditVerdict,
  type DataExport,
  type Erasure,
  type LegalHold,
  type Message,
  type Page,
  type Participant,
  type Problem,
  type Retention,
  type RetentionPreview,
  type SearchHit,
} from '@parley/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tokenOf } from '../support/app.ts';
import { changesSeen, type Person, useWorld } from '../support/world.ts';

const world = useWorld({ env: { ENCRYPTION_KEYS: `k1:${Buffer.alloc(32, 7).toString('base64')}` } });
const execute = promisify(execFile);

const admin = () => world.person({ id: 'the-admin', name: 'Admin', roles: ['admin'] });
const code = ({ status, body }: { status: number; body: unknown }) => [status, (body as Problem).code];
const DAY_MS = 24 * 3_600_000;

async function finished<Job extends { state: string }>(who: Person, path: string): Promise<Job> {
  await expect.poll(async () => (await who.get<Job>(path)).state, { timeout: 30_000, interval: 100 }).toBe('done');
  return who.get<Job>(path);
}

async function upload(who: Person, content: string, name: string): Promise<Attachment> {
  const form = new FormData();
  form.set('file', new Blob([content]), name);
  const response = await fetch(`${world.app.url}${API_PREFIX}/attachments`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await tokenOf(who.id)}` },
    body: form,
  });
  expect(response.status).toBe(201);
  return (await response.json()) as Attachment;
}

const fetchFile = async (token: string, path: string) =>
  fetch(world.app.url + API_PREFIX + path, { headers: { authorization: `Bearer ${token}` } });

/** A moment in the past for messages, as if they had been there for so long. */
async function age(conversationId: string, days: number): Promise<void> {
  await world.prisma.$executeRaw`
    UPDATE "Message" SET "createdAt" = now() - make_interval(days => ${days}) WHERE "conversationId" = ${conversationId}::uuid`;
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-privacy-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function unpack(who: Person, job: DataExport): Promise<Map<string, string>> {
  const response = await fetchFile(await tokenOf(who.id), `/exports/${job.id}/file`);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('application/x-tar');
  expect(response.headers.get('content-disposition')).toMatch(/^attachment; filename="parley-export-[\d-]+\.tar"$/);
  const bytes = Buffer.from(await response.arrayBuffer());
  expect(bytes.length).toBe(job.size);
  const target = join(folder, job.id);
  const archive = `${target}.tar`;
  await writeFile(archive, bytes);
  await execute('mkdir', [target]);
  // The program that everybody has, and not our own idea of the format.
  await execute('tar', ['-xf', archive, '-C', target]);
  const names = (await readdir(target, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  return new Map(
    await Promise.all(
      names.map(async ({ parentPath, name }): Promise<[string, string]> => {
        const path = join(parentPath, name);
        return [path.slice(target.length + 1), await readFile(path, 'utf8')];
      }),
    ),
  );
}

const linesOf = (text = '') =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

describe('a copy of what is a person’s own', () => {
  it('has everything of theirs and nothing of others, in an archive that every tar reads', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const cid = await world.create('group', ann, bob);
    const secret = await ann.rest.post<{ id: string }>('/conversations', {
      type: 'group',
      participantIds: [bob.id],
      confidential: true,
    });
    const file = await upload(ann, 'the words of a file', 'a file.txt');
    const first = await ann.send(cid, 'first text', { attachmentIds: [file.id], metadata: { n: 1 } });
    await ann.rest.patch(`/conversations/${cid}/messages/${first.id}`, { content: 'second text' });
    const reply = await bob.send(cid, 'the words of bob');
    await ann.send(cid, 'an answer', { replyToId: reply.id });
    await ann.send(secret.body.id, 'a secret text');
    const gone = await ann.send(cid, 'taken back');
    await ann.rest.delete(`/conversations/${cid}/messages/${gone.id}`);
    await ann.rest.put(`/conversations/${cid}/messages/${reply.id}/reactions/👍`);
    await ann.rest.put(`/blocks/${bob.id}`);
    await ann.rest.post(`/conversations/${cid}/messages/${reply.id}/reports`, { reason: 'my reason' });

    const created = await ann.rest.post<DataExport>(`/users/${ann.id}/exports`);
    expect(created).toMatchObject({ status: 201, body: { userId: ann.id, requestedBy: ann.id, size: null } });
    const job = await finished<DataExport>(ann, `/exports/${created.body.id}`);
    expect(job.progress.done).toBe(job.progress.total);
    expect(Date.parse(job.expiresAt!)).toBeGreaterThan(Date.now() + 6 * DAY_MS);
    const files = await unpack(ann, job);
    expect([...files.keys()].sort()).toEqual([
      'attachments.jsonl',
      'blocks.jsonl',
      'conversations.jsonl',
      'export.json',
      `files/${file.id}`,
      'held-messages.jsonl',
      'messages.jsonl',
      'profile.jsonl',
      'reactions.jsonl',
      'reports.jsonl',
    ]);
    expect(JSON.parse(files.get('export.json')!)).toMatchObject({
      format: 'parley-export',
      version: 1,
      userId: ann.id,
    });
    expect(linesOf(files.get('profile.jsonl'))).toMatchObject([{ id: ann.id }]);
    expect(
      linesOf(files.get('conversations.jsonl'))
        .map(({ conversationId }) => conversationId)
        .sort(),
    ).toEqual([cid, secret.body.id].sort());
    expect(linesOf(files.get('messages.jsonl'))).toMatchObject([
      {
        id: first.id,
        content: 'second text',
        metadata: { n: 1 },
        attachmentIds: [file.id],
        earlierTexts: [{ content: 'first text' }],
      },
      { content: 'an answer', replyToId: reply.id },
      { content: 'a secret text', conversationId: secret.body.id },
    ]);
    expect(linesOf(files.get('reactions.jsonl'))).toMatchObject([{ messageId: reply.id, emoji: '👍' }]);
    expect(linesOf(files.get('blocks.jsonl'))).toMatchObject([{ userId: bob.id }]);
    expect(linesOf(files.get('reports.jsonl'))).toMatchObject([{ reason: 'my reason' }]);
    expect(linesOf(files.get('attachments.jsonl'))).toMatchObject([{ id: file.id, fileName: 'a file.txt' }]);
    expect(files.get(`files/${file.id}`)).toBe('the words of a file');
    expect([...files.values()].join('\n')).not.toContain('the words of bob');
  });

  it('is for that person and administrators, one at a time, and goes after its week', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const boss = await admin();
    expect(code(await bob.rest.post(`/users/${ann.id}/exports`))).toEqual([403, 'forbidden']);
    expect(code(await boss.rest.post('/users/nobody/exports'))).toEqual([404, 'not_found']);
    const { body } = await boss.rest.post<DataExport>(`/users/${ann.id}/exports`);
    for (const path of [`/exports/${body.id}`, `/exports/${body.id}/file`]) {
      expect(code(await bob.rest.get(path))).toEqual([404, 'not_found']);
    }
    const job = await finished<DataExport>(ann, `/exports/${body.id}`);
    expect((await unpack(ann, job)).size).toBe(9);
    await world.app.app.privacy.exports.sweep(new Date(Date.parse(job.expiresAt!) + 1));
    expect(code(await ann.rest.get(`/exports/${body.id}`))).toEqual([404, 'not_found']);
    const { items } = await boss.get<Page<AuditEntry>>('/audit?actorId=the-admin&action=user.export_requested');
    expect(items).toMatchObject([{ targetId: ann.id }]);
  });

  it('is taken up by whichever process comes next', async () => {
    const [ann] = await world.people('ann');
    const cid = await world.create('group', ann);
    await ann.send(cid, 'mine');
    // As a process leaves it that was killed after it had said how far it was, and before it wrote the next part.
    const id = '01900000-0000-7000-8000-00000000000e';
    await world.prisma.privacyJob.create({
      data: {
        ...{ id, kind: 'export', userId: ann.id, requestedBy: ann.id, state: 'running', done: 0, total: 3 },
        ...{ place: { section: 2, after: null }, result: { keyId: null, wrappedKey: null, parts: [], files: [] } },
      },
    });
    expect(await ann.rest.post(`/users/${ann.id}/exports`)).toMatchObject({ status: 200, body: { id } });
    const job = await finished<DataExport>(ann, `/exports/${id}`);
    const files = await unpack(ann, job);
    expect(linesOf(files.get('messages.jsonl'))).toMatchObject([{ content: 'mine' }]);
    expect(files.get('profile.jsonl')).toBe('');
  });
});

const erase = async (who: Person, reason?: string) =>
  (await admin()).rest.post<Erasure & Problem>(
    `/users/${who.id}/erasure`,
    reason === undefined ? undefined : { reason },
  );

describe('the erasure of a person', () => {
  it('DEL-1 DLV-1 leaves their places under a pseudonym, and tells it as ordinary changes', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const boss = await admin();
    const cid = await world.create('group', ann, bob);
    const direct = await world.create('direct', ann, bob);
    const file = await upload(ann, 'the words of a file', 'mine.txt');
    const unsent = await upload(ann, 'never sent', 'unsent.txt');
    const first = await ann.send(cid, 'canary of ann', { attachmentIds: [file.id] });
    const gone = await ann.send(cid, 'taken back');
    await ann.rest.delete(`/conversations/${cid}/messages/${gone.id}`);
    const others = await bob.send(cid, 'of bob');
    await ann.rest.put(`/conversations/${cid}/messages/${others.id}/reactions/👍`);
    await ann.send(direct, 'canary in private');
    const bobPhone = await bob.connect();
    const annPhone = await ann.connect();

    const created = await erase(ann, 'her wish');
    expect(created).toMatchObject({ status: 201, body: { userId: ann.id, requestedBy: 'the-admin' } });
    await annPhone.next('session:ended');
    expect(code(await ann.rest.get('/me'))).toEqual([403, 'forbidden']);
    const job = await finished<Erasure>(boss, `/erasures/${created.body.id}`);
    expect(job.proof).toEqual({ messages: 2, files: 1, conversations: 2, kept: 0 });
    expect(job.pseudonym).toMatch(/^erased-[0-9a-f]{12}$/);

    const history = await bob.history(cid);
    const { pseudonym } = job;
    expect(history.map(({ senderId, content, clientMessageId }) => [senderId, content, clientMessageId])).toEqual([
      [pseudonym, null, null],
      [pseudonym, null, null],
      [bob.id, 'of bob', null],
    ]);
    expect(history[2]!.reactions).toEqual([]);
    expect((await bob.conversation(cid)).me?.role).toBe('owner');
    const { items: former } = await bob.get<Page<Participant>>(`/conversations/${cid}/participants?former=true`);
    expect(former).toMatchObject([{ user: { id: ann.id, name: 'Erased user', avatarUrl: null } }]);
    for (const conversationId of [cid, direct]) {
      const { rev } = await bob.conversation(conversationId);
      await expect.poll(() => changesSeen(bobPhone, conversationId).at(-1)?.rev).toBe(rev);
      const seen = changesSeen(bobPhone, conversationId);
      expect(seen.map((change) => change.rev)).toEqual(seen.map((_, index) => rev - seen.length + 1 + index));
    }
    expect(bobPhone.all('message:deleted').filter(({ conversationId }) => conversationId === cid)).toMatchObject([
      { message: { id: first.id, senderId: pseudonym, content: null, attachments: [], deletedBy: 'the-admin' } },
      { message: { id: gone.id, senderId: pseudonym, content: null } },
    ]);
    expect((await bob.get<Page<SearchHit>>('/search/messages?q=canary')).items).toEqual([]);
    for (const { id } of [file, unsent]) {
      expect((await fetchFile(await tokenOf(bob.id), `/attachments/${id}`)).status).toBe(404);
      expect(await world.prisma.attachment.count({ where: { id } })).toBe(0);
    }
    const dump = JSON.stringify(
      [
        await world.prisma.message.findMany(),
        await world.prisma.messageRevision.findMany(),
        await world.prisma.user.findMany(),
        await world.prisma.attachment.findMany(),
      ],
      (_, value) => (typeof value === 'bigint' ? Number(value) : value),
    );
    for (const word of ['canary', 'mine.txt', 'unsent.txt']) expect(dump).not.toContain(word);
    // The trail stays, and says what was done without the text.
    const { items } = await boss.get<Page<AuditEntry>>('/audit?action=user.erased');
    expect(items.find(({ targetId }) => targetId === ann.id)).toMatchObject({
      actorId: 'the-admin',
      reason: 'her wish',
      after: job.proof,
    });
    expect(await boss.get<AuditVerdict>('/audit/verify')).toMatchObject({ ok: true });
    // Done is done.
    expect(await erase(ann)).toMatchObject({ status: 200, body: { id: job.id, state: 'done' } });
  });

  it('is for administrators, not of oneself, and not under a legal hold', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const boss = await admin();
    expect(code(await ann.rest.post(`/users/${ann.id}/erasure`))).toEqual([403, 'forbidden']);
    expect(code(await boss.rest.post('/users/nobody/erasure'))).toEqual([404, 'not_found']);
    expect(code(await boss.rest.post('/users/the-admin/erasure'))).toEqual([403, 'forbidden']);
    const hold = await boss.rest.post<LegalHold>('/legal-holds', { userId: bob.id, reason: 'a case' });
    expect(hold.status).toBe(201);
    expect((await boss.rest.post<LegalHold>('/legal-holds', { userId: bob.id, reason: 'again' })).body).toEqual(
      hold.body,
    );
    expect(code(await erase(bob))).toEqual([403, 'forbidden']);
    expect((await bob.rest.get('/me')).status).toBe(200);
    expect((await boss.rest.delete(`/legal-holds/${hold.body.id}`)).status).toBe(204);
    expect(code(await boss.rest.delete(`/legal-holds/${hold.body.id}`))).toEqual([404, 'not_found']);
    expect((await erase(bob)).status).toBe(201);
    for (const wrong of [{}, { reason: 'x' }, { userId: 'a', conversationId: 'b', reason: 'x' }]) {
      expect(code(await boss.rest.post('/legal-holds', wrong))).toEqual([400, 'invalid_request']);
    }
    expect(code(await boss.rest.post('/legal-holds', { conversationId: 'none', reason: 'x' }))).toEqual([
      404,
      'not_found',
    ]);
    expect(code(await ann.rest.get('/legal-holds'))).toEqual([403, 'forbidden']);
  });

  it('leaves what stands in a conversation under a legal hold', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const boss = await admin();
    const [held, free] = [await world.create('group', bob, ann), await world.create('group', bob, ann)];
    for (const cid of [held, free]) await ann.send(cid, 'evidence');
    await boss.rest.post('/legal-holds', { conversationId: held, reason: 'a case' });
    const { body } = await erase(ann);
    const job = await finished<Erasure>(boss, `/erasures/${body.id}`);
    expect(job.proof).toMatchObject({ messages: 1, kept: 1 });
    expect((await bob.history(held)).map(({ content, senderId }) => [content, senderId])).toEqual([
      ['evidence', ann.id],
    ]);
    expect((await bob.history(free)).map(({ content, senderId }) => [content, senderId])).toEqual([
      [null, job.pseudonym],
    ]);
  });
});

describe('retention', () => {
  it('DEL-1 deletes what has had its time, by type, as ordinary deletions, after a preview that says so', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    const boss = await admin();
    const [old, young, held, channel] = [
      await world.create('group', ann, bob),
      await world.create('group', ann, bob),
      await world.create('group', ann, bob),
      await world.create('channel', ann),
    ];
    for (const cid of [old, held, channel]) await ann.send(cid, 'words of long ago');
    await age(old, 40);
    await age(held, 40);
    await age(channel, 40);
    const fresh = await ann.send(old, 'words of today');
    await ann.send(young, 'words of today');
    await boss.rest.post('/legal-holds', { conversationId: held, reason: 'a case' });
    const bobPhone = await bob.connect();

    expect(await boss.get<Retention>('/retention')).toEqual({ direct: null, group: null, channel: null });
    const preview = await boss.get<RetentionPreview>('/retention/preview?group=30');
    expect(preview).toMatchObject({
      direct: { messages: 0 },
      group: { messages: 1, conversations: 1, held: 1 },
      channel: { messages: 0 },
    });
    expect(Date.parse(preview.group.oldest!)).toBeLessThan(Date.now() - 39 * DAY_MS);
    expect(await boss.rest.put('/retention', { group: 30 })).toMatchObject({
      status: 200,
      body: { direct: null, group: 30, channel: null },
    });
    await world.app.app.privacy.retention.runSlice();
    const deleted = await bobPhone.next('message:deleted');
    expect(deleted).toMatchObject({
      conversationId: old,
      rev: 4,
      message: { content: null, senderId: ann.id, deletedBy: 'parley:retention' },
    });
    const texts = async (who: Person, cid: string) => (await who.history(cid)).map(({ content }: Message) => content);
    expect(await texts(bob, old)).toEqual([null, 'words of today']);
    expect(await texts(bob, young)).toEqual(['words of today']);
    expect(await texts(bob, held)).toEqual(['words of long ago']);
    expect(await texts(ann, channel)).toEqual(['words of long ago']);
    expect((await bob.conversation(old)).me?.unreadCount).toBe(1);
    expect((await bob.get<Page<SearchHit>>(`/search/messages?q=words&conversationId=${old}`)).items).toMatchObject([
      { id: fresh.id },
    ]);
    await bobPhone.expectNone('message:deleted', ({ conversationId }) => conversationId !== old);
    const { items } = await boss.get<Page<AuditEntry>>(`/audit?conversationId=${old}`);
    expect(items).toMatchObject([
      { action: 'message.deleted', actorId: 'parley:retention', reason: 'retention', before: null },
    ]);
    // A second time there is nothing left to do.
    await world.app.app.privacy.retention.runSlice();
    expect((await bob.conversation(old)).rev).toBe(4);
    await boss.rest.put('/retention', { group: null });
    for (const wrong of [{ group: 0 }, { group: 1.5 }, { all: 3 }]) {
      expect(code(await boss.rest.put('/retention', wrong))).toEqual([400, 'invalid_request']);
    }
    for (const path of ['/retention', '/retention/preview'])
      expect(code(await ann.rest.get(path))).toEqual([403, 'forbidden']);
  });
});
