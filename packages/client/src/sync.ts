import type {
  ChangeEvent,
  ChangeEventName,
  Changes,
  Conversation,
  EventName,
  EventPayload,
  Message,
  Page,
  Participant,
  SyncResult,
  User,
} from '@parley/protocol';
import type { Api } from './api.ts';
import { ParleyError } from './error.ts';
import { type Fact, factOfChange, factOfEvent } from './facts.ts';
import { backoff } from './platform.ts';
import type { Clock } from './platform.types.ts';
import type { ConversationRecord } from './reducer.ts';
import type { Store } from './store.ts';

/** What sync needs and whom it tells. */
export interface SyncDeps {
  readonly api: Api;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: () => number;
  /** A message came live. */
  onMessage(message: Message): void;
  /** Messages of the log passed by, on whatever way: among them may be one's own sends. */
  onStored(messages: readonly Message[]): void;
  onAdded(conversation: Conversation): void;
  onRemoved(conversationId: string): void;
  onError(error: unknown, during: string): void;
}

/**
 * Keeps the store equal to the server: events are hints that say where to look, `changes` is the truth. Events are applied in
 * order of `rev`; whatever comes too early waits until the hole before it is mended.
 */
export interface Sync {
  /** An event of the server. */
  receive<Name extends EventName>(name: Name, payload: EventPayload<Name>): void;
  /** The connection is up and hears everything from here on: find out what happened before. */
  resync(): Promise<void>;
  /** Brings one conversation to the present. */
  refresh(id: string, signal?: AbortSignal): Promise<Conversation>;
  /** Conversations on the screen are kept whole, others are brought up when opened. Answers how to stop. */
  watch(id: string): () => void;
  /** One left it, or deleted it. */
  forget(id: string): void;
  loadParticipants(id: string, signal?: AbortSignal): Promise<readonly Participant[]>;
  stop(): void;
}

const CHANGE_EVENTS: Readonly<Record<ChangeEventName, true>> = {
  'message:created': true,
  'message:updated': true,
  'message:deleted': true,
  'reaction:added': true,
  'reaction:removed': true,
  'participant:joined': true,
  'participant:left': true,
  'participant:updated': true,
  'conversation:updated': true,
};

/** Cursors in one `sync` call, conversations and people in one page, changes in one page: the server's own caps. */
const CURSORS = 500;
const PAGE = 200;
/** More conversations than this are cheaper as pages of the list than one by one. */
const MOST_SINGLY = PAGE / 10;
const CHANGES = 1000;
/** Past so many conversations the rest of the list is left to `added` of the next sync. */
const MOST_LIST_PAGES = 25;
const MOST_PEOPLE_PAGES = 10;
/** A conversation nobody looks at that is further behind than this begins anew instead of being caught up. */
const BEGIN_ANEW_BEHIND = 1_000;
/** One on the screen keeps its place, unless there is so much that reading it all would take longer than anybody waits. */
const BEGIN_ANEW_BEHIND_WATCHED = 5_000;
/** Messages of a conversation nobody looks at, and how many of them are left when there are more. */
const MOST_UNWATCHED = 1_000;
const KEPT_UNWATCHED = 200;
/** Held events past this are given up: `changes` brings them. */
const MOST_HELD = 1_000;
/** Waits a moment before asking again about counts, so that a burst asks once. */
const RECOUNT_AFTER_MS = 300;
const MOST_REFRESH_ROUNDS = 5;

