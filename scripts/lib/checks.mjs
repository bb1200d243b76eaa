// The checks of the sources: types, lint, imports, unused code.

import { existsSync, readdirSync } from 'node:fs';
import { inRoot, LOCAL_NODE } from './paths.mjs';
import { run } from './processes.mjs';
import { toolEnvironment } from './setup.mjs';
import { say, step } from './terminal.mjs';

/** @typedef {{ name: string, title: string, commands: () => [string, ...string[]][] }} Check */

/** @type {Check[]} */
export const CHECKS = [
  { name: 'types', title: 'Types', commands: () => typedFolders().map((folder) => ['tsc', '--project', folder]) },
  { name: 'lint', title: 'Lint and format', commands: () => [['biome', 'check', '--error-on-warnings', '.']] },
  { name: 'imports', title: 'Import rules', commands: () => [['node', 'scripts/check-imports.ts']] },
  { name: 'unused', title: 'Unused code', commands: () => [['knip', '--no-progress', '--no-config-hints']] },
];

/**
 * Runs checks one after the other and shows what the failed ones print.
 * @param {string[]} [names] all of them when empty
 * @returns {Promise<string[]>} the names of those that failed
 */
export async function runChecks(names = []) {
  const failed = [];
  for (const check of CHECKS) {
    if (names.length > 0 && !names.includes(check.name)) continue;
    try {
      await step(check.title, () => runCheck(check));
    } catch (error) {
      if (!(error instanceof CheckFailure)) throw error;
      say(error.message);
      failed.push(check.name);
    }
  }
  return failed;
}

class CheckFailure extends Error {}

/** @param {Check} check */
async function runCheck({ commands }) {
  const outputs = [];
  for (const [tool, ...args] of commands()) {
    const file = tool === 'node' ? LOCAL_NODE : inRoot('node_modules', '.bin', tool);
    const { code, output } = await run(file, args, { cwd: inRoot(), env: toolEnvironment() });
    if (code !== 0) outputs.push(output.trim() || `${tool} ${args.join(' ')} ended with code ${code}`);
  }
  if (outputs.length > 0) throw new CheckFailure(outputs.join('\n\n'));
}

/** Every folder of the work tree that has a tsconfig.json of its own. */
function typedFolders() {
  const folders = ['packages', 'apps'].flatMap((parent) =>
    readdirSync(inRoot(parent)).map((name) => `${parent}/${name}`),
  );
  return ['.', 'scripts', 'server', 'bench', 'e2e', ...folders].filter((folder) =>
    existsSync(inRoot(folder, 'tsconfig.json')),
  );
}
