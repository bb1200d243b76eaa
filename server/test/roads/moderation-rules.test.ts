import type {
  AuditEntry,
  AuditVerdict,
  Conversation,
  HeldMessage,
  Message,
  Page,
  Problem,
  Rule,
  SentMessage,
} from '@parley/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { HeldRepository } from '../../src/modules/moderation/repositories/held.repository.ts';
import { upload } from '../support/files.ts';
import { type Person, useWorld } from '../support/world.ts';

const world = useWorld();

const admin = () => world.person({ id: 'the-admin', name: 'Admin', roles: ['admin'] });
const code = ({ status, body }: { status: number; body: unknown }) => [status, (body as Problem).code];
const send = (who: Person, cid: string, content: string, clientMessageId?: string) =>
  who.rest.post<SentMessage & Problem>(`/conversations/${cid}/messages`, { content, clientMessageId });

async function rule(kind: Rule['kind'], pattern: string, action: Rule['action']): Promise<Rule> {
  const { status, body } = await (await admin()).rest.post<Rule>('/moderation/rules', { kind, pattern, action });
  expect(status).toBe(201);
  return body;
}

const held = async (state = 'open') =>
  (await (await admin()).get<Page<HeldMessage>>(`/moderation/held?state=${state}&limit=200`)).items;
const resolve = async (id: string, decision: 'approve' | 'reject', note?: string) =>
  (await admin()).rest.post<HeldMessage & Problem>(`/moderation/held/${id}/resolution`, { decision, note });

async function group() {
  const [ann, bob] = await world.people('ann', 'bob');
  return { ann, bob, cid: await world.create('group', ann, bob) };
}

afterEach(async () => {
  const boss = await admin();
  const { items } = await boss.get<Page<Rule>>('/moderation/rules');
  for (const { id } of items) expect((await boss.rest.delete(`/moderation/rules/${id}`)).status).toBe(204);
});

describe('rules for words and links', () => {
  it('are for administrators, one for each pattern', async () => {
    const boss = await admin();
    const [ann] = await world.people('ann');
    const overseer = await world.person({ id: 'the-overseer', roles: ['moderator'] });
    const first = await rule('word', '  Bad\u200b WORD ', 'mask');
    expect(first).toMatchObject({ kind: 'word', pattern: 'bad word', action: 'mask', createdBy: 'the-admin' });
    const again = await boss.rest.post<Rule>('/moderation/rules', {
      kind: 'word',
      pattern: 'bad word',
      action: 'reject',
    });
    expect(again).toMatchObject({ status: 200, body: { id: first.id, action: 'reject' } });
    const link = await rule('domain', 'https://Evil.example/path', 'reject');
    expect(link.pattern).toBe('evil.example');
    expect((await boss.get<Page<Rule>>('/moderation/rules')).items.map(({ id }) => id)).toEqual([link.id, first.id]);
    for (const person of [ann, overseer]) {
      expect(code(await person.rest.get('/moderation/rules'))).toEqual([403, 'forbidden']);
      expect(code(await person.rest.post('/moderation/rules', { kind: 'word', pattern: 'x', action: 'mask' }))).toEqual(
        [403, 'forbidden'],
      );
      expect(code(await person.rest.delete(`/moderation/rules/${link.id}`))).toEqual([403, 'forbidden']);
    }
    for (const wrong of [
      { kind: 'word', pattern: ' \u200b ' },
      { kind: 'regex', pattern: 'x' },
      { kind: 'word', pattern: 'x'.repeat(101) },
    ]) {
      expect(code(await boss.rest.post('/moderation/rules', { action: 'mask', ...wrong }))).toEqual([
        400,
        'invalid_request',
      ]);
    }
    expect(code(await boss.rest.delete('/moderation/rules/none'))).toEqual([404, 'not_found']);
    const { items } = await boss.get<Page<AuditEntry>>('/audit?actorId=the-admin&limit=3');
    expect(items.map(({ action }) => action)).toEqual(['rule.created', 'rule.changed', 'rule.created']);
  });

  it('SEND-2 mask what is sent, and know a repeat by what was sent', async () => {
    const { ann, bob, cid } = await group();
    const bobPhone = await bob.connect();
    await rule('word', 'darn', 'mask');
    const first = await send(ann, cid, 'Darn it', 'k1');
    expect([first.status, first.body.content]).toEqual([201, '•••• it']);
    expect(await bobPhone.next('message:created')).toMatchObject({ message: { content: '•••• it' } });
    expect((await send(ann, cid, 'Darn it', 'k1')).body).toMatchObject({ id: first.body.id, duplicate: true });
    expect(code(await send(ann, cid, '•••• it', 'k1'))).toEqual([409, 'idempotency_conflict']);
    const edited = await ann.rest.patch<Message>(`/conversations/${cid}/messages/${first.body.id}`, {
      content: 'oh DARN',
    });
    expect(edited.body.content).toBe('oh ••••');
  });

  it('reject what is sent or edited, but not the repeat of what is stored', async () => {
    const { ann, bob, cid } = await group();
    const bobPhone = await bob.connect();
    const first = await send(ann, cid, 'see evil.example', 'k1');
    await rule('domain', 'evil.example', 'reject');
    const refused = await send(ann, cid, 'see https://www.evil.example/x', 'k2');
    expect(code(refused)).toEqual([400, 'invalid_request']);
    expect(refused.body.detail).not.toContain('evil');
    expect((await send(ann, cid, 'see evil.example', 'k1')).body).toMatchObject({ id: first.body.id, duplicate: true });
    const path = `/conversations/${cid}/messages/${first.body.id}`;
    expect(code(await ann.rest.patch(path, { content: 'now evil.example' }))).toEqual([400, 'invalid_request']);
    expect(code(await bob.rest.patch(path, { content: 'evil.example' }))).toEqual([400, 'invalid_request']);
    // Whom it is none of their business hears what they always hear.
    const [eve] = await world.people('eve');
    expect(code(await eve.rest.patch(path, { content: 'evil.example' }))).toEqual([403, 'not_a_participant']);
    expect((await ann.history(cid)).map(({ content }) => content)).toEqual(['see evil.example']);
    await send(ann, cid, 'fine', 'k3');
    await bobPhone.next('message:created', ({ message }) => message.content === 'fine');
    expect(bobPhone.all('message:created')).toHaveLength(2);
  });
});

