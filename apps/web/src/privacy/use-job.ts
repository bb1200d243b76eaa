import { ParleyError, type ParleyErrorInit } from '@parley/client';
import { useCallback, useEffect, useState } from 'react';

interface Job {
  readonly state: 'waiting' | 'running' | 'done' | 'failed';
}

/** A job as it is at the server. */
export interface WatchedJob<T> {
  readonly job: T | null;
  /** Why it could not be asked for. */
  readonly error: ParleyErrorInit | null;
  readonly retry: () => void;
}

const EVERY_MS = 1_000;

/** Follows a job to its end. `load` must keep its identity while it asks for the same job. */
export function useJob<T extends Job>(load: (signal: AbortSignal) => Promise<T>): WatchedJob<T> {
  const [job, setJob] = useState<T | null>(null);
  const [error, setError] = useState<ParleyErrorInit | null>(null);
  const [round, setRound] = useState(0);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new round asks once more
  useEffect(() => {
    const aborter = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async () => {
      try {
        const now = await load(aborter.signal);
        if (aborter.signal.aborted) return;
        setJob(now);
        setError(null);
        if (now.state === 'waiting' || now.state === 'running') timer = setTimeout(() => void ask(), EVERY_MS);
      } catch (reason) {
        if (!aborter.signal.aborted) setError(ParleyError.from(reason).toJSON());
      }
    };
    void ask();
    return () => {
      aborter.abort();
      clearTimeout(timer);
    };
  }, [load, round]);

  return { job, error, retry: useCallback(() => setRound((before) => before + 1), []) };
}
