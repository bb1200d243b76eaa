import type { SearchRepository } from '../repositories/search.repository.ts';
import { NO_STEMS, type Stems } from '../search-words.ts';

/** Words whose stems are remembered. The one not asked for longest is forgotten. */
const REMEMBERED = 50_000;

/** Stems of words by the database's dictionary of a language. `simple` is none: then no word has a stem. */
export class WordStems {
  readonly #repository: Pick<SearchRepository, 'findStems'>;
  readonly #language: string;
  readonly #known = new Map<string, string>();

  constructor(repository: Pick<SearchRepository, 'findStems'>, language: string) {
    this.#repository = repository;
    this.#language = language;
  }

  async of(words: Iterable<string>): Promise<Stems> {
    if (this.#language === 'simple') return NO_STEMS;
    const wanted = [...new Set(words)];
    const unknown = wanted.filter((word) => !this.#known.has(word));
    const stems = new Map<string, string>();
    if (unknown.length > 0) {
      for (const [word, stem] of await this.#repository.findStems(this.#language, unknown)) stems.set(word, stem);
    }
    for (const word of wanted) this.#remember(word, stems.get(word) ?? this.#known.get(word) ?? word, stems);
    return stems;
  }

  #remember(word: string, stem: string, stems: Map<string, string>): void {
    stems.set(word, stem);
    this.#known.delete(word);
    this.#known.set(word, stem);
    if (this.#known.size > REMEMBERED) this.#known.delete(this.#known.keys().next().value!);
  }
}
