import { isAuthError } from './api.ts';
import { ParleyError } from './error.ts';
import { backoff } from './platform.ts';
import type { Clock, Coordinator, ParleyStorage } from './platform.types.ts';
import type { Intent, OutboxItem } from './snapshot.types.ts';

/** What the outbox needs and whom it tells. */
export interface OutboxDeps {
  readonly clock: Clock;
  readonly random: () => number;
  readonly createId: () => string;
  readonly coordinator: Coordinator;
  /**
   * Asks the server once. Must be safe to repeat for the same item.
   * @throws ParleyError definite, or transient (the outcome is unknown)
   */
  deliver(item: OutboxItem): Promise<unknown>;
  /** Whether a rate limit that this send met is that of all conversations, and not one of its own (slow mode). */
  sharesLimit(item: OutboxItem): boolean;
  /** The list changed. `answer` is what the server said to the item that is gone. */
  onChange(items: readonly OutboxItem[], answer: { readonly item: OutboxItem; readonly result: unknown } | null): void;
  /** An item was refused for good. A send is still in the list, as failed. */
  onRefused(item: OutboxItem, error: ParleyError): void;
  /** Something failed that nobody waits for. */
  onError(error: unknown, during: string): void;
}

/** What is to be put into the outbox. */
export interface NewItem {
  readonly conversationId: string;
  readonly intent: Intent;
  /** Does not leave before this time. */
  readonly notBefore?: number;
}

/** A confirmed item and what the server answered. */
export interface Settled {
  readonly item: OutboxItem;
  readonly result: unknown;
}

/**
 * Everything a person did that is not confirmed: kept in storage, sent in order within a conversation, repeated under the
 * same key until there is a definite answer. Of several clients on one storage only the leader sends; the others show the
 * same list. A lost message between them costs at most a repeat, which the server answers with what it stored (SEND-2).
 */
export interface Outbox {
  readonly items: readonly OutboxItem[];
  /** Reads what storage holds and begins. */
  start(storage: ParleyStorage): Promise<void>;
  add(item: NewItem): OutboxItem;
  /** Resolves when the item is confirmed; rejects with the refusal, or `aborted` when it was discarded. */
  settled(id: string): Promise<unknown>;
  /** Tries a failed item again, under its key. */
  retry(id: string): OutboxItem | undefined;
  /**
   * Takes an item back that is not on its way at this moment. Answers whether it could. One that was tried before with an
   * unknown outcome (`mayBeStored`) may turn up all the same.
   */
  discard(id: string): boolean;
  /** The server is known to have done it: its event or a page shows the result. */
  confirm(id: string, result: unknown): void;
  /** A file that sends wait for is whole (its id at the server), or will never be (why): they go, or fail. */
  uploaded(uploadId: string, outcome: string | ParleyError): void;
  /** Try now whatever waits for the network. */
  wake(): void;
  stop(): void;
}

/** What clients on one storage tell each other. */
type News =
  | { readonly type: 'put'; readonly item: OutboxItem }
  | { readonly type: 'settled'; readonly item: OutboxItem; readonly result: unknown }
  | { readonly type: 'refused'; readonly item: OutboxItem; readonly keep: boolean }
  | { readonly type: 'dropped'; readonly id: string };

/** Somebody who wants to know how an item ends. */
interface Waiter {
  readonly promise: Promise<unknown>;
  resolve(value: unknown): void;
  reject(error: ParleyError): void;
}

const PREFIX = 'outbox/';
/** So many `internal` answers in a row mean that this very request breaks the server: let the next one through. */
const MOST_INTERNAL = 6;

