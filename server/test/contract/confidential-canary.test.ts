import type { Page, Problem, SearchHit } from '@parley/protocol';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { CanarySearch, monitorRedis } from '../support/canary.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { picture, upload } from '../support/files.ts';
import { masterKeys } from '../support/keys.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

/** Looked for in capitals and small letters, as any sign of it would do. */
const TEXT = 'Kanarienvogel';
const OTHER = 'Zaunkoenigin';
const METADATA = 'Wellensittich';
const NAME = 'Rotkehlchen';
const BYTES = 'Gimpelmaennchen';
const EVERY = [TEXT, OTHER, METADATA, NAME, BYTES];

/**
 * What is said in confidence is followed to every place where it could lie: the rows of all tables, the files of the
 * database and of the storage, all of Redis and what went through it, the log, search.
 */
describe('a text that is followed', () => {
  let redis: TestRedis;
  let database: TestDatabase;
  let app: TestApp;
  let monitor: Awaited<ReturnType<typeof monitorRedis>>;
  const log: string[] = [];

  beforeAll(async () => {
    redis = await startRedis();
    monitor = await monitorRedis(redis.url);
    database = await createTestDatabase();
    const logger = pino({ level: 'trace' }, { write: (line: string) => void log.push(line) });
    const env = { ...masterKeys('k1'), REDIS_URL: redis.url, LOG_LEVEL: 'trace', RATE_LIMIT_FACTOR: '1' };
    app = await startTestApp({ database, env, logger });
  });

  afterAll(async () => {
    monitor.stop();
    await redis.stop();
    await database.drop();
  });

  it('DEL-1 is nowhere but with those who read it, said in confidence or deleted', async () => {
    const [ann, bob, eve] = [app.rest('ann'), app.rest('bob'), app.rest('eve')];
    for (const person of [ann, bob, eve]) await person.get('/me');
    const create = async (input: object) => {
      const { body } = await ann.post<{ id: string }>('/conversations', {
        type: 'group',
        participantIds: ['bob'],
        ...input,
      });
      return `/conversations/${body.id}`;
    };
    const [secret, plain] = [await create({ confidential: true }), await create({})];
    const phone = await app.connectSocket('bob');
    const eavesdropper = await app.connectSocket('eve');

    const caller = { url: app.url, user: 'ann' };
    const { body: file } = await upload(caller, Buffer.from(`${BYTES} `.repeat(20_000)), `${NAME}.txt`);
    const { body: image } = await upload(caller, await picture('png'), `${NAME}.png`);
    const input = {
      content: `${TEXT} sitzt im Baum`,
      metadata: { note: METADATA },
      clientMessageId: 'k1',
      attachmentIds: [file.id, image.id],
    };
    const { body: sent } = await ann.post<{ id: string }>(`${secret}/messages`, input);
    expect((await phone.next('message:created')).message.content).toContain(TEXT);
    await ann.post(`${secret}/messages`, input);
    expect((await ann.post<Problem>(`${secret}/messages`, { ...input, content: `${TEXT}!` })).status).toBe(409);
    await ann.patch(`${secret}/messages/${sent.id}`, { content: `${TEXT} ${OTHER}` });
    await bob.post(`${secret}/messages`, { content: `> ${TEXT}`, replyToId: sent.id });
    await bob.put(`${secret}/messages/${sent.id}/reactions/👍`);
    await ann.patch(secret, { title: 'Vögel' });
    const { body: gone } = await ann.post<{ id: string }>(`${secret}/messages`, { content: OTHER });
    await ann.delete(`${secret}/messages/${gone.id}`, { reason: 'typo' });
    await bob.post(`${secret}/messages/${sent.id}/reports`, { reason: 'noisy' });
    // Refused for all sorts of reasons: what is refused is said again nowhere.
    for (const refused of [
      { content: TEXT, replyToId: '00000000-0000-7000-8000-000000000000' },
      { content: TEXT.repeat(1_000) },
      { content: TEXT, attachmentIds: [file.id] },
      { content: TEXT, unknownField: TEXT },
      { content: `${TEXT}\u0000` },
    ]) {
      expect((await ann.post(`${secret}/messages`, refused)).status).toBeGreaterThanOrEqual(400);
    }
    expect((await eve.post(`${secret}/messages`, { content: TEXT })).status).toBe(403);

    // Only what a deletion has to take away: the audit keeps the text before, for administrators.
    const { body: deleted } = await ann.post<{ id: string }>(`${plain}/messages`, { content: 'Nachtigall singt' });
    await ann.patch(`${plain}/messages/${deleted.id}`, { content: 'Nachtigall schweigt' });
    const hits = async (of: typeof ann) =>
      (await of.get<Page<SearchHit>>(`/search/messages?q=nachtigall`)).body.items.length;
    expect(await hits(bob)).toBe(1);
    await ann.delete(`${plain}/messages/${deleted.id}`);
    expect(await hits(bob)).toBe(0);

    const canary = new CanarySearch(...EVERY);
    const answers: string[] = [];
    for (const word of EVERY) {
      for (const reader of [ann, bob, eve]) {
        const { body } = await reader.get(`/search/messages?q=${word}`);
        answers.push(JSON.stringify(body));
      }
    }
    for (const path of [secret, `${secret}/messages`, `${secret}/changes?after=0`, `${secret}/messages/${sent.id}`]) {
      answers.push(JSON.stringify((await eve.get(path)).body));
    }
    for (const answer of answers) canary.look('an answer', answer);
    await eavesdropper.barrier();
    canary.look('the socket of an outsider', JSON.stringify(eavesdropper.received));

    await canary.lookIntoTables(app.app.database.prisma);
    await canary.lookIntoRedis(redis.url);
    const audited = new CanarySearch('Nachtigall');
    await audited.lookIntoTables(app.app.database.prisma);
    await audited.lookIntoRedis(redis.url);
    expect(new Set(audited.findings.map(({ where }) => where))).toEqual(new Set(['table "AuditEntry"']));

    const published = monitor.commands.filter(([name]) => /publish/i.test(name ?? ''));
    expect(published.length).toBeGreaterThan(10);
    for (const command of monitor.commands) canary.look(`redis ${command[0]}`, command.join(' '));
    // Ended before its files are looked at, so that all of them are written.
    await app.close();
    await canary.lookIntoFiles(database.dataDir);
    canary.look('the log', log.join(''));
    expect(log.length).toBeGreaterThan(10);
    expect(canary.findings).toEqual([]);
    // That it would have been found: everything that was not said in confidence is there.
    const control = new CanarySearch('Vögel');
    const reopened = await database.open();
    await control.lookIntoTables(reopened.prisma);
    await reopened.close();
    expect(control.findings.length).toBeGreaterThan(0);
  });
});
