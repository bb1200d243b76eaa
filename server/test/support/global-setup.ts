import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { openDatabase } from '../../src/infrastructure/database.ts';
import { runOnServer, TEMPLATE_DATABASE } from './database.ts';
import { silentLogger } from './logger.ts';
import { startPostgres } from './postgres.ts';
import { startRedis } from './redis.ts';

/**
 * Once for the whole run, whichever of the projects are in it: one PostgreSQL, one Redis, and a migrated template of either
 * kind of database. Their places are told to the tests by environment variables; the servers are ended by their process
 * ids when the run is over. The project `unit` needs none of it and must start what it wants by itself.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  // Tests of pure code start at once.
  if (project.vitest.projects.every(({ name }) => name === 'unit')) return () => Promise.resolve();
  const { env, stop } = await startServers();
  Object.assign(process.env, env);
  return stop;
}

type Servers = { env: Record<string, string>; stop(): Promise<void> };

async function startServers(): Promise<Servers> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-template-'));
  const stops: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
  const stop = async (): Promise<void> => {
    await Promise.all(stops.map((end) => end()));
  };
  try {
    const [redis, postgres] = await Promise.all(
      [startRedis(), startPostgres()].map(async (starting) => {
        const server = await starting;
        stops.push(() => server.stop());
        return server;
      }),
    );
    await makeTemplates(postgres!.url, folder);
    return {
      env: {
        PARLEY_TEST_REDIS_URL: redis!.url,
        PARLEY_TEST_POSTGRES_URL: postgres!.url,
        PARLEY_TEST_EMBEDDED_TEMPLATE: join(folder, 'pglite'),
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function makeTemplates(postgresUrl: string, dataDir: string): Promise<void> {
  await runOnServer(postgresUrl, `CREATE DATABASE ${TEMPLATE_DATABASE}`);
  const url = new URL(postgresUrl);
  url.pathname = `/${TEMPLATE_DATABASE}`;
  for (const databaseUrl of [url.href, undefined]) {
    const database = await openDatabase({ databaseUrl, dataDir, logger: silentLogger });
    await database.close();
  }
}
