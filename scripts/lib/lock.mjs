// One setup at a time in a work tree, also after one was killed: the file names who holds it, and what that one started.

import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Problem } from './problem.mjs';

const LOOK_AGAIN_MS = 250;
const PATIENCE_MS = 15 * 60_000;

/**
 * Does work while holding the lock file; waits while another process holds it.
 * @template T
 * @param {string} file
 * @param {(holdFor: (pid: number) => void) => Promise<T>} work tells by `holdFor` which program it started: should we be
 *   killed meanwhile, the lock stays taken until that program has ended too
 * @param {(pid: number) => void} onWait called once when another process holds the lock
 */
export async function withLock(file, work, onWait) {
  mkdirSync(dirname(file), { recursive: true });
  const giveUpAt = Date.now() + PATIENCE_MS;
  for (let told = false; !take(file); ) {
    const holder = livingHolder(file);
    if (holder === undefined) {
      rmSync(file, { force: true });
      continue;
    }
    if (Date.now() > giveUpAt) {
      throw new Problem(`Another setup (process ${holder}) has been under way for a quarter of an hour.`, {
        advice: `End it, or delete ${file} if there is none, then run the same command again.`,
      });
    }
    if (!told) onWait(holder);
    told = true;
    await wait(LOOK_AGAIN_MS);
  }
  const release = () => rmSync(file, { force: true });
  process.once('exit', release);
  try {
    return await work((pid) => renameSync(draft(file, [process.pid, pid]), file));
  } finally {
    process.off('exit', release);
    release();
  }
}

/** @param {string} file */
function take(file) {
  const drafted = draft(file, [process.pid]);
  try {
    linkSync(drafted, file); // whole or not at all: nobody ever reads a half-written lock
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(drafted, { force: true });
  }
}

/** @param {string} file @param {number[]} pids */
function draft(file, pids) {
  const drafted = `${file}.${process.pid}`;
  writeFileSync(drafted, JSON.stringify(pids.map(identify)));
  return drafted;
}

/** @param {string} file @returns {number | undefined} */
function livingHolder(file) {
  try {
    /** @type {{ pid: number, since: string }[]} */
    const holders = JSON.parse(readFileSync(file, 'utf8'));
    return holders.find(({ pid, since }) => isAlive(pid) && identify(pid).since === since)?.pid;
  } catch {
    return undefined; // released between our two looks
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM';
  }
}

/** A process id with its start time (where the system tells), because ids are given out again. @param {number} pid */
function identify(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return { pid, since: stat.slice(stat.lastIndexOf(')')).split(' ')[20] ?? '' };
  } catch {
    return { pid, since: '' };
  }
}