export function createOutbox(deps: OutboxDeps): Outbox {
  const { clock, coordinator } = deps;
  let items: readonly OutboxItem[] = [];
  let storage: ParleyStorage | null = null;
  let leading = false;
  let stopped = false;
  let lastOrder = 0;
  let sendsPausedUntil = 0;
  let cancelTimer = () => {};
  /** On their way now, by item. */
  const flying = new Set<string>();
  const waiters = new Map<string, Waiter>();

  /* The list */

  const find = (id: string) => items.find((item) => item.id === id);

  function put(item: OutboxItem, { keep = true, tell = true } = {}) {
    const index = items.findIndex((other) => other.id === item.id);
    items = index >= 0 ? items.with(index, item) : [...items, item].sort(byOrder);
    if (keep) write(item.id, item);
    if (tell) coordinator.post({ type: 'put', item } satisfies News);
    deps.onChange(items, null);
  }

  function drop(id: string, answer: Settled | null) {
    items = items.filter((item) => item.id !== id);
    write(id, undefined);
    deps.onChange(items, answer);
  }

  function write(id: string, item: OutboxItem | undefined) {
    storage?.write([[PREFIX + id, item]]).catch((error: unknown) => deps.onError(error, 'keeping the outbox'));
  }

  function settle(item: OutboxItem, result: unknown) {
    drop(item.id, { item, result });
    take(item.id)?.resolve(result);
  }

  function refuse(item: OutboxItem, error: ParleyError, keep: boolean) {
    if (keep) put(item, { tell: false });
    else drop(item.id, null);
    take(item.id)?.reject(error);
    deps.onRefused(item, error);
  }

  function take(id: string) {
    const waiter = waiters.get(id);
    waiters.delete(id);
    return waiter;
  }

  /* Sending */

  function pump() {
    if (!leading || stopped || storage === null) return;
    cancelTimer();
    cancelTimer = () => {};
    let soonest = Number.POSITIVE_INFINITY;
    const busy = new Set<string>();
    for (const item of items) {
      // A message whose files are on their way holds up no other; it goes when they are there.
      if (item.status === 'failed' || waitsForUploads(item)) continue;
      const lane = laneOf(item);
      if (busy.has(lane)) continue;
      busy.add(lane);
      if (flying.has(item.id)) continue;
      const paused = item.intent.kind === 'send' ? sendsPausedUntil : 0;
      const due = Math.max(item.notBefore ?? 0, paused);
      if (due <= clock.now()) void fly(item);
      else soonest = Math.min(soonest, due);
    }
    if (soonest < Number.POSITIVE_INFINITY) cancelTimer = clock.after(soonest - clock.now(), pump);
  }

  async function fly(waiting: OutboxItem) {
    flying.add(waiting.id);
    const item: OutboxItem = { ...waiting, status: 'sending', notBefore: null };
    put(item, { keep: false });
    try {
      const result = await deps.deliver(item);
      flying.delete(item.id);
      if (find(item.id) !== undefined && !stopped) {
        coordinator.post({ type: 'settled', item, result } satisfies News);
        settle(item, result);
      }
    } catch (thrown) {
      flying.delete(item.id);
      if (find(item.id) !== undefined && !stopped) failed(item, ParleyError.from(thrown));
    }
    pump();
  }

  function failed(item: OutboxItem, error: ParleyError) {
    const attempts = item.attempts + 1;
    const hopeless = error.code === 'internal' && attempts >= MOST_INTERNAL;
    if ((error.transient || isAuthError(error) || error.code === 'aborted') && !hopeless) {
      const wait = error.retryAfterMs ?? backoff(item.attempts, deps.random);
      const notBefore = clock.now() + wait;
      if (error.code === 'rate_limited' && item.intent.kind === 'send' && deps.sharesLimit(item)) pauseSends(notBefore);
      put({ ...item, status: 'waiting', attempts, notBefore, error: error.toJSON() });
      return;
    }
    const keep = item.intent.kind === 'send';
    const refused: OutboxItem = { ...item, status: 'failed', attempts, notBefore: null, error: error.toJSON() };
    coordinator.post({ type: 'refused', item: refused, keep } satisfies News);
    refuse(refused, error, keep);
  }

  /** The limit is one for all conversations (RATE-1): what waits behind it says until when. */
  function pauseSends(until: number) {
    sendsPausedUntil = until;
    for (const item of items) {
      if (item.intent.kind === 'send' && item.status === 'waiting' && (item.notBefore ?? 0) < until) {
        put({ ...item, notBefore: until }, { keep: false });
      }
    }
  }

  /* The others */

  function onMessage(message: unknown) {
    const news = message as News;
    switch (news.type) {
      case 'put': {
        // What is on its way here is known better here.
        if (!flying.has(news.item.id)) put(news.item, { keep: false, tell: false });
        break;
      }
      case 'settled':
        if (find(news.item.id) !== undefined) settle(news.item, news.result);
        break;
      case 'refused':
        if (find(news.item.id) !== undefined) {
          refuse(news.item, new ParleyError(news.item.error ?? { code: 'internal', message: '' }), news.keep);
        }
        break;
      case 'dropped':
        if (find(news.id) !== undefined) {
          drop(news.id, null);
          take(news.id)?.reject(cancelled());
        }
        break;
    }
    pump();
  }

  async function lead() {
    leading = true;
    // News may have been lost: storage has what others left behind.
    if (storage !== null) await load(storage);
    pump();
  }

  async function load(from: ParleyStorage) {
    const entries = await from.entries(PREFIX).catch((error: unknown) => {
      deps.onError(error, 'reading the outbox');
      return [];
    });
    const known = new Set(items.map((item) => item.id));
    const stored = entries
      .map(([, value]) => value as OutboxItem)
      .filter((item) => !known.has(item.id))
      // Whether it left before the last stop nobody knows: it goes again, under its key.
      .map((item): OutboxItem => (item.status === 'sending' ? { ...item, status: 'waiting' } : item));
    if (stored.length === 0) return;
    items = [...items, ...stored].sort(byOrder);
    deps.onChange(items, null);
  }

  return {
    get items() {
      return items;
    },
    async start(opened) {
      // Added before the storage was there: kept now.
      const early = items;
      await load(opened);
      storage = opened;
      for (const item of early) if (find(item.id) !== undefined) write(item.id, item);
      if (stopped) return;
      coordinator.start({
        onLead: () => void lead(),
        onLost() {
          leading = false;
          cancelTimer();
        },
        onMessage,
      });
      pump();
    },
    add({ conversationId, intent, notBefore }) {
      const waiting =
        intent.kind === 'read' ? items.find((item) => isWaitingRead(item, conversationId, flying)) : undefined;
      if (waiting?.intent.kind === 'read' && intent.kind === 'read') {
        const further: OutboxItem = {
          ...waiting,
          intent: { kind: 'read', seq: Math.max(waiting.intent.seq, intent.seq) },
        };
        put(further);
        return further;
      }
      lastOrder = Math.max(lastOrder + 1, clock.now() * 1000, (items.at(-1)?.order ?? 0) + 1);
      const item: OutboxItem = {
        id: deps.createId(),
        conversationId,
        intent,
        status: 'waiting',
        createdAt: clock.now(),
        order: lastOrder,
        attempts: 0,
        notBefore: notBefore ?? (intent.kind === 'send' && sendsPausedUntil > clock.now() ? sendsPausedUntil : null),
        error: null,
      };
      put(item);
      pump();
      return item;
    },
    settled(id) {
      const known = waiters.get(id);
      if (known !== undefined) return known.promise;
      if (stopped || find(id) === undefined) return quiet(Promise.reject(stopped ? closed() : cancelled()));
      let settle: Pick<Waiter, 'resolve' | 'reject'> = { resolve() {}, reject() {} };
      const promise = quiet(new Promise<unknown>((resolve, reject) => (settle = { resolve, reject })));
      waiters.set(id, { promise, ...settle });
      return promise;
    },
    retry(id) {
      const item = find(id);
      if (item?.status !== 'failed') return undefined;
      const again: OutboxItem = { ...item, status: 'waiting', attempts: 0, notBefore: null, error: null };
      put(again);
      pump();
      return again;
    },
    discard(id) {
      const item = find(id);
      if (item === undefined || flying.has(id) || item.status === 'sending') return false;
      coordinator.post({ type: 'dropped', id } satisfies News);
      drop(id, null);
      take(id)?.reject(cancelled());
      pump();
      return true;
    },
    confirm(id, result) {
      const item = find(id);
      if (item === undefined) return;
      settle(item, result);
      pump();
    },
    uploaded(uploadId, outcome) {
      for (const item of items) {
        const { intent, status } = item;
        if (intent.kind !== 'send' || status === 'failed') continue;
        const { uploads = [] } = intent.draft;
        if (!uploads.some(({ id, attachmentId }) => id === uploadId && attachmentId === null)) continue;
        if (typeof outcome !== 'string') {
          failed(item, outcome);
          continue;
        }
        const told = uploads.map((upload) => (upload.id === uploadId ? { ...upload, attachmentId: outcome } : upload));
        put({ ...item, intent: { kind: 'send', draft: { ...intent.draft, uploads: told } } });
      }
      pump();
    },
    wake() {
      for (const item of items) {
        if (
          item.status === 'waiting' &&
          item.error !== null &&
          item.error.code !== 'rate_limited' &&
          item.notBefore !== null
        ) {
          put({ ...item, notBefore: null }, { keep: false });
        }
      }
      pump();
    },
    stop() {
      stopped = true;
      cancelTimer();
      coordinator.stop();
      for (const { reject } of waiters.values()) reject(closed());
      waiters.clear();
    },
  };
}

