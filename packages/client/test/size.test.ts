import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';
import { expect, test } from 'vitest';

/** Kilobytes, gzipped, beyond `socket.io-client`: the budget of the SDK. */
const BUDGET = 25;

test(`the built SDK has at most ${BUDGET} kB gzipped beyond socket.io-client, and no zod`, {
  timeout: 60_000,
}, async () => {
  const result = await build({
    configFile: false,
    logLevel: 'silent',
    build: {
      write: false,
      minify: true,
      target: 'es2022',
      lib: { entry: fileURLToPath(new URL('../src/index.ts', import.meta.url)), formats: ['es'] },
      rollupOptions: { external: ['socket.io-client'] },
    },
  });
  const [output] = [result].flat();
  if (output === undefined || !('output' in output)) throw new Error('Nothing was built.');
  const code = output.output.map((chunk) => ('code' in chunk ? chunk.code : '')).join('\n');
  const size = gzipSync(code, { level: 9 }).length / 1000;
  expect(code).not.toMatch(/ZodError|zod/);
  expect(code.match(/from\s*["'][^"']+["']/g) ?? []).toEqual([expect.stringContaining('socket.io-client')]);
  expect(size).toBeLessThanOrEqual(BUDGET);
});
