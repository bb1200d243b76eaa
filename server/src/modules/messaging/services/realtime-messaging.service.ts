import type { Conversation, EventName, EventPayload, Role } from '@parley/protocol';
import { TYPING_EXPIRES_MS } from '@parley/protocol';
import type { ParleySocket } from '../../../infrastructure/socket-server.ts';
import { encodeEvent, frameEvents, type SocketWriter } from '../../../infrastructure/socket-writer.ts';
import type { Logger } from '../../../utils/logger.ts';
import type { ConversationOpened, Fact, Member, Publisher, Signal } from '../messaging.events.ts';
import { Follower } from './follower.ts';
import type { HintReceiver, NodeLink, TypingSignal } from './node-link.ts';
import type { Whisper } from './whispers.ts';

/** A conversation somebody is in, as of `rev`. */
export interface FollowedMembership {
  readonly conversationId: string;
  readonly role: Role;
  readonly rev: number;
}

/** Where a conversation is. */
export interface Head {
  readonly rev: number;
  readonly lastSeq: number;
}

/** The log as the feed reads it. */
export interface LogReader {
  findMemberships(userId: string): Promise<readonly FollowedMembership[]>;
  /**
   * What came after a `rev`, in order, and where the conversation is then. `facts` is null where they are too many to
   * be told one by one; the answer is null where the conversation is gone.
   */
  findMissed(conversationId: string, after: number): Promise<(Head & { facts: readonly Fact[] | null }) | null>;
  /** Who of these people is in it, as of the head; null where it is gone. */
  findPresent(
    conversationId: string,
    userIds: readonly string[],
  ): Promise<(Head & { members: readonly Member[] }) | null>;
  /** The conversation as these people see it, for those of them who are in it. */
  findViews(conversationId: string, userIds: readonly string[]): Promise<Map<string, Conversation>>;
}

/** Between whom receipts and typing are not shown. */
export interface Cuts {
  /** Somebody connects: resolves once it is known with whom they are cut off. */
  load(userId: string): Promise<void>;
  /** The last connection of somebody is gone. */
  drop(userId: string): void;
  /** Those of the people connected here who are to see nothing of this one. */
  hiddenFrom(userId: string): ReadonlySet<string>;
}

export interface RealtimeMetrics {
  readonly onRepair: () => void;
  /** Seconds from the database's time of a message to its emission here. */
  readonly onDelivered: (seconds: number) => void;
}

interface LocalPerson {
  readonly sockets: Set<ParleySocket>;
  readonly conversations: Set<string>;
}

/** A later fact waits this long for the ones before it; they are usually on their way in this very process. */
const GAP_PATIENCE_MS = 25;
/** After a failed look into the log, until the next. */
const REPAIR_RETRY_MS = 1_000;

/**
 * The feed of this node: it follows the log as a client does, and is the only one that emits.
 *
 * For each conversation with somebody connected here it keeps the last `rev` it told and who of those people belongs.
 * A fact with the next `rev` is applied, membership before emission, and told; an earlier one is known; a later one
 * waits until those before it came, or were read from the log. So order holds, and nothing above the `rev` of a removal
 * reaches the person removed. Facts and signals are only hints that something happened: whoever misses one is brought
 * forward by `noteHead`, with which the tailer compares the log.
 */
export class RealtimeMessagingService implements Publisher, HintReceiver {
  readonly #writer: SocketWriter;
  readonly #reader: LogReader;
  /** To the other nodes; null where this is the only one. */
  readonly #link: NodeLink | null;
  readonly #cuts: Cuts;
  readonly #logger: Logger;
  readonly #metrics: RealtimeMetrics;
  readonly #followers = new Map<string, Follower>();
  readonly #people = new Map<string, LocalPerson>();
  /** Conversations with something to be told at the end of this turn. Each has a mark of it: a set would leave garbage. */
  #due: Follower[] = [];
  /** What single people are to be told at the end of this turn, after what their conversations are told. */
  #toPeople: { readonly userId: string; readonly text: string }[] = [];
  /** `conversation user` → the timer that ends the typing mark. */
  readonly #typing = new Map<string, NodeJS.Timeout>();
  /** Of each connection that reads what it is in: the facts heard since it began to. */
  readonly #listening = new Set<Fact[]>();
  /** How often membership was read anew instead of being followed fact by fact. */
  #reloads = 0;
  #stopped = false;

