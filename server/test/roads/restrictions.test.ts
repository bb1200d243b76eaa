import type {
  AuditEntry,
  AuditVerdict,
  Conversation,
  MessageReport,
  ModeratedUser,
  Page,
  Participant,
  Problem,
  Report,
  Restrictions,
} from '@parley/protocol';
import { describe, expect, it } from 'vitest';
import { changesSeen, type Person, useWorld } from '../support/world.ts';

const world = useWorld();

const later = (seconds = 3_600) => new Date(Date.now() + seconds * 1_000).toISOString();
const admin = () => world.person({ id: 'the-admin', name: 'Admin', roles: ['admin'] });
const overseer = () => world.person({ id: 'the-overseer', name: 'Overseer', roles: ['moderator'] });
const code = ({ status, body }: { status: number; body: unknown }) => [status, (body as Problem).code];
const audit = async (query: string) =>
  (await (await admin()).get<Page<AuditEntry>>(`/audit?${query}`)).items.map(({ action }) => action);

async function group() {
  const [ann, bob, eve] = await world.people('ann', 'bob', 'eve');
  const cid = await world.create('group', ann, bob, eve);
  return { ann, bob, eve, cid };
}

const send = (who: Person, cid: string, content = 'x') =>
  who.rest.post<Problem>(`/conversations/${cid}/messages`, { content });

describe('a read-only conversation', () => {
  it('ORD-2 lets owners and moderators write, and members read and delete what is theirs', async () => {
    const { ann, bob, eve, cid } = await group();
    const own = await bob.send(cid, 'mine');
    const evePhone = await eve.connect();
    await ann.rest.patch(`/conversations/${cid}/participants/${eve.id}`, { role: 'moderator' });
    const { status, body } = await ann.rest.patch<Conversation>(`/conversations/${cid}`, { readOnly: true });
    expect([status, body.readOnly, body.slowModeSeconds, body.rev]).toEqual([200, true, 0, 4]);
    const told = await evePhone.next('conversation:updated');
    expect(told).toMatchObject({ rev: 4, conversation: { readOnly: true } });

    expect(code(await send(bob, cid))).toEqual([403, 'forbidden']);
    const mine = `/conversations/${cid}/messages/${own.id}`;
    expect(code(await bob.rest.patch(mine, { content: 'edited' }))).toEqual([403, 'forbidden']);
    expect(code(await bob.rest.put(`${mine}/reactions/👍`))).toEqual([403, 'forbidden']);
    expect((await bob.rest.delete(mine)).status).toBe(200);
    expect((await send(eve, cid)).status).toBe(201);
    expect((await send(ann, cid)).status).toBe(201);
    // The same again is no change.
    expect((await ann.rest.patch<Conversation>(`/conversations/${cid}`, { readOnly: true })).body.rev).toBe(7);
    expect(await audit(`conversationId=${cid}&action=conversation.updated`)).toHaveLength(1);
    expect((await ann.rest.patch(`/conversations/${cid}`, { readOnly: false })).status).toBe(200);
    expect((await send(bob, cid)).status).toBe(201);
    await evePhone.barrier();
    expect(changesSeen(evePhone, cid).map(({ rev }) => rev)).toEqual([3, 4, 5, 6, 7, 8, 9]);
  });

  it('is for those who rename to set, and for no direct one', async () => {
    const { ann, bob, cid } = await group();
    expect(code(await bob.rest.patch(`/conversations/${cid}`, { readOnly: true }))).toEqual([403, 'forbidden']);
    const direct = await world.create('direct', ann, bob);
    for (const wish of [{ readOnly: true }, { slowModeSeconds: 5 }]) {
      expect(code(await (await admin()).rest.patch(`/conversations/${direct}`, wish))).toEqual([403, 'forbidden']);
    }
    for (const seconds of [-1, 21_601, 1.5, '5']) {
      const refused = await ann.rest.patch(`/conversations/${cid}`, { slowModeSeconds: seconds });
      expect(code(refused)).toEqual([400, 'invalid_request']);
    }
  });
});

