import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    name: 'browser',
    include: ['**/*.test.ts'],
    globalSetup: ['support/build.setup.ts'],
    // A loaded machine takes a while to start a database; nothing here waits for time to pass.
    testTimeout: 120_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 15_000 } },
    // Browsers and servers of several files at once, or beside other tests, would starve each other on a small machine.
    maxWorkers: 1,
    sequence: { groupOrder: 2 },
  },
});
