import type { PresenceState, PresenceStatus } from '@parley/protocol';
import type { Bus } from '../../infrastructure/redis-bus.ts';
import { engineConnection, type ParleySocket } from '../../infrastructure/socket-server.ts';
import type { SocketWriter } from '../../infrastructure/socket-writer.ts';
import { gatherCalls } from '../../utils/gather-calls.ts';
import type { Logger } from '../../utils/logger.ts';
import type { NodeStatus, PresenceLeases } from './presence.leases.ts';
import type { PresenceRepository, PresenceRow } from './presence.repository.ts';

export interface PresenceServiceDeps {
  readonly repository: PresenceRepository;
  readonly leases: PresenceLeases;
  /** Hints that somebody's presence changed on another node; null where this is the only one. */
  readonly bus: Bus | null;
  readonly writer: SocketWriter;
  readonly logger: Logger;
  /** Milliseconds, never going back. */
  readonly clock?: () => number;
}

/** Without a sign of the person for this long, a connected one is away. */
export const AWAY_AFTER_MS = 5 * 60_000;
/** How often last-seen times are written for those who stay. */
const TOUCH_EVERY_MS = 60_000;

interface LocalPerson {
  readonly sockets: Set<ParleySocket>;
  lastActive: number;
  status: NodeStatus;
}

/** One socket's watch: the states it was told last. */
interface Watch {
  readonly told: Map<string, PresenceState>;
}

const channelOf = (userId: string) => `p:${userId}`;

/**
 * Who is there. A person is online with any active connection to any node, away with idle ones only, else offline.
 * Nodes hold leases for the people connected to them; a killed node's run out by themselves. Only people who share a
 * conversation see each other, and somebody invisible is seen as offline.
 *
 * Hints make changes quick; `review` with every heartbeat makes them sure, and ends what a watcher may no longer see.
 */
export class PresenceService {
  readonly #deps: PresenceServiceDeps;
  readonly #clock: () => number;
  readonly #people = new Map<string, LocalPerson>();
  readonly #watches = new Map<ParleySocket, Watch>();
  /** Person → the sockets that watch them. */
  readonly #watchers = new Map<string, Set<ParleySocket>>();
  #touchedAt = 0;

  /** Writes a last-seen time. */
  readonly #touch: (userId: string) => Promise<void>;

