import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { delimiter, join } from 'node:path';

/** Below the ports that systems give to outgoing connections (Linux 32768, macOS 49152). */
const PORTS = { from: 20_000, to: 32_000 };

/**
 * A port of the loopback interface that nobody listens on. It stays free while a program on it is down, too: one that the
 * system chose could meanwhile become the near end of somebody's connection.
 */
export async function findFreePort(): Promise<number> {
  for (;;) {
    const port = randomInt(PORTS.from, PORTS.to);
    const server = createServer();
    const isFree = new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!(await isFree)) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}

/** The first of `names` found in `folders` or on the PATH; throws with `hint` when none is there. */
export function findProgram(names: string[], folders: string[], hint: string): string {
  for (const folder of [...folders, ...(process.env.PATH ?? '').split(delimiter)]) {
    for (const name of names) {
      const path = join(folder, name);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // Not here.
      }
    }
  }
  throw new Error(`${names.join(' or ')} not found: ${hint}`);
}

/** The ids of an unprivileged user, when this process is root and must not start the program as such. */
export function idsOf(user: string): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string): number => Number(execFileSync('id', [flag, user]).toString());
  return { uid: id('-u'), gid: id('-g') };
}

/** Starts a program and resolves when what it prints has matched `ready`; rejects with its output when it ends before. */
export async function startProgram(
  path: string,
  args: string[],
  options: { ready: RegExp; spawn?: SpawnOptions },
): Promise<ChildProcess> {
  const child = spawn(path, args, { ...options.spawn, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  await new Promise<void>((resolve, reject) => {
    const onData = (data: Buffer): void => {
      if (output.length < 100_000) output += data.toString();
      if (options.ready.test(output)) resolve();
    };
    child.stdout?.on('data', onData);
    child.stderr?.on('data', onData);
    child.once('error', reject);
    child.once('exit', (code, signal) => reject(new Error(`${path} ended (${code ?? signal}):\n${output}`)));
  });
  endWithThisProcess(child);
  return child;
}

/** However this process ends, a kill included, the pipe to the guard closes then, and the guard ends the program. */
function endWithThisProcess(child: ChildProcess): void {
  const guard = spawn('sh', ['-c', `read -r _; kill -INT ${child.pid}`], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  guard.unref();
  (guard.stdin as Socket).unref();
  child.once('exit', () => guard.kill('SIGKILL'));
}

/** Sends a signal to a program that we started, and waits until it has ended. */
export async function endProgram(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  await ended;
}
