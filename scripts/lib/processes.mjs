// Starting programs: with their output gathered, with the terminal handed over, or in our own place.

import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { inRoot } from './paths.mjs';

/** @typedef {{ cwd?: string, env?: NodeJS.ProcessEnv }} Place */

const GRACE_MS = 5_000;
/** @type {readonly NodeJS.Signals[]} */
const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** Where Node keeps what it compiled, so that a program starts faster the next time. A setting of one's own goes before it. */
export function compileCache() {
  return { NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? inRoot('.cache', 'compiled') };
}

/** The exit code that a shell gives for a process: its own, or 128 + the signal. @param {number | null} code @param {NodeJS.Signals | null} signal */
export function exitCodeOf(code, signal) {
  return code ?? 128 + (signal ? constants.signals[signal] : 0);
}

/**
 * Runs a program to its end and gathers what it prints. A signal to us ends it, with all that it started, before us.
 * @param {string} file
 * @param {string[]} args
 * @param {Place & { onStart?: (pid: number) => void }} [options]
 * @returns {Promise<{ code: number, output: string }>} a program that cannot be started has code 127
 */
export function run(file, args, { cwd, env, onStart } = {}) {
  return new Promise((resolve) => {
    // A process group of its own: the terminal's Ctrl-C comes to us alone, and we can end the whole group.
    const child = spawn(file, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    const forget = onSignal((signal) => {
      child.once('close', () => process.exit(exitCodeOf(null, signal)));
      endGroup(child);
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text;
      });
    }
    if (child.pid) onStart?.(child.pid);
    child.on('error', (error) => resolve({ code: 127, output: `${output}\n${error.message}` }));
    child.on('close', (code, signal) => {
      forget();
      resolve({ code: exitCodeOf(code, signal), output });
    });
  });
}

/**
 * Runs a program with our own standard input and output. Signals to us are passed on; it ends when it sees fit.
 * @param {string} file
 * @param {string[]} args
 * @param {Place} [options]
 * @returns {Promise<number>} its exit code
 */
export function runInForeground(file, args, { cwd, env } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd, env, stdio: 'inherit' });
    const forget = onSignal((signal) => {
      // A terminal's Ctrl-C has reached every process of the foreground group already; a second one would mean `now!`.
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      forget();
      resolve(exitCodeOf(code, signal));
    });
  });
}

/**
 * Becomes another program: same process id where the system and this Node can do that (22.15 and later), else a child
 * which gets our signals and whose exit code we take on. Does not return.
 * @param {string} file
 * @param {string[]} args
 * @returns {Promise<never>}
 */
export async function become(file, args) {
  if (process.execve && process.platform !== 'win32') {
    process.removeAllListeners('warning');
    process.on('warning', () => {}); // `execve` announces itself as experimental; the person at the terminal need not know
    process.execve(file, [file, ...args], { ...process.env, ...compileCache() });
  }
  process.exit(await runInForeground(file, args, { env: { ...process.env, ...compileCache() } }));
}

/**
 * Ends a child that leads a process group: by a word to it, so that it may end its own children in its own order, and
 * the whole group by force if any of it is still there after a while.
 * @param {import('node:child_process').ChildProcess} child
 */
export function endGroup(child) {
  const { pid } = child;
  if (!pid || child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const force = setTimeout(() => {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // all of it has gone meanwhile
    }
  }, GRACE_MS);
  child.once('close', () => clearTimeout(force));
}

/** Handles the signals that ask us to end. @param {(signal: NodeJS.Signals) => void} handler @returns {() => void} undoes it */
export function onSignal(handler) {
  for (const signal of ENDING_SIGNALS) process.on(signal, handler);
  return () => {
    for (const signal of ENDING_SIGNALS) process.off(signal, handler);
  };
}
