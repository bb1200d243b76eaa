import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import { startPostgres, type TestPostgres } from '../../support/postgres.ts';
import { findFreePort } from '../../support/processes.ts';
import { startRedis, type TestRedis } from '../../support/redis.ts';
import type { HistoryWriter } from './history.ts';
import { type Link, openLink } from './proxy.ts';
import type { Random } from './random.ts';

const run = promisify(execFile);

/** The secret of the tokens of a run. */
export const RUN_SECRET = 'a secret of the fault suite, thirty-two bytes or more';

/** The server that is tested: the folder that holds `src/main.ts`. */
export const OWN_SERVER = fileURLToPath(new URL('../../../', import.meta.url));

const SHIMS = fileURLToPath(new URL('../shims/', import.meta.url));

/** One node: a process of the server, with a link of its own to everything it talks with. */
export interface Node {
  readonly name: string;
  /** Where clients find it: its link, not the process itself. */
  readonly url: string;
  /** The process itself, for questions that no fault may touch. */
  readonly ownUrl: string;
  readonly clients: Link;
  readonly postgres: Link | null;
  readonly redis: Link | null;
  /** Of the process; null while none runs. */
  readonly pid: number | null;
  signal(name: NodeJS.Signals): void;
  /** Ends it by SIGKILL, or in order, and waits until it has ended. Whoever calls this expects the end. */
  stop(how: 'SIGKILL' | 'SIGTERM'): Promise<void>;
  /** Starts it again and waits until it answers. */
  start(options?: { shell?: string }): Promise<void>;
}

/** The whole system of a run, all of it started by the run. */
export interface Cluster {
  readonly nodes: readonly Node[];
  readonly postgres: (TestPostgres & { /** Whether the postmaster is gone. */ hasEnded(): boolean }) | null;
  readonly redis: TestRedis | null;
  /** A connection past all links; null on the embedded database. */
  sql: pg.Pool | null;
  /** Of the embedded database. */
  readonly dataDir: string;
  /** A folder on the small disk that PostgreSQL is on; null where it is on an ordinary one. */
  readonly smallDisk: string | null;
  /** Where files are kept when they have a small disk of their own. */
  readonly smallFiles: string | null;
  /** Where the lines of processes go from here on: the history of the next round. */
  record(history: HistoryWriter): void;
  stop(): Promise<void>;
}

export interface ClusterOptions {
  readonly nodes: number;
  readonly random: Random;
  /** Environment variables over those of a run. */
  readonly env?: Readonly<Record<string, string>>;
  /** One process on the embedded database, without Redis. */
  readonly embedded?: boolean;
  /** Puts PostgreSQL on a disk of so many MiB of its own, and files on a small one, where this machine lets us mount one. */
  readonly smallDiskMiB?: number;
  /** Another server than that of this work tree. */
  readonly serverRoot?: string;
}

/** As little as a few uploads fill. */
const SMALL_FILES_MIB = 16;

const READY_WITHIN_MS = 60_000;

/**
 * Starts PostgreSQL, Redis and the nodes on ports of their own, and a proxy on each link between them.
 *
 * The WAL writer sleeps for long: what a commit did not flush by itself is then lost when PostgreSQL is killed, as it
 * would be with the power.
 */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-faults-'));
  const smallDisk = options.smallDiskMiB ? await mountSmallDisk(options.smallDiskMiB) : null;
  const smallFiles = options.smallDiskMiB ? await mountSmallDisk(SMALL_FILES_MIB) : null;
  const [postgres, redis] = options.embedded
    ? [null, null]
    : await Promise.all([startPostgresOn(smallDisk), startRedis()]);
  const output: { history: HistoryWriter | null } = { history: null };
  const nodes: Node[] = [];
  try {
    for (let number = 1; number <= options.nodes; number++) {
      nodes.push(await makeNode(`n${number}`, { options, postgres, redis, dataDir, smallFiles, output }));
    }
    // All at once: one of them migrates, the others wait for it.
    await Promise.all(nodes.map((node) => node.start()));
  } catch (error) {
    await stopAll();
    throw error;
  }
  const sql = postgres ? new pg.Pool({ connectionString: postgres.url, max: 4 }) : null;
  // PostgreSQL is killed in the course of a run.
  sql?.on('error', () => {});
  sql?.on('connect', (client) => client.on('error', () => {}));

  async function stopAll(): Promise<void> {
    for (const node of nodes) await node.stop('SIGKILL');
    for (const node of nodes) for (const link of [node.clients, node.postgres, node.redis]) await link?.close();
    await Promise.all([postgres?.stop(), redis?.stop()]);
    await rm(dataDir, { recursive: true, force: true });
    for (const disk of [smallDisk, smallFiles]) if (disk) await unmount(disk);
  }

  return {
    nodes,
    postgres: postgres && Object.assign(postgres, { hasEnded: () => !isAlive(postgres.pid) }),
    redis,
    sql,
    dataDir,
    smallDisk,
    smallFiles,
    record: (history) => {
      output.history = history;
    },
    stop: async () => {
      await sql?.end();
      await stopAll();
    },
  };
}

/** A WAL writer that sleeps, and little WAL where the disk is small. */
async function startPostgresOn(smallDisk: string | null): Promise<TestPostgres> {
  const settings = { wal_writer_delay: '10s', ...(smallDisk && { min_wal_size: '32MB', max_wal_size: '48MB' }) };
  if (!smallDisk) return startPostgres({ settings });
  // It makes its folder where temporary ones are made.
  const before = process.env.TMPDIR;
  process.env.TMPDIR = smallDisk;
  try {
    return await startPostgres({ settings });
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  }
}

