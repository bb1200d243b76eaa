import type { Bus } from '../../infrastructure/redis-bus.ts';
import { endSession, type ParleyServer, type ParleySocket } from '../../infrastructure/socket-server.ts';
import type { Actor } from '../../utils/actor.ts';
import { AppError } from '../../utils/app-error.ts';
import type { Logger } from '../../utils/logger.ts';
import type { Ban, Revocation, RevocationCursor, SessionsRepository } from './sessions.repository.ts';

export interface SessionsServiceDeps {
  readonly repository: Pick<SessionsRepository, 'revoke' | 'findSince'>;
  readonly io: ParleyServer;
  /** Hints that somebody's sessions were ended on another node; null where this is the only one. */
  readonly bus: Bus | null;
  readonly logger: Logger;
  /** Milliseconds, never going back. */
  readonly clock?: () => number;
}

/** No token is let in on knowledge older than this. */
const FRESH_MS = 1_000;
/** Somewhat sooner, so that calls hardly ever wait for a look. */
const LOOK_EVERY_MS = 700;

const CHANNEL = 's:revoked';

/**
 * Which tokens are of no more use although they have not expired, and who is let in nowhere.
 *
 * Every node keeps all revocations and bans in memory (some hundred bytes each), and reads the new ones from the database before a
 * second is over, so that a call costs no query. Hints only make a node look sooner: nobody is let in or cut off because a
 * hint did or did not arrive.
 */
export class SessionsService {
  readonly #deps: SessionsServiceDeps;
  readonly #clock: () => number;
  /** Person → their tokens from before are refused (milliseconds since the epoch). */
  readonly #revokedAt = new Map<string, number>();
  readonly #banned = new Set<string>();
  #cursor: RevocationCursor = null;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #failing = false;
  #stopped = false;

  constructor(deps: SessionsServiceDeps) {
    this.#deps = deps;
    this.#clock = deps.clock ?? (() => performance.now());
    deps.bus?.subscribe(CHANNEL);
    deps.bus?.listen((channel) => {
      if (channel === CHANNEL) this.#lookAgain();
    });
  }

  /** Reads what was revoked so far, then looks about once a second for more. */
  async start(): Promise<void> {
    await this.#look();
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer) clearTimeout(this.#timer);
    await this.#looking?.catch(() => {});
  }

  /**
   * Ends all sessions of a person on all nodes, and makes every token issued before now useless. Returns once that is
   * durable; other nodes follow within a second.
   *
   * @throws AppError `forbidden` for anybody but an administrator, `not_found` where there is nobody of that id.
   */
  async revoke(actor: Actor, userId: string): Promise<void> {
    if (!actor.roles.includes('admin')) throw new AppError('forbidden');
    const revocation = await this.#deps.repository.revoke(userId, actor.id);
    if (!revocation) throw new AppError('not_found');
    this.#apply([revocation]);
    this.#deps.bus?.publish(CHANNEL, '');
  }

  /**
   * Bans began or ended, and that is durable. Resolves once it has taken effect here; other nodes follow within a second.
   * Never rejects: where the database cannot be read now, nobody is let in until it can.
   */
  async noteBans(): Promise<void> {
    this.#deps.bus?.publish(CHANNEL, '');
    await this.#lookAgain();
  }

  /**
   * @throws AppError `session_revoked` for a token issued before its person's sessions were ended; `forbidden` for
   *   somebody who is banned; `unavailable` while the database cannot tell.
   */
  async refuseRevoked(actor: Actor): Promise<void> {
    // A look under way may itself have begun too long ago; the one after it has not.
    for (let looks = 0; looks < 2 && this.#clock() - this.#lookedAt > FRESH_MS; looks++) await this.#look();
    if (this.#banned.has(actor.id)) throw new AppError('forbidden');
    if (this.#isRevoked(actor)) throw new AppError('session_revoked');
  }

  /** Looks once more at somebody who was being let in while a revocation or a ban came. */
  connect(socket: ParleySocket): void {
    const { actor } = socket.data;
    if (this.#banned.has(actor.id) || this.#isRevoked(actor)) endSession(socket, 'session_revoked');
  }

  /** `iat` counts in whole seconds mostly: a token of the very second of the revocation counts as from before. */
  #isRevoked({ id, issuedAt }: Actor): boolean {
    const revokedAt = this.#revokedAt.get(id);
    return revokedAt !== undefined && (issuedAt === null || issuedAt < revokedAt);
  }

  #apply(revocations: readonly Revocation[]): void {
    const news = revocations.filter(({ userId, revokedAt }) => revokedAt > (this.#revokedAt.get(userId) ?? 0));
    if (news.length === 0) return;
    for (const { userId, revokedAt } of news) this.#revokedAt.set(userId, revokedAt);
    for (const socket of this.#deps.io.of('/').sockets.values()) this.connect(socket);
  }

  #applyBans(bans: readonly Ban[]): void {
    const news = bans.filter(({ userId, banned }) => this.#banned.has(userId) !== banned);
    if (news.length === 0) return;
    for (const { userId, banned } of news) {
      if (banned) this.#banned.add(userId);
      else this.#banned.delete(userId);
    }
    for (const socket of this.#deps.io.of('/').sockets.values()) this.connect(socket);
  }

  /** One look at a time; whoever asks meanwhile waits for that one. */
  #look(): Promise<void> {
    this.#looking ??= this.#read().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #read(): Promise<void> {
    const begun = this.#clock();
    try {
      const { revocations, bans, cursor } = await this.#deps.repository.findSince(this.#cursor);
      this.#cursor = cursor;
      this.#lookedAt = begun;
      this.#apply(revocations);
      this.#applyBans(bans);
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#deps.logger.warn({ err: error }, 'ended sessions cannot be read');
      this.#failing = true;
      throw error;
    }
  }

  /** After a hint: a look under way may have begun before what it is about. */
  async #lookAgain(): Promise<void> {
    if (this.#stopped) return;
    const under = this.#looking ?? Promise.resolve();
    await under
      .catch(() => {})
      .then(() => this.#look())
      .catch(() => {
        // Was logged; the next look is less than a second away.
      });
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#look()
        .catch(() => {})
        .finally(() => this.#schedule());
    }, LOOK_EVERY_MS);
    this.#timer.unref();
  }
}
