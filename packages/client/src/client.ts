import type {
  AttachmentLink,
  Block,
  Conversation,
  EventName,
  EventPayload,
  Message,
  Page,
  SearchHit,
  User,
} from '@parley/protocol';
import { type ApiCall, createApi } from './api.ts';
import type {
  CallOptions,
  ClientEvents,
  ConversationHandle,
  ParleyClient,
  ParleyClientOptions,
} from './client.types.ts';
import { createConnection } from './connection.ts';
import { createConversationHandle } from './conversation.handle.ts';
import { webCoordinator } from './coordinator.ts';
import { type Answer, deliver } from './deliver.ts';
import { createDeliveries } from './delivery.ts';
import { ParleyError } from './error.ts';
import { createOutbox, type Settled } from './outbox.ts';
import { createPersistence, type Persistence } from './persistence.ts';
import { Emitter, randomId, readToken, systemClock, webWake } from './platform.ts';
import type { ParleyStorage, StorageFactory } from './platform.types.ts';
import { createPresence } from './presence.ts';
import type { Action } from './reducer.ts';
import type { ConnectionState, OutboxItem } from './snapshot.types.ts';
import { indexedDbStorage } from './storage.indexeddb.ts';
import { memoryStorage } from './storage.memory.ts';
import { createStore } from './store.ts';
import { createSync } from './sync.ts';
import { createTokens } from './tokens.ts';
import { API_PREFIX, createWebTransport, originOf } from './transport.web.ts';
import { createOwnTyping } from './typing.ts';

/**
 * Makes the client of one signed-in user. Nothing happens until `connect()`, or until something is asked for.
 *
 * @example
 * const client = createParleyClient({ url: 'https://chat.example.com', token: () => fetchToken() });
 * await client.connect();
 * await client.conversation(id).send({ content: 'Hello' });
 */
