import type { RouteHandlers } from '../../../../middleware/rest-door.ts';
import type { SearchService } from '../../services/search.service.ts';

/** The REST door of search. It has no command of the socket. */
export function searchRoutes(search: SearchService) {
  return {
    searchMessages: async ({ actor, query }) => ({ status: 200, body: await search.searchMessages(actor, query) }),
  } satisfies RouteHandlers;
}