/**
 * Whether the server may have stored the item without our knowing. A definite refusal says it did not, and so does
 * `rate_limited`: repeats are looked up first.
 */
export function mayBeStored({ status, error }: OutboxItem): boolean {
  if (status === 'sending') return true;
  return error !== null && error.code !== 'rate_limited' && new ParleyError(error).transient;
}

function waitsForUploads({ intent }: OutboxItem): boolean {
  return intent.kind === 'send' && (intent.draft.uploads ?? []).some(({ attachmentId }) => attachmentId === null);
}

/**
 * Things in one lane go one after the other: sends of a conversation, changes of a message, one's own pointers and settings of a
 * conversation. What waits in one lane (a send for the rate limit) holds up no other.
 */
function laneOf({ conversationId, intent }: OutboxItem): string {
  if (intent.kind === 'send') return `sends/${conversationId}`;
  return 'messageId' in intent ? `message/${intent.messageId}` : `own/${conversationId}`;
}

function isWaitingRead(item: OutboxItem, conversationId: string, flying: ReadonlySet<string>): boolean {
  const waits = item.status === 'waiting' && !flying.has(item.id);
  return waits && item.conversationId === conversationId && item.intent.kind === 'read';
}

function byOrder(a: OutboxItem, b: OutboxItem): number {
  return a.order - b.order || (a.id < b.id ? -1 : 1);
}

/** Nobody has to await it: a refusal shows in the list and is told as an event. */
function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

function closed(): ParleyError {
  return new ParleyError({ code: 'closed', message: 'The client was closed.' });
}

function cancelled(): ParleyError {
  return new ParleyError({ code: 'aborted', message: 'It was taken back before it left.' });
}