  constructor(deps: PresenceServiceDeps) {
    this.#deps = deps;
    this.#clock = deps.clock ?? (() => performance.now());
    this.#touch = gatherCalls<string, void>(async (userIds) => {
      await deps.repository.touch(userIds);
      return [];
    });
    deps.bus?.listen((channel) => {
      if (channel.startsWith('p:')) this.#reviewSoon([channel.slice(2)]);
    });
  }

  connect(socket: ParleySocket): void {
    const { id: userId } = socket.data.actor;
    const person = this.#people.get(userId) ?? this.#arrive(userId);
    person.sockets.add(socket);
    this.#noteActivity(userId, person);
    // What a person does comes as messages; the connection's own pings say nothing about them.
    engineConnection(socket).on('packet', ({ type }) => {
      if (type === 'message') this.#noteActivity(userId, person);
    });
  }

  disconnect(socket: ParleySocket): void {
    this.#unwatch(socket);
    const { id: userId } = socket.data.actor;
    const person = this.#people.get(userId);
    if (!person?.sockets.delete(socket) || person.sockets.size > 0) return;
    this.#people.delete(userId);
    this.#deps.leases.set(userId, null);
    this.#touch(userId).then(
      () => this.#changed(userId),
      (error: unknown) => {
        this.#deps.logger.warn({ err: error, userId }, 'writing a last-seen time failed');
        this.#changed(userId);
      },
    );
  }

  /** Watches these people instead of whomever the socket watched before, and answers how they are. */
  async watch(socket: ParleySocket, userIds: readonly string[]): Promise<PresenceState[]> {
    this.#unwatch(socket);
    const states = await this.#findStates(socket.data.actor.id, userIds);
    if (!socket.connected) return states;
    this.#unwatch(socket);
    this.#watches.set(socket, { told: new Map(states.map((state) => [state.userId, state])) });
    for (const userId of userIds) {
      const watchers = this.#watchers.get(userId) ?? new Set();
      if (watchers.size === 0) this.#deps.bus?.subscribe(channelOf(userId));
      this.#watchers.set(userId, watchers.add(socket));
    }
    return states;
  }

  /** Somebody's setting changed, or what others may see of them. */
  refresh(userId: string): void {
    this.#changed(userId);
  }

  /** With every heartbeat: idle people fall away, leases are renewed, watchers are told what no hint said. */
  async review(): Promise<void> {
    const now = this.#clock();
    for (const [userId, person] of this.#people) {
      if (person.status === 'online' && now - person.lastActive >= AWAY_AFTER_MS)
        this.#setStatus(userId, person, 'away');
    }
    if (now - this.#touchedAt >= TOUCH_EVERY_MS) {
      this.#touchedAt = now;
      await this.#deps.repository.touch([...this.#people.keys()]);
    }
    await this.#reviewWatched([...this.#watchers.keys()]);
    await this.#deps.leases.renew(new Map([...this.#people].map(([userId, { status }]) => [userId, status])));
  }

  #arrive(userId: string): LocalPerson {
    const person: LocalPerson = { sockets: new Set(), lastActive: this.#clock(), status: 'online' };
    this.#people.set(userId, person);
    this.#deps.leases.set(userId, 'online');
    this.#changed(userId);
    return person;
  }

  #noteActivity(userId: string, person: LocalPerson): void {
    person.lastActive = this.#clock();
    if (person.status === 'away') this.#setStatus(userId, person, 'online');
  }

  #setStatus(userId: string, person: LocalPerson, status: NodeStatus): void {
    person.status = status;
    this.#deps.leases.set(userId, status);
    this.#changed(userId);
  }

  /** Tells watchers of this node, and gives the others a hint. */
  #changed(userId: string): void {
    this.#reviewSoon([userId]);
    this.#deps.bus?.publish(channelOf(userId), '');
  }

  #reviewSoon(userIds: readonly string[]): void {
    this.#reviewWatched(userIds).catch((error: unknown) => {
      // The next heartbeat looks again.
      this.#deps.logger.warn({ err: error }, 'telling a change of presence failed');
    });
  }

  async #reviewWatched(userIds: readonly string[]): Promise<void> {
    const bySocket = new Map<ParleySocket, string[]>();
    for (const userId of userIds) {
      for (const socket of this.#watchers.get(userId) ?? []) {
        bySocket.set(socket, [...(bySocket.get(socket) ?? []), userId]);
      }
    }
    for (const [socket, watched] of bySocket) {
      for (const state of await this.#findStates(socket.data.actor.id, watched)) this.#tell(socket, state);
    }
  }

  #tell(socket: ParleySocket, state: PresenceState): void {
    const told = this.#watches.get(socket)?.told;
    if (!told?.has(state.userId) || told.get(state.userId)?.status === state.status) return;
    told.set(state.userId, state);
    this.#deps.writer.tell(socket, 'presence:changed', state);
  }

  async #findStates(watcherId: string, userIds: readonly string[]): Promise<PresenceState[]> {
    const visible = new Map<string, PresenceRow>();
    for (const row of await this.#deps.repository.findVisible(watcherId, userIds)) visible.set(row.userId, row);
    const elsewhere = await this.#deps.leases
      .findElsewhere([...visible.keys()])
      .catch(() => new Map<string, NodeStatus>());
    return userIds.map((userId) => {
      const row = visible.get(userId);
      const hidden = !row || (row.invisible && userId !== watcherId);
      if (hidden) return { userId, status: 'offline', lastSeenAt: null };
      const status = together(this.#people.get(userId)?.status, elsewhere.get(userId));
      return { userId, status, lastSeenAt: row.lastSeenAt && new Date(row.lastSeenAt).toISOString() };
    });
  }

  #unwatch(socket: ParleySocket): void {
    const watch = this.#watches.get(socket);
    if (!watch) return;
    this.#watches.delete(socket);
    for (const userId of watch.told.keys()) {
      const watchers = this.#watchers.get(userId);
      watchers?.delete(socket);
      if (watchers?.size !== 0) continue;
      this.#watchers.delete(userId);
      this.#deps.bus?.unsubscribe(channelOf(userId));
    }
  }
}

function together(here: NodeStatus | undefined, elsewhere: NodeStatus | undefined): PresenceStatus {
  if (here === 'online' || elsewhere === 'online') return 'online';
  return here ?? elsewhere ?? 'offline';
}
