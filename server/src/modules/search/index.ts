import type { Database } from '../../infrastructure/database.ts';
import type { Logger } from '../../utils/logger.ts';
import type { MessagingModule } from '../messaging/index.ts';
import { SearchRepository } from './repositories/search.repository.ts';
import { searchRoutes } from './routes/rest/search.routes.ts';
import { SearchService } from './services/search.service.ts';
import { SearchIndexer } from './services/search-indexer.ts';
import { WordStems } from './services/word-stems.ts';

export interface SearchModuleDeps {
  readonly database: Pick<Database, 'prisma'>;
  readonly messaging: Pick<MessagingModule, 'access' | 'messages' | 'isSending' | 'takeChanged'>;
  /** SEARCH_LANGUAGE; the same on every node. */
  readonly language: string;
  readonly logger: Logger;
}

/** Search over messages: the index that follows the log, and the call. `start` and `stop` are the indexer's. */
export function createSearchModule({ database, messaging, language, logger }: SearchModuleDeps) {
  const repository = new SearchRepository(database.prisma);
  const stems = new WordStems(repository, language);
  const { isSending, takeChanged } = messaging;
  const indexer = new SearchIndexer({ repository, stems, isSending, takeChanged, logger });
  const search = new SearchService({
    repository,
    indexer,
    stems,
    requireReadable: async (actor, conversationId) =>
      (await messaging.access.require(actor, conversationId, 'read')).conversation,
    findMessages: (ids) => messaging.messages.findMany(ids),
  });
  return {
    rest: searchRoutes(search),
    start: async () => {
      if (await repository.changeLanguage(language)) logger.info({ language }, 'the search index is made anew');
      indexer.start();
    },
    stop: () => indexer.stop(),
  };
}
