// The installed packages: are they all there, and are they those of the lock file?

import { accessSync, constants, existsSync, lstatSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { delimiter } from 'node:path';
import { fingerprint, readStamp, writeStamp } from './fingerprint.mjs';
import { inRoot, LOCAL_NODE } from './paths.mjs';
import { diagnose, Problem } from './problem.mjs';
import { run } from './processes.mjs';
import { step } from './terminal.mjs';

/** @typedef {{ version?: string, integrity?: string, link?: boolean, optional?: boolean, devOptional?: boolean, peer?: boolean, os?: string[], cpu?: string[], libc?: string[] }} LockEntry */

const STAMP = inRoot('node_modules', '.parley-setup', 'install');
const INSTALLED_LOCK = inRoot('node_modules', '.package-lock.json');
const NODE_MAJOR = 24;
const COUNT_EVERY_MS = 500;
const TOP_LEVEL = /^node_modules\/(@[^/]+\/)?[^/]+$/;

/** True when nothing has to be installed. Takes some milliseconds. */
export function packagesAreInstalled() {
  return readStamp(STAMP) === installKey() && treeIsWhole(readLock(INSTALLED_LOCK)) && existsSync(nodeBinary() ?? '');
}

/**
 * Installs what is missing. A tree that `npm install` has just made is accepted as it is, one of an older lock file is
 * brought up to date, one that is damaged or left over from an interrupted installation is made anew.
 * @param {(pid: number) => void} holdFor told which program writes to the tree
 * @throws {Problem}
 */
export async function installPackages(holdFor) {
  const wanted = readLock(inRoot('package-lock.json'));
  if (!wanted)
    throw new Problem('package-lock.json is missing or cannot be read.', {
      advice: 'Restore it: `git checkout package-lock.json`.',
    });
  if (!treeIsTrusted() || !treeFits(wanted)) {
    await step('Installing packages', (detail) => install(wanted, detail, holdFor));
  }
  if (!nodeBinary()) await step(`Installing Node ${NODE_MAJOR}`, () => installNode(holdFor));
  writeStamp(STAMP, installKey());
}

/**
 * The Node that runs the product: the one npm brings along, or, where there is none for this machine (musl), our own
 * if it is new enough.
 * @returns {string | undefined}
 */
export function nodeBinary() {
  try {
    accessSync(LOCAL_NODE, constants.X_OK);
    if (statSync(LOCAL_NODE).size > 1_000_000) return LOCAL_NODE; // a stand-in script is smaller, so is a half-written file
  } catch {
    // not installed: fall through
  }
  return Number(process.versions.node.split('.')[0]) >= NODE_MAJOR ? process.execPath : undefined;
}

/** The environment for npm and what it starts: the system's own node and npm, as they may be about to delete ours. */
export function npmEnvironment() {
  const path = (process.env.PATH ?? '').split(delimiter).filter((folder) => !/node_modules[/\\].*bin$/.test(folder));
  return { ...process.env, PATH: path.join(delimiter), ...prismaEnvironment() };
}

/**
 * Prisma wants to fetch a schema engine which is not needed here (migrations run on its WebAssembly build). Named any
 * file that exists, it does not try; nor does it ask for newer versions of itself.
 */
export function prismaEnvironment() {
  return { PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, PRISMA_HIDE_UPDATE_MESSAGE: '1', CHECKPOINT_DISABLE: '1' };
}

function installKey() {
  return fingerprint([inRoot('package-lock.json'), inRoot('.npmrc')], [process.platform, process.arch]);
}

/** @param {string} file @returns {Record<string, LockEntry> | undefined} */
function readLock(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch {
    return undefined;
  }
}

/** Is every package there that npm says it installed? @param {Record<string, LockEntry> | undefined} installed */
function treeIsWhole(installed) {
  return installed !== undefined && Object.keys(installed).every((path) => existsSync(inRoot(path, 'package.json')));
}

/**
 * npm writes its own list of what it installed last of all, and believes it only while no package folder is newer. By
 * that rule a tree left by a finished `npm install` is whole, and one in which npm was interrupted is not.
 */
function treeIsTrusted() {
  const installed = readLock(INSTALLED_LOCK);
  if (!installed || !treeIsWhole(installed)) return false;
  const listedAt = statSync(INSTALLED_LOCK).mtimeMs;
  return Object.entries(installed)
    .filter(([path, { link }]) => isInstalled(path) && !link)
    .every(([path]) => lstatSync(inRoot(path)).mtimeMs <= listedAt);
}

/** Both lists name the work tree's own packages too, whose folders change as people work. @param {string} path */
function isInstalled(path) {
  return path.includes('node_modules/');
}

/** Are the installed packages those of the lock file? @param {Record<string, LockEntry>} wanted */
function treeFits(wanted) {
  const installed = readLock(INSTALLED_LOCK) ?? {};
  return Object.entries(wanted).every(([path, entry]) => {
    if (!isInstalled(path)) return true;
    const present = installed[path];
    if (!present) return Boolean(entry.optional || entry.devOptional || entry.peer);
    return present.version === entry.version && present.integrity === entry.integrity;
  });
}

/**
 * Not `npm ci`: that one refuses a lock file which does not list the binaries of every platform, and npm lists only
 * those that it could see when the file was made. What `npm ci` promises beside is kept here: the lock file is not
 * changed, a doubtful tree is made anew, and the result is compared with the lock file.
 * @param {Record<string, LockEntry>} wanted
 * @param {(text: string) => void} detail
 * @param {(pid: number) => void} holdFor
 */
async function install(wanted, detail, holdFor) {
  if (!treeIsTrusted()) removeTree(wanted);
  const total = Object.entries(wanted).filter(
    ([path, entry]) => TOP_LEVEL.test(path) && isForThisMachine(entry),
  ).length;
  const counting = setInterval(() => {
    const count = countInstalled();
    detail(count < total ? `${count} of ${total}` : `all ${total} unpacked, fetching Node ${NODE_MAJOR}`);
  }, COUNT_EVERY_MS);
  // Development dependencies are always needed, the Node that runs the server among them: NODE_ENV=production is for
  // the server, not for npm.
  const args = [
    'install',
    '--no-save',
    '--include=dev',
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ];
  const { code, output } = await run('npm', args, { cwd: inRoot(), env: npmEnvironment(), onStart: holdFor });
  clearInterval(counting);
  if (code === 127) {
    throw new Problem('npm was not found.', {
      advice: 'Install npm (it comes with Node), then run the same command again.',
    });
  }
  if (code !== 0) throw diagnose('Installing packages', output);
  if (!treeFits(wanted)) {
    throw new Problem('package.json and package-lock.json disagree.', {
      advice: 'Run `npm install` once, look at what it changed in package-lock.json, and keep that change.',
    });
  }
}

/** @param {Record<string, LockEntry>} wanted */
function removeTree(wanted) {
  const folders = Object.keys(wanted).flatMap((path) => /^(.*?)node_modules\//.exec(path)?.[0] ?? []);
  for (const folder of new Set(folders)) rmSync(inRoot(folder), { recursive: true, force: true });
}

/** An optional package that names no system belongs to one that does, for another machine. @param {LockEntry} entry */
function isForThisMachine({ optional, os, cpu, libc }) {
  if (!os && !cpu) return !optional;
  return (os?.includes(process.platform) ?? true) && (cpu?.includes(process.arch) ?? true) && !libc?.includes('musl');
}

function countInstalled() {
  try {
    const names = readdirSync(inRoot('node_modules')).filter((name) => !name.startsWith('.'));
    return names.flatMap((name) => (name.startsWith('@') ? readdirSync(inRoot('node_modules', name)) : name)).length;
  } catch {
    return 0; // npm is about to make, or to replace, the folder
  }
}

/** For an npm which was told, or will one day by itself refuse, to run the package's own installation step. @param {(pid: number) => void} holdFor */
async function installNode(holdFor) {
  const { code, output } = await run('node', ['installArchSpecificPackage'], {
    cwd: inRoot('node_modules', 'node'),
    env: npmEnvironment(),
    onStart: holdFor,
  });
  if (code !== 0) throw diagnose(`Installing Node ${NODE_MAJOR}`, output);
  if (!nodeBinary()) {
    throw new Problem(`There is no Node ${NODE_MAJOR} for this machine (${process.platform} ${process.arch}) on npm.`, {
      advice: `Install Node ${NODE_MAJOR} yourself, then run the same command again with it.`,
    });
  }
}
