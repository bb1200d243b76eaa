import { defineConfig } from 'vitest/config';

// Files of `test` run twice: on the embedded database and on a PostgreSQL server, both with a Redis beside them.
const roads = {
  include: ['test/**/*.test.ts'],
  exclude: ['test/load/**', 'test/faults/**'],
  testTimeout: 20_000,
  hookTimeout: 60_000,
};

export default defineConfig({
  test: {
    maxWorkers: 2,
    globalSetup: ['test/support/global-setup.ts'],
    projects: [
      { test: { name: 'unit', include: ['src/**/*.test.ts'] } },
      { test: { name: 'embedded', ...roads, env: { PARLEY_TEST_DATABASE: 'embedded' } } },
      { test: { name: 'postgres', ...roads, env: { PARLEY_TEST_DATABASE: 'postgres' } } },
    ],
  },
});
