import type { Clock } from './platform.types.ts';

/** Confirms that messages reached this device: the newest of each conversation, a moment after the last came. */
export interface Deliveries {
  reached(conversationId: string, seq: number): void;
  stop(): void;
}

/** A burst of messages is confirmed once. */
const GATHER_MS = 500;

/** `confirm` may fail: the next confirmation covers it, and so does reading. One is on its way at a time. */
export function createDeliveries(
  clock: Clock,
  confirm: (conversationId: string, seq: number) => Promise<void>,
): Deliveries {
  const waiting = new Map<string, number>();
  let cancel: (() => void) | null = null;

  async function confirmAll() {
    for (const [id, seq] of waiting) {
      waiting.delete(id);
      await confirm(id, seq).catch(() => {});
    }
    cancel = null;
    if (waiting.size > 0) schedule();
  }

  function schedule() {
    cancel ??= clock.after(GATHER_MS, () => void confirmAll());
  }

  return {
    reached(conversationId, seq) {
      waiting.set(conversationId, Math.max(seq, waiting.get(conversationId) ?? 0));
      schedule();
    },
    stop() {
      cancel?.();
      waiting.clear();
    },
  };
}
