import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { runServer } from './server.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The data of a server that was started and ended once: to make a database takes longer than to copy one. */
    emptyData: string;
  }
}

/** Makes the data that every server of the tests begins with. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-e2e-empty-'));
  const end = await runServer({ PORT: '0', DATA_DIR: folder });
  await end('SIGTERM');
  project.provide('emptyData', folder);
  return () => rm(folder, { recursive: true, force: true });
}
