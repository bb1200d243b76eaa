import {
  type ConnectionState,
  type ConversationFilter,
  type ConversationHandle,
  type ConversationState,
  conversationsSelector,
  type ListState,
  type ParleyErrorInit,
  type PresenceState,
  type Snapshot,
  selectConversation,
  selectTimeline,
  selectTyping,
  type TimelineItem,
  type UnreadTotals,
  type User,
} from '@parley/client';
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import { useParleyClient } from './provider.tsx';

const NO_TIMELINE: readonly TimelineItem[] = [];

/**
 * Reads one part of the state and renders again when that part changed. The selector must answer with something that keeps its
 * identity while nothing in it changed (parts of the snapshot do).
 */
export function useSnapshot<T>(selector: (snapshot: Snapshot) => T): T {
  const { store } = useParleyClient();
  const read = () => selector(store.getSnapshot());
  return useSyncExternalStore(store.subscribe, read, read);
}

/** The conversations of a list, pinned first, then by activity. `all` leaves archived ones out. */
export function useConversations(filter: ConversationFilter = 'all'): {
  readonly conversations: readonly ConversationState[];
  readonly state: ListState;
} {
  const selector = useMemo(() => conversationsSelector(filter), [filter]);
  return { conversations: useSnapshot(selector), state: useSnapshot((snapshot) => snapshot.conversationList) };
}

/** One conversation; undefined while it is not known. */
export function useConversation(id: string): ConversationState | undefined {
  return useSnapshot((snapshot) => selectConversation(snapshot, id));
}

/** What can be done in a conversation: the same object until the id changes. */
export function useConversationHandle(id: string): ConversationHandle {
  const client = useParleyClient();
  return useMemo(() => client.conversation(id), [client, id]);
}

/** What `useMessages` answers. */
export interface Messages {
  /** Messages, gaps and one's own waiting sends, top to bottom. */
  readonly timeline: readonly TimelineItem[];
  /** Whether there is something to show: something is loaded, or it is known that there is nothing. */
  readonly ready: boolean;
  readonly atNewest: boolean;
  readonly atOldest: boolean;
  readonly loadingOlder: boolean;
  readonly loadingNewer: boolean;
  /** Why the last load failed, until one succeeds. */
  readonly error: ParleyErrorInit | null;
  readonly loadOlder: () => void;
  readonly loadNewer: () => void;
  /** Loads the surroundings of a message; resolves when they are there. */
  readonly loadAround: (seq: number) => Promise<void>;
  readonly loadNewest: () => Promise<void>;
  readonly fillGap: (gap: { readonly fromSeq: number; readonly toSeq: number }) => void;
  /** Tries again what failed. */
  readonly retry: () => void;
}

type Load = 'older' | 'newer' | 'jump' | 'gap';

/** The messages of a conversation, opened while the component is mounted, with paging in both directions. */
export function useMessages(id: string): Messages {
  const handle = useConversationHandle(id);
  const state = useConversation(id);
  const [loading, setLoading] = useState<Load | null>(null);
  const busy = useRef<Load | null>(null);
  const last = useRef<() => Promise<void>>(() => handle.loadNewest());

  useEffect(() => handle.open(), [handle]);

  const run = useCallback(async (kind: Load, load: () => Promise<void>) => {
    // A jump may overtake paging: it replaces what paging would add to.
    if (busy.current !== null && kind !== 'jump') return;
    busy.current = kind;
    last.current = load;
    setLoading(kind);
    try {
      await load();
    } catch {
      // The state carries the error (`conversation.error`); a page that failed is asked for again by `retry`.
    } finally {
      busy.current = null;
      setLoading(null);
    }
  }, []);

  const calls = useMemo(
    () => ({
      loadOlder: () => void run('older', () => handle.loadOlder()),
      loadNewer: () => void run('newer', () => handle.loadNewer()),
      loadAround: (seq: number) => run('jump', () => handle.loadAround(seq)),
      loadNewest: () => run('jump', () => handle.loadNewest()),
      fillGap: (gap: { readonly fromSeq: number; readonly toSeq: number }) =>
        void run('gap', () => handle.fillGap(gap)),
      retry: () => void run('jump', () => last.current()),
    }),
    [handle, run],
  );

  return {
    timeline: useSnapshot((snapshot) => selectTimeline(snapshot, id)) ?? NO_TIMELINE,
    ready: state !== undefined && (state.loaded !== null || state.conversation.lastSeq === 0),
    atNewest: state?.atNewest ?? true,
    atOldest: state?.atOldest ?? false,
    loadingOlder: loading === 'older',
    loadingNewer: loading === 'newer' || loading === 'jump',
    error: state?.error ?? null,
    ...calls,
  };
}

/** Sending, and what can be done with a send that failed. Everything shows at once. */
export function useSend(id: string): Pick<ConversationHandle, 'send' | 'retry' | 'editOutgoing' | 'discard'> {
  return useConversationHandle(id);
}

/** Who types there, and telling that oneself does. */
export function useTyping(id: string): {
  readonly people: readonly User[];
  readonly typing: () => void;
  readonly stopTyping: () => void;
} {
  const handle = useConversationHandle(id);
  const marks = useSnapshot((snapshot) => selectTyping(snapshot, id));
  const users = useSnapshot((snapshot) => snapshot.users);
  const people = useMemo(() => marks.flatMap(({ userId }) => users[userId] ?? []), [marks, users]);
  return {
    people,
    typing: useCallback(() => handle.typing(), [handle]),
    stopTyping: useCallback(() => handle.stopTyping(), [handle]),
  };
}

/** Totals for badges. */
export function useUnread(): UnreadTotals {
  return useSnapshot((snapshot) => snapshot.unread);
}

/** What `useConnection` answers. */
export interface Connection {
  readonly state: ConnectionState;
  /** Connected, and caught up with everything that happened meanwhile. */
  readonly live: boolean;
  readonly syncing: boolean;
  /** How many of one's own doings the server has not confirmed yet. */
  readonly waiting: number;
  /** Tries now instead of waiting. */
  readonly wake: () => void;
}

/** Where the connection stands and what waits for it. */
export function useConnection(): Connection {
  const client = useParleyClient();
  const state = useSnapshot((snapshot) => snapshot.connection);
  const syncing = useSnapshot((snapshot) => snapshot.syncing);
  const waiting = useSnapshot(countWaiting);
  return {
    state,
    syncing,
    live: state.status === 'online' && !syncing,
    waiting,
    wake: useCallback(() => client.wake(), [client]),
  };
}

function countWaiting({ outbox }: Snapshot): number {
  return outbox.filter(({ status, intent }) => status !== 'failed' && intent.kind !== 'read').length;
}

/** How people are, kept up to date while the component is mounted. Nothing of whom nothing is known. */
export function usePresence(userIds: readonly string[]): Readonly<Record<string, PresenceState>> {
  const client = useParleyClient();
  const key = JSON.stringify([...new Set(userIds)].sort());
  useEffect(() => client.watchPresence(JSON.parse(key) as string[]), [client, key]);
  return useSnapshot((snapshot) => snapshot.presence);
}

/** Oneself; null until known. */
export function useMe(): User | null {
  return useSnapshot((snapshot) => snapshot.me);
}

/** A person met so far. */
export function useUser(id: string): User | undefined {
  return useSnapshot((snapshot) => snapshot.users[id]);
}
