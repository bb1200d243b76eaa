import { pino } from 'pino';
import type { Logger } from '../../src/utils/logger.ts';

/** What a node says when it gives up on Redis for a while, a busy machine among the reasons, and when that is over. */
const LEFT = /keeps its share of the rate limits/;
const BACK = /rate limits are shared between nodes/;
const MOST_TRIES = 10;

/** Tells whether the nodes that log to it did without Redis meanwhile. */
export interface RedisWatch {
  readonly logger: Logger;
  /** Runs `work` until it ran with every node asking Redis, which answers within a quarter of a second or counts as away. */
  whileShared<Result>(work: () => Promise<Result>): Promise<Result>;
}

/** Watches the logs of nodes. */
export function watchRedis(): RedisWatch {
  let left = 0;
  let back = 0;
  const write = (line: string): void => {
    if (LEFT.test(line)) left++;
    if (BACK.test(line)) back++;
  };
  const logger = pino({ level: 'info' }, { write });
  return {
    logger,
    whileShared: async (work) => {
      for (let tries = 1; ; tries++) {
        const [before, shared] = [left, left === back];
        const result = await work();
        if ((shared && left === before) || tries === MOST_TRIES) return result;
      }
    },
  };
}
