// `npm run setup`: makes ready what is missing, and nothing more.

import { runScript } from './lib/problem.mjs';
import { setUp } from './lib/setup.mjs';
import { say } from './lib/terminal.mjs';

await runScript(async () => {
  await setUp();
  say('Ready. `npm start` runs the server, `npm test` the tests.');
});
