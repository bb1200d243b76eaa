import { randomBytes } from 'node:crypto';
import type { Config } from '../../config.ts';
import type { Database } from '../../infrastructure/database.ts';
import { createGuestTokens, createTokenVerifier, type TokenVerifier } from '../../middleware/authenticate.ts';
import type { LimitGuard } from '../../middleware/limit-guard.ts';
import { createUsersRepository } from './users.repository.ts';
import { usersRoutes } from './users.routes.ts';
import { UsersService } from './users.service.ts';

export type { UsersService } from './users.service.ts';

export interface UsersModuleDeps {
  database: Pick<Database, 'prisma' | 'query'>;
  config: Pick<Config, 'identity' | 'jwtIssuer' | 'jwtAudience' | 'directory' | 'encryptionKeys'>;
  limits: LimitGuard;
  /** Removes markup from a name and trims it. */
  cleanName(name: string): string;
  /** Somebody chose to be seen, or not to be. */
  onVisibilityChanged(userId: string): void;
}

export interface UsersModule {
  users: UsersService;
  rest: ReturnType<typeof usersRoutes>;
  verifier: TokenVerifier;
  /** Keeps a value of the server's own under a name; answers with the one that was there first. */
  keepSetting(key: string, value: string): Promise<string>;
}

/** People: the directory, who one is, and the sign-in of guests. */
export async function createUsersModule(deps: UsersModuleDeps): Promise<UsersModule> {
  const { database, config, limits, cleanName, onVisibilityChanged } = deps;
  const repository = createUsersRepository(database);
  // Kept in the database, so that guests stay who they are when the server starts again.
  const guestSecret =
    config.identity.mode === 'guest'
      ? await repository.keepSetting('guestTokenSecret', randomBytes(32).toString('base64url'))
      : undefined;
  const guestTokens = guestSecret === undefined ? undefined : await createGuestTokens(guestSecret);
  const users = new UsersService({
    repository,
    directory: config.directory,
    features: config.encryptionKeys.length > 0 ? ['confidential'] : [],
    cleanName,
    onVisibilityChanged,
    guestTokens,
  });
  return {
    users,
    rest: usersRoutes(users, limits),
    verifier: await createTokenVerifier(config, guestSecret),
    keepSetting: repository.keepSetting,
  };
}
