import { defineConfig } from 'vitest/config';

// Files of `test` run twice: on the embedded database and on a PostgreSQL server, both with a Redis beside them.
const roads = {
  include: ['test/**/*.test.ts'],
  exclude: ['test/load/**', 'test/faults/**'],
  // For a loaded machine; no test waits for time to pass.
  testTimeout: 60_000,
  hookTimeout: 120_000,
  // A worker keeps its process: to load everything anew for each file took longer than a third of the tests. What they share
  // is code; each file has an app and a database of its own.
  isolate: false,
};
/** Several nodes need a database that they can share. */
const alone = [...roads.exclude, 'test/cluster/**'];
/** What is tested there never comes as far as the database, or asks it nothing that the other files do not: once is enough. */
const either = ['attachments-hostile', 'client-errors', 'socket-base'].map((name) => `test/contract/${name}.test.ts`);

export default defineConfig({
  test: {
    maxWorkers: 2,
    globalSetup: ['test/support/global-setup.ts'],
    projects: [
      { test: { name: 'unit', include: ['src/**/*.test.ts'] } },
      { test: { name: 'embedded', ...roads, exclude: alone, env: { PARLEY_TEST_DATABASE: 'embedded' } } },
      {
        test: {
          name: 'postgres',
          ...roads,
          exclude: [...roads.exclude, ...either],
          env: { PARLEY_TEST_DATABASE: 'postgres' },
        },
      },
      // Real processes that are killed; each test brings the databases it wants. One file at a time, after all others:
      // what is checked there has its deadlines (DLV-3), and a machine busy with other tests would miss them.
      {
        test: {
          name: 'faults',
          include: ['test/faults/**/*.test.ts'],
          hookTimeout: 120_000,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
