/*
 * What a word is to search, for messages and for queries alike. It is decided here and not by the database's parser, so
 * that it is the same on every database and locale, and so that what was found can be shown in the text.
 */

/** A word of a text: what it is compared by, and where it stands, in UTF-16 code units. */
export interface Word {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** Words by their stems, for those that a language gives one: `houses` → `hous`. */
export type Stems = ReadonlyMap<string, string>;

/** No language, no stems. */
export const NO_STEMS: Stems = new Map();

/** Words that stand side by side; with `prefix` the last of them may go on, or have another ending of the language. */
export interface Term {
  readonly words: readonly string[];
  readonly prefix: boolean;
}

/** A range of a text, its end excluded, in UTF-16 code units. */
export interface TextRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Scripts that put no space between words have each character for a word, with the marks on it; so any run of them is
 * found as words side by side. So have emoji. Elsewhere a word is what letters, digits and marks stand together.
 */
const WORDS =
  /(?:[[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]&&[\p{L}\p{N}]]|[\p{Extended_Pictographic}\p{RI}])\p{M}*|[[\p{L}\p{N}\p{M}]--[[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]&&[\p{L}\p{N}]]]+/gv;

/** Chunks of a query: what stands in quotes, and what stands between blanks. */
const CHUNKS = /["“”„]([^"“”„]*)(?:["“”„]|$)|[^\s"“”„]+/gu;

const ASCII = /^[\0-\x7f]*$/;
/** Accents of European scripts, variants of emoji, enclosing marks. Marks of other scripts make another word. */
const IGNORED_MARKS = /[\u0300-\u036f\ufe00-\ufe0f\p{Me}]/gu;

/** Longer words are compared by their beginning: PostgreSQL takes no lexeme above 2 KiB. */
const LONGEST_WORD = 200;
/** PostgreSQL keeps no more positions of one lexeme. */
const MOST_POSITIONS = 255;

/** The words of a text in order. */
export function wordsOf(text: string): Word[] {
  const words: Word[] = [];
  for (const match of text.matchAll(WORDS)) {
    const folded = fold(match[0]);
    if (folded !== '') words.push({ text: folded, start: match.index, end: match.index + match[0].length });
  }
  return words;
}

/** What a query asks for; nothing where it has no word. */
export function parseQuery(query: string): Term[] {
  const terms: Term[] = [];
  for (const [chunk, quoted] of query.matchAll(CHUNKS)) {
    const words = wordsOf(quoted ?? chunk).map(({ text }) => text);
    if (words.length > 0) terms.push({ words, prefix: quoted === undefined });
  }
  return terms;
}

/** Where a text has what is asked for, in order and without overlap; null where it lacks any of the terms. */
export function findRanges(text: string, terms: readonly Term[], stems: Stems = NO_STEMS): TextRange[] | null {
  const words = wordsOf(text);
  const ranges: TextRange[] = [];
  for (const term of terms) {
    const found = words.flatMap((word, index) =>
      standsAt(words, index, term, stems)
        ? [{ start: word.start, end: words[index + term.words.length - 1]!.end }]
        : [],
    );
    if (found.length === 0) return null;
    ranges.push(...found);
  }
  return joinOverlapping(ranges);
}

/** The words of a text as the input of a `tsvector`, each with its stem, and `tags` beside them. */
export function toVector(words: readonly Word[], tags: readonly string[], stems: Stems = NO_STEMS): string {
  const positions = new Map<string, number[]>();
  const note = (lexeme: string, position: number): void => {
    const known = positions.get(lexeme);
    if (!known) positions.set(lexeme, [position]);
    else if (known.length < MOST_POSITIONS) known.push(position);
  };
  for (const [index, { text }] of words.entries()) {
    note(text, index + 1);
    const stem = stems.get(text);
    if (stem !== undefined) note(asStem(stem), index + 1);
  }
  const lexemes = [...positions].map(([word, places]) => `${quote(word)}:${places.join(',')}`);
  return [...tags.map(quote), ...lexemes].join(' ');
}

/** The terms as the input of a `tsquery`; with tags, one of them must be there too. */
export function toQuery(terms: readonly Term[], tags: readonly string[], stems: Stems = NO_STEMS): string {
  const parts = terms.map(({ words, prefix }) =>
    words
      .map((word, index) => {
        if (!prefix || index < words.length - 1) return quote(word);
        const stem = stems.get(word);
        return stem === undefined ? `${quote(word)}:*` : `(${quote(word)}:* | ${quote(asStem(stem))})`;
      })
      .join(' <-> '),
  );
  if (tags.length > 0) parts.push(tags.map(quote).join(' | '));
  return parts.map((part) => `(${part})`).join(' & ');
}

/** Capital or small, with or without accents, wide or narrow: one word. */
function fold(word: string): string {
  if (ASCII.test(word)) return word.slice(0, LONGEST_WORD).toLowerCase();
  const folded = word
    .toLowerCase()
    .normalize('NFKD')
    .toLowerCase()
    .replace(IGNORED_MARKS, '')
    .replaceAll('ς', 'σ')
    .normalize('NFC');
  // Half of a surrogate pair is no text.
  return folded.length <= LONGEST_WORD ? folded : folded.slice(0, LONGEST_WORD).replace(/[\ud800-\udbff]$/, '');
}

function standsAt(words: readonly Word[], index: number, { words: wanted, prefix }: Term, stems: Stems): boolean {
  return wanted.every((word, offset) => {
    const there = words[index + offset]?.text;
    if (there === undefined) return false;
    if (!prefix || offset < wanted.length - 1) return there === word;
    const stem = stems.get(word);
    return there.startsWith(word) || (stem !== undefined && stems.get(there) === stem);
  });
}

function joinOverlapping(ranges: TextRange[]): TextRange[] {
  const joined: { start: number; end: number }[] = [];
  for (const { start, end } of ranges.sort((a, b) => a.start - b.start || a.end - b.end)) {
    const last = joined.at(-1);
    if (last && start < last.end) last.end = Math.max(last.end, end);
    else joined.push({ start, end });
  }
  return joined;
}

/** Stems stand among the words by a sign that no word has. */
function asStem(stem: string): string {
  return `~${stem}`;
}

function quote(lexeme: string): string {
  return `'${lexeme.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}
