import type { Logger } from '../utils/logger.ts';

/** One step of going down; later ones run although an earlier one failed. */
export interface ShutdownStep {
  readonly name: string;
  run(): void | Promise<void>;
}

/** Runs the steps in order, each to its end. A failure is logged and does not keep the next ones from running. */
export async function runShutdown(steps: readonly ShutdownStep[], logger: Logger): Promise<void> {
  for (const step of steps) {
    try {
      await step.run();
    } catch (error) {
      logger.error({ err: error, step: step.name }, 'shutdown step failed');
    }
  }
}

export interface ProcessGuardOptions {
  logger: Logger;
  /** Closes the app. */
  close(): Promise<void>;
  /** How long closing may take before the process ends all the same. */
  deadlineMs: number;
  /** The process; tests give their own emitter and exit. */
  process?: Pick<NodeJS.Process, 'on' | 'exit'>;
}

/**
 * Ends the process in order on SIGTERM and SIGINT: with 0 when everything was closed, with 1 when the deadline came first
 * or something failed. A second signal ends it at once. An error that nobody caught is logged, and the process goes down
 * in the same order with 1: its state can no longer be trusted.
 */
export function guardProcess({ logger, close, deadlineMs, process: target = process }: ProcessGuardOptions): void {
  let closing = false;

  const goDown = async (code: number): Promise<void> => {
    if (closing) return target.exit(1);
    closing = true;
    const deadline = setTimeout(() => {
      logger.error({ deadlineMs }, 'shutdown took too long');
      target.exit(1);
    }, deadlineMs);
    try {
      await close();
    } catch (error) {
      logger.error({ err: error }, 'shutdown failed');
      code = 1;
    }
    clearTimeout(deadline);
    logger.info({ code }, 'stopped');
    logger.flush();
    target.exit(code);
  };

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    target.on(signal, () => {
      logger.info({ signal }, closing ? 'stopping at once' : 'stopping');
      void goDown(0);
    });
  }
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    target.on(event, (error: unknown) => {
      logger.fatal({ err: error }, event === 'uncaughtException' ? 'uncaught exception' : 'unhandled rejection');
      // While going down already, one more failure must not cut the orderly end short.
      if (!closing) void goDown(1);
    });
  }
}
