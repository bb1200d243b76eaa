import type { AuditEntry, AuditVerdict, Message, MessageReport, Page, Report } from '@parley/protocol';
import { describe, expect, it } from 'vitest';
import { type Person, useWorld } from '../support/world.ts';

const world = useWorld();

const admin = () => world.person({ id: 'the-admin', name: 'Admin', roles: ['admin'] });
const report = (who: Person, cid: string, mid: string, reason = 'spam') =>
  who.rest.post<MessageReport>(`/conversations/${cid}/messages/${mid}/reports`, { reason });
const reportsOf = async (who: Person, cid: string, more = '') =>
  (await who.get<Page<Report>>(`/reports?conversationId=${cid}${more}`)).items;

async function group() {
  const [ann, bob, eve] = await world.people('ann', 'bob', 'eve');
  const cid = await world.create('group', ann, bob);
  return { ann, bob, eve, cid, sent: await ann.send(cid, 'buy my things') };
}

describe('reporting a message', () => {
  it('stores it once for each person, and tells nobody', async () => {
    const { ann, bob, cid, sent } = await group();
    const annPhone = await ann.connect();
    const first = await report(bob, cid, sent.id, ' <b>spam</b> again ');
    expect(first).toMatchObject({
      status: 201,
      body: { conversationId: cid, messageId: sent.id, reporterId: bob.id, reason: 'spam again' },
    });
    const again = await report(bob, cid, sent.id, 'other words');
    expect(again).toMatchObject({ status: 200, body: first.body });
    expect((await report(ann, cid, sent.id)).status).toBe(201);
    await annPhone.barrier();
    expect(annPhone.received.map(({ name }) => name)).toEqual(['ready']);
    expect((await ann.conversation(cid)).rev).toBe(2);
    expect(await world.prisma.report.count({ where: { messageId: sent.id } })).toBe(2);
  });

  it('is for participants, readers among them', async () => {
    const { ann, bob, eve, cid, sent } = await group();
    await ann.rest.patch(`/conversations/${cid}/participants/${bob.id}`, { role: 'readonly' });
    expect((await report(bob, cid, sent.id)).status).toBe(201);
    expect(await report(eve, cid, sent.id)).toMatchObject({ status: 403, body: { code: 'not_a_participant' } });
    expect(await report(await admin(), cid, sent.id)).toMatchObject({ body: { code: 'not_a_participant' } });
    const channel = await world.create('channel', ann);
    const post = await ann.send(channel, 'news');
    expect(await report(eve, channel, post.id)).toMatchObject({ status: 403, body: { code: 'not_a_participant' } });
    expect(await report(ann, channel, sent.id)).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expect(await report(ann, cid, 'no-such')).toMatchObject({ status: 404 });
  });

  it('wants a reason, and a message that is there', async () => {
    const { ann, bob, cid, sent } = await group();
    for (const reason of ['', '  ', '<b></b>', 'x'.repeat(501), 'a\0b', undefined]) {
      const { status, body } = await bob.rest.post(`/conversations/${cid}/messages/${sent.id}/reports`, { reason });
      expect([status, body], String(reason)).toMatchObject([
        400,
        { code: 'invalid_request', errors: [{ path: 'reason' }] },
      ]);
    }
    await ann.rest.delete(`/conversations/${cid}/messages/${sent.id}`);
    expect(await report(bob, cid, sent.id)).toMatchObject({ status: 409, body: { code: 'message_deleted' } });
  });
});

