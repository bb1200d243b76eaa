import { randomUUID } from 'node:crypto';
import type { Feature, GuestSession, Page, User } from '@parley/protocol';
import type { Config } from '../../config.ts';
import type { GuestTokens } from '../../middleware/authenticate.ts';
import type { Actor } from '../../utils/actor.ts';
import { AppError, invalidField } from '../../utils/app-error.ts';
import { decodeCursor, pageFrom } from '../../utils/cursor.ts';
import { gatherCalls } from '../../utils/gather-calls.ts';
import type { UserEntry, UsersRepository } from './users.repository.ts';

export interface UsersServiceDeps {
  repository: UsersRepository;
  directory: Config['directory'];
  /** What this server can do as it is configured. */
  features: readonly Feature[];
  /** Removes markup from a name (SEND-5) and trims it; an empty result means that nothing is left. */
  cleanName(name: string): string;
  /** Somebody chose to be seen, or not to be. */
  onVisibilityChanged(userId: string): void;
  /** Given in guest mode only. */
  guestTokens: GuestTokens | undefined;
}

/** People remembered as entered, so that a known person costs no query. The one not seen for longest is forgotten. */
const REMEMBERED = 50_000;

/** The directory of people: whom tokens name, whom administrators enter, and whom one may find. */
export class UsersService {
  readonly #deps: UsersServiceDeps;
  /** What the last token of each person said, as written to the directory. */
  readonly #seen = new Map<string, string>();

  readonly #enter: (entry: UserEntry) => Promise<void>;

  constructor(deps: UsersServiceDeps) {
    this.#deps = deps;
    this.#enter = gatherCalls<UserEntry, void>(async (entries) => {
      await deps.repository.enterAll(entries);
      return [];
    });
  }

  /**
   * Enters a person seen for the first time and follows a name or picture that changed. A token without either leaves
   * the directory's.
   */
  async ensureSeen(actor: Actor): Promise<void> {
    const { id, name, avatarUrl } = actor;
    const said = JSON.stringify([name, avatarUrl]);
    if (this.#seen.get(id) === said) return;
    await this.#enter({ id, name: this.#deps.cleanName(name) || null, avatarUrl });
    this.#seen.delete(id);
    this.#seen.set(id, said);
    if (this.#seen.size > REMEMBERED) this.#seen.delete(this.#seen.keys().next().value!);
  }

  /** The people of these ids by id; unknown ones are missing from it. One query. */
  async findMany(ids: readonly string[]): Promise<Map<string, User>> {
    const rows = await this.#deps.repository.findMany(ids);
    return new Map(rows.map((row) => [row.id, row]));
  }

  async getMe(actor: Actor): Promise<User> {
    const me = await this.#deps.repository.findMe(actor.id);
    const { id, name, avatarUrl } = me ?? { id: actor.id, name: actor.name || actor.id, avatarUrl: actor.avatarUrl };
    const { features } = this.#deps;
    return { id, name, avatarUrl, roles: [...actor.roles], invisible: me?.invisible ?? false, features: [...features] };
  }

  /** One's own settings. */
  async updateMe(actor: Actor, { invisible }: { invisible?: boolean | undefined }): Promise<User> {
    if (invisible !== undefined && (await this.#deps.repository.setInvisible(actor.id, invisible))) {
      this.#deps.onVisibilityChanged(actor.id);
    }
    return this.getMe(actor);
  }

  /** A page of the directory, as far as DIRECTORY opens it. */
  async listUsers(
    actor: Actor,
    { query, limit, cursor }: { query?: string | undefined; limit: number; cursor?: string | undefined },
  ): Promise<Page<User>> {
    const { repository, directory } = this.#deps;
    if (directory === 'off') return { items: [], nextCursor: null };
    const rows = await repository.find({
      query: query?.trim() || undefined,
      sharedWith: directory === 'shared' ? actor.id : undefined,
      after: decodeCursor(cursor, isPlace),
      limit: limit + 1,
    });
    return pageFrom(rows, limit, ({ name, id }) => [name, id]);
  }

  /** @throws AppError `forbidden` for anybody but an administrator. */
  async putUser(
    actor: Actor,
    id: string,
    change: { name?: string | undefined; avatarUrl?: string | null | undefined },
  ): Promise<{ user: User; created: boolean }> {
    if (!actor.roles.includes('admin')) throw new AppError('forbidden');
    const name = change.name === undefined ? undefined : this.#nameFrom(change.name);
    return this.#deps.repository.put(id, { name, avatarUrl: change.avatarUrl });
  }

  /** @throws AppError `not_found` where people do not sign in as guests. */
  async signInAsGuest(givenName: string): Promise<GuestSession> {
    const { guestTokens, repository } = this.#deps;
    if (!guestTokens) throw new AppError('not_found');
    const name = this.#nameFrom(givenName);
    const { user } = await repository.put(`guest-${randomUUID()}`, { name });
    return { token: await guestTokens.issue({ id: user.id, name }), user };
  }

  #nameFrom(text: string): string {
    const name = this.#deps.cleanName(text);
    if (name === '') throw invalidField('name', 'Must not be empty.');
    return name;
  }
}

function isPlace(value: unknown): value is readonly [string, string] {
  return (
    Array.isArray(value) &&
    value.length === 2 &&
    value.every((item) => typeof item === 'string' && !item.includes('\0'))
  );
}
