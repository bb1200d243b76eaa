import type { ModeratedUser, ModeratedUsersQuery, Page, PutRestrictions, Restrictions } from '@parley/protocol';
import type { Actor } from '../../../utils/actor.ts';
import { AppError, invalidField } from '../../../utils/app-error.ts';
import { decodeCursor, pageFrom } from '../../../utils/cursor.ts';
import type { RestrictionsRepository } from '../repositories/restrictions.repository.ts';

export interface RestrictionsServiceDeps {
  readonly repository: RestrictionsRepository;
  /** Somebody is banned now, or no longer: ends their sessions here, and has the other nodes do the same. */
  readonly onBansChanged: () => Promise<void>;
  /** Removes markup from a text and trims it. */
  readonly cleanText: (text: string) => string;
}

/** What people are kept from everywhere: writing for a time, or coming in at all. */
export class RestrictionsService {
  readonly #deps: RestrictionsServiceDeps;

  constructor(deps: RestrictionsServiceDeps) {
    this.#deps = deps;
  }

  /** @throws AppError `forbidden` for anybody without a token's role, `not_found` for somebody unknown. */
  async getRestrictions(actor: Actor, userId: string): Promise<Restrictions> {
    requireModerator(actor);
    const found = await this.#deps.repository.find(userId);
    if (!found) throw new AppError('not_found');
    return found;
  }

  /** Everybody by name, or only those who are kept from something. */
  async listPeople(actor: Actor, query: ModeratedUsersQuery): Promise<Page<ModeratedUser>> {
    requireModerator(actor);
    const items = await this.#deps.repository.findPeople({
      query: query.query?.trim() || undefined,
      restricted: query.restricted === 'true',
      after: decodeCursor(query.cursor, isNamePlace),
      limit: query.limit + 1,
    });
    return pageFrom(items, query.limit, ({ user }) => [user.name, user.id]);
  }

  /**
   * Silences or bans somebody, or no longer. What is left out stays.
   *
   * @throws AppError `forbidden` without a token's role, and for a ban without that of an administrator; `invalid_request`
   *   for oneself; `not_found` for somebody unknown.
   */
  async putRestrictions(actor: Actor, userId: string, input: PutRestrictions): Promise<Restrictions> {
    requireModerator(actor);
    if (input.banned !== undefined && !actor.roles.includes('admin')) throw new AppError('forbidden');
    if (userId === actor.id) throw invalidField('uid', 'Must be somebody else.');
    const reason = (input.reason && this.#deps.cleanText(input.reason)) || null;
    const { silencedUntil, banned } = input;
    const restrictions = await this.#deps.repository.change(userId, actor.id, { silencedUntil, banned, reason });
    if (!restrictions) throw new AppError('not_found');
    if (banned !== undefined) await this.#deps.onBansChanged();
    return restrictions;
  }
}

function requireModerator(actor: Actor): void {
  if (!actor.roles.includes('admin') && !actor.roles.includes('moderator')) throw new AppError('forbidden');
}

function isNamePlace(value: unknown): value is readonly [string, string] {
  return (
    Array.isArray(value) &&
    value.length === 2 &&
    value.every((item) => typeof item === 'string' && !item.includes('\0'))
  );
}
