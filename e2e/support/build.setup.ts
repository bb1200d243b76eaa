import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/**
 * The page must be there as it is served: built, once, before the first test. A process of its own, since a test runner's
 * environment makes another build. `E2E_KEEP_BUILD=1` takes the one that is there.
 */
export async function setup(): Promise<void> {
  const web = fileURLToPath(new URL('../../apps/web/', import.meta.url));
  if (process.env.E2E_KEEP_BUILD === '1' && existsSync(`${web}dist/index.html`)) return;
  const vite = join(dirname(createRequire(`${web}package.json`).resolve('vite/package.json')), 'bin', 'vite.js');
  const env = { PATH: process.env.PATH, NODE_ENV: 'production' };
  await promisify(execFile)(process.execPath, [vite, 'build', '--logLevel', 'error'], { cwd: web, env });
}
