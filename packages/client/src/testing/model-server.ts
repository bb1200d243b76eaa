import type {
  Attachment,
  Change,
  CommandName,
  Conversation,
  ErrorCode,
  EventName,
  EventPayload,
  Membership,
  Message,
  Notify,
  Participant,
  PresenceState,
  Role,
  SharedConversation,
  User,
} from '@parley/protocol';
import { ParleyError } from '../error.ts';
import { withReaction } from '../facts.ts';
import type { Clock } from '../platform.types.ts';
import type { HttpRequest, HttpResponse } from '../transport.types.ts';
import type { NetworkServer, ServerSession } from './scripted-network.ts';

/** What becomes of one call: it fails before anything happened, or after everything did. */
export type Fault = { readonly when: 'before' | 'after'; readonly code: ErrorCode; readonly retryAfterMs?: number };

/** Settings of the model. */
export interface ModelServerOptions {
  readonly clock: Clock;
  readonly random: () => number;
  /** RATE-1; unlimited by default. */
  readonly messageLimit?: { readonly limit: number; readonly windowMs: number };
  /** The server finds out about lost events within this time (DLV-3). */
  readonly repairWithinMs?: number;
}

/** One participant, with what only they see. */
interface Member {
  user: User;
  role: Role;
  joinedAt: string;
  leftAt: string | null;
  lastReadSeq: number;
  lastDeliveredSeq: number;
  rev: number;
  mutedUntil: string | null;
  pinnedAt: string | null;
  archivedAt: string | null;
  notify: Notify;
}

interface Room {
  shared: Omit<SharedConversation, 'lastMessage' | 'participantCount' | 'participants' | 'rev' | 'lastSeq'>;
  rev: number;
  /** The `rev` that last changed the conversation itself. */
  ownRev: number;
  messages: Message[];
  members: Map<string, Member>;
}

type Body = Readonly<Record<string, unknown>>;

/**
 * A server in memory that keeps the contract as far as a client can tell: positions, repeats, changes, sync, receipts, roles,
 * removal, tokens that end. For tests only: no sanitizing, no search, no files.
 */
export class ModelServer implements NetworkServer {
  /** Asked before each call; answers how it fails, undefined lets it pass. */
  fault: (call: { userId: string; name: string }) => Fault | undefined = () => undefined;
  readonly #options: ModelServerOptions;
  readonly #rooms = new Map<string, Room>();
  readonly #users = new Map<string, User>();
  readonly #sessions = new Map<ServerSession, { userId: string; cancel: () => void; watched: ReadonlySet<string> }>();
  readonly #repairs = new Map<ServerSession, Set<string>>();
  readonly #sent = new Map<string, number[]>();
  #ids = 0;

  constructor(options: ModelServerOptions) {
    this.#options = options;
  }

  /* For tests */

  /** Enters a person. */
  addUser(id: string, name = id): User {
    const user: User = { id, name, avatarUrl: null };
    this.#users.set(id, user);
    return user;
  }

  /** A token as the client reads it; nothing is signed. */
  token(userId: string, ttlMs = 3_600_000): string {
    const claims = { sub: userId, exp: (this.#options.clock.now() + ttlMs) / 1000, jti: this.#id() };
    return `model.${btoa(JSON.stringify(claims)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}.x`;
  }

  /** A conversation between these people, the first of whom owns it. */
  addConversation(type: Conversation['type'], userIds: readonly string[], title: string | null = null): string {
    return this.#create(userIds[0] ?? '', {
      type,
      participantIds: userIds.slice(1),
      ...(title === null ? {} : { title }),
    }).id;
  }

  /** Does what the socket command does, as this person, with no network between. */
  act(userId: string, name: CommandName, input: Body): unknown {
    return this.#run(userId, name, input);
  }

  /** What a fresh client of this person would be told. */
  view(
    userId: string,
    conversationId: string,
  ): { conversation: Conversation; messages: readonly Message[]; participants: readonly Participant[] } {
    const room = this.#readable(userId, conversationId);
    return {
      conversation: this.#present(room, userId),
      messages: structuredClone(room.messages),
      participants: [...room.members.values()].filter((member) => member.leftAt === null).map(presentMember),
    };
  }

