import { execFileSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { mkdir, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

/** A held lock. `release` gives it back; a process that ends without that leaves a file which the next one clears away. */
export type FolderLock = { release(): Promise<void> };

/** Somebody else holds the lock. `pid` is the process, as its own machine or container numbers it. */
export class FolderLockedError extends Error {
  readonly pid: number;

  constructor(folder: string, pid: number) {
    super(
      `Another process (pid ${pid}) is using ${folder}. Stop it first, give this one another DATA_DIR, or set DATABASE_URL to a PostgreSQL that both can share.`,
    );
    this.name = 'FolderLockedError';
    this.pid = pid;
  }
}

const HEARTBEAT_MS = 3_000;
/** A holder whose processes we cannot see (another container, another machine) counts as gone after this silence. */
const SILENCE_MS = 15_000;
const TRIES = 6;

/**
 * Takes `folder` for this process alone, until `release` or the end of the process.
 *
 * Each contender puts down a file of its own, whose name says who it is (so it is whole from the moment it exists), and
 * then looks for files of others. Of two at the same moment, whoever looks second sees the first: never do both go on.
 * A file belongs to one process for ever, so that of a dead one may be removed by anybody at any time, which is what makes
 * the takeover after a crash safe. A dead process is known by its number and its start time, since numbers come round again.
 *
 * @throws FolderLockedError when a living process holds it.
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const locks = `${folder}.lock`;
  await mkdir(locks, { recursive: true });
  const place = describePlace();
  const file = join(locks, [process.pid, startOf(process.pid), place, randomUUID()].join('.'));
  const silentSince = new Map<string, number>();
  const giveUp = performance.now() + SILENCE_MS + HEARTBEAT_MS;

  for (let tries = 1; ; tries += 1) {
    await writeFile(file, '', { flag: 'wx' });
    const holder = await findHolder(locks, file, place, silentSince);
    if (holder === undefined) break;
    await rm(file, { force: true });
    const hopeless = holder.visible ? tries >= TRIES : holder.beating || performance.now() > giveUp;
    if (hopeless) throw new FolderLockedError(folder, holder.pid);
    // Uneven waits, so that two contenders who gave way to each other do not do so again.
    await wait(holder.visible ? 20 + Math.random() * 130 : 1_000);
  }

  const heartbeat = setInterval(() => {
    const now = new Date();
    // A missed beat matters only to a process that cannot see this one, and only after five of them.
    utimes(file, now, now).catch(() => undefined);
  }, HEARTBEAT_MS);
  heartbeat.unref();

  return {
    release: async () => {
      clearInterval(heartbeat);
      await rm(file, { force: true });
    },
  };
}

type Holder = { pid: number; visible: boolean; beating: boolean };

async function findHolder(
  locks: string,
  mine: string,
  place: string,
  silentSince: Map<string, number>,
): Promise<Holder | undefined> {
  // The clock of the file system itself: that of this machine may differ from it.
  const now = (await stat(mine)).mtimeMs;
  for (const name of await readdir(locks)) {
    const path = join(locks, name);
    const [pid, start, where] = name.split('.');
    if (path === mine || pid === undefined || start === undefined || where === undefined) continue;
    if (where === place) {
      if (isAlive(Number(pid), start)) return { pid: Number(pid), visible: true, beating: true };
    } else {
      const beat = await stat(path).then(
        (found) => found.mtimeMs,
        () => 0,
      );
      const before = silentSince.get(name);
      if (before !== undefined && beat > before) return { pid: Number(pid), visible: false, beating: true };
      silentSince.set(name, beat);
      if (now - beat < SILENCE_MS) return { pid: Number(pid), visible: false, beating: false };
    }
    await rm(path, { force: true });
  }
  return undefined;
}

function isAlive(pid: number, start: string): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there, and another user's.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const actual = startOf(pid);
  return actual === '' || start === '' || actual === start;
}

/** When a process started, in whatever measure the system has; empty where that cannot be told. */
function startOf(pid: number): string {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name of the program, in parentheses, may hold blanks. The 20th field after it is the start time.
    return fields.slice(fields.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    // No /proc (macOS), or the process is gone.
  }
  try {
    const text = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { stdio: ['ignore', 'pipe', 'ignore'] });
    return text.toString().replaceAll(/\W/g, '');
  } catch {
    return '';
  }
}

/** Within one place process numbers mean the same: one machine since its last boot, or one container. */
function describePlace(): string {
  let place = hostname();
  try {
    place = `${readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    // Not Linux: the name of the machine has to do.
  }
  return createHash('sha256').update(place).digest('hex').slice(0, 12);
}
