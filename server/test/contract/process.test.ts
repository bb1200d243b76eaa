import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** The server as a process of its own, with these variables and no others of the project. */
function start(env: Record<string, string | undefined>) {
  const child = spawn(process.execPath, [MAIN], {
    env: {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      HOST: '127.0.0.1',
      PORT: '0',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  const ready = new Promise<string>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line);
      const address = /Parley is ready at (http:[^"]+)/.exec(line)?.[1];
      if (address) resolve(address);
    });
  });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const exit = once(child, 'close').then(([code]) => ({ code: code as number | null, errors, lines }));
  return { child, ready, exit, lines };
}

async function withDatabase(use: (database: TestDatabase, env: Record<string, string | undefined>) => Promise<void>) {
  const database = await createTestDatabase();
  try {
    await use(database, { DATABASE_URL: database.databaseUrl, DATA_DIR: database.dataDir });
  } finally {
    await database.drop();
  }
}

describe('the process', () => {
  it('lists every bad value and exits with 1', async () => {
    const { code, errors } = await start({ NODE_ENV: 'production', PORT: 'x', LOG_LEVEL: 'loud' }).exit;
    expect(code).toBe(1);
    for (const name of ['PORT', 'LOG_LEVEL', 'JWT_SECRET']) expect(errors).toContain(name);
  });

  it('says loudly that anybody can sign in, serves, and ends in order on SIGTERM', () =>
    withDatabase(async (_database, env) => {
      const server = start(env);
      const address = await server.ready;
      expect(server.lines.filter((line) => line.includes('GUEST MODE'))).toHaveLength(1);
      expect((await fetch(`${address}/health/ready`)).status).toBe(200);
      server.child.kill('SIGTERM');
      const { code, lines, errors } = await server.exit;
      expect({ code, errors }).toEqual({ code: 0, errors: '' });
      expect(lines.every((line) => typeof JSON.parse(line) === 'object')).toBe(true);
      expect(lines.at(-1)).toContain('stopped');
    }));

  it('ends with 1 when its port is taken, and leaves the database whole', () =>
    withDatabase(async (database, env) => {
      const taken = createServer();
      await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
      const { port } = taken.address() as AddressInfo;
      const { code, lines } = await start({ ...env, PORT: String(port) }).exit;
      expect(code).toBe(1);
      expect(lines.some((line) => line.includes('EADDRINUSE'))).toBe(true);
      taken.close();
      const opened = await database.open();
      await opened.ping();
      await opened.close();
    }));
});