  /** Ids of the conversations this person is in. */
  conversationsOf(userId: string): readonly string[] {
    return [...this.#rooms].filter(([, room]) => isPresent(room, userId)).map(([id]) => id);
  }

  /** Ends every connection of this person, as the server does, with this reason. */
  endSessions(userId: string, code: EventPayload<'session:ended'>['code']): void {
    for (const [session, { userId: of }] of [...this.#sessions]) {
      if (of !== userId) continue;
      session.emit('session:ended', { code, detail: code });
      session.end();
    }
  }

  /* The doors */

  connect(token: string, session: ServerSession): void {
    let userId: string;
    try {
      userId = this.#verify(token);
    } catch (error) {
      session.refuse(ParleyError.from(error));
      return;
    }
    this.#sessions.set(session, { userId, cancel: () => {}, watched: new Set() });
    this.#watchToken(session, userId, token);
    session.emit('ready', { userId, sessionId: session.id, serverTime: this.#now() });
    this.#tellPresence(userId);
  }

  disconnected(session: ServerSession): void {
    const ended = this.#sessions.get(session);
    ended?.cancel();
    this.#sessions.delete(session);
    this.#repairs.delete(session);
    if (ended !== undefined) this.#tellPresence(ended.userId);
  }

  command(
    session: ServerSession,
    name: CommandName,
    input: unknown,
  ): { ok: true; data: unknown } | { ok: false; error: unknown } {
    const userId = this.#sessions.get(session)?.userId;
    try {
      if (userId === undefined) throw problem('unauthenticated', 401);
      if (name === 'auth:refresh') {
        const { token } = input as { token: string };
        if (this.#verify(token) !== userId) throw problem('forbidden', 403);
        this.#watchToken(session, userId, token);
        return { ok: true, data: { expiresAt: this.#now() } };
      }
      if (name === 'presence:watch') {
        const watched = new Set((input as { userIds: readonly string[] }).userIds);
        const entry = this.#sessions.get(session);
        if (entry !== undefined) this.#sessions.set(session, { ...entry, watched });
        return { ok: true, data: { states: [...watched].map((id) => this.#presence(id)) } };
      }
      if (name === 'typing:start' || name === 'typing:stop') {
        const { conversationId } = input as { conversationId: string };
        const event = name === 'typing:start' ? 'typing:started' : 'typing:stopped';
        this.#tell(this.#member(userId, conversationId).room, event, { conversationId, userId }, session);
        return { ok: true, data: null };
      }
      return { ok: true, data: this.#faulty(userId, name, () => this.#run(userId, name, input as Body)) };
    } catch (error) {
      return { ok: false, error: bodyOf(error) };
    }
  }

  request({ method, path, query = {}, body, token }: HttpRequest): HttpResponse {
    try {
      const userId = this.#verify(token ?? '');
      const [first = '', id = '', part = '', item = '', sub = '', extra = ''] = path
        .split('/')
        .slice(1)
        .map(decodeURIComponent);
      const route = `${method} ${[first, id && ':id', part, item && ':item', sub, extra && ':extra'].filter(Boolean).join('/')}`;
      const input = { ...(body as Body | undefined), conversationId: id, messageId: item };
      const data = this.#faulty(userId, route, () => this.#route(userId, route, input, { query, id, item, extra }));
      return { status: 200, body: structuredClone(data) };
    } catch (error) {
      const told = bodyOf(error);
      return { status: told.status, body: told };
    }
  }

  #presence(userId: string): PresenceState {
    const online = [...this.#sessions.values()].some((session) => session.userId === userId);
    return { userId, status: online ? 'online' : 'offline', lastSeenAt: online ? null : this.#now() };
  }

  #tellPresence(userId: string): void {
    for (const [session, { watched }] of this.#sessions) {
      if (watched.has(userId)) session.emit('presence:changed', this.#presence(userId));
    }
  }

  lost(session: ServerSession, _name: EventName, payload: unknown): void {
    const { conversationId, rev } = payload as { conversationId?: string; rev?: number };
    if (conversationId === undefined || rev === undefined || !this.#sessions.has(session)) return;
    const waiting = this.#repairs.get(session) ?? new Set<string>();
    this.#repairs.set(session, waiting);
    if (waiting.has(conversationId)) return;
    waiting.add(conversationId);
    this.#options.clock.after(this.#options.random() * (this.#options.repairWithinMs ?? 5_000), () => {
      waiting.delete(conversationId);
      const room = this.#rooms.get(conversationId);
      const userId = this.#sessions.get(session)?.userId;
      if (room === undefined || userId === undefined || !isPresent(room, userId)) return;
      session.emit('conversation:head', { conversationId, rev: room.rev, lastSeq: room.messages.length });
    });
  }

  /* Routes and commands */

  #route(
    userId: string,
    route: string,
    input: Body,
    { query, id, item, extra }: { query: NonNullable<HttpRequest['query']>; id: string; item: string; extra: string },
  ): unknown {
    switch (route) {
      case 'GET me':
        return this.#user(userId);
      case 'GET users':
        return { items: [...this.#users.values()], nextCursor: null };
      case 'POST conversations':
        return this.#create(userId, withoutIds(input));
      case 'GET conversations':
        return this.#list(userId, query);
      case 'POST sync':
        return this.#run(userId, 'sync', { cursors: input.cursors });
      case 'GET conversations/:id':
        return this.#present(this.#readable(userId, id), userId);
      case 'GET conversations/:id/messages':
        return this.#page(this.#readable(userId, id), query);
      case 'GET conversations/:id/changes':
        return this.#changes(this.#readable(userId, id), Number(query.after ?? 0), Number(query.limit ?? 200));
      case 'GET conversations/:id/participants':
        return { items: this.view(userId, id).participants, nextCursor: null };
      case 'GET conversations/:id/messages/:item':
        return this.#message(this.#readable(userId, id), item);
      case 'POST conversations/:id/messages':
        return this.#run(userId, 'message:send', input);
      case 'PATCH conversations/:id/messages/:item':
        return this.#run(userId, 'message:edit', input);
      case 'DELETE conversations/:id/messages/:item':
        return this.#run(userId, 'message:delete', input);
      case 'PUT conversations/:id/messages/:item/reactions/:extra':
        return this.#run(userId, 'reaction:add', { ...input, emoji: extra });
      case 'DELETE conversations/:id/messages/:item/reactions/:extra':
        return this.#run(userId, 'reaction:remove', { ...input, emoji: extra });
      case 'POST conversations/:id/read':
        return this.#run(userId, 'conversation:read', input);
      case 'POST conversations/:id/unread':
        return this.#run(userId, 'conversation:unread', input);
      case 'POST conversations/:id/delivered':
        return this.#run(userId, 'conversation:delivered', input);
      case 'PATCH conversations/:id/me':
        return this.#settings(userId, id, input);
      case 'PATCH conversations/:id':
        return this.#run(userId, 'conversation:update', input);
      case 'POST conversations/:id/participants':
        return this.#run(userId, 'participant:add', input);
      case 'DELETE conversations/:id/participants/:item':
        return this.#run(userId, 'participant:remove', { conversationId: id, userId: item });
      default:
        throw problem('not_found', 404);
    }
  }

  #run(userId: string, name: CommandName, input: Body): unknown {
    const id = String(input.conversationId ?? '');
    const mid = String(input.messageId ?? '');
    switch (name) {
      case 'conversation:create':
        return this.#create(userId, input);
      case 'conversation:update':
        return this.#update(userId, id, input);
      case 'conversation:read':
      case 'conversation:delivered':
      case 'conversation:unread':
        return this.#mark(userId, id, name, Number(input.seq));
      case 'participant:add':
        return this.#addPeople(userId, id, input.userIds as readonly string[]);
      case 'participant:remove':
        return this.#removePerson(userId, id, String(input.userId));
      case 'message:send':
        return this.#send(userId, id, input);
      case 'message:edit':
        return this.#edit(userId, id, mid, input);
      case 'message:delete':
        return this.#delete(userId, id, mid);
      case 'reaction:add':
      case 'reaction:remove':
        return this.#react(userId, id, mid, String(input.emoji), name === 'reaction:add');
      case 'sync':
        return this.#sync(userId, input.cursors as Record<string, number>);
      default:
        throw problem('invalid_request', 400);
    }
  }

  #create(userId: string, input: Body): Conversation {
    const others = (input.participantIds as readonly string[] | undefined) ?? [];
    const people = [userId, ...others.filter((id) => id !== userId)];
    const type = input.type as Conversation['type'];
    if (type === 'direct') {
      const known = [...this.#rooms.values()].find(
        (room) => room.shared.type === 'direct' && people.every((id) => room.members.has(id)),
      );
      if (known !== undefined) return this.#present(known, userId);
    }
    const now = this.#now();
    const id = this.#id();
    const room: Room = {
      shared: {
        id,
        type,
        title: (input.title as string | undefined) ?? null,
        avatarUrl: null,
        metadata: {},
        confidential: false,
        slowModeSeconds: 0,
        readOnly: false,
        createdBy: userId,
        createdAt: now,
        updatedAt: now,
      },
      rev: 1,
      ownRev: 1,
      messages: [],
      members: new Map(),
    };
    for (const person of people) {
      room.members.set(
        person,
        this.#newMember(person, type !== 'direct' && person === userId ? 'owner' : 'member', room),
      );
    }
    this.#rooms.set(id, room);
    for (const person of people)
      this.#tellUser(person, 'conversation:created', { conversation: this.#present(room, person) });
    return this.#present(room, userId);
  }

  #update(userId: string, id: string, input: Body): Conversation {
    const { room, member } = this.#member(userId, id);
    if (member.role !== 'owner' && member.role !== 'moderator') throw problem('forbidden', 403);
    const title = (input.title as string | undefined) ?? room.shared.title;
    if (title === room.shared.title) return this.#present(room, userId);
    room.shared = { ...room.shared, title, updatedAt: this.#now() };
    room.ownRev = ++room.rev;
    const { me: _me, ...conversation } = this.#present(room, userId);
    this.#tell(room, 'conversation:updated', { conversationId: id, rev: room.rev, conversation });
    return this.#present(room, userId);
  }

  #send(userId: string, id: string, input: Body): Message & { duplicate: boolean } {
    const room = this.#room(id);
    const key = (input.clientMessageId as string | undefined) ?? null;
    const content = String(input.content ?? '').trim();
    const repeat =
      key === null ? undefined : room.messages.find((m) => m.senderId === userId && m.clientMessageId === key);
    if (repeat !== undefined) return { ...structuredClone(repeat), duplicate: true };
    const files = (input.attachmentIds as readonly string[] | undefined) ?? [];
    if (content === '' && files.length === 0) throw problem('empty_message', 400);
    this.#countSend(userId);
    if (!isPresent(room, userId)) this.#joinToSend(userId, room);
    const quoted = room.messages.find((message) => message.id === input.replyToId);
    room.rev++;
    const message: Message = {
      id: this.#id(),
      conversationId: id,
      seq: room.messages.length + 1,
      rev: room.rev,
      senderId: userId,
      content,
      attachments: files.map(fileOf),
      replyTo: quoted === undefined ? null : quoteOf(quoted),
      mentions: ((input.mentions as readonly string[] | undefined) ?? [])
        .filter((person) => isPresent(room, person))
        .sort(),
      metadata: (input.metadata as Message['metadata'] | undefined) ?? null,
      reactions: [],
      clientMessageId: key,
      sanitized: false,
      createdAt: this.#now(),
      editedAt: null,
      deletedAt: null,
      deletedBy: null,
    };
    room.messages.push(message);
    const member = room.members.get(userId);
    const wasBehind = member !== undefined && member.lastReadSeq < message.seq - 1;
    if (member !== undefined) {
      member.lastReadSeq = message.seq;
      member.lastDeliveredSeq = message.seq;
    }
    this.#tell(room, 'message:created', { conversationId: id, rev: room.rev, message });
    if (wasBehind) this.#tellUnread(room, userId);
    return { ...structuredClone(message), duplicate: false };
  }

  #edit(userId: string, id: string, messageId: string, input: Body): Message {
    const { room } = this.#member(userId, id);
    const message = this.#message(room, messageId);
    if (message.senderId !== userId) throw problem('forbidden', 403);
    if (message.deletedAt !== null) throw problem('message_deleted', 409);
    if (input.ifRev !== undefined && input.ifRev !== message.rev) throw problem('revision_conflict', 409);
    const content = String(input.content ?? '').trim();
    if (content === '') throw problem('empty_message', 400);
    if (content === message.content) return message;
    return this.#change(room, { ...message, content, editedAt: this.#now() }, 'message:updated');
  }

  #delete(userId: string, id: string, messageId: string): Message {
    const { room, member } = this.#member(userId, id);
    const message = this.#message(room, messageId);
    if (message.senderId !== userId && member.role !== 'owner' && member.role !== 'moderator')
      throw problem('forbidden', 403);
    if (message.deletedAt !== null) return message;
    const left: Message = {
      ...message,
      content: null,
      attachments: [],
      replyTo: null,
      mentions: [],
      metadata: null,
      reactions: [],
      deletedAt: this.#now(),
      deletedBy: userId,
    };
    return this.#change(room, left, 'message:deleted');
  }

  #change(room: Room, after: Message, name: 'message:updated' | 'message:deleted'): Message {
    room.rev++;
    const message = { ...after, rev: room.rev };
    room.messages[message.seq - 1] = message;
    room.messages = room.messages.map((other) =>
      other.replyTo?.id === message.id ? { ...other, replyTo: quoteOf(message) } : other,
    );
    this.#tell(room, name, { conversationId: room.shared.id, rev: room.rev, message });
    return structuredClone(message);
  }

  #react(userId: string, id: string, messageId: string, emoji: string, on: boolean): Message {
    const { room } = this.#member(userId, id);
    const message = this.#message(room, messageId);
    if (message.deletedAt !== null) throw problem('message_deleted', 409);
    const had = message.reactions.some((reaction) => reaction.emoji === emoji && reaction.userIds.includes(userId));
    if (had === on) return message;
    room.rev++;
    const after = { ...withReaction(message, { emoji, userId, on }), rev: room.rev };
    room.messages[message.seq - 1] = after;
    const count = after.reactions.find((reaction) => reaction.emoji === emoji)?.count ?? 0;
    const payload = { conversationId: id, rev: room.rev, messageId, emoji, userId, count };
    this.#tell(room, on ? 'reaction:added' : 'reaction:removed', payload);
    return structuredClone(after);
  }

  #mark(
    userId: string,
    id: string,
    name: 'conversation:read' | 'conversation:delivered' | 'conversation:unread',
    seq: number,
  ) {
    const { room, member } = this.#member(userId, id);
    const to = Math.min(seq, room.messages.length);
    const before = { ...member };
    if (name === 'conversation:unread') member.lastReadSeq = Math.max(0, to - 1);
    if (name === 'conversation:read') member.lastReadSeq = Math.max(member.lastReadSeq, to);
    member.lastDeliveredSeq = Math.max(
      member.lastDeliveredSeq,
      member.lastReadSeq,
      name === 'conversation:delivered' ? to : 0,
    );
    const told = { conversationId: id, userId, at: this.#now() };
    if (member.lastReadSeq > before.lastReadSeq) this.#tell(room, 'receipt:read', { ...told, seq: member.lastReadSeq });
    if (member.lastDeliveredSeq > before.lastDeliveredSeq) {
      this.#tell(room, 'receipt:delivered', { ...told, seq: member.lastDeliveredSeq });
    }
    if (member.lastReadSeq !== before.lastReadSeq) this.#tellUnread(room, userId);
    const { lastReadSeq, lastDeliveredSeq } = member;
    return { lastReadSeq, lastDeliveredSeq, unreadCount: unreadOf(room, member).length };
  }

  #settings(userId: string, id: string, input: Body): Conversation {
    const { room, member } = this.#member(userId, id);
    const since = (on: unknown, at: string | null) => (on === undefined ? at : on ? (at ?? this.#now()) : null);
    member.pinnedAt = since(input.pinned, member.pinnedAt);
    member.archivedAt = since(input.archived, member.archivedAt);
    if (input.mutedUntil !== undefined) member.mutedUntil = input.mutedUntil as string | null;
    if (input.notify !== undefined) member.notify = input.notify as Notify;
    return this.#present(room, userId);
  }

  #addPeople(userId: string, id: string, userIds: readonly string[]) {
    const room = this.#room(id);
    const oneself = room.shared.type === 'channel' && userIds.length === 1 && userIds[0] === userId;
    if (!oneself) {
      const { member } = this.#member(userId, id);
      if (room.shared.type === 'direct' || member.role === 'member' || member.role === 'readonly')
        throw problem('forbidden', 403);
    }
    const items = userIds.filter((person) => !isPresent(room, person)).map((person) => this.#join(person, room));
    return { items };
  }

  #removePerson(userId: string, id: string, person: string): null {
    const { room, member } = this.#member(userId, id);
    if (person !== userId && member.role !== 'owner' && member.role !== 'moderator') throw problem('forbidden', 403);
    const leaving = room.members.get(person);
    if (leaving === undefined || leaving.leftAt !== null) throw problem('not_found', 404);
    room.rev++;
    leaving.leftAt = this.#now();
    leaving.rev = room.rev;
    this.#tell(room, 'participant:left', { conversationId: id, rev: room.rev, participant: presentMember(leaving) });
    this.#tellUser(person, 'conversation:removed', { conversationId: id });
    return null;
  }

  #joinToSend(userId: string, room: Room): void {
    const former = room.members.has(userId);
    if (room.shared.type === 'channel' || (room.shared.type === 'direct' && former)) this.#join(userId, room);
    else throw problem('not_a_participant', 403);
  }

  #join(userId: string, room: Room): Participant {
    room.rev++;
    const member = { ...this.#newMember(userId, 'member', room), rev: room.rev };
    room.members.set(userId, member);
    this.#tell(
      room,
      'participant:joined',
      { conversationId: room.shared.id, rev: room.rev, participant: presentMember(member) },
      null,
      userId,
    );
    this.#tellUser(userId, 'conversation:created', { conversation: this.#present(room, userId) });
    return presentMember(member);
  }

  #sync(userId: string, cursors: Record<string, number>) {
    const mine = this.conversationsOf(userId);
    return {
      behind: mine.flatMap((id) => {
        const room = this.#room(id);
        const cursor = cursors[id];
        const member = room.members.get(userId);
        if (cursor === undefined || cursor >= room.rev || member === undefined) return [];
        return [
          {
            conversationId: id,
            rev: room.rev,
            lastSeq: room.messages.length,
            unreadCount: unreadOf(room, member).length,
          },
        ];
      }),
      gone: Object.keys(cursors).filter((id) => !mine.includes(id)),
      added: mine.filter((id) => !Object.hasOwn(cursors, id)),
    };
  }

  #list(userId: string, query: NonNullable<HttpRequest['query']>) {
    const archived = query.filter === 'archived';
    const mine = this.conversationsOf(userId)
      .map((id) => this.#present(this.#room(id), userId))
      .filter((conversation) => (conversation.me?.archivedAt !== null) === archived)
      .sort((a, b) => ((a.lastMessage?.createdAt ?? a.createdAt) < (b.lastMessage?.createdAt ?? b.createdAt) ? 1 : -1));
    const start = Number(query.cursor ?? 0);
    const limit = Number(query.limit ?? 50);
    return {
      items: mine.slice(start, start + limit),
      nextCursor: start + limit < mine.length ? String(start + limit) : null,
    };
  }

  #page(room: Room, query: NonNullable<HttpRequest['query']>) {
    const limit = Number(query.limit ?? 50);
    const { messages } = room;
    let start = messages.length - limit;
    let end = messages.length;
    if (query.before !== undefined) {
      end = Math.min(messages.length, Number(query.before) - 1);
      start = end - limit;
    } else if (query.after !== undefined) {
      start = Number(query.after);
      end = start + limit;
    } else if (query.around !== undefined) {
      start = Number(query.around) - 1 - Math.floor(limit / 2);
      end = Math.max(0, start) + limit;
    }
    const items = messages.slice(Math.max(0, start), Math.max(0, end));
    return { items, nextCursor: null };
  }

  #changes(room: Room, after: number, limit: number) {
    const all: Change[] = [
      ...room.messages.map((message): Change => ({ rev: message.rev, type: 'message', message })),
      ...[...room.members.values()].map(
        (member): Change => ({ rev: member.rev, type: 'participant', participant: presentMember(member) }),
      ),
      { rev: room.ownRev, type: 'conversation', conversation: this.#shared(room) },
    ];
    const later = all.filter((change) => change.rev > after).sort((a, b) => a.rev - b.rev);
    const last = later[Math.min(limit, later.length) - 1]?.rev ?? 0;
    const changes = later.filter((change) => change.rev <= last);
    return { changes, rev: room.rev, hasMore: changes.length < later.length };
  }

  /* Shapes */

  #shared(room: Room): SharedConversation {
    const present = [...room.members.values()].filter((member) => member.leftAt === null);
    return {
      ...room.shared,
      lastSeq: room.messages.length,
      rev: room.rev,
      lastMessage: room.messages.at(-1) ?? null,
      participantCount: present.length,
      participants: present.slice(0, 10).map(presentMember),
    };
  }

