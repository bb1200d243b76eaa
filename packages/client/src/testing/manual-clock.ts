import type { Clock } from '../platform.types.ts';

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

/** A clock that stands still until it is moved. */
export interface ManualClock extends Clock {
  /** Moves it on, calling back whatever falls due, in order; promises are given time to settle in between. */
  advance(ms: number): Promise<void>;
  /** Lets promises settle without moving time. */
  flush(): Promise<void>;
  /** How many timers wait. */
  readonly pending: number;
}

/** Starts at `start`, milliseconds since 1970. */
export function createManualClock(start = Date.UTC(2030, 0, 1)): ManualClock {
  let now = start;
  let order = 0;
  const timers = new Set<Timer>();

  const flush = async () => {
    // Far more turns than any chain of promises in the client is long.
    for (let turn = 0; turn < 120; turn++) await null;
  };

  return {
    now: () => now,
    after(ms, callback) {
      const timer: Timer = { at: now + Math.max(0, ms), order: order++, callback };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    flush,
    async advance(ms) {
      const end = now + ms;
      await flush();
      for (;;) {
        let next: Timer | undefined;
        for (const timer of timers) {
          if (timer.at > end) continue;
          if (next === undefined || timer.at < next.at || (timer.at === next.at && timer.order < next.order))
            next = timer;
        }
        if (next === undefined) break;
        timers.delete(next);
        now = Math.max(now, next.at);
        next.callback();
        await flush();
      }
      now = end;
    },
    get pending() {
      return timers.size;
    },
  };
}