export function createParleyClient(options: ParleyClientOptions): ParleyClient {
  const { clock = systemClock, random = Math.random, createId = randomId, wake = webWake } = options;
  const transport = options.transport ?? createWebTransport(options.url);
  const emitter = new Emitter<ClientEvents>((error) => report(error, 'a listener'));
  const tokens = createTokens(options.token, clock);
  const store = createStore(
    () => clock.now(),
    (error) => report(error, 'a listener of the store'),
  );
  const api = createApi({ transport, tokens, clock, random });
  const handles = new Map<string, ConversationHandle>();
  let storage: ParleyStorage | null = null;
  let persistence: Persistence | null = null;
  let starting: Promise<void> | null = null;
  let closed = false;
  let reporting = false;
  let stopWake = () => {};
  const storageOpened = Promise.withResolvers<ParleyStorage>();
  const closing = new Set<() => void>();
  const links = new Map<string, { readonly link: Promise<AttachmentLink>; until: number }>();

  const connection = createConnection({
    transport,
    tokens,
    clock,
    random,
    onState: connectionChanged,
    onEvent: eventCame,
  });
  const typing = createOwnTyping(clock, (name, conversationId) => {
    connection.link?.command(name, { conversationId }).catch(() => {
      // Whoever watches sees it end by itself.
    });
  });
  const presence = createPresence({
    clock,
    random,
    tell: async (userIds) => (await connection.link?.command('presence:watch', { userIds: [...userIds] }))?.states,
    onStates: (states) => store.dispatch({ type: 'presence', states }),
  });
  const deliveries = createDeliveries(clock, async (conversationId, seq) => {
    const pointers = await connection.link?.command('conversation:delivered', { conversationId, seq });
    if (pointers === undefined) return;
    const { lastDeliveredSeq } = pointers;
    store.dispatch({ type: 'pointers', conversationId, pointers: { lastDeliveredSeq } });
  });
  const sync = createSync({
    api,
    store,
    clock,
    random,
    onMessage: messageCame,
    onStored(messages) {
      for (const message of messages) {
        confirmOwn(message);
        confirmDelivery(message);
      }
    },
    onAdded: (conversation) => emitter.emit('added', { conversation }),
    onRemoved: (conversationId) => emitter.emit('removed', { conversationId }),
    onError: report,
  });
  const storageName = () => `parley:${options.url ?? ''}:${store.state.userId ?? ''}`;
  const outbox = createOutbox({
    clock,
    random,
    createId,
    coordinator: lazyCoordinator(() => (options.coordinator ?? webCoordinator)(storageName())),
    deliver: deliverItem,
    sharesLimit: ({ conversationId }) => store.state.conversations[conversationId]?.base.slowModeSeconds === 0,
    onChange: outboxChanged,
    onRefused: (item, error) => emitter.emit('refused', { item, error }),
    onError: report,
  });

  /* What comes in */

  function eventCame<Name extends EventName>(name: Name, payload: EventPayload<Name>) {
    if (name === 'ready') readyAs((payload as EventPayload<'ready'>).userId);
    if (closed) return;
    emitter.emit('wire', { name, payload } as ClientEvents['wire']);
    sync.receive(name, payload);
  }

  /** The server says whose connection it is: the first word where the token could not be read, else it has to agree. */
  function readyAs(userId: string) {
    const expected = store.state.userId;
    if (expected === null) {
      store.dispatch({ type: 'identified', userId });
      void openStorage(userId);
    } else if (expected !== userId) {
      // Another person's token must never mix with this one's data.
      report(
        new ParleyError({ code: 'forbidden', status: 403, message: 'The token is of another user.' }),
        'connecting',
      );
      void client.close();
    }
  }

  function connectionChanged(state: ConnectionState) {
    store.dispatch({ type: 'connection', connection: state });
    emitter.emit('connection', state);
    if (state.status === 'online') {
      outbox.wake();
      presence.connected();
      void sync.resync();
    } else if (state.status === 'ended') {
      emitter.emit('ended', { error: new ParleyError(state.error) });
    }
  }

  function messageCame(message: Message) {
    if (message.senderId === store.state.userId) return;
    emitter.emit('message', { conversationId: message.conversationId, message });
  }

  function confirmDelivery({ conversationId, senderId, seq }: Message) {
    const me = store.state.conversations[conversationId]?.base.me;
    if (options.confirmDelivery === false || senderId === store.state.userId || !me || me.lastDeliveredSeq >= seq)
      return;
    deliveries.reached(conversationId, seq);
  }

  function confirmOwn(message: Message) {
    if (message.senderId !== store.state.userId || message.clientMessageId === null) return;
    outbox.confirm(message.clientMessageId, { kind: 'message', message } satisfies Answer);
  }

  async function deliverItem(item: OutboxItem): Promise<Answer> {
    const own = () => store.state.conversations[item.conversationId]?.ownVersion;
    const before = own();
    const answer = await deliver(item, { link: connection.link, api });
    // The server is there: no need to wait out what is left of the backoff.
    if (connection.link === null) connection.wake();
    return answer.kind === 'pointers' && own() !== before ? { ...answer, overtaken: true } : answer;
  }

  function outboxChanged(items: readonly OutboxItem[], settled: Settled | null) {
    const answer = settled?.result as Answer | undefined;
    // The answer and the end of the item are one step: nobody sees both or neither.
    store.dispatch(...(settled === null || answer === undefined ? [] : factsOf(settled.item, answer)), {
      type: 'outbox',
      outbox: items,
    });
    if (settled?.item.intent.kind === 'send' && answer?.kind === 'message') {
      const { conversationId, id } = settled.item;
      emitter.emit('sent', { conversationId, message: answer.message, clientMessageId: id });
      // A first message joins a channel and brings a direct conversation back (ACC-3).
      if (store.state.conversations[conversationId]?.base.me === null)
        void handleOf(conversationId)
          .refresh()
          .catch(() => {});
    }
  }

  function factsOf({ conversationId }: OutboxItem, answer: Answer): readonly Action[] {
    switch (answer.kind) {
      case 'message':
        return [{ type: 'messages', conversationId, messages: [answer.message] }];
      case 'pointers': {
        const me = store.state.conversations[conversationId]?.base.me;
        const same = me?.lastReadSeq === answer.pointers.lastReadSeq;
        if (!answer.overtaken || same) return [{ type: 'pointers', conversationId, pointers: answer.pointers }];
        // Moved meanwhile by another device, and nobody can say which came first: the server can.
        void handleOf(conversationId)
          .refresh()
          .catch(() => {});
        return [];
      }
      case 'conversation':
        return answer.conversation.me === null
          ? []
          : [{ type: 'membership', conversationId, me: answer.conversation.me }];
    }
  }

  function report(error: unknown, during: string) {
    // A listener of errors that throws itself must not be told of that.
    if (reporting) return;
    reporting = true;
    emitter.emit('error', { error, during });
    reporting = false;
  }

  /* Life */

  function start(): Promise<void> {
    if (closed) return Promise.reject(new ParleyError({ code: 'closed', message: 'The client was closed.' }));
    starting ??= begin();
    return starting;
  }

  async function begin() {
    const stops = [wake.onWake(() => client.wake()), wake.onHide?.(() => void persistence?.flush())];
    stopWake = () => {
      for (const stop of stops) stop?.();
    };
    const userId = options.userId ?? (await learnUser());
    if (closed) return;
    if (userId !== null) {
      store.dispatch({ type: 'identified', userId });
      await openStorage(userId);
    }
    if (closed) return;
    store.dispatch({ type: 'hydrated', conversations: [] });
    connection.start();
  }

  /** From the token, so that the storage of that user can be opened before there is a connection. */
  async function learnUser(): Promise<string | null> {
    try {
      const token = await tokens.get();
      return token === null ? null : readToken(token).userId;
    } catch (error) {
      report(error, 'asking for a token');
      return null;
    }
  }

  async function openStorage(userId: string) {
    storage = await openOrFallBack(options.storage ?? defaultStorage(), storageName());
    if (closed) return;
    persistence = createPersistence({ store, storage, clock, onError: report });
    try {
      const { conversations, me } = await persistence.load();
      store.dispatch(...(me === null ? [] : [{ type: 'identified', userId, me } as const]), {
        type: 'hydrated',
        conversations,
      });
    } catch (error) {
      report(error, 'reading what was kept');
    }
    persistence.start();
    await outbox.start(storage);
    storageOpened.resolve(storage);
  }

  async function openOrFallBack(open: StorageFactory, name: string): Promise<ParleyStorage> {
    try {
      return await open(name);
    } catch (error) {
      report(error, 'opening the storage');
      return memoryStorage()(name);
    }
  }

  function handleOf(id: string): ConversationHandle {
    const known = handles.get(id);
    if (known !== undefined) return known;
    const handle = createConversationHandle(id, {
      api,
      store,
      sync,
      outbox,
      typing,
      clock,
      random,
      started: start,
      onError: report,
    });
    handles.set(id, handle);
    return handle;
  }

  async function call<T>(path: string, { signal, ...rest }: Partial<Omit<ApiCall, 'signal'>> & CallOptions = {}) {
    await start();
    return api.call<T>({ method: 'GET', path, ...rest, ...(signal === undefined ? {} : { signal }) });
  }

  const blockPath = (userId: string) => `/blocks/${encodeURIComponent(userId)}`;

  /** What both ways of ending have in common. */
  function stop() {
    closed = true;
    stopWake();
    typing.clear();
    deliveries.stop();
    presence.stop();
    sync.stop();
    outbox.stop();
    for (const callback of closing) callback();
  }

  const client: ParleyClient = {
    store,
    get snapshot() {
      return store.getSnapshot();
    },
    async connect() {
      await start();
      connection.start();
    },
    async close() {
      if (closed) return;
      stop();
      connection.stop();
      await persistence?.flush();
      persistence?.stop();
      storage?.close();
    },
    async signOut() {
      await starting;
      const opened = storage;
      stop();
      persistence?.stop();
      connection.stop();
      await opened?.clear();
      opened?.close();
    },
    setToken(token) {
      tokens.set(token);
      connection.tokenChanged();
      outbox.wake();
    },
    wake() {
      connection.wake();
      outbox.wake();
    },
    on: (name, listener) => emitter.on(name, listener),
    conversation(id) {
      void start().catch(() => {});
      return handleOf(id);
    },
    async createConversation(input, { signal } = {}) {
      await start();
      const body = { ...input, participantIds: [...(input.participantIds ?? [])] };
      const conversation = await api.call<Conversation>({
        method: 'POST',
        path: '/conversations',
        body,
        ...(signal === undefined ? {} : { signal }),
      });
      store.dispatch({ type: 'conversations', conversations: [conversation] });
      return conversation;
    },
    channels: ({ signal, ...query } = {}) =>
      call<Page<Conversation>>('/channels', { query, ...(signal && { signal }) }),
    people: ({ signal, ...query } = {}) => call<Page<User>>('/users', { query, ...(signal && { signal }) }),
    async me({ signal } = {}) {
      const me = await call<User>('/me', { ...(signal && { signal }) });
      store.dispatch({ type: 'identified', userId: me.id, me });
      return me;
    },
    watchPresence: (userIds) => presence.watch(userIds),
    search: {
      messages: ({ signal, hasFile, ...query }) =>
        call<Page<SearchHit>>('/search/messages', {
          query: { ...query, ...(hasFile !== undefined && { hasFile: String(hasFile) }) },
          ...(signal && { signal }),
        }),
    },
    blocks: {
      list: ({ signal, ...query } = {}) => call<Page<Block>>('/blocks', { query, ...(signal && { signal }) }),
      add: (userId, options = {}) => call(blockPath(userId), { ...options, method: 'PUT' }),
      remove: (userId, options = {}) => call(blockPath(userId), { ...options, method: 'DELETE' }),
    },
    attachmentLink(id) {
      const known = links.get(id);
      if (known !== undefined && known.until > clock.now()) return known.link;
      const link = call<AttachmentLink>(`/attachments/${encodeURIComponent(id)}/link`);
      const entry = { link, until: Number.POSITIVE_INFINITY };
      links.set(id, entry);
      link.then(
        ({ expiresAt }) => {
          entry.until = Date.parse(expiresAt) - LINK_MARGIN_MS;
        },
        () => links.delete(id),
      );
      return link;
    },
    parts: {
      call: async (request) => {
        await start();
        return api.call(request);
      },
      token: (refused) => (refused === undefined ? tokens.get() : tokens.renew(refused, 'refused')),
      apiUrl: originOf(options.url) + API_PREFIX,
      storage: () => storageOpened.promise,
      uploaded: outbox.uploaded,
      onClosed: (callback) => void closing.add(callback),
      clock,
      random,
      createId,
    },
  };
  return client;
}

/** An address this close to its end is not handed out: what uses it has to be loaded first. */
const LINK_MARGIN_MS = 60_000;

function defaultStorage(): StorageFactory {
  return typeof indexedDB === 'undefined' ? memoryStorage() : indexedDbStorage();
}

/** The coordinator is named after the user, who is known only once the token is. */
function lazyCoordinator(make: () => ReturnType<typeof webCoordinator>): ReturnType<typeof webCoordinator> {
  let made: ReturnType<typeof webCoordinator> | null = null;
  return {
    start(handlers) {
      made = make();
      made.start(handlers);
    },
    post: (message) => made?.post(message),
    stop: () => made?.stop(),
  };
}
