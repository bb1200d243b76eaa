import type { Message, Page, SearchHit, SearchQuery } from '@parley/protocol';
import { z } from 'zod';
import type { Actor } from '../../../utils/actor.ts';
import { decodeCursor, pageFrom } from '../../../utils/cursor.ts';
import { isUuid } from '../../../utils/ids.ts';
import type {
  BestPlace,
  Found,
  Searchable,
  SearchFilter,
  SearchPlace,
  SearchRepository,
} from '../repositories/search.repository.ts';
import { findRanges, parseQuery, type Stems, type Term, toQuery, wordsOf } from '../search-words.ts';
import { type SearchIndexer, tagOf } from './search-indexer.ts';
import type { WordStems } from './word-stems.ts';

export interface SearchServiceDeps {
  readonly repository: SearchRepository;
  readonly indexer: SearchIndexer;
  readonly stems: WordStems;
  /** Refuses as reading the conversation would (`not_found`, `not_a_participant`). */
  readonly requireReadable: (actor: Actor, conversationId: string) => Promise<{ readonly confidential: boolean }>;
  /** In wire shape by id; those that are gone are missing. */
  readonly findMessages: (ids: readonly string[]) => Promise<Map<string, Message>>;
}

/** Above so many conversations the index is asked for the words alone, and what it finds is held against them. */
const MOST_TAGS = 64;
/** How long a search waits for an index that is far behind. */
const PATIENCE_MS = 1_000;

/** Finding messages by their words. */
export class SearchService {
  readonly #deps: SearchServiceDeps;

  constructor(deps: SearchServiceDeps) {
    this.#deps = deps;
  }

  /** The newest or the best messages with all the words, of conversations that the actor may read (docs/protocol.md, Search). */
  async searchMessages(actor: Actor, query: SearchQuery): Promise<Page<SearchHit>> {
    const findPage = this.#pager(query);
    const searchable = await this.#findSearchable(actor, query.conversationId);
    const terms = parseQuery(query.q);
    if (terms.length === 0 || searchable.length === 0) return { items: [], nextCursor: null };

    await this.#deps.indexer.catchUp(
      searchable.filter(({ behind }) => behind).map(({ id }) => id),
      PATIENCE_MS,
    );
    const conversationIds = searchable.map(({ id }) => id);
    const stems = await this.#deps.stems.of(terms.flatMap(({ words }) => words));
    const page = await findPage({
      ...query,
      words: toQuery(terms, [], stems),
      tagged: toQuery(terms, conversationIds.length > MOST_TAGS ? [] : conversationIds.map(tagOf), stems),
      conversationIds,
      hasFile: query.hasFile === undefined ? undefined : query.hasFile === 'true',
      limit: query.limit + 1,
    });
    const messages = await this.#deps.findMessages(page.items.map(({ id }) => id));
    const allStems = await this.#stemsWith(terms, messages.values());
    const items = page.items.flatMap(({ id }) => toHit(messages.get(id), terms, allStems) ?? []);
    return { items, nextCursor: page.nextCursor };
  }

  /** How a page is found, in the order that is asked for. Each order has places of its own, and refuses other cursors. */
  #pager({ order, cursor, limit }: SearchQuery): (filter: SearchFilter) => Promise<Page<Found>> {
    const { repository } = this.#deps;
    if (order === 'best') {
      const place = decodeCursor(cursor, isBestPlace);
      return async (filter) => pageFrom(await repository.findBest(filter, place), limit, (last) => last.place);
    }
    const place = decodeCursor(cursor, isNewestPlace);
    return async (filter) =>
      pageFrom(await repository.find({ ...filter, place }), limit, ({ createdAt, id }) => ({ at: createdAt, id }));
  }

  /** Stems of what is asked for and of what the messages say. */
  async #stemsWith(terms: readonly Term[], messages: Iterable<Message>): Promise<Stems> {
    const words = terms.flatMap((term) => term.words);
    for (const { content } of messages) for (const word of wordsOf(content ?? '')) words.push(word.text);
    return this.#deps.stems.of(words);
  }

  async #findSearchable(actor: Actor, conversationId: string | undefined): Promise<Searchable[]> {
    if (conversationId === undefined) return this.#deps.repository.findSearchable(actor.id);
    const { confidential } = await this.#deps.requireReadable(actor, conversationId);
    return confidential ? [] : [{ id: conversationId, behind: true }];
  }
}

/** The message as it is now, which is what counts: one that was deleted or edited this very moment is no hit. */
function toHit(message: Message | undefined, terms: readonly Term[], stems: Stems): SearchHit | null {
  if (!message || message.content === null) return null;
  const highlights = findRanges(message.content, terms, stems);
  return highlights && { ...message, highlights };
}

// Times as the database takes them: it knows no year 0.
const time = z.iso.datetime({ offset: true }).refine((at) => Date.parse(at) >= 0);
const place = z.strictObject({ at: time, id: z.string().refine(isUuid) });
const bestPlace = place.extend({ rank: z.number(), newest: place });

function isNewestPlace(value: unknown): value is SearchPlace {
  return place.safeParse(value).success;
}

function isBestPlace(value: unknown): value is BestPlace {
  return bestPlace.safeParse(value).success;
}
