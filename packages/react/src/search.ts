import { ParleyError, type ParleyErrorInit, type SearchHit, type SearchRequest } from '@parley/client';
import { useCallback, useEffect, useRef, useState } from 'react';
import { useParleyClient } from './provider.tsx';

/** What `useSearch` looks for: as `client.search.messages`, without paging. */
export type SearchFor = Omit<SearchRequest, 'signal' | 'cursor' | 'limit'>;

/** What `useSearch` answers. */
export interface Search {
  readonly hits: readonly SearchHit[];
  /** `idle`: there is nothing to look for. */
  readonly status: 'idle' | 'loading' | 'done' | 'failed';
  readonly error: ParleyErrorInit | null;
  /** There are more than these. */
  readonly more: boolean;
  readonly loadMore: () => void;
  readonly retry: () => void;
}

interface State extends Pick<Search, 'hits' | 'status' | 'error'> {
  readonly cursor: string | null;
}

const IDLE: State = { hits: [], status: 'idle', error: null, cursor: null };
/** Nobody waits for the results of half a word. */
const PAUSE_MS = 200;

/** Searches messages as one types, a moment after the last key, page by page. What is found stays while the next is looked for. */
export function useSearch({ q, conversationId, senderId, before, after, hasFile, order }: SearchFor): Search {
  const client = useParleyClient();
  const [state, setState] = useState<State>(IDLE);
  const [turn, setTurn] = useState(0);
  const running = useRef<AbortController | null>(null);
  const words = q.trim();
  const key = JSON.stringify([words, conversationId, senderId, before, after, hasFile, order]);

  const ask = useCallback(
    async (from: State | null) => {
      const aborter = new AbortController();
      running.current?.abort();
      running.current = aborter;
      const [text, ...filters] = JSON.parse(key) as [string, ...unknown[]];
      const names = ['conversationId', 'senderId', 'before', 'after', 'hasFile', 'order'];
      const chosen = Object.fromEntries(
        names.flatMap((name, at) => (filters[at] == null ? [] : [[name, filters[at]]])),
      );
      setState((shown) => ({ ...shown, status: 'loading', error: null }));
      try {
        const cursor = from?.cursor ?? null;
        const page = await client.search.messages({
          ...chosen,
          q: text,
          signal: aborter.signal,
          ...(cursor !== null && { cursor }),
        });
        if (aborter.signal.aborted) return;
        const hits = [...(from?.hits ?? []), ...page.items];
        setState({ hits, status: 'done', error: null, cursor: page.nextCursor });
      } catch (error) {
        if (aborter.signal.aborted) return;
        setState((shown) => ({ ...shown, status: 'failed', error: ParleyError.from(error).toJSON() }));
      }
    },
    [client, key],
  );

  // biome-ignore lint/correctness/useExhaustiveDependencies: `turn` asks again for the same
  useEffect(() => {
    if (words === '') {
      setState(IDLE);
      return;
    }
    const timer = setTimeout(() => void ask(null), PAUSE_MS);
    return () => {
      clearTimeout(timer);
      running.current?.abort();
    };
  }, [ask, words, turn]);

  return {
    hits: state.hits,
    status: state.status,
    error: state.error,
    more: state.cursor !== null,
    loadMore: () => {
      if (state.cursor !== null && state.status !== 'loading') void ask(state);
    },
    retry: () => setTurn(turn + 1),
  };
}

/** A stretch of a text: found or not. */
export interface Stretch {
  readonly text: string;
  readonly found: boolean;
}

/** How many letters stand before the first one found. */
const LEAD = 36;

/** The text of a hit in stretches, beginning a little before what was found. Text: nothing of it is markup. */
export function stretchesOf({ content, highlights }: Pick<SearchHit, 'content' | 'highlights'>): readonly Stretch[] {
  const text = content ?? '';
  const first = highlights[0]?.start ?? 0;
  const space = first > LEAD ? text.indexOf(' ', first - LEAD) : -1;
  let at = first > LEAD ? (space >= 0 && space < first ? space + 1 : first) : 0;
  const stretches: Stretch[] = at > 0 ? [{ text: '… ', found: false }] : [];
  for (const { start, end } of highlights) {
    if (start > at) stretches.push({ text: text.slice(at, start), found: false });
    stretches.push({ text: text.slice(Math.max(start, at), end), found: true });
    at = Math.max(at, end);
  }
  if (at < text.length) stretches.push({ text: text.slice(at, at + 200), found: false });
  return stretches;
}