  #present(room: Room, userId: string): Conversation {
    const member = room.members.get(userId);
    return structuredClone({
      ...this.#shared(room),
      me: member === undefined || member.leftAt !== null ? null : membershipOf(room, member),
    });
  }

  #newMember(userId: string, role: Role, room: Room): Member {
    const lastSeq = room.messages.length;
    return {
      user: this.#user(userId),
      role,
      joinedAt: this.#now(),
      leftAt: null,
      lastReadSeq: lastSeq,
      lastDeliveredSeq: lastSeq,
      rev: room.rev,
      mutedUntil: null,
      pinnedAt: null,
      archivedAt: null,
      notify: 'all',
    };
  }

  /* Telling */

  #tell<Name extends EventName>(
    room: Room,
    name: Name,
    payload: EventPayload<Name>,
    except: ServerSession | null = null,
    exceptUser = '',
  ): void {
    for (const [session, { userId }] of [...this.#sessions]) {
      if (session !== except && userId !== exceptUser && isPresent(room, userId)) session.emit(name, payload);
    }
  }

  #tellUser<Name extends EventName>(person: string, name: Name, payload: EventPayload<Name>): void {
    for (const [session, { userId }] of [...this.#sessions]) if (userId === person) session.emit(name, payload);
  }

  #tellUnread(room: Room, userId: string): void {
    const member = room.members.get(userId);
    if (member === undefined) return;
    const { lastReadSeq } = member;
    const unreadCount = unreadOf(room, member).length;
    this.#tellUser(userId, 'unread:changed', { conversationId: room.shared.id, unreadCount, lastReadSeq });
  }

  /* Access */

  #faulty<T>(userId: string, name: string, work: () => T): T {
    const fault = this.fault({ userId, name });
    if (fault?.when === 'before') throw problem(fault.code, statusOf(fault.code), fault.retryAfterMs);
    const answer = work();
    if (fault?.when === 'after') throw problem(fault.code, statusOf(fault.code), fault.retryAfterMs);
    return answer;
  }

  #countSend(userId: string): void {
    const rule = this.#options.messageLimit;
    if (rule === undefined) return;
    const now = this.#options.clock.now();
    const recent = (this.#sent.get(userId) ?? []).filter((at) => at > now - rule.windowMs);
    const oldest = recent[recent.length - rule.limit];
    if (oldest !== undefined) throw problem('rate_limited', 429, oldest + rule.windowMs - now);
    this.#sent.set(userId, [...recent, now]);
  }

  #verify(token: string): string {
    const claims = readClaims(token);
    if (claims === null) throw problem('unauthenticated', 401);
    if (claims.exp * 1000 <= this.#options.clock.now()) throw problem('token_expired', 401);
    return claims.sub;
  }

  #watchToken(session: ServerSession, userId: string, token: string): void {
    const { clock } = this.#options;
    const expiresAt = (readClaims(token)?.exp ?? 0) * 1000;
    this.#sessions.get(session)?.cancel();
    const cancelWarning = clock.after(expiresAt - clock.now() - 60_000, () => {
      session.emit('session:expiring', { at: new Date(expiresAt).toISOString() });
    });
    const cancelEnd = clock.after(expiresAt - clock.now(), () => {
      session.emit('session:ended', { code: 'token_expired', detail: 'The session has expired.' });
      session.end();
    });
    this.#sessions.set(session, {
      userId,
      watched: this.#sessions.get(session)?.watched ?? new Set(),
      cancel() {
        cancelWarning();
        cancelEnd();
      },
    });
  }

  #room(id: string): Room {
    const room = this.#rooms.get(id);
    if (room === undefined) throw problem('not_found', 404);
    return room;
  }

  #readable(userId: string, id: string): Room {
    const room = this.#room(id);
    if (room.shared.type !== 'channel' && !isPresent(room, userId)) throw problem('not_a_participant', 403);
    return room;
  }

  #member(userId: string, id: string): { room: Room; member: Member } {
    const room = this.#room(id);
    const member = room.members.get(userId);
    if (member === undefined || member.leftAt !== null) throw problem('not_a_participant', 403);
    return { room, member };
  }

  #message(room: Room, id: string): Message {
    const message = room.messages.find((other) => other.id === id);
    if (message === undefined) throw problem('not_found', 404);
    return structuredClone(message);
  }

  #user(id: string): User {
    return this.#users.get(id) ?? this.addUser(id);
  }

  #now(): string {
    return new Date(this.#options.clock.now()).toISOString();
  }

  #id(): string {
    return `00000000-0000-7000-8000-${(++this.#ids).toString(16).padStart(12, '0')}`;
  }
}

