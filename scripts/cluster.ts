// `npm run cluster`: several nodes behind a balancer on this machine, from installed programs, without containers.
//
//   npm run cluster -- --nodes=3 --port=3000
//
// PostgreSQL keeps its data in data/cluster; Redis keeps nothing. What ends by itself is started again, so a node may be
// killed to see what happens. Ctrl-C ends everything in order; a second one ends it at once.
import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, chownSync, constants, existsSync, mkdirSync, openSync, readdirSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { renderBalancer } from './lib/balancer.ts';
import { inRoot } from './lib/paths.mjs';
import { Problem, runScript } from './lib/problem.mjs';
import { onSignal } from './lib/processes.mjs';
import { SERVER_FLAGS } from './lib/server-flags.mjs';
import { settingsFile, setUp } from './lib/setup.mjs';
import { bold, dim, green, red, say, step } from './lib/terminal.mjs';

const FOLDER = inRoot('data', 'cluster');
const LOGS = join(FOLDER, 'logs');

/** What is asked until it answers, before it counts as started. */
type Ready = () => Promise<boolean>;

interface Part {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly options?: SpawnOptions;
  readonly endSignal: NodeJS.Signals;
  readonly ready: Ready;
}

interface Options {
  readonly nodes: number;
  readonly port: number;
}

const START_PATIENCE_MS = 60_000;
const END_PATIENCE_MS = 15_000;
const MOST_NODES = 16;

async function main(): Promise<void> {
  const options = readOptions();
  const programs = findPrograms();
  await setUp();
  await mustBeFree(options.port);
  const cluster: Supervised[] = [];
  const ending = endOnSignal(cluster);
  try {
    await startAll(options, programs, cluster);
    say();
    say(`${green('✓')} ${bold(`Parley is ready at http://localhost:${options.port}`)}`);
    say(
      dim(`  ${options.nodes} nodes behind a balancer. Logs: ${LOGS}. Kill a node and it comes back; Ctrl-C ends all.`),
    );
  } catch (error) {
    if (!ending.begun()) {
      await endAll(cluster);
      throw error;
    }
  }
  await ending.done;
}

function readOptions(): Options {
  const { values } = parseArgs({ options: { nodes: { type: 'string' }, port: { type: 'string' } } });
  const nodes = Number(values.nodes ?? 2);
  const port = Number(values.port ?? process.env.PORT ?? 3000);
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > MOST_NODES) {
    throw new Problem(`--nodes must be from 1 to ${MOST_NODES}.`);
  }
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Problem('--port must be from 1 to 65535.');
  return { nodes, port };
}

interface Programs {
  readonly initdb: string;
  readonly postgres: string;
  readonly redis: string;
  readonly balancer: string;
}

