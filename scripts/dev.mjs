// `npm run dev`: the server, restarted when its sources change, and the web app, rebuilt when its own do.
// One Ctrl-C ends both; when one of them ends by itself, so does the other.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { inRoot } from './lib/paths.mjs';
import { runScript } from './lib/problem.mjs';
import { endGroup, exitCodeOf, onSignal } from './lib/processes.mjs';
import { hasScript, settingsFile, setUp, toolEnvironment } from './lib/setup.mjs';
import { dim, say } from './lib/terminal.mjs';

await runScript(async () => {
  const node = await setUp();
  const programs = [watchServer(node), ...watchWebApp()];
  let stopping = false;
  const stop = () => {
    if (stopping) return; // npm passes on the Ctrl-C that the terminal has sent us already
    stopping = true;
    for (const program of programs) endGroup(program);
  };
  onSignal(stop);

  const endings = programs.map((program) => once(program, 'close'));
  const [code, signal] = await Promise.race(endings);
  stop();
  await Promise.all(endings);
  process.exitCode = exitCodeOf(code, signal);
});

/** @param {string} node */
function watchServer(node) {
  const args = [
    '--watch',
    '--watch-preserve-output',
    ...settingsFile(),
    inRoot('server', 'src', 'main.ts'),
    ...process.argv.slice(2),
  ];
  // A group of its own: the terminal's Ctrl-C comes to us alone, and we end everything in order, once.
  return spawn(node, args, {
    cwd: inRoot(),
    env: toolEnvironment(),
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
  });
}

/** The page's own development server where it has one (script `dev`), else a build that repeats itself. */
function watchWebApp() {
  const script = ['dev', 'build'].find((name) => hasScript('apps/web', name));
  if (!script) return [];
  const args = ['run', script, '--workspace', 'apps/web', ...(script === 'build' ? ['--', '--watch'] : [])];
  const program = spawn('npm', args, {
    cwd: inRoot(),
    env: { ...toolEnvironment(), FORCE_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  for (const stream of [program.stdout, program.stderr]) {
    if (stream) createInterface({ input: stream }).on('line', (line) => say(`${dim('web |')} ${line}`));
  }
  return [program];
}
