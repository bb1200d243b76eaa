import { ParleyError, type ParleyErrorInit } from '@parley/client';
import { useCallback, useEffect, useRef, useState } from 'react';

/** A list that is loaded page by page. */
export interface Pages<T> {
  readonly items: readonly T[];
  readonly status: 'loading' | 'done' | 'failed';
  readonly error: ParleyErrorInit | null;
  readonly more: boolean;
  readonly loadMore: () => void;
  readonly reload: () => void;
  /** Puts an item in the place of another, or takes it out. */
  readonly replace: (old: T, next: T | null) => void;
}

interface PageOf<T> {
  readonly items: readonly T[];
  readonly nextCursor: string | null;
}

/** Loads the first page, again whenever `load` is another function. */
export function usePages<T>(load: (cursor: string | undefined, signal: AbortSignal) => Promise<PageOf<T>>): Pages<T> {
  const [state, setState] = useState<Pick<Pages<T>, 'items' | 'status' | 'error'> & { cursor: string | null }>({
    items: [],
    status: 'loading',
    error: null,
    cursor: null,
  });
  const aborter = useRef<AbortController | null>(null);

  const ask = useCallback(
    async (before: readonly T[], cursor: string | undefined) => {
      aborter.current?.abort();
      const mine = new AbortController();
      aborter.current = mine;
      setState((shown) => ({ ...shown, status: 'loading', error: null }));
      try {
        const page = await load(cursor, mine.signal);
        if (mine.signal.aborted) return;
        setState({ items: [...before, ...page.items], status: 'done', error: null, cursor: page.nextCursor });
      } catch (error) {
        if (mine.signal.aborted) return;
        setState((shown) => ({ ...shown, status: 'failed', error: ParleyError.from(error).toJSON() }));
      }
    },
    [load],
  );

  useEffect(() => {
    void ask([], undefined);
    return () => aborter.current?.abort();
  }, [ask]);

  return {
    items: state.items,
    status: state.status,
    error: state.error,
    more: state.cursor !== null,
    loadMore: () => {
      if (state.cursor !== null && state.status !== 'loading') void ask(state.items, state.cursor);
    },
    reload: () => void ask([], undefined),
    replace: (old, next) =>
      setState((shown) => ({
        ...shown,
        items: shown.items.flatMap((item) => (item === old ? (next === null ? [] : [next]) : [item])),
      })),
  };
}
