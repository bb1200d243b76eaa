// Everything that must be there before the product, its tests or its tools can run. Each part is made only when its
// sources have changed since; when nothing has, all of it takes some tens of milliseconds.

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname } from 'node:path';
import { fingerprint, readStamp, writeStamp } from './fingerprint.mjs';
import { withLock } from './lock.mjs';
import { installPackages, nodeBinary, npmEnvironment, packagesAreInstalled, prismaEnvironment } from './packages.mjs';
import { inRoot } from './paths.mjs';
import { diagnose, Problem } from './problem.mjs';
import { compileCache, run } from './processes.mjs';
import { dim, say, step } from './terminal.mjs';

const LOCK = inRoot('.cache', 'setup.lock');
const PRISMA_STAMP = inRoot('server', 'prisma', 'generated', '.made-from');
const WEB_STAMP = inRoot('apps', 'web', 'dist', '.made-from');

/**
 * Makes the work tree ready.
 * @param {{ web?: boolean }} [options] `web: false` leaves the web app unbuilt
 * @returns {Promise<string>} the Node 24 to run the product with
 * @throws {Problem}
 */
export async function setUp({ web = true } = {}) {
  if (!isReady(web)) await withLock(LOCK, (holdFor) => prepare(web, holdFor), tellWaiting);
  return /** @type {string} */ (nodeBinary());
}

/** The environment for programs of the work tree: its Node 24 and its tools come first, and Node keeps what it compiled. */
export function toolEnvironment() {
  const first = [dirname(/** @type {string} */ (nodeBinary())), inRoot('node_modules', '.bin')];
  return { ...process.env, ...compileCache(), PATH: [...first, process.env.PATH].join(delimiter) };
}

/** Does a package of the work tree have this npm script? @param {string} workspace @param {string} script */
export function hasScript(workspace, script) {
  const file = inRoot(workspace, 'package.json');
  return existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).scripts?.[script] !== undefined;
}

/** What Node is told so that it reads settings from `.env` at the root, if that is there; the environment goes before it. */
export function settingsFile() {
  const file = inRoot('.env');
  return existsSync(file) ? [`--env-file=${file}`] : [];
}

/** @param {boolean} web */
function isReady(web) {
  return packagesAreInstalled() && prismaClientIsCurrent() && (!web || webAppIsCurrent());
}

/** @param {boolean} web @param {(pid: number) => void} holdFor */
async function prepare(web, holdFor) {
  if (!packagesAreInstalled()) await installPackages(holdFor);
  if (!prismaClientIsCurrent()) await step('Generating the database client', generatePrismaClient);
  if (web && !webAppIsCurrent()) await step('Building the web app', buildWebApp);
}

function prismaClientIsCurrent() {
  return readStamp(PRISMA_STAMP) === prismaKey();
}

function prismaKey() {
  return fingerprint(
    ['server/prisma/schema.prisma', 'server/prisma.config.ts', 'package-lock.json'].map((path) => inRoot(path)),
  );
}

async function generatePrismaClient() {
  const key = prismaKey();
  const prisma = createRequire(inRoot('server', 'package.json')).resolve('prisma/build/index.js');
  const { code, output } = await run(/** @type {string} */ (nodeBinary()), [prisma, 'generate'], {
    cwd: inRoot('server'),
    env: { ...toolEnvironment(), ...prismaEnvironment() },
  });
  if (code !== 0) throw diagnose('Generating the database client', output);
  writeStamp(PRISMA_STAMP, key);
}

function webAppIsCurrent() {
  return !hasScript('apps/web', 'build') || readStamp(WEB_STAMP) === webKey();
}

function webKey() {
  return fingerprint(['apps/web', 'packages', 'package-lock.json'].map((path) => inRoot(path)));
}

async function buildWebApp() {
  const key = webKey();
  const { code, output } = await run('npm', ['run', 'build', '--workspace', 'apps/web'], {
    cwd: inRoot(),
    // npm puts the work tree's Node 24 before the system's for the scripts that it runs.
    env: { ...npmEnvironment(), NODE_ENV: 'production' },
  });
  if (code !== 0) throw diagnose('Building the web app', output);
  if (!existsSync(dirname(WEB_STAMP)))
    throw new Problem('Building the web app left nothing in apps/web/dist.', { output });
  writeStamp(WEB_STAMP, key);
}

/** @param {number} pid */
function tellWaiting(pid) {
  say(dim(`Another setup is under way (process ${pid}); waiting for it to finish.`));
}