describe('slow mode', () => {
  it('makes members wait after their own last message, and nobody else', async () => {
    const { ann, bob, eve, cid } = await group();
    await ann.rest.patch(`/conversations/${cid}`, { slowModeSeconds: 600 });
    expect((await ann.conversation(cid)).slowModeSeconds).toBe(600);
    const first = await bob.send(cid, 'one', { clientMessageId: 'k' });
    const tooSoon = await send(bob, cid);
    expect(code(tooSoon)).toEqual([429, 'rate_limited']);
    expect(tooSoon.body.retryAfterMs).toBeGreaterThan(590_000);
    expect(tooSoon.body.retryAfterMs).toBeLessThanOrEqual(600_000);
    // A repeat is no second message.
    expect(await bob.send(cid, 'one', { clientMessageId: 'k' })).toMatchObject({ id: first.id, duplicate: true });
    expect((await send(eve, cid)).status).toBe(201);
    for (let time = 0; time < 2; time++) expect((await send(ann, cid)).status).toBe(201);
    await ann.rest.patch(`/conversations/${cid}`, { slowModeSeconds: 0 });
    expect((await send(bob, cid)).status).toBe(201);
  });
});

describe('silencing somebody in a conversation', () => {
  it('stops sending, editing and reacting until the time is over, and is told as a change', async () => {
    const { ann, bob, eve, cid } = await group();
    const own = await bob.send(cid, 'mine');
    const path = `/conversations/${cid}/participants/${bob.id}`;
    await ann.rest.patch(`/conversations/${cid}/participants/${eve.id}`, { role: 'moderator' });
    const annPhone = await ann.connect();
    const until = later();
    const silenced = await eve.rest.patch<Participant>(path, { silencedUntil: until });
    expect(silenced).toMatchObject({ status: 200, body: { silencedUntil: until, role: 'member', rev: 4 } });
    expect(await annPhone.next('participant:updated')).toMatchObject({ rev: 4, participant: { silencedUntil: until } });
    expect(code(await send(bob, cid))).toEqual([403, 'forbidden']);
    const mine = `/conversations/${cid}/messages/${own.id}`;
    expect(code(await bob.rest.patch(mine, { content: 'edited' }))).toEqual([403, 'forbidden']);
    expect(code(await bob.rest.put(`${mine}/reactions/👍`))).toEqual([403, 'forbidden']);
    // Leaving and coming back does not end it.
    await bob.rest.delete(path);
    await ann.rest.post(`/conversations/${cid}/participants`, { userIds: [bob.id] });
    expect(code(await send(bob, cid))).toEqual([403, 'forbidden']);
    expect(code(await bob.rest.patch(path, { silencedUntil: null }))).toEqual([403, 'forbidden']);
    const other = await world.create('group', bob, ann);
    expect((await send(bob, other)).status).toBe(201);

    const lifted = await eve.rest.patch<Participant>(path, { silencedUntil: new Date(0).toISOString() });
    expect(lifted.body.silencedUntil).toBeNull();
    expect((await send(bob, cid)).status).toBe(201);
    expect(await audit(`conversationId=${cid}&action=participant.silenced`)).toHaveLength(2);
  });

  it('is for moderators over members, and for owners over all but themselves', async () => {
    const { ann, bob, eve, cid } = await group();
    const path = (who: Person) => `/conversations/${cid}/participants/${who.id}`;
    const wish = { silencedUntil: later() };
    await ann.rest.patch(path(eve), { role: 'moderator' });
    expect(code(await bob.rest.patch(path(eve), wish))).toEqual([403, 'forbidden']);
    expect(code(await eve.rest.patch(path(ann), wish))).toEqual([403, 'forbidden']);
    expect(code(await ann.rest.patch(path(ann), wish))).toEqual([403, 'forbidden']);
    expect((await ann.rest.patch(path(eve), wish)).status).toBe(200);
    // A role and a silence at once are two changes.
    const { body } = await ann.rest.patch<Participant>(path(eve), { role: 'member', silencedUntil: null });
    expect(body).toMatchObject({ role: 'member', silencedUntil: null, rev: 5 });
    expect(code(await eve.rest.patch(path(bob), wish))).toEqual([403, 'forbidden']);
    expect(code(await ann.rest.patch(path(bob), {}))).toEqual([400, 'invalid_request']);
    const direct = await world.create('direct', ann, bob);
    const refused = await (await admin()).rest.patch(`/conversations/${direct}/participants/${bob.id}`, wish);
    expect(code(refused)).toEqual([403, 'forbidden']);
  });
});

