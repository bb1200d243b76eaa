import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    name: 'browser',
    include: ['**/*.test.ts'],
    globalSetup: ['support/build.setup.ts', 'support/data.setup.ts'],
    setupFiles: ['support/failure.setup.ts'],
    // A loaded machine takes a while to start a database; nothing here waits for time to pass.
    testTimeout: 120_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 15_000 } },
    // Two files at once, which wait more than they work, and nothing beside them: more would starve each other.
    maxWorkers: 2,
    sequence: { groupOrder: 2 },
  },
});
