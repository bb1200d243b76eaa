import type { User } from '@parley/protocol';
import type { Clock, ParleyStorage } from './platform.types.ts';
import type { ConversationRecord, State, StoredConversation } from './reducer.ts';
import type { Store } from './store.ts';

/** Keeps the last conversations on the device, so that they open at once and offline. */
export interface Persistence {
  /** What was kept. */
  load(): Promise<{ readonly conversations: readonly StoredConversation[]; readonly me: User | null }>;
  /** From now on keeps what changes, a moment after it did. */
  start(): void;
  /** Keeps now what has changed. */
  flush(): Promise<void>;
  stop(): void;
}

const PREFIX = 'conversation/';
const ME = 'me';
/** So many of the newest messages of each conversation, of so many of the last active conversations. */
const MESSAGES = 60;
const CONVERSATIONS = 300;
const PEOPLE = 200;
const GATHER_MS = 1_000;

/**
 * Each conversation is one entry that is true by itself: its messages as they were at its `cursor`. So entries of different
 * times, of different tabs, or of a device that was off for a year are all fit to catch up from.
 */
export function createPersistence({
  store,
  storage,
  clock,
  onError,
}: {
  store: Store;
  storage: ParleyStorage;
  clock: Clock;
  onError(error: unknown, during: string): void;
}): Persistence {
  let kept: State['conversations'] = {};
  let keptMe: User | null = null;
  let cancel: (() => void) | null = null;
  let unsubscribe = () => {};

  async function flush() {
    cancel?.();
    cancel = null;
    const { conversations, conversationOrder, me } = store.state;
    const wanted = new Set(conversationOrder.slice(0, CONVERSATIONS));
    const changes: [string, unknown][] = [];
    for (const [id, record] of Object.entries(conversations)) {
      if (wanted.has(id) && !sameStored(record, kept[id])) changes.push([PREFIX + id, toStore(record)]);
    }
    for (const id of Object.keys(kept)) {
      if (conversations[id] === undefined) changes.push([PREFIX + id, undefined]);
    }
    if (me !== keptMe) changes.push([ME, me]);
    kept = conversations;
    keptMe = me;
    if (changes.length === 0) return;
    await storage.write(changes).catch((error: unknown) => onError(error, 'keeping conversations'));
  }

  return {
    async load() {
      const [entries, me] = await Promise.all([storage.entries(PREFIX), storage.entries(ME)]);
      keptMe = (me.find(([key]) => key === ME)?.[1] as User | undefined) ?? null;
      return { conversations: entries.map(([, value]) => value as StoredConversation), me: keptMe };
    },
    start() {
      kept = store.state.conversations;
      unsubscribe = store.subscribe(() => {
        if (store.state.conversations === kept && store.state.me === keptMe) return;
        cancel ??= clock.after(GATHER_MS, () => void flush());
      });
    },
    flush,
    stop() {
      unsubscribe();
      cancel?.();
    },
  };
}

function toStore(record: ConversationRecord): StoredConversation {
  // Of a confidential conversation no text stays on the device.
  const secret = record.base.confidential;
  return {
    base: secret ? { ...record.base, lastMessage: null } : record.base,
    cursor: record.cursor,
    messages: secret ? [] : newestWhole(record),
    participants: Object.values(record.participants).slice(0, PEOPLE),
    participantsLoaded: record.participantsLoaded && Object.keys(record.participants).length <= PEOPLE,
  };
}

/** The newest messages without a hole; none when the newest is not loaded. */
function newestWhole({ messages, base }: ConversationRecord) {
  let start = messages.length;
  let next = base.lastSeq;
  while (start > 0 && messages.length - start < MESSAGES && messages[start - 1]?.seq === next) {
    start--;
    next--;
  }
  return messages.slice(start);
}

/** Whether what would be kept is the same: most changes (typing, one's own sends that wait) touch nothing of it. */
function sameStored(a: ConversationRecord, b: ConversationRecord | undefined): boolean {
  return (
    b !== undefined &&
    a.base === b.base &&
    a.cursor === b.cursor &&
    a.messages === b.messages &&
    a.participants === b.participants
  );
}
