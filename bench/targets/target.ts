import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SERVER_FLAGS } from '../../scripts/lib/server-flags.mjs';
import { openDatabase } from '../../server/src/infrastructure/database.ts';
import { runOnServer } from '../../server/test/support/database.ts';
import { silentLogger } from '../../server/test/support/logger.ts';
import type { TestPostgres } from '../../server/test/support/postgres.ts';
import { endProgram, findFreePort } from '../../server/test/support/processes.ts';
import { startRedis } from '../../server/test/support/redis.ts';
import { type Dialect, plainDialect, socketIoDialect } from '../load/dialects.ts';
import type { Server } from '../load/fleet.ts';
import { CORES, cpuMs, pin, pinned, proportionalSetKiB } from '../support/machine.ts';
import { type Seeded, seedDatabase } from '../support/seed.ts';
import { SECRET } from '../support/tokens.ts';

export type TargetName = 'product' | 'cluster' | 'embedded' | 'naive' | 'insert' | 'socketio' | 'ws' | 'read';

/** Titles of the targets, as tables show them. */
export const TITLES: Readonly<Record<TargetName, string>> = {
  product: 'Parley on PostgreSQL',
  cluster: 'two nodes of Parley, with Redis',
  embedded: 'Parley on PGlite',
  naive: 'naive server',
  insert: 'Socket.IO and one INSERT',
  socketio: 'bare Socket.IO',
  ws: 'bare ws',
  read: 'node:http and one SELECT',
};

/** A running server to be measured. */
export interface Target extends Server {
  readonly name: TargetName;
  /** Milliseconds of processor time so far, of the server and of its database. */
  cpuMs(): number;
  proportionalSetKiB(): number;
  stop(): Promise<void>;
}

export interface TargetOptions {
  readonly postgres: TestPostgres;
  /** An empty folder of the run's own, for logs and data. */
  readonly folder: string;
  /** Fills the database before the server starts. */
  seed(database: Seeded): Promise<void>;
  /** For Node, before the program. */
  readonly nodeArgs?: readonly string[];
  /** Settings of the server beside the usual ones. */
  readonly env?: Readonly<Record<string, string>> | undefined;
}

const PROGRAMS: Readonly<Record<TargetName, string>> = {
  product: '../../server/src/main.ts',
  embedded: '../../server/src/main.ts',
  cluster: '../../server/src/main.ts',
  naive: '../naive/server.ts',
  insert: '../bare/insert.ts',
  socketio: '../bare/socketio.ts',
  ws: '../bare/ws.ts',
  read: '../bare/read.ts',
};

const DIALECTS: Readonly<Record<TargetName, Dialect>> = {
  product: socketIoDialect('ready'),
  embedded: socketIoDialect('ready'),
  cluster: socketIoDialect('ready'),
  naive: socketIoDialect('ready'),
  insert: socketIoDialect(null),
  socketio: socketIoDialect(null),
  ws: plainDialect,
  // Nothing is told there.
  read: plainDialect,
};

