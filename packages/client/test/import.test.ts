import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

describe('server-side rendering', () => {
  test('importing and creating a client needs no window and starts nothing', () => {
    const entry = fileURLToPath(new URL('../src/index.ts', import.meta.url));
    const script = `
      const before = Object.keys(globalThis).length;
      const { createParleyClient } = await import(${JSON.stringify(entry)});
      const client = createParleyClient({ url: 'http://127.0.0.1:1', token: 'none' });
      if (typeof window !== 'undefined' || typeof document !== 'undefined') throw new Error('There is a window.');
      if (Object.keys(globalThis).length !== before) throw new Error('A global was added.');
      process.stdout.write(client.snapshot.connection.status);
    `;
    // That the process ends by itself shows that no timer and no connection was started.
    const out = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      timeout: 30_000,
    });
    expect(out).toBe('idle');
  });
});
