import { execFile } from 'node:child_process';
import { chown, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { endProgram, findFreePort, findProgram, idsOf, startProgram } from './processes.ts';

const run = promisify(execFile);

/** A PostgreSQL cluster of the tests' own, in a temporary folder on a free port of the loopback interface. */
export type TestPostgres = {
  /** Of its superuser, to the database `postgres`. */
  url: string;
  port: number;
  /** Of the postmaster; another one after `restart`. */
  readonly pid: number;
  /** Ends it at once but in order, and removes the folder. */
  stop(): Promise<void>;
  /** SIGKILL to the postmaster; its children end by themselves when they notice. */
  kill9(): Promise<void>;
  /** Starts it again on the same port and data, ending it in order first where it still runs. */
  restart(): Promise<void>;
};

/**
 * Makes and starts a cluster; as the user `postgres` when this process is root, whom PostgreSQL refuses.
 *
 * @param options.settings parameters of postgresql.conf, such as `{ fsync: 'on' }`. Off by default: tests of crashes of
 *   processes, not of machines.
 */
export async function startPostgres(options: { settings?: Record<string, string> } = {}): Promise<TestPostgres> {
  const postgres = findProgram(
    ['postgres'],
    await debianFolders(),
    'install PostgreSQL 15 or newer (Debian: apt-get install postgresql)',
  );
  const initdb = join(dirname(postgres), 'initdb');
  const ids = idsOf('postgres');
  const folder = await mkdtemp(join(tmpdir(), 'parley-postgres-'));
  if (ids) await chown(folder, ids.uid, ids.gid);
  const data = join(folder, 'data');
  await run(
    initdb,
    ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync', '--no-instructions'],
    { ...ids, cwd: folder },
  );
  const port = await findFreePort();
  const settings = { fsync: 'off', max_connections: '200', shared_buffers: '64MB', ...options.settings };
  const args = [
    ...['-D', data, '-p', String(port), '-c', 'listen_addresses=127.0.0.1', '-c', `unix_socket_directories=${folder}`],
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];
  const start = () =>
    startProgram(postgres, args, { ready: /ready to accept connections/, spawn: { ...ids, cwd: folder } });
  let server = await start();
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    port,
    get pid() {
      return server.pid!;
    },
    stop: async () => {
      await endProgram(server, 'SIGINT');
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
    kill9: () => endProgram(server, 'SIGKILL'),
    restart: async () => {
      await endProgram(server, 'SIGINT');
      server = await startAgain(start);
    },
  };
}

/** After `kill9` the children hold the shared memory for a moment yet, and a new postmaster refuses to start beside them. */
async function startAgain<T>(start: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await start();
    } catch (error) {
      if (tries === 100 || !/shared memory block|lock file/.test(String(error))) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function debianFolders(): Promise<string[]> {
  const root = '/usr/lib/postgresql';
  const versions = await readdir(root).catch(() => []);
  return versions.sort((a, b) => Number(b) - Number(a)).map((version) => join(root, version, 'bin'));
}
