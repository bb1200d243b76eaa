import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { TEST_SECRET } from './app.ts';
import { endProgram, findFreePort, startProgram } from './processes.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** One node as a process of its own, on a port that it keeps over restarts. */
export interface NodeProcess {
  /** `host:port`. */
  readonly address: string;
  readonly url: string;
  readonly pid: number;
  /** Sends the signal and resolves to the exit code once it has ended; null when a signal ended it. */
  end(signal: NodeJS.Signals): Promise<number | null>;
  /** After `end`. */
  start(): Promise<void>;
}

/** Starts a node with these variables and no others of the project; it verifies the tokens of `tokenOf`. */
export async function startNode(env: Record<string, string | undefined>): Promise<NodeProcess> {
  const port = await findFreePort();
  const start = (): Promise<ChildProcess> =>
    startProgram(process.execPath, [MAIN], {
      ready: /Parley is ready at/,
      spawn: {
        env: {
          PATH: process.env.PATH,
          NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
          HOST: '127.0.0.1',
          PORT: String(port),
          JWT_SECRET: TEST_SECRET,
          ...env,
        },
      },
    });
  let child = await start();
  return {
    address: `127.0.0.1:${port}`,
    url: `http://127.0.0.1:${port}`,
    get pid() {
      return child.pid!;
    },
    end: async (signal) => {
      await endProgram(child, signal);
      return child.exitCode;
    },
    start: async () => {
      child = await start();
    },
  };
}