  constructor(deps: {
    writer: SocketWriter;
    reader: LogReader;
    link: NodeLink | null;
    cuts: Cuts;
    logger: Logger;
    metrics: RealtimeMetrics;
  }) {
    this.#writer = deps.writer;
    this.#reader = deps.reader;
    this.#link = deps.link;
    this.#cuts = deps.cuts;
    this.#logger = deps.logger;
    this.#metrics = deps.metrics;
  }

  /** Conversations followed, for metrics. */
  get followed(): number {
    return this.#followers.size;
  }

  /** People with a connection to this node. */
  get connectedPeople(): string[] {
    return [...this.#people.keys()];
  }

  // ── connections ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Joins a connection to everything its person is in, then says `ready`: from there on it misses no change. */
  async connect(socket: ParleySocket): Promise<void> {
    const { actor, sessionId } = socket.data;
    const person = this.#addSocket(actor.id, socket);
    await this.#cuts.load(actor.id);
    const facts: Fact[] = [];
    this.#listening.add(facts);
    try {
      const memberships = await this.#readMemberships(actor.id, facts);
      if (!socket.connected) return;
      // What was applied up to here is not news to somebody who begins now.
      this.#tellAll();
      const heard = Map.groupBy(facts, ({ payload }) => payload.conversationId);
      for (const membership of memberships) {
        const since = heard.get(membership.conversationId) ?? [];
        this.#join(
          actor.id,
          person,
          membership,
          since.filter(({ payload }) => payload.rev > membership.rev),
        );
      }
    } finally {
      this.#listening.delete(facts);
    }
    socket.data.isFollowing = true;
    this.#forgetAudiences(person);
    this.#writer.tell(socket, 'ready', { userId: actor.id, sessionId, serverTime: new Date().toISOString() });
  }

  /** `heard` grows meanwhile; it begins anew with each reading. */
  async #readMemberships(userId: string, heard: Fact[]): Promise<readonly FollowedMembership[]> {
    for (;;) {
      const reloads = this.#reloads;
      heard.length = 0;
      const memberships = await this.#reader.findMemberships(userId);
      if (reloads === this.#reloads) return memberships;
    }
  }

  disconnect(socket: ParleySocket): void {
    const { id: userId } = socket.data.actor;
    const person = this.#people.get(userId);
    if (!person?.sockets.delete(socket)) return;
    this.#forgetAudiences(person);
    if (person.sockets.size > 0) return;
    this.#people.delete(userId);
    this.#cuts.drop(userId);
    this.#link?.leavePerson(userId);
    for (const conversationId of person.conversations) {
      this.#endTyping(conversationId, userId);
      this.#dropMember(conversationId, userId);
    }
  }

