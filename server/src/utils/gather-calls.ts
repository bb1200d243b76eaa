import { setTimeout as sleep } from 'node:timers/promises';
import { endOfTurn } from './end-of-turn.ts';

interface Waiting<Input, Output> {
  readonly input: Input;
  readonly resolve: (output: Output) => void;
  readonly reject: (error: unknown) => void;
}

/** Most calls that go together. */
const MOST = 500;
/** How long nothing is begun after a batch of several, as often as it took. */
const REST = 4;
const LONGEST_REST_MS = 20;

/** How calls wait for each other; by default each batch for the one before, and for a rest after it. */
export interface GatherOptions {
  /** The next batch begins right after the last one: for what somebody waits for and is done in a moment. */
  readonly restless?: boolean;
  /** The next batch begins so many milliseconds after the last one at the latest, even where that still runs. */
  readonly patienceMs?: number;
}

/**
 * Calls that wait at the same moment go together: one is carried out at once, and those that come while it runs are the
 * next. So a thousand people who connect together cost a few queries. One alone waits for nobody; whoever comes after
 * several waits 20 ms more at most.
 *
 * @param work answers each input at its place. It begins after the call it is for, so it may stand for a read that must
 *   not be older. Where it fails, everyone in it gets the error; no call is made twice.
 */
export function gatherCalls<Input, Output>(
  work: (inputs: readonly Input[]) => Promise<readonly Output[]>,
  { restless = false, patienceMs }: GatherOptions = {},
): (input: Input) => Promise<Output> {
  let waiting: Waiting<Input, Output>[] = [];
  let isRunning = false;

  const carryOut = async (batch: readonly Waiting<Input, Output>[]): Promise<void> => {
    try {
      const outputs = await work(batch.map(({ input }) => input));
      for (const [index, { resolve }] of batch.entries()) resolve(outputs[index]!);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  };

  const runAll = async (): Promise<void> => {
    // Calls of one turn of the event loop belong together, the first one included.
    for (await endOfTurn(); waiting.length > 0; await endOfTurn()) {
      const batch = waiting.slice(0, MOST);
      waiting = waiting.slice(MOST);
      const started = performance.now();
      const done = carryOut(batch);
      await (patienceMs === undefined ? done : within(patienceMs, done));
      // Where many come, more of them come together the next time: small batches would cost most of what one alone does.
      if (batch.length > 1 && !restless) await sleep(Math.min(LONGEST_REST_MS, REST * (performance.now() - started)));
    }
    isRunning = false;
  };

  return (input) =>
    new Promise((resolve, reject) => {
      waiting.push({ input, resolve, reject });
      if (isRunning) return;
      isRunning = true;
      void runAll();
    });
}

/** Resolves with the promise, which never rejects, or after so long. */
function within(ms: number, promise: Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    void promise.then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
