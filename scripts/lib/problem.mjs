// A failure that a person can do something about: what went wrong, and what to do now.

import { bold, dim, red, say } from './terminal.mjs';

/** A failure with advice. Everything else that is thrown is a bug in these scripts. */
export class Problem extends Error {
  /**
   * @param {string} message what went wrong, in one sentence
   * @param {{ advice?: string, output?: string }} [more] what to do about it; the last words of the program that failed
   */
  constructor(message, { advice = '', output = '' } = {}) {
    super(message);
    this.name = 'Problem';
    this.advice = advice;
    this.output = output;
  }
}

/** What a failed program printed, turned into advice. The first row that fits wins. */
const KNOWN_CAUSES = [
  {
    signs: /ENOSPC|no space left on device/i,
    message: 'The disk is full.',
    advice: 'Free some space (an installation needs about 1 GB), then run the same command again.',
  },
  {
    signs:
      /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|Temporary failure resolving|Could not resolve/i,
    message: 'The network, or the package registry, cannot be reached.',
    advice: 'Check the connection and the proxy settings (`npm config get proxy`), then run the same command again.',
  },
  {
    signs: /EACCES|EPERM|EROFS|Permission denied/i,
    message: 'A file or folder may not be written.',
    advice: 'Make sure that this folder belongs to you (no earlier run with sudo?), then run the same command again.',
  },
  {
    signs: /EINTEGRITY/i,
    message: 'A package arrived damaged, or is not the one that the lock file names.',
    advice: 'Run `npm cache verify`, then the same command again.',
  },
  {
    signs: /ENOMEM|heap out of memory|Cannot allocate memory/i,
    message: 'The machine has too little free memory.',
    advice: 'Close something else, then run the same command again.',
  },
];

/**
 * The problem behind a failed program, recognised by what it printed.
 * @param {string} doing what was attempted: `Installing packages`
 * @param {string} output all that the program printed
 */
export function diagnose(doing, output) {
  const known = KNOWN_CAUSES.find((cause) => cause.signs.test(output));
  return new Problem(known ? `${doing} failed. ${known.message}` : `${doing} failed.`, {
    advice: known?.advice ?? 'What the program said stands above.',
    output: excerpt(output, Boolean(known)),
  });
}

/** npm says first what is wrong and then how it is used; compilers and tests end with what matters. @param {string} text @param {boolean} fromStart */
function excerpt(text, fromStart) {
  const lines = text.trimEnd().split('\n');
  return (fromStart ? lines.slice(0, 12) : lines.slice(-40)).join('\n');
}

/**
 * Runs a script's main function; a problem is told in plain words and ends the process with code 1.
 * @param {() => Promise<void>} main
 */
export async function runScript(main) {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  try {
    if (major < 20) {
      throw new Problem(`This is Node ${major}.${minor}; Parley's scripts need Node 20 or newer to begin with.`, {
        advice: 'Install a current Node (the server itself then runs on a Node 24 that npm brings along).',
      });
    }
    await main();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.output) say(dim(error.output));
    say();
    say(`${red('✗')} ${bold(error.message)}`);
    if (error.advice) say(`  ${error.advice}`);
    process.exitCode = 1;
  }
}
