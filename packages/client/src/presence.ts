import type { PresenceState } from '@parley/protocol';
import { backoff } from './platform.ts';
import type { Clock } from './platform.types.ts';

/** Whose presence somebody wants to see, told to the server as one list. */
export interface Presence {
  /** Asks to be told of these people; the answer stops it. The same person may be asked for many times. */
  watch(userIds: readonly string[]): () => void;
  /** A new connection knows nothing of whom the one before watched. */
  connected(): void;
  stop(): void;
}

/** What the server takes in one `presence:watch`. */
const MOST_WATCHED = 200;
/** A list that scrolls asks for many in a moment: they are told together. */
const GATHER_MS = 50;

/**
 * `tell` sends the whole list and resolves with how those people are, or with nothing where there is no connection. Past
 * the server's most, those asked for first are watched.
 */
export function createPresence({
  clock,
  random,
  tell,
  onStates,
}: {
  clock: Clock;
  random: () => number;
  tell(userIds: readonly string[]): Promise<readonly PresenceState[] | undefined>;
  onStates(states: readonly PresenceState[]): void;
}): Presence {
  const wanted = new Map<string, number>();
  let cancel: (() => void) | null = null;
  let turn = 0;

  function soon(ms: number, attempt = 0) {
    cancel?.();
    cancel = clock.after(ms, () => void send(attempt));
  }

  async function send(attempt: number) {
    cancel = null;
    const mine = ++turn;
    try {
      const states = await tell([...wanted.keys()].slice(0, MOST_WATCHED));
      if (mine === turn && states !== undefined) onStates(states);
    } catch {
      // Nobody waits for it; where the connection is gone the next one begins anew.
      if (mine === turn) soon(backoff(attempt + 2, random), attempt + 1);
    }
  }

  return {
    watch(userIds) {
      const added = [...new Set(userIds)];
      const before = wanted.size;
      for (const id of added) wanted.set(id, (wanted.get(id) ?? 0) + 1);
      if (wanted.size > before) soon(GATHER_MS);
      let watching = true;
      return () => {
        if (!watching) return;
        watching = false;
        for (const id of added) {
          const left = (wanted.get(id) ?? 1) - 1;
          if (left > 0) wanted.set(id, left);
          else wanted.delete(id);
        }
        // Whom nobody looks at any more the next list leaves out: no call of its own for that.
      };
    },
    connected() {
      if (wanted.size > 0) soon(0);
    },
    stop() {
      turn++;
      cancel?.();
    },
  };
}