export function createSync(deps: SyncDeps): Sync {
  const { api, store, clock } = deps;
  /** Facts that came before their turn, by `rev`. */
  const held = new Map<string, Map<number, Fact>>();
  /** How far each conversation is known to go while it is behind. */
  const targets = new Map<string, number>();
  const learning = new Set<string>();
  /** How often one was removed from a conversation: tells answers of before. */
  const removals = new Map<string, number>();
  const catching = new Map<string, Promise<void>>();
  const recounts = new Map<string, () => void>();
  const typingTimers = new Map<string, () => void>();
  const watched = new Map<string, number>();
  let stopped = false;
  /** What the device kept of oneself may be of yesterday: roles, and what the server can do. */
  let identified = false;
  let run = 0;
  let cancelRetry = () => {};

  const record = (id: string) => store.state.conversations[id];
  const path = (id: string, rest = '') => `/conversations/${encodeURIComponent(id)}${rest}`;

  /* Live events */

  function receive<Name extends EventName>(name: Name, payload: EventPayload<Name>) {
    if (name in CHANGE_EVENTS) {
      const event = { name, payload } as unknown as ChangeEvent;
      receiveChange(event.payload.conversationId, factOfEvent(event), event);
      return;
    }
    const other = { name, payload } as { [N in EventName]: { name: N; payload: EventPayload<N> } }[EventName];
    switch (other.name) {
      case 'conversation:created': {
        const known = record(other.payload.conversation.id) !== undefined;
        takeConversation(other.payload.conversation);
        if (!known) deps.onAdded(other.payload.conversation);
        break;
      }
      case 'conversation:removed':
        forget([other.payload.conversationId]);
        break;
      case 'conversation:head':
        if (record(other.payload.conversationId) === undefined) learn(other.payload.conversationId);
        else if (isBehind(other.payload.conversationId, other.payload.rev))
          mend(other.payload.conversationId, other.payload.rev);
        break;
      case 'receipt:read':
        store.dispatch({ type: 'receipt', ...other.payload, read: other.payload.seq });
        break;
      case 'receipt:delivered':
        store.dispatch({ type: 'receipt', ...other.payload, delivered: other.payload.seq });
        if (other.payload.userId === store.state.userId) {
          const { conversationId, seq } = other.payload;
          store.dispatch({ type: 'pointers', conversationId, pointers: { lastDeliveredSeq: seq } });
        }
        break;
      case 'unread:changed': {
        const { conversationId, ...pointers } = other.payload;
        store.dispatch({ type: 'pointers', conversationId, pointers });
        recountIfNeeded(conversationId);
        break;
      }
      case 'presence:changed':
        store.dispatch({ type: 'presence', states: [other.payload] });
        break;
      case 'typing:started':
        typingStarted(other.payload);
        break;
      case 'typing:stopped':
        store.dispatch({ type: 'typingEnded', ...other.payload });
        break;
    }
  }

  function receiveChange(id: string, fact: Fact, event: ChangeEvent) {
    const known = record(id);
    if (known === undefined) {
      // Of a conversation we have not heard of yet: what comes while we ask waits.
      hold(id, fact);
      learn(id);
      return;
    }
    if (fact.rev <= known.cursor) return;
    if (fact.rev > known.cursor + 1) {
      hold(id, fact);
      mend(id, fact.rev);
      return;
    }
    apply(id, fact);
    if (event.name === 'message:created') deps.onMessage(event.payload.message);
    release(id);
  }

  function learn(id: string) {
    if (learning.has(id)) return;
    learning.add(id);
    refresh(id)
      .catch((error: unknown) => report(error, 'learning of a conversation'))
      .finally(() => {
        learning.delete(id);
        if (record(id) === undefined) held.delete(id);
        else release(id);
      });
  }

  function apply(id: string, fact: Fact) {
    store.dispatch({ type: 'fact', conversationId: id, fact });
    if (fact.kind === 'message') deps.onStored([fact.message]);
    recountIfNeeded(id);
    forgetOldest(id);
  }

  /** What goes on where nobody looks must not fill the memory: there the newest messages are enough. */
  function forgetOldest(id: string) {
    const present = record(id);
    if (present === undefined || watched.has(id) || present.messages.length <= MOST_UNWATCHED) return;
    store.dispatch({ type: 'trim', conversationId: id, around: present.base.lastSeq, keep: KEPT_UNWATCHED });
  }

  function hold(id: string, fact: Fact) {
    const facts = held.get(id) ?? new Map<number, Fact>();
    held.set(id, facts);
    if (facts.size < MOST_HELD) facts.set(fact.rev, fact);
  }

  /** Applies what was held and is next now; what is still too early says how far there is to go. */
  function release(id: string) {
    const facts = held.get(id);
    if (facts === undefined) return;
    for (;;) {
      const cursor = record(id)?.cursor;
      if (cursor === undefined) break;
      const next = facts.get(cursor + 1);
      for (const rev of facts.keys()) if (rev <= cursor + 1) facts.delete(rev);
      if (next === undefined) break;
      const before = record(id)?.base.lastSeq ?? 0;
      apply(id, next);
      if (next.kind === 'message' && next.message.seq > before) deps.onMessage(next.message);
    }
    if (facts.size === 0) held.delete(id);
    else if (!catching.has(id) && record(id) !== undefined) mend(id, Math.max(...facts.keys()));
  }

  function typingStarted({ conversationId, userId }: EventPayload<'typing:started'>) {
    if (userId === store.state.userId) return;
    const expiresAt = clock.now() + TYPING_ENDS_MS;
    const key = `${conversationId}/${userId}`;
    store.dispatch({ type: 'typing', conversationId, typing: { userId, expiresAt } });
    typingTimers.get(key)?.();
    typingTimers.set(
      key,
      clock.after(TYPING_ENDS_MS, () => {
        typingTimers.delete(key);
        store.dispatch({ type: 'typingEnded', conversationId, userId, expiresAt });
      }),
    );
  }

  /* Catching up */

  function isBehind(id: string, rev: number): boolean {
    return (record(id)?.cursor ?? Number.POSITIVE_INFINITY) < rev;
  }

  /** Catches up in the background to at least `rev`; tries again until it worked, for a hole must not stay. */
  function mend(id: string, rev: number, attempt = 0) {
    targets.set(id, Math.max(rev, targets.get(id) ?? 0));
    const again = (wait: number) => {
      clock.after(wait, () => {
        const target = targets.get(id) ?? 0;
        if (!stopped && isBehind(id, target)) mend(id, target, attempt + 1);
      });
    };
    catchUp(id).then(
      () => {
        // Behind all the same: what we were told of is not to be read yet.
        if (isBehind(id, targets.get(id) ?? 0)) again(backoff(attempt + 1, deps.random));
        else targets.delete(id);
      },
      (thrown: unknown) => {
        report(thrown, 'catching up');
        const error = ParleyError.from(thrown);
        if (error.transient) again(error.retryAfterMs ?? backoff(attempt + 1, deps.random));
      },
    );
  }

  function catchUp(id: string): Promise<void> {
    const running =
      catching.get(id) ??
      catchUpOnce(id).finally(() => {
        catching.delete(id);
        release(id);
      });
    catching.set(id, running);
    return running;
  }

  async function catchUpOnce(id: string) {
    if (record(id) === undefined) return;
    store.dispatch({ type: 'behind', conversationId: id, behind: true });
    for (let reached = -1; reached < (record(id)?.cursor ?? -1); ) {
      const known = record(id);
      if (known === undefined) return;
      reached = known.cursor;
      if (known.messages.length === 0) await refreshWith(id, readChanges);
      else await readChanges(id);
      release(id);
      if (!isBehind(id, targets.get(id) ?? 0)) break;
    }
    store.dispatch({ type: 'behind', conversationId: id, behind: false });
    recountIfNeeded(id);
  }

  async function readChanges(id: string) {
    const start = record(id);
    const insertAbove = start?.atNewest ? start.base.lastSeq : null;
    for (let more = true; more; ) {
      const known = record(id);
      if (known === undefined) return;
      const page = await guarded(id, () =>
        api.call<Changes>({
          method: 'GET',
          path: path(id, '/changes'),
          query: { after: known.cursor, limit: CHANGES },
        }),
      );
      const facts = page.changes.map(factOfChange);
      const reached = page.hasMore ? (facts.at(-1)?.rev ?? page.rev) : page.rev;
      store.dispatch({ type: 'changes', conversationId: id, facts, cursor: reached, insertAbove });
      deps.onStored(facts.flatMap((fact) => (fact.kind === 'message' ? [fact.message] : [])));
      more = page.hasMore && facts.length > 0;
      const present = record(id);
      if (more && present !== undefined && page.rev - present.cursor > furthestBehind(id)) {
        return beginAnew(await getConversation(id));
      }
    }
  }

  const furthestBehind = (id: string) => (watched.has(id) ? BEGIN_ANEW_BEHIND_WATCHED : BEGIN_ANEW_BEHIND);

  function beginAnew(conversation: Conversation) {
    store.dispatch({ type: 'reset', conversation });
  }

  /** A conversation as told at its `rev`; where messages are loaded, changes come first. */
  function takeConversation(conversation: Conversation) {
    store.dispatch({ type: 'conversations', conversations: [conversation] });
    if (conversation.lastMessage !== null) deps.onStored([conversation.lastMessage]);
    if (!isBehind(conversation.id, conversation.rev)) release(conversation.id);
    else if (!catching.has(conversation.id)) mend(conversation.id, conversation.rev);
  }

  function getConversation(id: string, signal?: AbortSignal): Promise<Conversation> {
    return guarded(id, () => api.call<Conversation>({ method: 'GET', path: path(id), ...only(signal) }));
  }

  /**
   * Runs a call about a conversation. When the answer is that one is not in it, the store learns that; and an answer that was
   * read before one was removed must not bring the conversation back.
   */
  async function guarded<T>(id: string, work: () => Promise<T>): Promise<T> {
    const before = removals.get(id);
    try {
      const answer = await work();
      if (removals.get(id) === before) return answer;
    } catch (error) {
      const gone = error instanceof ParleyError && (error.code === 'not_a_participant' || error.code === 'not_found');
      if (gone) forget([id]);
      throw error;
    }
    throw new ParleyError({ code: 'aborted', message: 'You were removed from this conversation meanwhile.' });
  }

  function forget(ids: readonly string[]) {
    const known = ids.filter((id) => record(id) !== undefined);
    for (const id of ids) removals.set(id, (removals.get(id) ?? 0) + 1);
    store.dispatch({ type: 'removed', conversationIds: known });
    for (const id of ids) {
      held.delete(id);
      targets.delete(id);
    }
    for (const id of known) deps.onRemoved(id);
  }

  const refresh = (id: string, signal?: AbortSignal) => refreshWith(id, catchUp, signal);

  /**
   * The conversation at one `rev`, with counts that are certain. When something happens between asking and answering, the
   * answer is not of the moment of what we have, and it is asked again. `close` mends a hole before it.
   */
  async function refreshWith(
    id: string,
    close: (id: string) => Promise<void>,
    signal?: AbortSignal,
  ): Promise<Conversation> {
    for (let round = 1; ; round++) {
      const own = record(id)?.ownVersion;
      const conversation = await getConversation(id, signal);
      if (isBehind(id, conversation.rev) && (record(id)?.messages.length ?? 0) > 0) await close(id);
      const known = record(id);
      const fits = known === undefined || fitsNow(known, conversation, own);
      if (fits || round === MOST_REFRESH_ROUNDS) {
        if (fits) takeConversation(conversation);
        return conversation;
      }
    }
  }

  /** Whether an answer that was asked for when one's own pointers were at `own` can be taken as it is. */
  function fitsNow(known: ConversationRecord, told: Conversation, own: number | undefined): boolean {
    if (own !== undefined && known.ownVersion !== own) return false;
    return told.rev === known.cursor || (told.rev > known.cursor && known.messages.length === 0);
  }

  function recountIfNeeded(id: string) {
    if (record(id)?.exact !== false || recounts.has(id)) return;
    const cancel = clock.after(RECOUNT_AFTER_MS * (1 + deps.random()), () => {
      recounts.delete(id);
      if (stopped || record(id)?.exact !== false) return;
      refresh(id)
        .then(() => recountIfNeeded(id))
        .catch((error: unknown) => report(error, 'counting unread messages'));
    });
    recounts.set(id, cancel);
  }

  /* After connecting */

  async function resync(attempt = 0): Promise<void> {
    const mine = ++run;
    cancelRetry();
    store.dispatch({ type: 'syncing', syncing: true });
    try {
      if (!identified) void learnMyself();
      await readList(mine, await findOutWhatChanged(mine));
      await Promise.all([...watched.keys()].map((id) => refreshWatched(id)));
      if (mine === run) store.dispatch({ type: 'syncing', syncing: false });
    } catch (thrown) {
      if (stopped || mine !== run) return;
      report(thrown, 'catching up');
      const error = ParleyError.from(thrown);
      cancelRetry = clock.after(
        error.retryAfterMs ?? backoff(attempt + 1, deps.random),
        () => void resync(attempt + 1),
      );
    }
  }

  async function learnMyself() {
    try {
      const me = await api.call<User>({ method: 'GET', path: '/me' });
      identified = true;
      store.dispatch({ type: 'identified', userId: me.id, me });
    } catch (error) {
      report(error, 'learning who one is');
    }
  }

  /** Catches up; answers with the conversations that are too far behind for it and still have to begin anew. */
  async function findOutWhatChanged(mine: number): Promise<Set<string>> {
    const ids = Object.keys(store.state.conversations);
    const far = new Set<string>();
    const added = new Map<string, number>();
    let asked = 0;
    for (let start = 0; start < ids.length; start += CURSORS) {
      const cursors = Object.fromEntries(
        ids.slice(start, start + CURSORS).flatMap((id) => {
          const known = record(id);
          return known === undefined ? [] : [[id, known.cursor]];
        }),
      );
      const answer = await api.call<SyncResult>({ method: 'POST', path: '/sync', body: { cursors }, tries: 3 });
      if (mine !== run || stopped) return far;
      asked++;
      // A channel one only reads is never among one's own.
      forget(answer.gone.filter((id) => record(id)?.base.me !== null));
      for (const id of answer.added) added.set(id, (added.get(id) ?? 0) + 1);
      await inTurn(answer.behind, 4, async ({ conversationId, rev }) => {
        const known = record(conversationId);
        if (known === undefined || known.cursor >= rev) return;
        if (rev - known.cursor > furthestBehind(conversationId)) far.add(conversationId);
        else await tolerant(conversationId, () => catchUp(conversationId));
      });
    }
    // Each part of the cursors counts the conversations of the other parts as added.
    const unknown = [...added].filter(([id, times]) => times === asked && record(id) === undefined).map(([id]) => id);
    // Many are cheaper as pages of the list, which is read next.
    if (unknown.length <= MOST_SINGLY) {
      await inTurn(unknown, 4, (id) => tolerant(id, async () => takeConversation(await getConversation(id))));
    }
    if (far.size <= MOST_SINGLY) await beginAnewSingly(far);
    return far;
  }

  /** Empties the set. */
  async function beginAnewSingly(far: Set<string>) {
    const ids = [...far];
    far.clear();
    await inTurn(ids, 4, (id) => tolerant(id, async () => beginAnew(await getConversation(id))));
  }

  /**
   * The list, for what no `rev` tells: one's own pointers and settings moved on other devices. And for those that are `far`
   * behind: where they are many, a page of the list tells as much as a call for each.
   */
  async function readList(mine: number, far: Set<string>) {
    if (store.state.conversationList === 'empty') store.dispatch({ type: 'list', list: 'loading' });
    for (const filter of ['all', 'archived'] as const) {
      let cursor: string | undefined;
      for (let page = 0; page < MOST_LIST_PAGES; page++) {
        const before = store.state.conversations;
        const removed = new Map(removals);
        const list: Page<Conversation> = await api.call({
          method: 'GET',
          path: '/conversations',
          query: { filter, limit: PAGE, cursor },
        });
        if (mine !== run || stopped) return;
        const mineStill = list.items.filter(({ id }) => removals.get(id) === removed.get(id));
        const anew = mineStill.filter((item) => far.delete(item.id) && isBehind(item.id, item.rev));
        for (const item of anew) {
          beginAnew(item);
          release(item.id);
        }
        const told = mineStill.filter((item) => !anew.includes(item));
        const ready = told.filter((item) => {
          const known = record(item.id);
          return known === undefined || fitsNow(known, item, before[item.id]?.ownVersion);
        });
        store.dispatch({ type: 'conversations', conversations: ready });
        for (const item of ready) release(item.id);
        deps.onStored(ready.flatMap((item) => (item.lastMessage === null ? [] : [item.lastMessage])));
        const others = told.filter((item) => !ready.includes(item));
        await inTurn(others, 4, (item) => tolerant(item.id, async () => void (await refresh(item.id))));
        if (mine !== run || stopped) return;
        if (list.nextCursor === null) break;
        cursor = list.nextCursor;
      }
    }
    await beginAnewSingly(far);
    store.dispatch({ type: 'list', list: 'complete' });
  }

  async function refreshWatched(id: string) {
    if (record(id) === undefined) return;
    await tolerant(id, async () => void (await loadParticipants(id)));
  }

  async function loadParticipants(id: string, signal?: AbortSignal): Promise<readonly Participant[]> {
    const found: Participant[] = [];
    const asOf = record(id)?.cursor ?? 0;
    let cursor: string | undefined;
    for (let page = 0; page < MOST_PEOPLE_PAGES; page++) {
      const list: Page<Participant> = await guarded(id, () =>
        api.call({ method: 'GET', path: path(id, '/participants'), query: { limit: PAGE, cursor }, ...only(signal) }),
      );
      found.push(...list.items);
      cursor = list.nextCursor ?? undefined;
      if (cursor === undefined) break;
    }
    const complete = cursor === undefined ? asOf : null;
    store.dispatch({ type: 'participants', conversationId: id, participants: found, completeAsOf: complete });
    return found;
  }

  /** One conversation that cannot be brought up must not keep the others from it; a broken connection ends the whole run. */
  async function tolerant(id: string, work: () => Promise<void>) {
    try {
      await work();
    } catch (error) {
      if (error instanceof ParleyError && error.transient) throw error;
      if (record(id) !== undefined) report(error, 'catching up');
    }
  }

  function report(error: unknown, during: string) {
    const expected =
      error instanceof ParleyError && (error.transient || error.code === 'aborted' || error.code === 'closed');
    if (!expected && !stopped) deps.onError(error, during);
  }

  return {
    receive,
    resync,
    refresh,
    loadParticipants,
    forget: (id) => forget([id]),
    watch(id) {
      watched.set(id, (watched.get(id) ?? 0) + 1);
      let watching = true;
      let cancelPoll = () => {};
      const poll = () => {
        cancelPoll = clock.after(POLL_MS, poll);
        const known = record(id);
        const reading = known?.base.me === null && store.state.connection.status === 'online';
        if (reading && !catching.has(id)) readChanges(id).catch((error: unknown) => report(error, 'reading a channel'));
      };
      cancelPoll = clock.after(POLL_MS, poll);
      return () => {
        if (!watching) return;
        watching = false;
        cancelPoll();
        const left = (watched.get(id) ?? 1) - 1;
        if (left === 0) watched.delete(id);
        else watched.set(id, left);
      };
    },
    stop() {
      stopped = true;
      run++;
      cancelRetry();
      for (const cancel of [...recounts.values(), ...typingTimers.values()]) cancel();
    },
  };
}

/** A channel one only reads tells nothing by itself (DLV-4): while it is on the screen it is asked. */
const POLL_MS = 10_000;

/** Somebody's typing ends by itself after this time; the server says so too, unless that is lost. */
const TYPING_ENDS_MS = 6_000;

/** Works through a list, so many at a time. */
async function inTurn<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const worker = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
}

function only(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
