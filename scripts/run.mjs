// `node scripts/run.mjs FILE …`: runs one of the work tree's TypeScript programs with Node 24, after making it ready.

import { existsSync } from 'node:fs';
import { inRoot } from './lib/paths.mjs';
import { Problem, runScript } from './lib/problem.mjs';
import { become } from './lib/processes.mjs';
import { settingsFile, setUp } from './lib/setup.mjs';

await runScript(async () => {
  const [program = '', ...args] = process.argv.slice(2);
  const file = inRoot(program);
  if (!program || !existsSync(file))
    throw new Problem(`There is no program ${program || '(none named)'} in this work tree.`);
  const isProduct = program.startsWith('server/src/');
  const node = await setUp({ web: program === 'server/src/main.ts' });
  await become(node, [...(isProduct ? settingsFile() : []), file, ...args]);
});
