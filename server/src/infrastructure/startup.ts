import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../utils/logger.ts';
import { classifyDatabaseError } from './database-errors.ts';

/** How long a start waits for a database that does not answer. */
const PATIENCE_MS = 60_000;
const PAUSE_MS = 500;

/**
 * Carries out a step of the start, and again while the database cannot be reached: a node is often started together with
 * PostgreSQL, or while it comes back. A step must do no harm when it is carried out twice.
 *
 * @throws what the step threw, at once where it is of another kind, and after a minute where the database stays away.
 */
export async function onceDatabaseAnswers<T>(
  step: () => Promise<T>,
  logger: Pick<Logger, 'warn'>,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  const end = performance.now() + patienceMs;
  for (let isFirst = true; ; isFirst = false) {
    try {
      return await step();
    } catch (error) {
      if (classifyDatabaseError(error).kind !== 'unavailable' || performance.now() > end) throw error;
      if (isFirst) logger.warn({ err: error }, `the database does not answer yet; trying for ${patienceMs / 1_000} s`);
      await sleep(PAUSE_MS);
    }
  }
}