describe('messages that wait for a decision', () => {
  it('SEND-1 are told to nobody until they are approved, and then go the road of every message, once', async () => {
    const { ann, bob, cid } = await group();
    const [annPhone, bobPhone] = await Promise.all([ann.connect(), bob.connect()]);
    await rule('word', 'maybe', 'hold');
    for (let time = 0; time < 2; time++) {
      expect(code(await send(ann, cid, 'maybe so', 'k1'))).toEqual([403, 'message_held']);
    }
    expect(code(await send(ann, cid, 'maybe not', 'k1'))).toEqual([409, 'idempotency_conflict']);
    await annPhone.expectNone('message:created');
    const [waiting, ...others] = (await held()).filter(({ conversationId }) => conversationId === cid);
    expect(others).toEqual([]);
    expect(waiting).toMatchObject({
      content: 'maybe so',
      sender: { id: ann.id },
      cause: 'word: maybe',
      decision: null,
    });

    const approved = await resolve(waiting!.id, 'approve', 'fine');
    expect(approved).toMatchObject({
      status: 200,
      body: { decision: 'approved', content: null, refusal: null, note: 'fine' },
    });
    expect(approved.body.sentAt).not.toBeNull();
    for (const phone of [annPhone, bobPhone]) {
      expect(await phone.next('message:created')).toMatchObject({
        message: { id: waiting!.id, content: 'maybe so', senderId: ann.id, clientMessageId: 'k1', seq: 1 },
      });
    }
    expect((await resolve(waiting!.id, 'approve')).body).toEqual(approved.body);
    expect(code(await resolve(waiting!.id, 'reject'))).toEqual([409, 'revision_conflict']);
    expect((await send(ann, cid, 'maybe so', 'k1')).body).toMatchObject({ id: waiting!.id, duplicate: true });
    expect((await ann.conversation(cid)).lastSeq).toBe(1);
    const boss = await admin();
    const { items } = await boss.get<Page<AuditEntry>>(`/audit?conversationId=${cid}`);
    expect(items.map(({ action }) => action)).toEqual(['message.approved', 'message.held']);
    expect(await boss.get<AuditVerdict>(`/audit/verify?conversationId=${cid}`)).toMatchObject({ ok: true });
  });

  it('are gone when they are rejected, and a repeat hears so', async () => {
    const { ann, cid } = await group();
    await rule('word', 'maybe', 'hold');
    await send(ann, cid, 'maybe', 'k1');
    const [waiting] = (await held()).filter(({ conversationId }) => conversationId === cid);
    expect(await resolve(waiting!.id, 'reject')).toMatchObject({
      status: 200,
      body: { decision: 'rejected', content: null },
    });
    expect(code(await send(ann, cid, 'maybe', 'k1'))).toEqual([400, 'invalid_request']);
    expect(await ann.history(cid)).toEqual([]);
    const row = await world.prisma.heldMessage.findUniqueOrThrow({ where: { id: waiting!.id } });
    expect(row.command).toBeNull();
    const closed = (await held('closed')).find(({ id }) => id === waiting!.id);
    expect(closed).toMatchObject({ decision: 'rejected', resolvedBy: 'the-admin' });
  });

  it('say why where they cannot be sent any more, and are for those who may send at all', async () => {
    const { ann, bob, cid } = await group();
    const [eve] = await world.people('eve');
    await rule('word', 'maybe', 'hold');
    expect(code(await send(eve, cid, 'maybe'))).toEqual([403, 'not_a_participant']);
    expect(code(await send(bob, cid, 'maybe'))).toEqual([403, 'message_held']);
    await ann.rest.delete(`/conversations/${cid}/participants/${bob.id}`);
    const waiting = (await held()).filter(({ conversationId }) => conversationId === cid);
    expect(waiting).toHaveLength(1);
    const { body } = await resolve(waiting[0]!.id, 'approve');
    expect(body).toMatchObject({ decision: 'approved', sentAt: null, refusal: 'not_a_participant' });
    expect(await ann.history(cid)).toEqual([]);
  });

  it('keep their files for as long as they wait', async () => {
    const { ann, bob, cid } = await group();
    await rule('word', 'maybe', 'hold');
    const caller = { url: world.app.url, user: ann.id };
    const [kept, orphan] = await Promise.all(['kept', 'orphan'].map((text) => upload(caller, Buffer.from(text), text)));
    await ann.rest.post(`/conversations/${cid}/messages`, { content: 'maybe', attachmentIds: [kept!.body.id] });
    await world.app.app.attachments.sweep(Date.now() + 2 * 24 * 3_600_000);
    expect(await world.prisma.attachment.count({ where: { id: orphan!.body.id } })).toBe(0);
    const [waiting] = (await held()).filter(({ conversationId }) => conversationId === cid);
    expect(waiting!.attachmentIds).toEqual([kept!.body.id]);
    await resolve(waiting!.id, 'approve');
    expect((await bob.history(cid))[0]!.attachments).toMatchObject([{ id: kept!.body.id, fileName: 'kept' }]);
    // Nothing holds the files of a rejected one any more.
    const other = await upload(caller, Buffer.from('other'), 'other');
    await ann.rest.post(`/conversations/${cid}/messages`, { content: 'maybe', attachmentIds: [other.body.id] });
    const [next] = (await held()).filter(({ conversationId }) => conversationId === cid);
    await resolve(next!.id, 'reject');
    await world.app.app.attachments.sweep(Date.now() + 2 * 24 * 3_600_000);
    expect(await world.prisma.attachment.count({ where: { id: other.body.id } })).toBe(0);
  });

  it('are sent later where the process ended between the decision and the sending', async () => {
    const { ann, cid } = await group();
    await rule('word', 'maybe', 'hold');
    await send(ann, cid, 'maybe later');
    const repository = new HeldRepository(world.prisma);
    const [row] = (await repository.findPage('open', undefined, 200)).filter(
      ({ conversationId }) => conversationId === cid,
    );
    await repository.decide(row!, 'approved', { actorId: 'the-admin', note: null });
    await world.prisma
      .$executeRaw`UPDATE "HeldMessage" SET "resolvedAt" = now() - interval '1 minute' WHERE id = ${row!.id}::uuid`;
    for (let time = 0; time < 2; time++) await world.app.app.held.sendApproved();
    expect((await ann.history(cid)).map(({ id, content }) => [id, content])).toEqual([[row!.id, 'maybe later']]);
    // Stopped after the sending, and before it was noted.
    await world.prisma.$executeRaw`
      UPDATE "HeldMessage" SET "sentAt" = NULL, command = ${JSON.stringify(row!.command)}::jsonb WHERE id = ${row!.id}::uuid`;
    await world.app.app.held.sendApproved();
    expect((await ann.conversation(cid)).lastSeq).toBe(1);
    expect((await held('closed')).find(({ id }) => id === row!.id)?.sentAt).not.toBeNull();
  });
});

