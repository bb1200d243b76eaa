// The programs that tests need beside Node: a PostgreSQL, a Redis, a balancer, a virus scanner
// and a Chromium of their own to start and to kill.
// Where they are missing, Debian as root gets them from its packages; anybody else is told what to install.

import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { diagnose, Problem } from './problem.mjs';
import { run } from './processes.mjs';
import { step } from './terminal.mjs';

/** @typedef {{ what: string, variable?: string, programs: string[], folders: () => string[], debian: string, homebrew: string }} Tool */

/** @type {Tool[]} */
const TOOLS = [
  {
    what: 'PostgreSQL 15 or newer (the server programs)',
    programs: ['postgres'],
    folders: () => [...newestFirst('/usr/lib/postgresql'), ...homebrew('postgresql@17'), ...homebrew('postgresql@16')],
    debian: 'postgresql',
    homebrew: 'postgresql@17',
  },
  {
    what: 'Redis 7 or newer, or Valkey',
    programs: ['redis-server', 'valkey-server'],
    folders: () => homebrew('redis'),
    debian: 'redis-server',
    homebrew: 'redis',
  },
  {
    what: 'HAProxy',
    programs: ['haproxy'],
    folders: () => ['/usr/sbin', ...homebrew('haproxy')],
    debian: 'haproxy',
    homebrew: 'haproxy',
  },
  {
    what: 'ClamAV',
    programs: ['clamd'],
    folders: () => ['/usr/sbin', ...homebrew('clamav', 'sbin')],
    debian: 'clamav-daemon',
    homebrew: 'clamav',
  },
  {
    what: 'Chromium',
    variable: 'CHROMIUM_PATH',
    programs: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'Google Chrome'],
    folders: () => ['/Applications/Google Chrome.app/Contents/MacOS'],
    debian: 'chromium',
    homebrew: '--cask chromium',
  },
];

/**
 * Makes sure that the tools are there.
 * @returns {Promise<Record<string, string>>} what to add to the environment of tests: a `PATH` on which PostgreSQL's and
 *   Redis's programs are, and `CHROMIUM_PATH`
 * @throws {Problem} naming what to install
 */
export async function provideTools() {
  const missing = TOOLS.filter((tool) => !find(tool));
  if (missing.length > 0) await install(missing);
  const stillMissing = TOOLS.filter((tool) => !find(tool));
  if (stillMissing.length > 0) throw tellWhatToInstall(stillMissing);

  const folders = TOOLS.flatMap((tool) => find(tool)?.folder ?? []);
  const path = [...folders, ...searchPath()].filter((folder, index, all) => all.indexOf(folder) === index);
  const named = TOOLS.flatMap((tool) => (tool.variable ? [[tool.variable, find(tool)?.file ?? '']] : []));
  return { PATH: path.join(delimiter), ...Object.fromEntries(named) };
}

/** @param {Tool} tool @returns {{ folder: string, file: string } | undefined} */
function find({ variable, programs, folders }) {
  const given = variable && process.env[variable];
  if (given && isProgram(given)) return { folder: join(given, '..'), file: given };
  const places = [...searchPath(), ...folders()].flatMap((folder) =>
    programs.map((name) => ({ folder, file: join(folder, name) })),
  );
  return places.find(({ file }) => isProgram(file));
}

function searchPath() {
  return (process.env.PATH ?? '').split(delimiter).filter(Boolean);
}

/** @param {string} file */
function isProgram(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** @param {Tool[]} missing */
async function install(missing) {
  if (!existsSync('/usr/bin/apt-get') || process.getuid?.() !== 0) return;
  // RUNLEVEL=1: the packages shall not start services of their own; tests start theirs.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  await step('Refreshing the list of system packages', () => aptGet(['update'], env));
  for (const { debian } of missing) {
    await step(`Installing ${debian} (for tests)`, () =>
      aptGet(['install', '--yes', '--no-install-recommends', debian], env),
    );
  }
}

/** @param {string[]} args @param {NodeJS.ProcessEnv} env */
async function aptGet(args, env) {
  const { code, output } = await run('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=300', ...args], { env });
  if (code !== 0) throw diagnose(`apt-get ${args.join(' ')}`, output);
}

/** @param {Tool[]} missing */
function tellWhatToInstall(missing) {
  const command =
    process.platform === 'darwin'
      ? missing.map((tool) => `brew install ${tool.homebrew}`).join(' && ')
      : `sudo apt-get update && sudo apt-get install ${missing.map((tool) => tool.debian).join(' ')}   (Debian, Ubuntu; elsewhere the packages of these names)`;
  return new Problem(`Tests need ${missing.map((tool) => tool.what).join(', ')}.`, { advice: command });
}

/** @param {string} parent a folder with one folder for each version */
function newestFirst(parent) {
  if (!existsSync(parent)) return [];
  return readdirSync(parent)
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(parent, version, 'bin'));
}

/** @param {string} formula @param {string} [folder] */
function homebrew(formula, folder = 'bin') {
  return [`/opt/homebrew/opt/${formula}/${folder}`, `/usr/local/opt/${formula}/${folder}`];
}