function isPresent(room: Room, userId: string): boolean {
  return room.members.get(userId)?.leftAt === null;
}

function unreadOf(room: Room, member: Member): readonly Message[] {
  return room.messages
    .slice(member.lastReadSeq)
    .filter((message) => message.senderId !== member.user.id && message.deletedAt === null);
}

function membershipOf(room: Room, member: Member): Membership {
  const unread = unreadOf(room, member);
  const { role, joinedAt, lastReadSeq, lastDeliveredSeq, mutedUntil, pinnedAt, archivedAt, notify } = member;
  const mentionCount = unread.filter((message) => message.mentions.includes(member.user.id)).length;
  return {
    role,
    joinedAt,
    lastReadSeq,
    lastDeliveredSeq,
    unreadCount: unread.length,
    mentionCount,
    mutedUntil,
    pinnedAt,
    archivedAt,
    notify,
  };
}

function presentMember({ user, role, joinedAt, leftAt, lastReadSeq, lastDeliveredSeq, rev }: Member): Participant {
  return { user, role, joinedAt, leftAt, silencedUntil: null, lastReadSeq, lastDeliveredSeq, rev };
}

/** Any id names a file: there are no uploads here. */
function fileOf(id: string): Attachment {
  const url = `/api/messaging/v1/attachments/${id}`;
  const unknown = { width: null, height: null, durationMs: null, hasThumbnail: false, thumbnailUrl: null };
  return { id, fileName: `${id}.bin`, mimeType: 'application/octet-stream', size: 1, url, ...unknown };
}

