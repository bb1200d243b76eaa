// `npm run check [types|lint|imports|unused …]`: all that can be said about the sources without running them.

import { CHECKS, runChecks } from './lib/checks.mjs';
import { Problem, runScript } from './lib/problem.mjs';
import { setUp } from './lib/setup.mjs';

await runScript(async () => {
  const names = process.argv.slice(2);
  const unknown = names.find((name) => !CHECKS.some((check) => check.name === name));
  if (unknown)
    throw new Problem(`There is no check ${unknown}.`, {
      advice: `There are: ${CHECKS.map((check) => check.name).join(', ')}.`,
    });
  await setUp({ web: false });
  const failed = await runChecks(names);
  if (failed.length > 0) process.exitCode = 1;
});