async function mountSmallDisk(mebibytes: number): Promise<string | null> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-disk-'));
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m,mode=777`, 'tmpfs', folder]);
    return folder;
  } catch {
    await rm(folder, { recursive: true });
    return null;
  }
}

async function unmount(folder: string): Promise<void> {
  await run('umount', ['-l', folder]);
  await rm(folder, { recursive: true, force: true });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

interface NodeDeps {
  readonly options: ClusterOptions;
  readonly postgres: TestPostgres | null;
  readonly redis: TestRedis | null;
  readonly dataDir: string;
  readonly smallFiles: string | null;
  readonly output: { readonly history: HistoryWriter | null };
}

async function makeNode(
  name: string,
  { options, postgres, redis, dataDir, smallFiles, output }: NodeDeps,
): Promise<Node> {
  const port = await findFreePort();
  const jitter = options.random.fork(name);
  const link = (what: string, target: number): Promise<Link> =>
    openLink({ name: `${name}:${what}`, target, random: jitter.next });
  const clients = await link('clients', port);
  const toPostgres = postgres && (await link('postgres', postgres.port));
  const toRedis = redis && (await link('redis', redis.port));
  const env = {
    PATH: process.env.PATH ?? '',
    NODE_ENV: 'test',
    HOST: '127.0.0.1',
    PORT: String(port),
    JWT_SECRET: RUN_SECRET,
    LOG_LEVEL: 'warn',
    RATE_LIMIT_FACTOR: '0',
    MESSAGE_RATE_LIMIT: '1000000',
    MAX_CONNECTIONS_PER_USER: '1000',
    DATA_DIR: join(dataDir, options.embedded ? 'embedded' : name),
    // One for all nodes: what came in by one is fetched from the other.
    STORAGE_URL: `file:${join(smallFiles ?? dataDir, 'files')}`,
    ...(toPostgres && { DATABASE_URL: `postgres://postgres@127.0.0.1:${toPostgres.port}/postgres` }),
    ...(toRedis && { REDIS_URL: `redis://127.0.0.1:${toRedis.port}/0` }),
    ...options.env,
  };
  let child: ChildProcess | null = null;
  let expectsEnd = false;

  const write = (f: string, value: unknown): void => {
    output.history?.write({ proc: name, node: name, door: null, f, phase: 'mark', key: '', value });
  };
  /** The last lines of the process, for when it does not come up. */
  let lastLines: string[] = [];
  const readLine = (line: string): void => {
    lastLines = [...lastLines.slice(-20), line];
    const entry = parseLog(line);
    const isBad = ['fatal', 'error'].includes(entry.level) || /unhandled|uncaught/i.test(entry.msg);
    if (isBad) write('log', entry);
  };

  const start = async ({ shell }: { shell?: string } = {}): Promise<void> => {
    const shims = ['clock.ts', 'block.ts', 'orphan.ts'].flatMap((shim) => ['--import', join(SHIMS, shim)]);
    const args = [...shims, 'src/main.ts'];
    const [program, parameters] = shell
      ? ['/bin/sh', ['-c', `${shell}; exec "$0" "$@"`, process.execPath, ...args]]
      : [process.execPath, args];
    const cwd = options.serverRoot ?? OWN_SERVER;
    const started = spawn(program, parameters, { cwd, env, stdio: ['pipe', 'pipe', 'pipe'] });
    child = started;
    expectsEnd = false;
    let isUp = false;
    for (const stream of [started.stdout, started.stderr]) createInterface({ input: stream }).on('line', readLine);
    started.once('exit', (code, signal) => {
      write('exit', { code, signal, expected: expectsEnd });
      if (child === started) child = null;
      // As whoever runs it would: the end is in the history, and the run goes on.
      if (isUp && !expectsEnd) start().catch((error: unknown) => write('log', { level: 'fatal', msg: String(error) }));
    });
    write('start', { pid: started.pid });
    try {
      await answers(`http://127.0.0.1:${port}/health/live`, () => child === started);
    } catch (error) {
      throw new Error(`${name} does not come up:\n${lastLines.join('\n')}`, { cause: error });
    }
    isUp = true;
    write('up', {});
  };

  return {
    name,
    url: `http://127.0.0.1:${clients.port}`,
    ownUrl: `http://127.0.0.1:${port}`,
    clients,
    postgres: toPostgres,
    redis: toRedis,
    get pid() {
      return child?.pid ?? null;
    },
    signal: (signal) => void child?.kill(signal),
    stop: async (how) => {
      if (!child) return;
      const ending = child;
      expectsEnd = true;
      const ended = once(ending, 'exit');
      ending.kill('SIGCONT');
      ending.kill(how);
      await ended;
    },
    start,
  };
}

function parseLog(line: string): { level: string; msg: string; line: string } {
  try {
    const { level = '', msg = '' } = JSON.parse(line) as { level?: string; msg?: string };
    return { level, msg, line: line.slice(0, 4_000) };
  } catch {
    return { level: 'text', msg: line.slice(0, 1_000), line: line.slice(0, 4_000) };
  }
}

/** Resolves when an address answers 200. Throws when whoever should answer is gone, or after a minute. */
export async function answers(url: string, isAlive: () => boolean): Promise<void> {
  for (const end = performance.now() + READY_WITHIN_MS; performance.now() < end; await sleep(50)) {
    if (!isAlive()) throw new Error(`${url}: the process ended while starting`);
    const response = await fetch(url, { signal: AbortSignal.timeout(1_000) }).catch(() => null);
    await response?.body?.cancel();
    if (response?.status === 200) return;
  }
  throw new Error(`${url} does not answer`);
}

/** A process and all it has started: PostgreSQL works in children. */
export async function processesOf(pid: number): Promise<number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  const ids = children.split(' ').filter(Boolean).map(Number);
  return [pid, ...(await Promise.all(ids.map(processesOf))).flat()];
}