describe('names', () => {
  it('of conversations are masked or refused; what a rule would hold is refused as well', async () => {
    const { ann, bob, cid } = await group();
    await rule('word', 'darn', 'mask');
    await rule('word', 'lottery', 'hold');
    await rule('domain', 'evil.example', 'reject');
    const create = (title: string) =>
      ann.rest.post<Conversation & Problem>('/conversations', { type: 'group', participantIds: [bob.id], title });
    expect(await create('Darn it')).toMatchObject({ status: 201, body: { title: '•••• it' } });
    for (const title of ['The Lottery', 'see www.evil.example']) {
      const refused = { status: 400, body: { code: 'invalid_request', errors: [{ path: 'title' }] } };
      expect(await create(title)).toMatchObject(refused);
      expect(await ann.rest.patch(`/conversations/${cid}`, { title })).toMatchObject(refused);
    }
    expect(await ann.conversation(cid)).toMatchObject({ title: `group of ${ann.id}`, rev: 1 });
    const renamed = await ann.rest.patch<Conversation>(`/conversations/${cid}`, { title: 'no darn way' });
    expect(renamed.body.title).toBe('no •••• way');
    expect(await held()).toEqual([]);
  });

  it('of files are masked or refused, an underscore being a space', async () => {
    const { ann } = await group();
    await rule('word', 'darn', 'mask');
    await rule('word', 'lottery', 'hold');
    const caller = { url: world.app.url, user: ann.id };
    const sent = (name: string) => upload(caller, Buffer.from('text'), name);
    expect((await sent('my_darn-list.txt')).body.fileName).toBe('my ••••-list.txt');
    expect((await sent('my_own-list.txt')).body.fileName).toBe('my_own-list.txt');
    expect(await sent('free_lottery.txt')).toMatchObject({ status: 400, body: { errors: [{ path: 'file' }] } });
  });
});
