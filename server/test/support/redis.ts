import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { endProgram, findFreePort, findProgram, startProgram } from './processes.ts';

/** A Redis of the tests' own, in a temporary folder on a free port of the loopback interface; it keeps nothing on disk. */
export type TestRedis = {
  url: string;
  port: number;
  /** Of the server; another one after `restart`. */
  readonly pid: number;
  stop(): Promise<void>;
  kill9(): Promise<void>;
  /** Starts it again, empty, on the same port, ending it first where it still runs. */
  restart(): Promise<void>;
};

/** Starts one. */
export async function startRedis(): Promise<TestRedis> {
  const program = findProgram(
    ['redis-server', 'valkey-server'],
    [],
    'install Redis 6 or newer (Debian: apt-get install redis-server)',
  );
  const folder = await mkdtemp(join(tmpdir(), 'parley-redis-'));
  const port = await findFreePort();
  const args = ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder, '--save', '', '--appendonly', 'no'];
  const start = () => startProgram(program, args, { ready: /Ready to accept connections/ });
  let server = await start();
  return {
    url: `redis://127.0.0.1:${port}/0`,
    port,
    get pid() {
      return server.pid!;
    },
    stop: async () => {
      await endProgram(server, 'SIGTERM');
      await rm(folder, { recursive: true, force: true });
    },
    kill9: () => endProgram(server, 'SIGKILL'),
    restart: async () => {
      await endProgram(server, 'SIGTERM');
      server = await start();
    },
  };
}

/** A Redis Cluster of the tests' own: so many masters, no replicas. */
export interface TestRedisCluster {
  /** As `REDIS_URL` names them. */
  readonly url: string;
  readonly nodes: readonly { readonly port: number; readonly pid: number }[];
  stop(): Promise<void>;
}

/** Starts one; needs Redis 7 (a bus port of its own choice). Resolves once it takes commands. */
export async function startRedisCluster(size = 3): Promise<TestRedisCluster> {
  const program = findProgram(['redis-server', 'valkey-server'], [], 'install Redis 7 or newer');
  const folder = await mkdtemp(join(tmpdir(), 'parley-redis-cluster-'));
  const nodes = await Promise.all(
    Array.from({ length: size }, async (_, index) => {
      const [port, busPort] = [await findFreePort(), await findFreePort()];
      const own = ['--port', String(port), '--cluster-port', String(busPort)];
      const config = ['--cluster-enabled', 'yes', '--cluster-config-file', join(folder, `nodes-${index}.conf`)];
      const server = await startProgram(
        program,
        ['--bind', '127.0.0.1', ...own, ...config, '--dir', folder, '--save', '', '--appendonly', 'no'],
        { ready: /Ready to accept connections/ },
      );
      return { port, busPort, server, client: new Redis(port, '127.0.0.1') };
    }),
  );
  const slots = 16_384;
  for (const [index, { client }] of nodes.entries()) {
    const [first, last] = [Math.ceil((slots * index) / size), Math.ceil((slots * (index + 1)) / size) - 1];
    await client.cluster('ADDSLOTSRANGE', first, last);
    await client.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
    if (index > 0) await client.call('CLUSTER', 'MEET', '127.0.0.1', nodes[0]!.port, nodes[0]!.busPort);
  }
  for (const { client } of nodes) {
    while (!(await knowsAll(client, size))) await sleep(50);
    client.disconnect();
  }
  return {
    url: `redis://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    nodes: nodes.map(({ port, server }) => ({ port, pid: server.pid! })),
    stop: async () => {
      await Promise.all(nodes.map(({ server }) => endProgram(server, 'SIGTERM')));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function knowsAll(client: Redis, size: number): Promise<boolean> {
  const info = String(await client.cluster('INFO'));
  return info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${size}`);
}