  #addSocket(userId: string, socket: ParleySocket): LocalPerson {
    const person = this.#people.get(userId) ?? this.#addPerson(userId);
    person.sockets.add(socket);
    return person;
  }

  /** One of their connections begins to follow, or is gone. */
  #forgetAudiences({ conversations }: LocalPerson): void {
    for (const conversationId of conversations) this.#followers.get(conversationId)?.forgetAudience();
  }

  #addPerson(userId: string): LocalPerson {
    const person = { sockets: new Set<ParleySocket>(), conversations: new Set<string>() };
    this.#people.set(userId, person);
    this.#link?.followPerson(userId);
    return person;
  }

  /** One membership of a new connection. What was heard since it was read decides where it tells otherwise. */
  #join(userId: string, person: LocalPerson, membership: FollowedMembership, since: readonly Fact[]): void {
    const { conversationId, rev } = membership;
    const follower = this.#followers.get(conversationId);
    if (follower && follower.rev > rev && leftSince(userId, since, follower.rev)) return;

    const followed = follower ?? this.#follow(conversationId, rev);
    followed.setMember(userId, roleSince(userId, since, followed.rev) ?? membership.role);
    person.conversations.add(conversationId);
    // Without a follower nobody applied them.
    if (!follower) for (const fact of since) this.#receive(fact);
  }

  // ── facts ────────────────────────────────────────────────────────────────────────────────────────────────────────

  announce(facts: readonly Fact[]): void {
    for (const fact of facts) {
      this.receiveFact(fact);
      this.#link?.tellFact(fact);
    }
  }

  signal(signal: Signal): void {
    this.receiveSignal(signal);
    this.#link?.tellSignal(signal);
  }

  /** A fact of this node or another one. */
  receiveFact(fact: Fact): void {
    try {
      this.#hear(fact);
      this.#receive(fact);
    } catch (error) {
      // Telling never fails the request: the fact is committed, and the tailer brings everybody forward.
      const { conversationId } = fact.payload;
      this.#logger.error({ err: error, conversationId, event: fact.name }, 'telling a fact failed');
    }
  }

  receiveSignal(signal: Signal): void {
    switch (signal.name) {
      case 'unread:changed':
        this.#tellPerson(signal.to, signal.name, signal.payload);
        break;
      case 'receipt:read':
      case 'receipt:delivered':
        this.#whisper(signal);
        break;
    }
  }

  suspect(conversationIds: readonly string[]): void {
    for (const conversationId of conversationIds) {
      const follower = this.#followers.get(conversationId);
      if (follower) void this.#repair(follower);
    }
  }

  /** The log is at `rev` in this conversation, says the tailer: if the feed is behind, it reads what it missed. */
  noteHead(conversationId: string, rev: number): void {
    const follower = this.#followers.get(conversationId);
    if (!follower) return;
    if (follower.repairing) follower.toldMeanwhile = Math.max(follower.toldMeanwhile, rev);
    else if (follower.rev < rev) void this.#repair(follower);
  }

  /** Memberships of these people changed, says the tailer; a conversation that nobody here was in may be among them. */
  async noteMemberships(conversationId: string, userIds: readonly string[]): Promise<void> {
    if (this.#followers.has(conversationId)) return;
    const connected = userIds.filter((userId) => this.#people.has(userId));
    if (connected.length === 0) return;
    const present = await this.#reader.findPresent(conversationId, connected);
    if (!present || present.members.length === 0 || this.#followers.has(conversationId)) return;
    // Who is just connecting reads their memberships anew, and is told of none that they begin with.
    const following = present.members.filter(({ userId }) => this.#followingOf(userId).length > 0);
    if (following.length < present.members.length) this.#reloads += 1;
    if (following.length === 0) return;
    const follower = this.#follow(conversationId, present.rev);
    const welcome = following.filter((member) => this.#addMember(follower, member));
    if (follower.members.size === 0) this.#unfollow(follower);
    this.#welcome(
      follower,
      welcome.map(({ userId }) => userId),
    );
  }

  #hear(fact: Fact): void {
    for (const facts of this.#listening) facts.push(fact);
  }

  /** A fact in whatever order it comes. */
  #receive(fact: Fact): void {
    const { conversationId, rev } = fact.payload;
    const follower = this.#followers.get(conversationId) ?? this.#followFor(fact);
    if (!follower || rev <= follower.rev) return;
    // Most of the time it is the next one.
    if (rev === follower.rev + 1 && !follower.repairing) this.#apply(follower, fact);
    else follower.addWaiting(fact);
    if (!follower.hasWaiting) return;
    this.#applyWaiting(follower);
    if (follower.hasWaiting) this.#awaitGap(follower);
  }

  #applyWaiting(follower: Follower): void {
    if (follower.repairing) return;
    for (let fact = follower.takeNext(); fact; fact = follower.takeNext()) this.#apply(follower, fact);
  }

  #awaitGap(follower: Follower): void {
    if (follower.repairing || follower.gapTimer) return;
    follower.gapTimer = setTimeout(() => {
      follower.gapTimer = null;
      if (follower.hasWaiting) void this.#repair(follower);
    }, GAP_PATIENCE_MS);
  }

  /** Membership first, then the rooms are told: so a removal takes effect before whatever comes after it. */
  #apply(follower: Follower, fact: Fact): void {
    follower.rev = Math.max(follower.rev, fact.payload.rev);
    switch (fact.name) {
      case 'participant:joined': {
        const { user, role } = fact.payload.participant;
        const isNew = this.#addMember(follower, { userId: user.id, role });
        this.#tell(follower, fact.name, fact.payload);
        if (isNew) this.#welcome(follower, [user.id]);
        break;
      }
      case 'participant:left':
        this.#removeMember(follower, fact.payload.participant.user.id);
        this.#tell(follower, fact.name, fact.payload);
        break;
      case 'participant:updated': {
        const { user, role } = fact.payload.participant;
        if (follower.members.has(user.id)) follower.setMember(user.id, role);
        this.#tell(follower, fact.name, fact.payload);
        break;
      }
      case 'conversation:opened':
        this.#open(follower, fact);
        break;
      case 'conversation:closed':
        this.#close(follower);
        break;
      case 'message:created':
        this.#endTypingOf(follower, fact.payload.message.senderId);
        this.#tell(follower, fact.name, fact.payload);
        this.#metrics.onDelivered(Math.max(0, Date.now() - Date.parse(fact.payload.message.createdAt)) / 1_000);
        break;
      case 'message:updated':
      case 'message:deleted':
        this.#tell(follower, fact.name, fact.payload);
        break;
      case 'reaction:added':
      case 'reaction:removed':
        this.#tell(follower, fact.name, fact.payload);
        break;
      case 'conversation:updated':
        this.#tell(follower, fact.name, fact.payload);
        break;
    }
  }

  #open(follower: Follower, { payload }: ConversationOpened): void {
    const connected = payload.members.filter(({ userId }) => this.#people.has(userId));
    for (const member of connected) this.#addMember(follower, member);
    this.#welcome(
      follower,
      connected.map(({ userId }) => userId),
    );
  }

  #close(follower: Follower): void {
    for (const userId of [...follower.members.keys()]) this.#removeMember(follower, userId);
  }

  // ── repair ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Reads from the log what came after the last `rev` told, and tells it; then whatever waited meanwhile. */
  async #repair(follower: Follower): Promise<void> {
    if (follower.repairing || this.#stopped) return;
    follower.repairing = true;
    follower.toldMeanwhile = 0;
    this.#metrics.onRepair();
    try {
      const missed = await this.#reader.findMissed(follower.conversationId, follower.rev);
      if (missed?.facts) this.#tellMissed(follower, missed.facts, missed);
      else await this.#reload(follower);
      follower.repairing = false;
      this.#applyWaiting(follower);
      // A head that came while the log was read may be of a change that the reading was too early for.
      const isBehind = follower.rev < follower.toldMeanwhile && this.#followers.has(follower.conversationId);
      if (isBehind) void this.#repair(follower);
    } catch (error) {
      follower.repairing = false;
      this.#logger.warn({ err: error, conversationId: follower.conversationId }, 'reading missed facts failed');
      if (!this.#stopped) {
        follower.gapTimer ??= setTimeout(() => {
          follower.gapTimer = null;
          void this.#repair(follower);
        }, REPAIR_RETRY_MS);
      }
    }
  }

  #tellMissed(follower: Follower, facts: readonly Fact[], head: Head): void {
    const missing = head.rev - follower.rev;
    for (const fact of facts) {
      this.#hear(fact);
      this.#apply(follower, fact);
    }
    // Several changes of one thing are read as one: whoever counts is told where the conversation is.
    if (facts.length < missing) this.#tellHead(follower, head);
    follower.advance(head.rev);
  }

  /** Too much to be told: who is in it is read anew, and clients ask for `changes`. */
  async #reload(follower: Follower): Promise<void> {
    const { conversationId } = follower;
    const present = await this.#reader.findPresent(conversationId, [...follower.members.keys()]);
    this.#reloads += 1;
    if (!present) {
      this.#close(follower);
      return;
    }
    const roles = new Map(present.members.map(({ userId, role }) => [userId, role]));
    for (const userId of [...follower.members.keys()]) {
      const role = roles.get(userId);
      if (role) follower.setMember(userId, role);
      else this.#removeMember(follower, userId);
    }
    follower.advance(present.rev);
    this.#tellHead(follower, present);
  }

  #tellHead(follower: Follower, { rev, lastSeq }: Head): void {
    const { conversationId } = follower;
    this.#tell(follower, 'conversation:head', { conversationId, rev, lastSeq });
  }

  // ── membership of local people ───────────────────────────────────────────────────────────────────────────────────

  #follow(conversationId: string, rev: number): Follower {
    const follower = new Follower(conversationId, rev);
    this.#followers.set(conversationId, follower);
    this.#link?.followConversation(conversationId);
    return follower;
  }

  #unfollow(follower: Follower): void {
    follower.end();
    this.#followers.delete(follower.conversationId);
    this.#link?.leaveConversation(follower.conversationId);
  }

  /** A conversation that nobody here was in until now: followed if the fact brings somebody in who is connected. */
  #followFor(fact: Fact): Follower | null {
    const newcomers =
      fact.name === 'conversation:opened'
        ? fact.payload.members.map(({ userId }) => userId)
        : fact.name === 'participant:joined'
          ? [fact.payload.participant.user.id]
          : [];
    if (!newcomers.some((userId) => this.#people.has(userId))) return null;
    return this.#follow(fact.payload.conversationId, fact.payload.rev - 1);
  }

  /** True if the person is connected here and was not in the conversation. */
  #addMember(follower: Follower, { userId, role }: Member): boolean {
    const person = this.#people.get(userId);
    if (!person) return false;
    const isNew = !follower.members.has(userId);
    if (isNew) this.#tellMembers(follower);
    follower.setMember(userId, role);
    person.conversations.add(follower.conversationId);
    return isNew;
  }

  /** Takes somebody out and tells them so. */
  #removeMember(follower: Follower, userId: string): void {
    const { conversationId } = follower;
    if (!follower.members.has(userId)) return;
    this.#takeOut(follower, userId);
    this.#tellPerson(userId, 'conversation:removed', { conversationId });
  }

  #takeOut(follower: Follower, userId: string): void {
    const { conversationId } = follower;
    this.#endTyping(conversationId, userId);
    this.#tellMembers(follower);
    this.#people.get(userId)?.conversations.delete(conversationId);
    this.#dropMember(conversationId, userId);
  }

  #dropMember(conversationId: string, userId: string): void {
    const follower = this.#followers.get(conversationId);
    follower?.removeMember(userId);
    if (follower && follower.members.size === 0) this.#unfollow(follower);
  }

  /** Tells people that they are now in a conversation. It is read for each, so that `me` is theirs. */
  #welcome(follower: Follower, userIds: readonly string[]): void {
    const { conversationId } = follower;
    if (userIds.length === 0) return;
    this.#reader.findViews(conversationId, userIds).then(
      (views) => {
        for (const [userId, conversation] of views) {
          if (!this.#isMember(conversationId, userId)) continue;
          this.#tellPerson(userId, 'conversation:created', { conversation });
        }
      },
      (error: unknown) => {
        this.#logger.warn({ err: error, conversationId }, 'reading a new conversation failed; clients find it by sync');
      },
    );
  }

  // ── telling ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Tells the people of a conversation at the end of this turn of the event loop, so that what is told together is made
   * once and written to each of them at once. Until then nobody comes in or goes out: who changes `members` tells first.
   */
  #tell<Name extends EventName>(follower: Follower, name: Name, payload: EventPayload<Name>): void {
    follower.addUntold(encodeEvent(name, payload), null);
    this.#tellLater(follower);
  }

  /** What somebody does, told to those who may see it: at the end of this turn, or once the conversation may be told again. */
  #whisper(whisper: Whisper): void {
    const follower = this.#followers.get(whisper.payload.conversationId);
    if (!follower) return;
    follower.whispers.add(whisper);
    this.#whisperLater(follower);
  }

  #whisperLater(follower: Follower): void {
    const waitMs = follower.whispers.waitMs(performance.now());
    if (waitMs === 0) this.#tellLater(follower);
    else if (waitMs !== null) {
      follower.whisperTimer ??= setTimeout(() => {
        follower.whisperTimer = null;
        this.#whisperLater(follower);
      }, Math.ceil(waitMs));
    }
  }

  /** All devices of one person, after what their conversations are told in this turn. */
  #tellPerson<Name extends EventName>(userId: string, name: Name, payload: EventPayload<Name>): void {
    if (!this.#people.has(userId)) return;
    this.#toPeople.push({ userId, text: encodeEvent(name, payload) });
    if (this.#toPeople.length === 1 && this.#due.length === 0) this.#writer.atEndOfTurn(() => this.#tellAll());
  }

  #tellLater(follower: Follower): void {
    if (follower.isDue) return;
    follower.isDue = true;
    if (this.#due.length === 0 && this.#toPeople.length === 0) this.#writer.atEndOfTurn(() => this.#tellAll());
    this.#due.push(follower);
  }

  #tellAll(): void {
    const due = this.#due;
    this.#due = [];
    for (const follower of due) this.#tellMembers(follower);
    const toPeople = this.#toPeople;
    this.#toPeople = [];
    for (const { userId, text } of toPeople) {
      const packets = frameEvents([text]);
      for (const socket of this.#people.get(userId)?.sockets ?? []) this.#writer.write(socket, packets);
    }
  }

  #tellMembers(follower: Follower): void {
    follower.isDue = false;
    for (const whisper of follower.takeWhispers()) this.#addWhisper(follower, whisper);
    for (const { texts, except } of follower.takeUntold()) {
      const packets = frameEvents(texts);
      for (const socket of follower.audience(this.#followingOf)) {
        if (!except?.has(socket.data.actor.id)) this.#writer.write(socket, packets);
      }
    }
  }

  /** One's own devices need not be told that one types. */
  #addWhisper(follower: Follower, { name, payload }: Whisper): void {
    const hidden = this.#cuts.hiddenFrom(payload.userId);
    const isTyping = name === 'typing:started' || name === 'typing:stopped';
    const except = isTyping ? new Set([...hidden, payload.userId]) : hidden;
    follower.addUntold(encodeEvent(name, payload), except.size === 0 ? null : except);
  }

  /** Connections of somebody that were told `ready`. */
  readonly #followingOf = (userId: string): readonly ParleySocket[] =>
    [...(this.#people.get(userId)?.sockets ?? [])].filter((socket) => socket.data.isFollowing);

  #isMember(conversationId: string, userId: string): boolean {
    return this.#followers.get(conversationId)?.members.has(userId) ?? false;
  }

  // ── typing ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** What somebody connected here is in a conversation; null where not in it. */
  roleOf(conversationId: string, userId: string): Role | null {
    return this.#followers.get(conversationId)?.members.get(userId) ?? null;
  }

  /** Shows that somebody types, for 6 s from the last call. The caller has checked that they may. */
  startTyping(socket: ParleySocket, conversationId: string): void {
    const { id: userId } = socket.data.actor;
    if (!this.#isMember(conversationId, userId)) return;
    const key = typingKey(conversationId, userId);
    const running = this.#typing.get(key);
    if (running) {
      running.refresh();
      return;
    }
    const timer = setTimeout(() => this.#endTyping(conversationId, userId), TYPING_EXPIRES_MS);
    this.#typing.set(key, timer);
    this.#tellTyping('typing:started', { conversationId, userId });
  }

  stopTyping(socket: ParleySocket, conversationId: string): void {
    this.#endTyping(conversationId, socket.data.actor.id);
  }

  #endTyping(conversationId: string, userId: string): void {
    const key = typingKey(conversationId, userId);
    const timer = this.#typing.get(key);
    if (!timer) return;
    clearTimeout(timer);
    this.#typing.delete(key);
    this.#tellTyping('typing:stopped', { conversationId, userId });
  }

  /** A message says by itself that its sender is done: the mark must not outlast it, here or on another node. */
  #endTypingOf(follower: Follower, userId: string): void {
    this.#endTyping(follower.conversationId, userId);
    const ended = follower.takeTyping(userId);
    if (ended?.name === 'typing:stopped') this.#addWhisper(follower, ended);
  }

  #tellTyping(name: TypingSignal['name'], payload: TypingSignal['payload']): void {
    this.receiveTyping({ name, payload });
    this.#link?.tellTyping({ name, payload });
  }

  /** Typing on this node or another one. */
  receiveTyping(signal: TypingSignal): void {
    this.#whisper(signal);
  }

  /** Ends timers; nothing is told afterwards. */
  stop(): void {
    this.#stopped = true;
    for (const timer of this.#typing.values()) clearTimeout(timer);
    this.#typing.clear();
    for (const follower of this.#followers.values()) follower.end();
  }
}

function typingKey(conversationId: string, userId: string): string {
  return `${conversationId} ${userId}`;
}

/** Whether, by the facts applied up to `rev`, somebody ended up outside. */
function leftSince(userId: string, facts: readonly Fact[], rev: number): boolean {
  const last = lastMembershipFact(userId, facts, rev);
  return last?.name === 'participant:left' || last?.name === 'conversation:closed';
}

function roleSince(userId: string, facts: readonly Fact[], rev: number): Role | null {
  const last = lastMembershipFact(userId, facts, rev);
  return last && 'participant' in last.payload ? last.payload.participant.role : null;
}

function lastMembershipFact(userId: string, facts: readonly Fact[], rev: number): Fact | undefined {
  return facts
    .filter(
      (fact) =>
        fact.payload.rev <= rev &&
        (fact.name === 'conversation:closed' ||
          ('participant' in fact.payload && fact.payload.participant.user.id === userId)),
    )
    .sort((a, b) => a.payload.rev - b.payload.rev)
    .at(-1);
}
