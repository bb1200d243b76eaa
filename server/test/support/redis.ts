import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