/** Makes the target's database, starts the server on the core that is measured, and resolves once it answers. */
export async function startTarget(name: TargetName, options: TargetOptions): Promise<Target> {
  const { postgres, folder } = options;
  const stored = name !== 'socketio' && name !== 'ws';
  const databaseUrl = stored && name !== 'embedded' ? await createDatabase(postgres, name) : undefined;
  const dataDir = join(folder, name);
  await rm(dataDir, { recursive: true, force: true });
  if (stored) await prepare({ databaseUrl, dataDir, seed: options.seed });
  const redis = name === 'cluster' ? await startRedis() : null;
  if (redis) pin(redis.pid, CORES.measured);
  const env = {
    ...options.env,
    DATA_DIR: dataDir,
    ...(databaseUrl !== undefined && { DATABASE_URL: databaseUrl }),
    ...(redis && { REDIS_URL: redis.url }),
  };
  const nodes: Node[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(nodes.map(({ child }) => endProgram(child, 'SIGTERM')));
    await redis?.stop();
  };
  try {
    for (let nth = 0; nth < (redis ? 2 : 1); nth += 1) {
      nodes.push(
        await startNode(name, { log: join(folder, `${name}-${nth}.log`), nodeArgs: options.nodeArgs ?? [], env }),
      );
    }
  } catch (error) {
    await stop();
    throw error;
  }
  const own = nodes.map(({ child }) => child.pid!);
  const pids = [...own, ...(databaseUrl === undefined ? [] : [postgres.pid]), ...(redis ? [redis.pid] : [])];
  return {
    name,
    ports: nodes.map(({ port }) => port),
    dialect: DIALECTS[name],
    // Its transactions end in the order of the numbers; what follows them in the process may not.
    keepsOrder: name !== 'naive',
    cpuMs: () => cpuMs(pids),
    proportionalSetKiB: () => own.reduce((sum, pid) => sum + proportionalSetKiB(pid), 0),
    stop,
  };
}

interface Node {
  readonly child: ChildProcess;
  readonly port: number;
}

/** Resolves once it answers. */
async function startNode(name: TargetName, how: StartOptions): Promise<Node> {
  const port = await findFreePort();
  const child = startServer(name, port, how);
  try {
    await untilAnswers(child, port);
    return { child, port };
  } catch (error) {
    await endProgram(child, 'SIGKILL');
    throw new Error(`${TITLES[name]} could not be started:\n${await readFile(how.log, 'utf8')}`, { cause: error });
  }
}

interface StartOptions {
  readonly log: string;
  readonly nodeArgs: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

async function createDatabase(postgres: TestPostgres, name: string): Promise<string> {
  await runOnServer(postgres.url, `DROP DATABASE IF EXISTS bench_${name} WITH (FORCE)`);
  await runOnServer(postgres.url, `CREATE DATABASE bench_${name}`);
  const url = new URL(postgres.url);
  url.pathname = `/bench_${name}`;
  return url.href;
}

async function prepare(options: {
  databaseUrl: string | undefined;
  dataDir: string;
  seed: TargetOptions['seed'];
}): Promise<void> {
  const database = await openDatabase({ ...options, logger: silentLogger });
  try {
    await seedDatabase({ prisma: database.prisma, databaseUrl: options.databaseUrl }, options.seed);
  } finally {
    await database.close();
  }
}

function startServer(name: TargetName, port: number, { log, nodeArgs, env }: StartOptions): ChildProcess {
  const program = fileURLToPath(new URL(PROGRAMS[name], import.meta.url));
  const flags = PROGRAMS[name] === PROGRAMS.product ? SERVER_FLAGS : [];
  const [command, ...args] = pinned(CORES.measured, [process.execPath, ...flags, ...nodeArgs, program]);
  const output = openSync(log, 'w');
  return spawn(command!, args, {
    stdio: ['ignore', output, output],
    env: {
      PATH: process.env.PATH,
      NODE_ENV: 'production',
      HOST: '127.0.0.1',
      PORT: String(port),
      JWT_SECRET: SECRET,
      // All features on; only the limits are out of the way.
      MESSAGE_RATE_LIMIT: '1000000000',
      RATE_LIMIT_FACTOR: '0',
      LOG_LEVEL: 'info',
      ...env,
    },
  });
}

async function untilAnswers(child: ChildProcess, port: number): Promise<void> {
  const ended = once(child, 'exit').then(() => Promise.reject(new Error('the server ended as it started')));
  const answers = async (): Promise<void> => {
    const deadline = performance.now() + 60_000;
    while (performance.now() < deadline) {
      const response = await fetch(`http://127.0.0.1:${port}/health/ready`).catch(() => null);
      await response?.arrayBuffer();
      // Whoever has no such page answers all the same.
      if (response && response.status < 500) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error('the server does not answer');
  };
  await Promise.race([answers(), ended]);
}
