// `npm start`: makes ready what is missing, then becomes the server.

import { inRoot } from './lib/paths.mjs';
import { runScript } from './lib/problem.mjs';
import { become } from './lib/processes.mjs';
import { SERVER_FLAGS } from './lib/server-flags.mjs';
import { settingsFile, setUp } from './lib/setup.mjs';

await runScript(async () => {
  const node = await setUp();
  await become(node, [
    ...SERVER_FLAGS,
    ...settingsFile(),
    inRoot('server', 'src', 'main.ts'),
    ...process.argv.slice(2),
  ]);
});
