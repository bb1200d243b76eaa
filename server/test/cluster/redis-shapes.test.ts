import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Conversation } from '@parley/protocol';
import { describe, expect, it, vi } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { createTestDatabase } from '../support/database.ts';
import { startNode } from '../support/node-process.ts';
import { endProgram, findFreePort, findProgram, startProgram } from '../support/processes.ts';
import { startRedisCluster } from '../support/redis.ts';
import { watchRedis } from '../support/redis-watch.ts';

const repairs = async (app: TestApp) => (await app.app.metrics.feedRepairs.get()).values[0]?.value ?? 0;

describe('a Redis Cluster', () => {
  it('DLV-1 RATE-1 carries hints, limits, presence and connections over nodes', async () => {
    const redis = await startRedisCluster(3);
    const database = await createTestDatabase('postgres');
    const env = {
      REDIS_URL: redis.url,
      RATE_LIMIT_FACTOR: '0',
      MESSAGE_RATE_LIMIT: '30',
      MAX_CONNECTIONS_PER_USER: '2',
    };
    const watch = watchRedis();
    const [north, south] = [
      await startTestApp({ database, env, logger: watch.logger }),
      await startTestApp({ database, env, logger: watch.logger }),
    ];
    for (const app of [north, south]) {
      await vi.waitFor(
        async () => {
          const health = (await (await fetch(`${app.url}/health/ready`)).json()) as object;
          expect(health).toMatchObject({ status: 'ok', dependencies: { redis: { status: 'ok' } } });
        },
        { timeout: 20_000, interval: 200 },
      );
    }
    await south.rest('bob').get('/me');
    const { body } = await north
      .rest('ann')
      .post<Conversation>('/conversations', { type: 'group', title: 'Shards', participantIds: ['bob'] });
    const bob = await south.connectSocket('bob');
    const ann = await north.connectSocket('ann');
    await ann.ok('presence:watch', { userIds: ['bob'] });
    // Typing goes by hints alone: once it came over, the subscriptions stand.
    for (let told = false; !told; told = ann.all('typing:started').length > 0) {
      await bob.ok('typing:start', { conversationId: body.id });
      await bob.ok('typing:stop', { conversationId: body.id });
      await ann.barrier();
    }
    const before = await repairs(south);
    for (let number = 1; number <= 20; number++) {
      await north.rest('bob').post(`/conversations/${body.id}/messages`, { content: `message ${number}` });
    }
    await bob.next('message:created', ({ rev }) => rev === 21);
    expect(bob.all('message:created').map(({ rev }) => rev)).toEqual(Array.from({ length: 20 }, (_, n) => n + 2));
    expect((await repairs(south)) - before).toBe(0);

    let serial = 0;
    const stored = await watch.whileShared(async () => {
      const person = `flooder-${serial++}`;
      const { body: channel } = await north
        .rest(person)
        .post<Conversation>('/conversations', { type: 'channel', title: person });
      const statuses = await Promise.all(
        Array.from({ length: 60 }, async (_, number) => {
          const app = number % 2 ? north : south;
          return (await app.rest(person).post(`/conversations/${channel.id}/messages`, { content: `${number}` }))
            .status;
        }),
      );
      return statuses.filter((status) => status === 201).length;
    });
    expect(stored).toBe(30);

    await north.connectSocket('bob');
    await expect(north.connectSocket('bob')).rejects.toMatchObject({ code: 'too_many_connections' });
    expect(await ann.ok('presence:watch', { userIds: ['bob'] })).toMatchObject({ states: [{ status: 'online' }] });

    await north.close();
    await south.close();
    await database.drop();
    await redis.stop();
  }, 120_000);
});

describe('a Redis with TLS', () => {
  it('is reached by rediss://, its certificate verified', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'parley-tls-'));
    const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const openssl = findProgram(['openssl'], [], 'install OpenSSL (Debian: apt-get install openssl)');
    execFileSync(
      openssl,
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'],
        ...['-keyout', key, '-out', certificate, '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'],
      ],
      { stdio: 'ignore' },
    );
    const port = await findFreePort();
    const program = findProgram(['redis-server', 'valkey-server'], [], 'install Redis 7 or newer');
    const server = await startProgram(
      program,
      [
        ...['--bind', '127.0.0.1', '--port', '0', '--tls-port', String(port), '--tls-auth-clients', 'no'],
        ...[
          '--tls-cert-file',
          certificate,
          '--tls-key-file',
          key,
          '--dir',
          folder,
          '--save',
          '',
          '--requirepass',
          'p@ss',
        ],
      ],
      { ready: /Ready to accept connections/ },
    );
    const database = await createTestDatabase();
    const env = {
      DATABASE_URL: database.databaseUrl,
      DATA_DIR: database.dataDir,
      REDIS_URL: `rediss://:p%40ss@localhost:${port}`,
    };
    const health = async (more: Record<string, string>) => {
      const node = await startNode({ ...env, ...more });
      const answer = (await (await fetch(`${node.url}/health/ready`)).json()) as { status: string };
      await node.end('SIGTERM');
      return answer.status;
    };
    expect(await health({ NODE_EXTRA_CA_CERTS: certificate })).toBe('ok');
    // Without the authority that signed it there is no connection, and the server works without Redis.
    expect(await health({})).toBe('degraded');
    await endProgram(server, 'SIGTERM');
    await database.drop();
    await rm(folder, { recursive: true, force: true });
  }, 60_000);
});