function quoteOf({ id, seq, senderId, content, deletedAt }: Message): Message['replyTo'] {
  return {
    id,
    seq,
    senderId,
    content: content === null ? null : Array.from(content).slice(0, 200).join(''),
    deletedAt,
  };
}

function readClaims(token: string): { sub: string; exp: number } | null {
  try {
    return JSON.parse(atob((token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/')));
  } catch {
    // Not one of our tokens.
    return null;
  }
}

function withoutIds({ conversationId: _conversationId, messageId: _messageId, ...rest }: Body): Body {
  return rest;
}

const STATUSES: Partial<Record<ErrorCode, number>> = {
  rate_limited: 429,
  internal: 500,
  unavailable: 503,
  forbidden: 403,
  token_expired: 401,
};

function statusOf(code: ErrorCode): number {
  return STATUSES[code] ?? 400;
}

function problem(code: ErrorCode, status: number, retryAfterMs?: number): ParleyError {
  return new ParleyError({ code, status, message: code, retryAfterMs, requestId: 'model' });
}

function bodyOf(error: unknown) {
  if (!(error instanceof ParleyError)) throw error;
  const { code, status, message, retryAfterMs } = error;
  const known = { type: `/errors#${code}`, title: code, status, detail: message, code, requestId: 'model' };
  return retryAfterMs === undefined ? known : { ...known, retryAfterMs: Math.ceil(retryAfterMs) };
}