function findPrograms(): Programs {
  const versions = existsSync('/usr/lib/postgresql') ? readdirSync('/usr/lib/postgresql') : [];
  const newest = versions.sort((a, b) => Number(b) - Number(a)).map((name) => `/usr/lib/postgresql/${name}/bin`);
  const folders = [
    ...(process.env.PATH ?? '').split(delimiter),
    ...newest,
    '/usr/sbin',
    '/usr/local/sbin',
    '/opt/homebrew/bin',
    '/opt/homebrew/opt/postgresql@17/bin',
  ];
  const find = (...names: string[]) =>
    folders.flatMap((folder) => names.map((name) => join(folder, name))).find((file) => isProgram(file));
  const found = {
    initdb: find('initdb'),
    postgres: find('postgres'),
    redis: find('redis-server', 'valkey-server'),
    balancer: find('haproxy'),
  };
  const packages = { postgresql: found.postgres && found.initdb, 'redis-server': found.redis, haproxy: found.balancer };
  const missing = Object.entries(packages).flatMap(([name, file]) => (file ? [] : [name]));
  if (missing.length > 0) {
    throw new Problem(`Not found: ${missing.join(', ')}.`, {
      advice: `sudo apt-get update && sudo apt-get install --no-install-recommends ${missing.join(' ')}   (Debian, Ubuntu; elsewhere the packages of these names)`,
    });
  }
  return found as Programs;
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function startAll({ nodes, port }: Options, programs: Programs, cluster: Supervised[]): Promise<void> {
  mkdirSync(LOGS, { recursive: true });
  const [databasePort = 0, redisPort = 0, ...nodePorts] = await findFreePorts(nodes + 2);
  const start = async (part: Part) => {
    const supervised = new Supervised(part);
    cluster.push(supervised);
    await step(`Starting ${part.name}`, () => supervised.start());
  };

  const databaseUrl = `postgres://postgres@127.0.0.1:${databasePort}/postgres`;
  const database = await step('Preparing PostgreSQL', () => prepareDatabase(programs.initdb));
  await start({
    name: 'postgres',
    program: programs.postgres,
    args: [
      ...['-D', database.folder, '-p', String(databasePort)],
      ...['-c', 'listen_addresses=127.0.0.1', '-c', `unix_socket_directories=${database.home}`],
    ],
    options: { ...database.ids, cwd: database.home },
    // Ends the sessions that are left instead of waiting for them.
    endSignal: 'SIGINT',
    ready: () => answersQueries(databaseUrl),
  });
  await start({
    name: 'redis',
    program: programs.redis,
    args: ['--bind', '127.0.0.1', '--port', String(redisPort), '--save', '', '--appendonly', 'no', '--dir', LOGS],
    endSignal: 'SIGTERM',
    ready: () => answersTcp(redisPort),
  });
  // One after the other: the first one migrates, and what it says about it is easy to find.
  for (const [index, nodePort] of nodePorts.entries()) {
    await start({
      name: `node-${index + 1}`,
      program: process.execPath,
      args: [...SERVER_FLAGS, ...settingsFile(), inRoot('server', 'src', 'main.ts')],
      options: {
        env: {
          ...process.env,
          HOST: '127.0.0.1',
          PORT: String(nodePort),
          DATABASE_URL: databaseUrl,
          REDIS_URL: `redis://127.0.0.1:${redisPort}`,
          DATA_DIR: FOLDER,
          TRUST_PROXY: 'loopback',
        },
      },
      endSignal: 'SIGTERM',
      ready: () => answersReady(nodePort),
    });
  }
  const config = join(FOLDER, 'haproxy.cfg');
  const places = { bind: `127.0.0.1:${port}`, nodes: nodePorts.map((nodePort) => `127.0.0.1:${nodePort}`) };
  writeFileSync(config, renderBalancer(places));
  await start({
    name: 'balancer',
    program: programs.balancer,
    args: ['-db', '-f', config],
    endSignal: 'SIGTERM',
    ready: () => answersReady(port),
  });
}

interface DatabasePlace {
  readonly home: string;
  readonly folder: string;
  /** Whom PostgreSQL runs as, when we are root, whom it refuses. */
  readonly ids: { uid: number; gid: number } | undefined;
}

async function prepareDatabase(initdb: string): Promise<DatabasePlace> {
  const home = join(FOLDER, 'postgres');
  const folder = join(home, 'data');
  const ids = process.getuid?.() === 0 ? idsOf('postgres') : undefined;
  mkdirSync(home, { recursive: true });
  if (ids) chownSync(home, ids.uid, ids.gid);
  if (existsSync(join(folder, 'PG_VERSION'))) return { home, folder, ids };
  try {
    execFileSync(
      initdb,
      ['-D', folder, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-instructions'],
      { ...ids, cwd: home, stdio: 'pipe' },
    );
  } catch (error) {
    throw new Problem('The database could not be made.', {
      output: error instanceof Error ? error.message : String(error),
      advice: ids
        ? `The user postgres must be able to reach ${home}. Running this as an ordinary user avoids that.`
        : `Look at ${home}.`,
    });
  }
  return { home, folder, ids };
}

function idsOf(user: string): { uid: number; gid: number } {
  const id = (flag: string): number => Number(execFileSync('id', [flag, user]).toString());
  return { uid: id('-u'), gid: id('-g') };
}

/** A program that is started again when it ends without being told to. */
class Supervised {
  readonly name: string;
  readonly #part: Part;
  #child: ChildProcess | null = null;
  #ending = false;
  #restarts = 0;

  constructor(part: Part) {
    this.name = part.name;
    this.#part = part;
  }

  /** Resolves once it answers. */
  async start(): Promise<void> {
    const child = this.#spawn();
    const deadline = Date.now() + START_PATIENCE_MS;
    while (!(await this.#part.ready())) {
      if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
        throw new Problem(`${this.name} did not start.`, { advice: `What it said stands in ${this.#log}.` });
      }
      await sleep(100);
    }
    // From here on: before that, its end is a failure to start.
    this.#watch(child);
  }

  /** Ends it in its own way, or by force after a while. */
  async end(): Promise<void> {
    this.#ending = true;
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(this.#part.endSignal);
    const force = setTimeout(() => child.kill('SIGKILL'), END_PATIENCE_MS);
    await ended;
    clearTimeout(force);
  }

  kill(): void {
    this.#ending = true;
    this.#child?.kill('SIGKILL');
  }

  get #log(): string {
    return join(LOGS, `${this.name}.log`);
  }

  #spawn(): ChildProcess {
    const { program, args, options } = this.#part;
    const log = openSync(this.#log, 'a');
    // A group of its own: the terminal's Ctrl-C comes to us, who end everything in order.
    const child = spawn(program, args, { ...options, detached: true, stdio: ['ignore', log, log] });
    child.on('error', (error) => say(`${red('✗')} ${this.name}: ${error.message}`));
    this.#child = child;
    endWithUs(child, this.#part.endSignal);
    return child;
  }

  #watch(child: ChildProcess): void {
    const again = async (): Promise<void> => {
      if (this.#ending) return;
      const { exitCode, signalCode, pid } = child;
      say(`${red('✗')} ${this.name} (process ${pid}) ended (${signalCode ?? exitCode}); starting it again`);
      // The first time at once; one that keeps failing does not keep the machine busy.
      await sleep(Math.min(this.#restarts++ * 500, 5_000));
      if (this.#ending) return;
      try {
        await this.start();
        say(`${green('✓')} ${this.name} is back`);
      } catch (error) {
        say(`${red('✗')} ${error instanceof Error ? error.message : String(error)}`);
        if (!this.#ending) this.#watch(this.#child!);
      }
    };
    if (child.exitCode !== null || child.signalCode !== null) void again();
    else child.once('exit', () => void again());
  }
}

/** However this process ends, a kill included, the pipe to the guard closes then, and the guard ends the program. */
function endWithUs(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  const guard = spawn('sh', ['-c', `read -r _; kill -${signal.slice(3)} ${child.pid}`], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  guard.unref();
  (guard.stdin as Socket).unref();
  child.once('exit', () => guard.kill('SIGKILL'));
}

function endOnSignal(cluster: readonly Supervised[]): { begun(): boolean; done: Promise<void> } {
  const done = Promise.withResolvers<void>();
  let begun = 0;
  const forget = onSignal(() => {
    // The one key press may come twice: from the terminal, and passed on by whoever started us.
    if (begun && Date.now() - begun < 1_000) return;
    if (begun) {
      for (const part of cluster) part.kill();
      process.exit(1);
    }
    begun = Date.now();
    say();
    endAll(cluster).then(() => {
      forget();
      done.resolve();
    }, done.reject);
  });
  return { begun: () => begun > 0, done: done.promise };
}

/** The other way round than they were started, the nodes together: whoever needs something is gone before it. */
async function endAll(cluster: readonly Supervised[]): Promise<void> {
  const nodes = cluster.filter(({ name }) => name.startsWith('node-'));
  const others = cluster.filter((part) => !nodes.includes(part)).reverse();
  if (nodes.length > 0) {
    await step(`Ending ${nodes.length} nodes`, async () => {
      await Promise.all(nodes.map((node) => node.end()));
    });
  }
  for (const part of others) await step(`Ending ${part.name}`, () => part.end());
}

async function mustBeFree(port: number): Promise<void> {
  if (!(await answersTcp(port))) return;
  throw new Problem(`Port ${port} is taken.`, { advice: 'End what listens there, or name another one: --port=3100' });
}

async function findFreePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  return Promise.all(
    servers.map(async (server) => {
      const address = server.address();
      server.close();
      await once(server, 'close');
      if (address === null || typeof address === 'string') throw new Error('no port');
      return address.port;
    }),
  );
}

async function answersTcp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** A server that recovers listens already, but answers nothing yet. */
async function answersQueries(databaseUrl: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: databaseUrl });
  try {
    await client.connect();
    await client.query('SELECT 1');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function answersReady(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/health/ready`)).ok;
  } catch {
    return false;
  }
}

// Last, since classes are there only once the lines above them have run.
await runScript(main);
