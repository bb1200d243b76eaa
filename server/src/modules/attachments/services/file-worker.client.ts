import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { AppError } from '../../../utils/app-error.ts';
import type { Logger } from '../../../utils/logger.ts';
import type { WorkerAnswer, WorkerRefusal, WorkerResults, WorkerTask } from './file-worker.types.ts';

/** What the worker may use. Past it, it is ended, and a new one does the next task. */
export interface WorkerLimits {
  /** Pixels of a picture, all frames together. */
  readonly pixels: number;
  /** Resident memory of the process, in bytes. */
  readonly memoryBytes: number;
  /** Tasks that wait; one more is refused with `unavailable`. */
  readonly waiting: number;
  /** Milliseconds of each task. */
  readonly taskMs: Readonly<Record<WorkerTask['task'], number>>;
}

export const WORKER_LIMITS: WorkerLimits = {
  pixels: 40_000_000,
  memoryBytes: 300 * 1024 ** 2,
  waiting: 200,
  taskMs: { type: 2_000, sound: 8_000, picture: 20_000 },
};

/** The worker looked at the file and will not have it, or could not live with it. */
export class FileRefused extends Error {
  override readonly name = 'FileRefused';
  readonly reason: WorkerRefusal;

  constructor(reason: WorkerRefusal, message: string) {
    super(message);
    this.reason = reason;
  }
}

const PROGRAM = fileURLToPath(new URL('./file-worker.ts', import.meta.url));

/** A process that has had nothing to do for this long is ended. */
const IDLE_MS = 60_000;

/** Loading the decoders takes this long at most, even on a busy machine. */
const START_MS = 30_000;

/** As the worker exits when it has grown too large. */
const OUT_OF_MEMORY_EXIT = 77;

/**
 * Runs tasks in a process of their own, one at a time. A task that hangs or crashes costs the process and an error, never
 * the server; the next task gets a new process.
 */
export class FileWorker {
  readonly #limits: WorkerLimits;
  readonly #logger: Logger;
  #child: ChildProcess | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #idle: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor({ logger, limits = WORKER_LIMITS }: { logger: Logger; limits?: WorkerLimits }) {
    this.#logger = logger;
    this.#limits = limits;
  }

  /**
   * @throws FileRefused when the file is damaged, or takes more time, memory or pixels than it may.
   * @throws AppError `unavailable` when too many wait, or the process was ended by somebody else.
   */
  async run<Task extends WorkerTask>(task: Task): Promise<WorkerResults[Task['task']]> {
    if (this.#waiting >= this.#limits.waiting) {
      throw new AppError('unavailable', {
        retryAfterMs: 5_000,
        cause: new Error('too many files wait to be examined'),
      });
    }
    this.#waiting += 1;
    const turn = this.#queue.then(() => this.#perform(task));
    this.#queue = turn.catch(() => {});
    try {
      const answer = await turn;
      if (!answer.ok) throw new FileRefused(answer.reason, answer.message);
      // The worker answers each task with its own result.
      return answer.result as WorkerResults[Task['task']];
    } finally {
      this.#waiting -= 1;
    }
  }

  /** Waits for the task under way and ends the process. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#queue;
    this.#end();
  }

  async #perform(task: WorkerTask): Promise<WorkerAnswer> {
    if (this.#stopped) throw new AppError('unavailable', { retryAfterMs: 1_000 });
    clearTimeout(this.#idle);
    this.#child ??= await this.#start();
    try {
      return await this.#ask(this.#child, task);
    } finally {
      this.#idle = setTimeout(() => this.#end(), IDLE_MS).unref();
    }
  }

  async #start(): Promise<ChildProcess> {
    const { pixels, memoryBytes } = this.#limits;
    const child = fork(PROGRAM, [String(pixels), String(memoryBytes)], {
      // None of the server's: they hold its secrets.
      env: {},
      execArgv: [],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    child.once('exit', () => {
      if (this.#child === child) this.#child = undefined;
    });
    // Between tasks nobody listens for its troubles; its end is noticed above.
    child.on('error', () => {});
    // It must not keep the server from ending.
    child.unref();
    child.channel?.unref();
    const ready = await exchange(child, START_MS);
    if (ready.kind === 'message') return child;
    child.kill('SIGKILL');
    throw new AppError('unavailable', { retryAfterMs: 1_000, cause: new Error('the file worker did not start') });
  }

  async #ask(child: ChildProcess, task: WorkerTask): Promise<WorkerAnswer> {
    // Where it cannot be sent the process is gone, which the exchange sees.
    child.send(task, () => {});
    const outcome = await exchange(child, this.#limits.taskMs[task.task]);
    switch (outcome.kind) {
      case 'message':
        return outcome.message as WorkerAnswer;
      case 'silence':
        this.#end();
        this.#logger.warn({ task: task.task }, 'a file took too long to examine');
        return { ok: false, reason: 'damaged', message: 'took too long' };
      case 'exit':
        this.#child = undefined;
        this.#logger.warn({ task: task.task, code: outcome.code }, 'the file worker ended over a file');
        if (outcome.code === OUT_OF_MEMORY_EXIT)
          return { ok: false, reason: 'too_large', message: 'needs too much memory' };
        throw new AppError('unavailable', { retryAfterMs: 1_000, cause: new Error('the file worker ended') });
    }
  }

  #end(): void {
    clearTimeout(this.#idle);
    this.#child?.kill('SIGKILL');
    this.#child = undefined;
  }
}

type Outcome =
  | { readonly kind: 'message'; readonly message: unknown }
  | { readonly kind: 'exit'; readonly code: number | null }
  | { readonly kind: 'silence' };

/** The next thing that happens to a process: it says something, it ends, or it does neither for too long. */
function exchange(child: ChildProcess, patienceMs: number): Promise<Outcome> {
  return new Promise((resolve) => {
    const settle = (outcome: Outcome): void => {
      clearTimeout(timer);
      child.off('message', onMessage);
      child.off('exit', onExit);
      child.off('error', onError);
      resolve(outcome);
    };
    const onMessage = (message: unknown): void => settle({ kind: 'message', message });
    const onExit = (code: number | null): void => settle({ kind: 'exit', code });
    // It could not be started, or not be spoken to any more.
    const onError = (): void => settle({ kind: 'exit', code: null });
    const timer = setTimeout(() => settle({ kind: 'silence' }), patienceMs);
    child.on('message', onMessage);
    child.on('exit', onExit);
    child.on('error', onError);
  });
}
