import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Conversation, Message, Page, SentMessage } from '@parley/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { monitorRedis } from '../support/canary.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { download, upload } from '../support/files.ts';
import { masterKeys } from '../support/keys.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const run = promisify(execFile);

/** Confidential conversations over two nodes on one PostgreSQL and one Redis. */
describe('confidential conversations on two nodes', () => {
  let database: TestDatabase;
  let redis: TestRedis;
  let north: TestApp;
  let south: TestApp;

  const start = (...ids: string[]): Promise<TestApp> =>
    startTestApp({
      database,
      env: { REDIS_URL: redis.url, RATE_LIMIT_FACTOR: '0', MESSAGE_RATE_LIMIT: '1000000', ...masterKeys(...ids) },
    });

  /** `npm run parley -- keys …`, beside the running nodes. */
  async function keys(command: 'list' | 'rotate', ...ids: string[]): Promise<{ code: number; lines: string[] }> {
    const env = {
      PATH: process.env.PATH,
      JWT_SECRET: 'x'.repeat(32),
      DATABASE_URL: database.databaseUrl,
      ...masterKeys(...ids),
    };
    const child = run(process.execPath, [CLI, 'keys', command], { env });
    const { stdout } = await child.catch((error: { stdout: string }) => error);
    // Warnings of the log stand between the lines of the answer.
    const lines = stdout.split('\n').filter((line) => line !== '' && !line.startsWith('{'));
    return { code: child.child.exitCode ?? -1, lines };
  }

  async function create(app: TestApp, participantIds: string[]): Promise<string> {
    const { body } = await app
      .rest('ann')
      .post<Conversation>('/conversations', { type: 'group', confidential: true, participantIds });
    return body.id;
  }

  const send = (app: TestApp, cid: string, content: string, more: object = {}) =>
    app.rest('ann').post<SentMessage>(`/conversations/${cid}/messages`, { content, ...more });

  beforeAll(async () => {
    redis = await startRedis();
    database = await createTestDatabase();
    [north, south] = [await start('old'), await start('old')];
    for (const person of ['ann', 'bob']) await north.rest(person).get('/me');
  });

  afterAll(async () => {
    await north.close();
    await south.close();
    await database.drop();
    await redis.stop();
  });

  it('DLV-1 come to the other node in order of rev, over a bus that tells no more than that there is something', async () => {
    const id = await create(north, ['bob']);
    const [bob, ann] = [await south.connectSocket('bob'), await north.connectSocket('ann')];
    const monitor = await monitorRedis(redis.url);
    const sent: Promise<unknown>[] = [];
    for (let number = 1; number <= 50; number++) {
      sent.push(send(number % 2 === 0 ? north : south, id, `message ${number}`));
    }
    await Promise.all(sent);
    const { body: last } = await send(north, id, 'the last one');
    await north.rest('ann').patch(`/conversations/${id}/messages/${last.id}`, { content: 'the very last one' });
    await north.rest('ann').patch(`/conversations/${id}`, { title: 'renamed' });
    for (const phone of [bob, ann]) {
      await phone.next('conversation:updated', ({ conversation }) => conversation.title === 'renamed');
      const seen = phone.received.flatMap(({ payload }) =>
        'message' in payload && payload.conversationId === id ? [payload.message] : [],
      );
      expect(seen.map(({ rev }) => rev)).toEqual(seen.map(({ rev }) => rev).toSorted((a, b) => a - b));
      // Two nodes may read an edit and its message as one thing; each message is told all the same.
      const contents = new Set(seen.map(({ content }) => content));
      for (let number = 1; number <= 50; number++) expect(contents).toContain(`message ${number}`);
      expect(contents).toContain('the very last one');
    }
    monitor.stop();
    const about = monitor.commands.filter(
      (command) => /publish/i.test(command[0] ?? '') && command.join().includes(id),
    );
    expect(about.length).toBeGreaterThan(50);
    const kinds = about.map(
      ([, , payload = '']) => JSON.parse(payload.slice(payload.indexOf(' '))) as { kind: string },
    );
    expect(new Set(kinds.map(({ kind }) => kind))).toEqual(new Set(['head']));
  });

  it('change their master key under load: nothing fails, all is readable, and the old key is needed no longer', async () => {
    const ids = await Promise.all(Array.from({ length: 6 }, () => create(north, ['bob'])));
    const { body: file } = await upload({ url: north.url, user: 'ann' }, Buffer.from('words'), 'name.txt');
    await send(north, ids[0]!, 'with a file', { attachmentIds: [file.id] });
    const failures: unknown[] = [];
    let loaded = true;
    let sent = 1;
    const load = ids.map(async (id) => {
      for (let number = 1; loaded; number++) {
        // Whichever nodes there are at that moment: they are started anew one after the other.
        const [here, there] = number % 2 === 0 ? [north, south] : [south, north];
        const { status, body } = await send(here, id, `text ${number}`);
        if (status !== 201) failures.push(body);
        sent += 1;
        const page = await there.rest('bob').get<Page<Message>>(`/conversations/${id}/messages?limit=5`);
        if (page.status !== 200 || page.body.items.some(({ content }) => content === null)) failures.push(page.body);
      }
    });

    /** A node goes out of service when its follower is there, as behind a balancer. */
    const replaceNodes = async (...ids: string[]): Promise<void> => {
      const before = [north, south];
      north = await start(...ids);
      south = await start(...ids);
      retired.push(...before);
    };
    const retired: TestApp[] = [];
    await replaceNodes('old', 'new');
    await replaceNodes('new', 'old');
    const rotated = await keys('rotate', 'new', 'old');
    expect(rotated).toMatchObject({ code: 0 });
    expect(rotated.lines.at(-1)).toBe('No longer needed: old.');
    expect(rotated.lines.join('\n')).toMatch(/Wrapped anew: \d+ conversations, 1 files\./);
    loaded = false;
    await Promise.all(load);
    expect(failures).toEqual([]);
    expect(sent).toBeGreaterThan(ids.length * 2);

    // Run again it has nothing to do.
    expect((await keys('rotate', 'new', 'old')).lines).toContain('Wrapped anew: 0 conversations, 0 files.');
    expect((await keys('list', 'new')).lines.join('\n')).toMatch(/^new {2}current: \d+ conversations, 1 files$/);
    for (const app of retired) await app.close();
    await north.close();
    await south.close();
    [north, south] = [await start('new'), await start('new')];
    let read = 0;
    for (const id of ids) {
      for (let query = '?after=0&limit=200'; query !== ''; ) {
        const { status, body } = await south.rest('bob').get<Page<Message>>(`/conversations/${id}/messages${query}`);
        expect(status).toBe(200);
        for (const { content } of body.items) expect(content).toMatch(/^(text \d+|with a file)$/);
        read += body.items.length;
        query = body.nextCursor === null ? '' : `?limit=200&cursor=${body.nextCursor}`;
      }
    }
    expect(read).toBe(sent);
    expect((await download(north.url, file.url, 'bob')).bytes.toString()).toBe('words');
  });

  it('say by the command line which key is missing', async () => {
    const { code, lines } = await keys('list', 'another');
    expect(code).toBe(1);
    expect(lines.join('\n')).toMatch(/new {6}MISSING from ENCRYPTION_KEYS: \d+ conversations, 1 files/);
    const rotated = await keys('rotate', 'another');
    expect(rotated.code).toBe(1);
    expect(rotated.lines.at(-1)).toMatch(/could not be wrapped anew/);
    expect((await north.rest('bob').get('/conversations')).status).toBe(200);
  });
});
