import type { AuditEntry, Page, Problem } from '@parley/protocol';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, startTestApp, TEST_SECRET, type TestApp } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

const ADMIN = { id: 'root', name: 'Root', roles: ['admin'] };
const MINUTE = 60_000;

/** A token as the host product issues it, with the time of that. */
function tokenIssuedAt(id: string, at: number): Promise<string> {
  return new SignJWT({ name: id })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(id)
    .setIssuedAt(Math.floor(at / 1000))
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(TEST_SECRET));
}

const whoAmI = (app: TestApp, token: string) =>
  call<Problem>(`${app.url}/api/messaging/v1/me`, { headers: { authorization: `Bearer ${token}` } });

describe.each(['with Redis', 'without Redis'])('ending the sessions of a person, %s', (shape) => {
  let database: TestDatabase;
  let redis: TestRedis | undefined;
  let north: TestApp;
  let south: TestApp;

  beforeAll(async () => {
    redis = shape === 'with Redis' ? await startRedis() : undefined;
    database = await createTestDatabase('postgres');
    const env = { REDIS_URL: redis?.url, RATE_LIMIT_FACTOR: '0' };
    north = await startTestApp({ database, env });
    south = await startTestApp({ database, env });
  });

  afterAll(async () => {
    await north.close();
    await south.close();
    await database.drop();
    await redis?.stop();
  });

  it('ACC-4 ends every socket of theirs on every node, and nobody else’s', async () => {
    const token = await tokenIssuedAt('ann', Date.now() - MINUTE);
    const sockets = [
      await north.connectSocket('ann', { token }),
      await south.connectSocket('ann', { token }),
      await south.connectSocket('ann', { token, transports: ['polling'] }),
    ];
    const bob = await south.connectSocket('bob');

    expect(await north.rest(ADMIN).delete('/users/ann/sessions')).toMatchObject({ status: 204, body: '' });
    for (const socket of sockets) {
      expect(await socket.next('session:ended')).toMatchObject({ code: 'session_revoked' });
      await socket.disconnected;
    }
    await bob.barrier();
    expect(bob.all('session:ended')).toEqual([]);
  });

  it('ACC-1 refuses tokens issued before on both doors of every node, and takes those issued after', async () => {
    const before = await tokenIssuedAt('cid', Date.now() - MINUTE);
    const after = await tokenIssuedAt('cid', Date.now() + MINUTE);
    expect((await whoAmI(south, before)).status).toBe(200);
    const told = await south.connectSocket('cid', { token: before });
    const newer = await south.connectSocket('cid', { token: after });

    await north.rest(ADMIN).delete('/users/cid/sessions');
    await told.disconnected;
    for (const app of [north, south]) {
      const refused = await whoAmI(app, before);
      expect(refused).toMatchObject({ status: 401, body: { code: 'session_revoked' } });
      await expect(app.connectSocket('cid', { token: before })).rejects.toMatchObject({ code: 'session_revoked' });
      // A token that does not say when it was issued counts as one from before.
      expect((await app.rest('cid').get<Problem>('/me')).body.code).toBe('session_revoked');
      expect((await whoAmI(app, after)).status).toBe(200);
      await app.connectSocket('cid', { token: after });
    }
    expect(await newer.command('auth:refresh', { token: before })).toMatchObject({
      ok: false,
      error: { code: 'session_revoked' },
    });
    expect(newer.all('session:ended')).toEqual([]);
  });

  it('holds for a node that starts later', async () => {
    const before = await tokenIssuedAt('dan', Date.now() - MINUTE);
    await whoAmI(north, before);
    await north.rest(ADMIN).delete('/users/dan/sessions');
    const late = await startTestApp({ database, env: { REDIS_URL: redis?.url } });
    expect((await whoAmI(late, before)).body.code).toBe('session_revoked');
    await late.close();
  });

  it('DEL-2 is for administrators, and leaves an entry in a chain that holds', async () => {
    await south.rest('eve').get('/me');
    expect(await north.rest('eve').delete('/users/eve/sessions')).toMatchObject({ status: 403 });
    expect(await north.rest({ id: 'm', roles: ['moderator'] }).delete('/users/eve/sessions')).toMatchObject({
      status: 403,
    });
    expect(await north.rest(ADMIN).delete('/users/nobody/sessions')).toMatchObject({ status: 404 });

    await Promise.all([
      north.rest(ADMIN).delete('/users/eve/sessions'),
      south.rest(ADMIN).delete('/users/eve/sessions'),
    ]);
    const { body } = await north.rest(ADMIN).get<Page<AuditEntry>>('/audit?action=sessions.revoked');
    const entries = body.items.filter(({ targetId }) => targetId === 'eve');
    expect(entries).toHaveLength(2);
    expect(entries[0]).toMatchObject({ actorId: 'root', conversationId: null });
    expect((await north.rest(ADMIN).get('/audit/verify')).body).toMatchObject({ ok: true });
  });

  it('the server’s own chain names an entry that was changed', async () => {
    const { prisma } = north.app.database;
    await north.rest(ADMIN).delete('/users/eve/sessions');
    const [entry] = await prisma.auditEntry.findMany({ where: { conversationId: null }, orderBy: { position: 'asc' } });
    await prisma.auditEntry.update({ where: { id: entry!.id }, data: { targetId: 'somebody else' } });
    expect((await north.rest(ADMIN).get('/audit/verify')).body).toMatchObject({ ok: false, firstBad: entry!.id });
    await prisma.auditEntry.update({ where: { id: entry!.id }, data: { targetId: entry!.targetId } });
    expect((await north.rest(ADMIN).get('/audit/verify')).body).toMatchObject({ ok: true });
  });
});