describe('what somebody is kept from everywhere', () => {
  it('is silence by those whose token says so', async () => {
    const { ann, bob, cid } = await group();
    const path = `/users/${bob.id}/restrictions`;
    const free = { userId: bob.id, silencedUntil: null, bannedAt: null, reason: null };
    expect(await (await overseer()).get<Restrictions>(path)).toEqual(free);
    const until = later();
    const put = await (await overseer()).rest.put<Restrictions>(path, { silencedUntil: until, reason: '<b>rude</b>' });
    expect(put).toMatchObject({ status: 200, body: { silencedUntil: until, bannedAt: null, reason: 'rude' } });
    const own = await world.create('group', bob, ann);
    for (const where of [cid, own]) expect(code(await send(bob, where))).toEqual([403, 'forbidden']);
    expect((await send(ann, cid)).status).toBe(201);
    // Reading goes on.
    expect((await bob.history(cid)).length).toBe(1);
    await (await overseer()).rest.put(path, { silencedUntil: null });
    expect((await send(bob, cid)).status).toBe(201);
    expect(await audit(`actorId=the-overseer&action=user.silenced`)).toHaveLength(2);
    for (const stranger of [ann, bob]) {
      expect(code(await stranger.rest.get(path))).toEqual([403, 'forbidden']);
      expect(code(await stranger.rest.put(path, { silencedUntil: until }))).toEqual([403, 'forbidden']);
      expect(code(await stranger.rest.get('/moderation/users'))).toEqual([403, 'forbidden']);
    }
    expect(code(await (await overseer()).rest.put(path, { banned: true }))).toEqual([403, 'forbidden']);
    expect(code(await (await admin()).rest.put('/users/nobody/restrictions', { banned: true }))).toEqual([
      404,
      'not_found',
    ]);
    expect(code(await (await admin()).rest.put('/users/the-admin/restrictions', { banned: true }))).toEqual([
      400,
      'invalid_request',
    ]);
  });

  it('ACC-1 is a ban: sessions end, doors are closed, and the same token is good again afterwards', async () => {
    const { ann, bob, cid } = await group();
    const phone = await bob.connect();
    const annPhone = await ann.connect();
    const boss = await admin();
    const { body } = await boss.rest.put<Restrictions>(`/users/${bob.id}/restrictions`, {
      banned: true,
      reason: 'fraud',
    });
    expect(body.bannedAt).not.toBeNull();
    expect(await phone.next('session:ended')).toMatchObject({ code: 'session_revoked' });
    await phone.disconnected;
    expect(code(await bob.rest.get('/me'))).toEqual([403, 'forbidden']);
    expect(code(await send(bob, cid))).toEqual([403, 'forbidden']);
    await expect(bob.connect()).rejects.toMatchObject({ code: 'forbidden' });
    // Whoever is in the conversation with them goes on, and is not told.
    expect((await send(ann, cid)).status).toBe(201);
    await annPhone.expectNone('session:ended');
    const listed = await boss.get<Page<ModeratedUser>>('/moderation/users?restricted=true');
    expect(listed.items).toMatchObject([{ user: { id: bob.id }, bannedAt: body.bannedAt, reason: 'fraud' }]);

    await boss.rest.put(`/users/${bob.id}/restrictions`, { banned: false });
    expect((await bob.rest.get('/me')).status).toBe(200);
    const back = await bob.connect();
    expect((await send(ann, cid)).status).toBe(201);
    await back.next('message:created');
    expect(await audit(`actorId=the-admin&action=user.banned`)).toHaveLength(1);
    expect(await audit(`actorId=the-admin&action=user.unbanned`)).toHaveLength(1);
    expect(await boss.get<AuditVerdict>('/audit/verify')).toMatchObject({ ok: true });
  });

  it('lists people by name in pages', async () => {
    await world.people('zoe', 'zoe', 'zoe');
    const seen: string[] = [];
    for (let cursor = ''; ; ) {
      const page = await (await admin()).get<Page<ModeratedUser>>(`/moderation/users?query=zoe&limit=1${cursor}`);
      seen.push(...page.items.map(({ user }) => user.id));
      if (page.nextCursor === null) break;
      cursor = `&cursor=${page.nextCursor}`;
    }
    expect(seen).toEqual(seen.toSorted());
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.length).toBeGreaterThan(0);
  });
});

