import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { inject } from 'vitest';
import { findFreePort } from '../../server/test/support/processes.ts';

const MAIN = process.env.E2E_SERVER_MAIN ?? fileURLToPath(new URL('../../server/src/main.ts', import.meta.url));

/** A server of one's own: a process with an embedded database in a folder of its own, on a port of its own. */
export interface TestServer {
  readonly url: string;
  /** `kill -9`: nothing is finished, nothing is said. */
  kill(): Promise<void>;
  /** Starts it again on the same port and data. */
  start(): Promise<void>;
  /** Ends it and deletes its data. */
  stop(): Promise<void>;
}

/** Starts one. `env` is on top of settings that let tests go fast. */
export async function startServer(env: Readonly<Record<string, string>> = {}): Promise<TestServer> {
  const port = await findFreePort();
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-e2e-'));
  // A thousand small files: Node's asynchronous copy takes three times as long as this one.
  cpSync(inject('emptyData'), dataDir, { recursive: true });
  let end: Awaited<ReturnType<typeof runServer>> | null = null;

  const server: TestServer = {
    url: `http://127.0.0.1:${port}`,
    async start() {
      end = await runServer({ PORT: String(port), DATA_DIR: dataDir, ...env });
    },
    async kill() {
      await end?.('SIGKILL');
      end = null;
    },
    async stop() {
      await server.kill();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
  await server.start();
  return server;
}

/** Runs the server until it is ready. Answers how to end it, which resolves once it has ended. */
export async function runServer(
  env: Readonly<Record<string, string>>,
): Promise<(signal: NodeJS.Signals) => Promise<void>> {
  const child = spawn(process.execPath, [MAIN], {
    env: {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      MESSAGE_RATE_LIMIT: '1000000',
      RATE_LIMIT_FACTOR: '0',
      LOG_LEVEL: 'info',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await ready(child);
  return async (signal) => {
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  };
}

/** Waits for the line that says it is ready; its output is read to the end, so that it never blocks. */
async function ready(child: ChildProcess): Promise<void> {
  const lines = createInterface({ input: child.stdout! });
  const heard: string[] = [];
  await new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => {
      heard.push(line);
      if (line.includes('is ready at')) resolve();
    });
    child.once('exit', (code) => reject(new Error(`The server ended with ${code}:\n${heard.slice(-20).join('\n')}`)));
  });
  lines.removeAllListeners('line');
  lines.on('line', () => {});
}

/** Calls the API as a person. */
export async function call<T>(
  server: TestServer,
  token: string | null,
  method: string,
  path: string,
  body?: unknown,
): Promise<T> {
  const response = await fetch(`${server.url}/api/messaging/v1${path}`, {
    method,
    headers: {
      ...(token && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return response.status === 204 ? (null as T) : ((await response.json()) as T);
}
