import type { LimitGuard } from '../../middleware/limit-guard.ts';
import { guestSignInsRateLimiter } from '../../middleware/rate-limit.ts';
import { addressKey } from '../../middleware/request-context.ts';
import type { RouteHandlers } from '../../middleware/rest-door.ts';
import type { UsersService } from './users.service.ts';

export function usersRoutes(users: UsersService, limits: LimitGuard) {
  return {
    guestSignIn: async ({ body, address }) => {
      await limits.take(guestSignInsRateLimiter, addressKey(address));
      return { status: 201, body: await users.signInAsGuest(body.name) };
    },
    getMe: async ({ actor }) => ({ status: 200, body: await users.getMe(actor) }),
    updateMe: async ({ actor, body }) => ({ status: 200, body: await users.updateMe(actor, body) }),
    listUsers: async ({ actor, query }) => ({ status: 200, body: await users.listUsers(actor, query) }),
    putUser: async ({ actor, params, body }) => {
      const { user, created } = await users.putUser(actor, params.uid, body);
      return { status: created ? 201 : 200, body: user };
    },
  } satisfies RouteHandlers;
}
