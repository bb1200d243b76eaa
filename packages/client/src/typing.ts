import type { Clock } from './platform.types.ts';

/** Tells the server that one is typing, as often as is needed and no more. */
export interface OwnTyping {
  /** A key was pressed in this conversation. */
  pressed(conversationId: string): void;
  /** The field was emptied, or what was in it was sent. */
  stop(conversationId: string): void;
  /** Forget everything, without telling. */
  clear(): void;
}

/** The mark of the server ends after 6 s, so it is renewed well before. */
const RENEW_MS = 3_000;
/** Nobody presses a key for this long: no longer typing. */
const IDLE_MS = 4_000;

/** `tell` may fail or do nothing when there is no connection: typing is never made up for. */
export function createOwnTyping(
  clock: Clock,
  tell: (name: 'typing:start' | 'typing:stop', conversationId: string) => void,
): OwnTyping {
  const active = new Map<string, { toldAt: number; cancel(): void }>();

  function stop(conversationId: string) {
    const typing = active.get(conversationId);
    if (typing === undefined) return;
    typing.cancel();
    active.delete(conversationId);
    tell('typing:stop', conversationId);
  }

  return {
    pressed(conversationId) {
      const before = active.get(conversationId);
      before?.cancel();
      const due = before === undefined || clock.now() - before.toldAt >= RENEW_MS;
      active.set(conversationId, {
        toldAt: due ? clock.now() : before.toldAt,
        cancel: clock.after(IDLE_MS, () => stop(conversationId)),
      });
      if (due) tell('typing:start', conversationId);
    },
    stop,
    clear() {
      for (const { cancel } of active.values()) cancel();
      active.clear();
    },
  };
}
