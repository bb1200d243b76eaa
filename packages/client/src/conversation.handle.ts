import type { Conversation, Message, MessageReport, Page, Participant, Revision } from '@parley/protocol';
import type { Api, ApiCall } from './api.ts';
import type { CallOptions, ConversationHandle, HistoryOptions, Operation } from './client.types.ts';
import type { Answer } from './deliver.ts';
import { ParleyError } from './error.ts';
import { mayBeStored, type NewItem, type Outbox } from './outbox.ts';
import { backoff } from './platform.ts';
import type { Clock } from './platform.types.ts';
import type { PageMode } from './reducer.ts';
import type { Draft } from './snapshot.types.ts';
import type { Store } from './store.ts';
import type { Sync } from './sync.ts';
import type { OwnTyping } from './typing.ts';

/** The parts a handle speaks to. */
export interface HandleDeps {
  readonly api: Api;
  readonly store: Store;
  readonly sync: Sync;
  readonly outbox: Outbox;
  readonly typing: OwnTyping;
  readonly clock: Clock;
  readonly random: () => number;
  /** Resolves when storage is read and the first token is known. */
  readonly started: () => Promise<void>;
  readonly onError: (error: unknown, during: string) => void;
}

const PAGE = 50;
const MOST = 200;

export function createConversationHandle(id: string, deps: HandleDeps): ConversationHandle {
  const { api, store, sync, outbox, typing, clock } = deps;
  const running = new Map<string, Promise<void>>();
  let fetches = 0;
  /** The jump asked for last, until another place is asked for: what of earlier ones still comes no longer moves the window. */
  let jump: string | null = null;

  const record = () => store.state.conversations[id];

  async function call<T>(rest: string, { signal, ...request }: Partial<ApiCall> & CallOptions): Promise<T> {
    await deps.started();
    const path = `/conversations/${encodeURIComponent(id)}${rest}`;
    return api.call<T>({ method: 'GET', ...request, path, ...(signal === undefined ? {} : { signal }) });
  }

  /* What shows at once */

  function operation<T>(intent: NewItem['intent'], pick: (answer: Answer) => T, notBefore?: number): Operation<T> {
    const item = outbox.add({ conversationId: id, intent, ...(notBefore === undefined ? {} : { notBefore }) });
    return operationOf(item.id, pick);
  }

  function operationOf<T>(itemId: string, pick: (answer: Answer) => T): Operation<T> {
    const promise = outbox.settled(itemId).then((answer) => pick(answer as Answer));
    promise.catch(() => {});
    return Object.assign(promise, { id: itemId, cancel: () => outbox.discard(itemId) });
  }

  function refused<T>(message: string): Operation<T> {
    const promise = Promise.reject<T>(new ParleyError({ code: 'aborted', message }));
    promise.catch(() => {});
    return Object.assign(promise, { id: '', cancel: () => false });
  }

  function send(draft: Draft) {
    typing.stop(id);
    return operation({ kind: 'send', draft }, messageOf);
  }

  /* Pages */

  /** One page into the store. Asking for the same again while it is on its way waits for that one. */
  function fetchPage(
    query: { before?: number; after?: number; around?: number; limit: number },
    range: { fromSeq: number; toSeq: number },
    mode: PageMode,
    { signal }: CallOptions,
  ): Promise<void> {
    const key = JSON.stringify(query);
    if (mode === 'replace') jump = key;
    const known = running.get(key);
    if (known !== undefined) return known;
    const fetchId = `${++fetches}`;
    store.dispatch({ type: 'fetch', conversationId: id, fetch: { id: fetchId, ...range } });
    const fetching = call<Page<Message>>('/messages', { query, ...(signal === undefined ? {} : { signal }) })
      .then(
        (page) => {
          store.dispatch({
            type: 'fetched',
            conversationId: id,
            fetchId,
            page: { messages: page.items, mode: mode === 'replace' && jump !== key ? 'extend' : mode },
            error: null,
          });
          for (const message of page.items) confirmOwn(message);
        },
        (thrown: unknown) => {
          const error = ParleyError.from(thrown);
          const told = error.code === 'aborted' ? null : error.toJSON();
          store.dispatch({ type: 'fetched', conversationId: id, fetchId, page: null, error: told });
          throw error;
        },
      )
      .finally(() => running.delete(key));
    running.set(key, fetching);
    return fetching;
  }

  function confirmOwn(message: Message) {
    if (message.senderId === store.state.userId && message.clientMessageId !== null) {
      outbox.confirm(message.clientMessageId, { kind: 'message', message } satisfies Answer);
    }
  }

  async function known(options: CallOptions = {}) {
    await deps.started();
    if (record() === undefined) await sync.refresh(id, options.signal);
    const present = record();
    if (present === undefined)
      throw new ParleyError({ code: 'not_found', status: 404, message: 'There is nothing here.' });
    return present;
  }

  async function loadNewest(options: CallOptions = {}) {
    const { base, atNewest, messages } = await known(options);
    jump = null;
    if (base.lastSeq === 0 || (atNewest && messages.length > 0)) return;
    const range = { fromSeq: Math.max(1, base.lastSeq - PAGE + 1), toSeq: base.lastSeq };
    await fetchPage({ limit: PAGE }, range, 'replace', options);
  }

  async function loadOlder({ limit = PAGE, ...options }: CallOptions & { limit?: number } = {}) {
    const { messages } = await known(options);
    const first = messages[0];
    if (first === undefined) return loadNewest(options);
    if (first.seq === 1) return;
    const range = { fromSeq: Math.max(1, first.seq - limit), toSeq: first.seq - 1 };
    await fetchPage({ before: first.seq, limit: Math.min(MOST, limit) }, range, 'extend', options);
  }

  async function loadNewer({ limit = PAGE, ...options }: CallOptions & { limit?: number } = {}) {
    const { messages, base } = await known(options);
    const last = messages.at(-1);
    if (last === undefined) return loadNewest(options);
    if (last.seq >= base.lastSeq) return;
    await fetchPage(
      { after: last.seq, limit: Math.min(MOST, limit) },
      { fromSeq: last.seq + 1, toSeq: last.seq + limit },
      'extend',
      options,
    );
  }

  async function loadAround(seq: number, { limit = PAGE, ...options }: CallOptions & { limit?: number } = {}) {
    const { messages } = await known(options);
    jump = null;
    if (messages.some((message) => message.seq === seq)) return;
    const range = { fromSeq: Math.max(1, seq - Math.floor(limit / 2)), toSeq: seq + Math.ceil(limit / 2) };
    await fetchPage({ around: seq, limit: Math.min(MOST, limit) }, range, 'replace', options);
  }

  /** Whether there are messages, and not one of them is loaded. */
  function hasNothingLoaded(): boolean {
    const present = record();
    return present !== undefined && present.base.lastSeq > 0 && present.messages.length === 0;
  }

  async function openNow(at: number | undefined) {
    const { messages, participantsLoaded } = await known();
    if (at !== undefined) await loadAround(at);
    else if (messages.length === 0) await loadNewest();
    if (!participantsLoaded) await sync.loadParticipants(id);
    // It was empty, and is no longer.
    if (hasNothingLoaded()) await loadNewest();
  }

  /** Calls back once: when the connection is up again, or after a while where it is up. */
  function whenReachable(attempt: number, callback: () => void): () => void {
    const online = () => store.state.connection.status === 'online';
    if (online()) return clock.after(backoff(attempt + 2, deps.random), callback);
    const stop = store.select(online, () => {
      stop();
      callback();
    });
    return stop;
  }

  const handle: ConversationHandle = {
    id,
    open({ at } = {}) {
      const unwatch = sync.watch(id);
      let cancel = () => {};
      let opening = false;
      let closed = false;
      const load = (attempt: number) => {
        opening = true;
        openNow(at).then(
          () => {
            opening = false;
          },
          (error: unknown) => {
            opening = false;
            if (closed || !(error instanceof ParleyError) || !error.transient) return failed(error);
            // What went wrong shows in the state (`error`); it is tried again when there is a chance.
            cancel = whenReachable(attempt, () => load(attempt + 1));
          },
        );
      };
      const failed = (error: unknown) => {
        const known =
          error instanceof ParleyError && (error.transient || error.code === 'aborted' || error.code === 'closed');
        if (!known) deps.onError(error, 'opening a conversation');
      };
      // One that was empty when it was opened may be told anew as a whole, after a while away: then there is a page to load.
      const unselect = store.select(hasNothingLoaded, (nothing) => {
        if (!nothing || opening) return;
        cancel();
        load(0);
      });
      load(0);
      return () => {
        closed = true;
        cancel();
        unselect();
        unwatch();
      };
    },

    send,
    retry(outboxId) {
      const item = outbox.retry(outboxId);
      return item === undefined ? refused('There is nothing to retry.') : operationOf(item.id, messageOf);
    },
    editOutgoing(outboxId, draft) {
      const item = outbox.items.find((other) => other.id === outboxId);
      if (item === undefined || mayBeStored(item) || !outbox.discard(outboxId)) {
        return refused('It may have been sent already.');
      }
      return send(draft);
    },
    discard: (outboxId) => outbox.discard(outboxId),

    edit(messageId, content, { ifRev } = {}) {
      return operation({ kind: 'edit', messageId, content, ...(ifRev === undefined ? {} : { ifRev }) }, messageOf);
    },
    delete(messageId, { reason, undoMs } = {}) {
      const intent = { kind: 'delete', messageId, ...(reason === undefined ? {} : { reason }) } as const;
      return operation(intent, messageOf, undoMs === undefined ? undefined : clock.now() + undoMs);
    },
    react: (messageId, emoji) => operation({ kind: 'react', messageId, emoji, on: true }, messageOf),
    unreact: (messageId, emoji) => operation({ kind: 'react', messageId, emoji, on: false }, messageOf),

    markRead(seq) {
      const present = record();
      const to = seq ?? present?.base.lastSeq ?? 0;
      const me = present?.conversation.me;
      if (to <= 0 || (me !== undefined && (me === null || to <= me.lastReadSeq))) return;
      outbox.add({ conversationId: id, intent: { kind: 'read', seq: to } });
    },
    markUnread: (seq) => operation({ kind: 'unread', seq }, () => undefined),
    settings: (settings) => operation({ kind: 'settings', settings }, () => undefined),

    typing: () => typing.pressed(id),
    stopTyping: () => typing.stop(id),

    loadOlder,
    loadNewer,
    loadAround,
    loadNewest,
    async fillGap({ fromSeq, toSeq }, { end = 'to', ...options } = {}) {
      await known(options);
      const limit = Math.min(PAGE, toSeq - fromSeq + 1);
      if (end === 'to') {
        await fetchPage({ before: toSeq + 1, limit }, { fromSeq: toSeq - limit + 1, toSeq }, 'fill', options);
      } else {
        await fetchPage({ after: fromSeq - 1, limit }, { fromSeq, toSeq: fromSeq + limit - 1 }, 'fill', options);
      }
    },
    trim: ({ around, keep }) => store.dispatch({ type: 'trim', conversationId: id, around, keep }),

    history: (options) => walk(call, options),
    message: (messageId, options = {}) => call(`/messages/${encodeURIComponent(messageId)}`, options),
    async revisions(messageId, options = {}) {
      return (await call<Page<Revision>>(`/messages/${encodeURIComponent(messageId)}/revisions`, options)).items;
    },
    report: (messageId, reason, options = {}) =>
      call<MessageReport>(`/messages/${encodeURIComponent(messageId)}/reports`, {
        ...options,
        method: 'POST',
        body: { reason },
        // The same report twice is one.
        tries: 3,
      }),

    async refresh({ signal } = {}) {
      await deps.started();
      return sync.refresh(id, signal);
    },
    async update(changes, options = {}) {
      const conversation = await call<Conversation>('', { ...options, method: 'PATCH', body: changes });
      await settle(options);
      return conversation;
    },
    async loadParticipants(options = {}) {
      await known(options);
      return sync.loadParticipants(id, options.signal);
    },
    formerParticipants: ({ cursor, ...options } = {}) =>
      call('/participants', { ...options, query: { former: 'true', limit: MOST, cursor } }),
    async addParticipants(userIds, options = {}) {
      const added = await call<{ items: Participant[] }>('/participants', {
        ...options,
        method: 'POST',
        body: { userIds },
      });
      await settle(options);
      return added.items;
    },
    async removeParticipant(userId, options = {}) {
      await call(`/participants/${encodeURIComponent(userId)}`, { ...options, method: 'DELETE' });
      if (userId !== store.state.userId) await settle(options);
      else sync.forget(id);
    },
    setRole: (userId, role, options = {}) => changeParticipant(userId, { role }, options),
    silence: (userId, silencedUntil, options = {}) => changeParticipant(userId, { silencedUntil }, options),
    async join(options = {}) {
      await deps.started();
      const { userId } = store.state;
      if (userId === null)
        throw new ParleyError({ code: 'unauthenticated', status: 401, message: 'You need to sign in.' });
      await handle.addParticipants([userId], options);
      await sync.refresh(id, options.signal);
    },
    async leave(options = {}) {
      await deps.started();
      const { userId } = store.state;
      if (userId !== null) await handle.removeParticipant(userId, options);
    },
    async deleteForAll(options = {}) {
      await call('', { ...options, method: 'DELETE' });
      sync.forget(id);
    },
  };
  return handle;

  async function changeParticipant(userId: string, body: object, options: CallOptions) {
    const path = `/participants/${encodeURIComponent(userId)}`;
    const participant = await call<Participant>(path, { ...options, method: 'PATCH', body });
    await settle(options);
    return participant;
  }

  /** After a change that was not shown at once: with a live connection its event is on the way, without one it is fetched. */
  async function settle(options: CallOptions) {
    if (store.state.connection.status !== 'online' && record() !== undefined) await sync.refresh(id, options.signal);
  }
}

function messageOf(answer: Answer): Message {
  if (answer.kind === 'message') return answer.message;
  throw new ParleyError({ code: 'bad_answer', message: 'The server answered something unknown.' });
}

async function* walk(
  call: <T>(rest: string, request: Partial<ApiCall> & CallOptions) => Promise<T>,
  { direction = 'backward', from, pageSize = MOST, ...options }: HistoryOptions = {},
): AsyncIterableIterator<Message> {
  let position = direction === 'forward' ? (from ?? 0) : from;
  for (;;) {
    const side = direction === 'forward' ? { after: position } : { before: position };
    const { items } = await call<Page<Message>>('/messages', {
      ...options,
      query: { ...side, limit: Math.min(MOST, pageSize) },
    });
    yield* direction === 'forward' ? items : items.toReversed();
    const last = direction === 'forward' ? items.at(-1) : items[0];
    if (last === undefined || (direction === 'backward' && last.seq === 1)) return;
    position = last.seq;
  }
}