describe('the queue of reports', () => {
  it('is for administrators alone', async () => {
    const { ann, bob, cid, sent } = await group();
    const { body } = await report(bob, cid, sent.id);
    const overseer = await world.person({ id: 'the-overseer', roles: ['moderator'] });
    for (const person of [ann, bob, overseer]) {
      expect(await person.rest.get('/reports')).toMatchObject({ status: 403, body: { code: 'forbidden' } });
      const refused = await person.rest.post(`/reports/${body.id}/resolution`, { outcome: 'dismissed' });
      expect(refused).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    }
  });

  it('has the newest first, in pages, with the message as it is', async () => {
    const { ann, bob, cid } = await group();
    const ids: string[] = [];
    for (let number = 0; number < 5; number++) {
      const message = await ann.send(cid, `message ${number}`);
      ids.push((await report(bob, cid, message.id)).body.id);
    }
    const boss = await admin();
    const seen: Report[] = [];
    for (let cursor = ''; ; ) {
      const page = await boss.get<Page<Report>>(`/reports?conversationId=${cid}&limit=2${cursor}`);
      seen.push(...page.items);
      if (page.nextCursor === null) break;
      cursor = `&cursor=${page.nextCursor}`;
    }
    expect(seen.map(({ id }) => id)).toEqual(ids.toReversed());
    expect(seen[0]).toMatchObject({ outcome: null, resolvedAt: null, message: { content: 'message 4' } });
    expect((await boss.rest.get('/reports?cursor=nonsense')).status).toBe(400);
  });

  it('DEL-1 DEL-2 deletes with a reason, closes every open report of the message, and is in the audit', async () => {
    const { ann, bob, cid, sent } = await group();
    const bobPhone = await bob.connect();
    const { body: mine } = await report(bob, cid, sent.id);
    await report(ann, cid, sent.id, 'a mistake');
    const boss = await admin();
    const path = `/reports/${mine.id}/resolution`;
    const resolved = await boss.rest.post<Report>(path, { outcome: 'deleted', note: 'no advertising' });
    expect(resolved).toMatchObject({
      status: 200,
      body: { outcome: 'deleted', note: 'no advertising', resolvedBy: boss.id, message: { content: null } },
    });
    expect(await bobPhone.next('message:deleted')).toMatchObject({ message: { id: sent.id, deletedBy: boss.id } });
    expect(await reportsOf(boss, cid)).toEqual([]);
    expect(await reportsOf(boss, cid, '&state=closed')).toHaveLength(2);
    expect(await boss.rest.post(path, { outcome: 'deleted' })).toEqual({ ...resolved, headers: expect.anything() });
    expect(await boss.rest.post(path, { outcome: 'dismissed' })).toMatchObject({
      status: 409,
      body: { code: 'revision_conflict' },
    });

    const { items } = await boss.get<Page<AuditEntry>>(`/audit?conversationId=${cid}`);
    expect(items.map(({ action, reason }) => [action, reason]).reverse()).toEqual([
      ['message.reported', 'spam'],
      ['message.reported', 'a mistake'],
      ['message.deleted', 'no advertising'],
      ['report.resolved', 'no advertising'],
      ['report.resolved', 'no advertising'],
    ]);
    expect(await boss.get<AuditVerdict>(`/audit/verify?conversationId=${cid}`)).toMatchObject({ ok: true });
  });

  it('dismisses one report and leaves the message and the other report', async () => {
    const { ann, bob, cid, sent } = await group();
    const { body: mine } = await report(bob, cid, sent.id);
    await report(ann, cid, sent.id);
    const boss = await admin();
    const dismissed = await boss.rest.post<Report>(`/reports/${mine.id}/resolution`, { outcome: 'dismissed' });
    expect(dismissed.body).toMatchObject({ outcome: 'dismissed', note: null, message: { content: 'buy my things' } });
    expect((await reportsOf(boss, cid)).map(({ reporterId }) => reporterId)).toEqual([ann.id]);
    const message = await bob.get<Message>(`/conversations/${cid}/messages/${sent.id}`);
    expect(message.deletedAt).toBeNull();
  });

  it('closes reports of conversations and messages that are gone, and knows no others', async () => {
    const { ann, bob, cid, sent } = await group();
    const { body } = await report(bob, cid, sent.id);
    await ann.rest.delete(`/conversations/${cid}`);
    const boss = await admin();
    expect(await reportsOf(boss, cid)).toMatchObject([{ id: body.id, message: null }]);
    const resolved = await boss.rest.post<Report>(`/reports/${body.id}/resolution`, { outcome: 'deleted' });
    expect(resolved).toMatchObject({ status: 200, body: { outcome: 'deleted', message: null } });
    expect(await boss.rest.post(`/reports/${cid}/resolution`, { outcome: 'dismissed' })).toMatchObject({ status: 404 });
    expect(await boss.rest.post('/reports/x/resolution', { outcome: 'dismissed' })).toMatchObject({ status: 404 });
  });
});