describe('the resolution of a report', () => {
  const report = async (who: Person, cid: string, mid: string) =>
    (await who.rest.post<MessageReport>(`/conversations/${cid}/messages/${mid}/reports`, { reason: 'spam' })).body;

  it('deletes, silences and bans in one step, and can be repeated', async () => {
    const { ann, bob, cid } = await group();
    const boss = await admin();
    const bad = await bob.send(cid, 'buy');
    const { id } = await report(ann, cid, bad.id);
    const resolution = { outcome: 'deleted', note: 'no ads', author: { silencedUntil: later(), banned: true } };
    const first = await boss.rest.post<Report>(`/reports/${id}/resolution`, resolution);
    expect(first).toMatchObject({ status: 200, body: { outcome: 'deleted', message: { content: null } } });
    expect((await boss.rest.post(`/reports/${id}/resolution`, resolution)).body).toEqual(first.body);
    const restrictions = await boss.get<Restrictions>(`/users/${bob.id}/restrictions`);
    expect(restrictions).toMatchObject({ reason: 'no ads', silencedUntil: resolution.author.silencedUntil });
    expect(restrictions.bannedAt).not.toBeNull();
    expect(code(await bob.rest.get('/me'))).toEqual([403, 'forbidden']);
  });

  it('leaves the message and silences its author there, and closes every open report of it', async () => {
    const { ann, bob, eve, cid } = await group();
    const boss = await admin();
    const rude = await bob.send(cid, 'rude');
    const { id } = await report(ann, cid, rude.id);
    const other = await report(eve, cid, rude.id);
    const wishes = [
      { outcome: 'restricted' },
      { outcome: 'dismissed', author: { banned: true } },
      { outcome: 'restricted', author: {} },
      { outcome: 'restricted', author: { banned: false } },
    ];
    for (const wish of wishes) {
      expect(code(await boss.rest.post(`/reports/${id}/resolution`, wish))).toEqual([400, 'invalid_request']);
    }
    const author = { silencedUntil: later(), where: 'conversation' };
    const { status, body } = await boss.rest.post<Report>(`/reports/${id}/resolution`, {
      outcome: 'restricted',
      author,
    });
    expect([status, body.outcome, body.message?.content]).toEqual([200, 'restricted', 'rude']);
    expect(code(await send(bob, cid))).toEqual([403, 'forbidden']);
    expect((await boss.get<Restrictions>(`/users/${bob.id}/restrictions`)).silencedUntil).toBeNull();
    const open = await boss.get<Page<Report>>(`/reports?conversationId=${cid}`);
    expect(open.items).toEqual([]);
    const again = await boss.rest.post(`/reports/${other.id}/resolution`, { outcome: 'dismissed' });
    expect(code(again)).toEqual([409, 'revision_conflict']);
  });
});

describe('blocks', () => {
  it('DEL-2 are in the server chain of the audit, each once', async () => {
    const [ann, bob] = await world.people('ann', 'bob');
    for (let time = 0; time < 2; time++) await ann.rest.put(`/blocks/${bob.id}`);
    await ann.rest.delete(`/blocks/${bob.id}`);
    await ann.rest.delete(`/blocks/${bob.id}`);
    const entries = (await (await admin()).get<Page<AuditEntry>>(`/audit?actorId=${ann.id}`)).items;
    expect(entries.map(({ action, targetId }) => [action, targetId])).toEqual([
      ['user.unblocked', bob.id],
      ['user.blocked', bob.id],
    ]);
  });
});
