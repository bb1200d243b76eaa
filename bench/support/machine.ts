import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** Where programs run: what is measured on core 0, the load on core 1. On a machine of one core, wherever there is room. */
export const CORES = { measured: '0', load: '1' } as const;

const canPin = process.platform === 'linux' && cpus().length > 1;

/** Keeps a running process, its threads, and whatever it starts from now on, to one core. */
export function pin(pid: number, core: string): void {
  if (canPin) execFileSync('taskset', ['--all-tasks', '--pid', '--cpu-list', core, String(pid)], { stdio: 'ignore' });
}

/** The command line that starts a program on one core. */
export function pinned(core: string, command: readonly string[]): readonly string[] {
  return canPin ? ['taskset', '--cpu-list', core, ...command] : command;
}

/** A tick of the kernel's clocks of processes, in milliseconds. */
const TICK_MS = 1_000 / Number(execFileSync('getconf', ['CLK_TCK']).toString());

/** Milliseconds of processor time that these processes and their children have used, user and system. */
export function cpuMs(pids: readonly number[]): number {
  const roots = new Set(pids.map(String));
  let ticks = 0;
  for (const pid of readdirSync('/proc')) {
    const stat = /^\d+$/.test(pid) && readStat(pid);
    if (!stat) continue;
    if (roots.has(pid)) ticks += stat.own + stat.ended;
    else if (roots.has(stat.parent)) ticks += stat.own;
  }
  return ticks * TICK_MS;
}

/** `ended`: of children that are gone, whose time must not be lost with them. */
function readStat(pid: string): { parent: string; own: number; ended: number } | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name of the program stands in parentheses and may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = (first: number): number => Number(fields[first]) + Number(fields[first + 1]);
    return { parent: fields[1]!, own: ticks(11), ended: ticks(13) };
  } catch {
    return null; // It ended meanwhile.
  }
}

/** Memory of a process in KiB: its own pages, and its share of those it shares (proportional set size). */
export function proportionalSetKiB(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]);
}
