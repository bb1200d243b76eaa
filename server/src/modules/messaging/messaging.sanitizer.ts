import { createRequire } from 'node:module';
import type { Metadata } from '@parley/protocol';
import { type MarkupToken, scanMarkup } from './markup-tokenizer.ts';

/** `MESSAGE_HTML`: whether markup is removed, or kept because all readers of a deployment show text as text. */
export type MarkupMode = 'strip' | 'verbatim';

export interface SanitizedText {
  readonly text: string;
  /** Whether markup was removed. Trimming alone does not count. */
  readonly sanitized: boolean;
}

export type SanitizedMetadata =
  | { readonly ok: true; readonly value: Metadata; readonly sanitized: boolean }
  /** A key holds markup. `path` names it, dots between the levels, as in the `errors` of a problem. */
  | { readonly ok: false; readonly path: string };

/** Rounds of removing: each can bring the halves of another tag together (`<<b>b>`). */
const MOST_ROUNDS = 5;

/**
 * What DOMPurify is asked to read of one text. Its cost grows faster than the text in attributes and elements; nobody
 * writes this much markup by hand, and beyond it the tokens are cut out without it, to the same result.
 */
const MOST_PARSED_TOKENS = 100;
const MOST_PARSED_CHARACTERS = 4096;

/** jsdom's window keeps something of every call: each grows slower and the heap larger, so it is replaced. */
const CALLS_PER_WINDOW = 500;

const WHITE_SPACE = /\p{White_Space}/u;
const INVISIBLE_ONLY = /^[\p{White_Space}\p{Default_Ignorable_Code_Point}\u2800]*$/u;

/**
 * A text as it may be stored (SEND-4, SEND-5): markup removed, trimmed, and `''` when nothing visible is left.
 * All else comes back as it was sent. Never throws; the result sanitizes to itself.
 */
export function sanitizeText(text: string, mode: MarkupMode): SanitizedText {
  const cleaned = removeMarkup(text, mode);
  return { text: isBlank(cleaned.text) ? '' : trim(cleaned.text), sanitized: cleaned.sanitized };
}

/**
 * Metadata as it may be stored: markup removed from every string in it, keys and all else untouched, nothing trimmed.
 * The depth is the caller's to check first (`CAPS.metadataDepth`).
 */
export function sanitizeMetadata(metadata: Metadata, mode: MarkupMode): SanitizedMetadata {
  let sanitized = false;
  let badKey: string | null = null;

  const value = clean(metadata, '') as Metadata;
  return badKey === null ? { ok: true, value, sanitized } : { ok: false, path: badKey };

  function clean(item: Metadata[string], path: string): Metadata[string] {
    if (typeof item === 'string') {
      const cleaned = removeMarkup(item, mode);
      sanitized ||= cleaned.sanitized;
      return cleaned.text;
    }
    if (Array.isArray(item)) return item.map((element, index) => clean(element, join(path, String(index))));
    if (item === null || typeof item !== 'object') return item;
    // Not by assignment: a key `__proto__` has to stay a key.
    return Object.fromEntries(
      Object.entries(item).map(([key, element]) => {
        const at = join(path, key);
        if (removeMarkup(key, mode).sanitized) badKey ??= at;
        return [key, clean(element, at)];
      }),
    );
  }
}

/** Whether a text shows nothing: only Unicode's White_Space and Default_Ignorable_Code_Point, and the blank U+2800. */
export function isBlank(text: string): boolean {
  return INVISIBLE_ONLY.test(text);
}

/**
 * Loads DOMPurify and its DOM now. Without this the first text that holds markup does, which takes most of a second
 * and some tens of megabytes: until then a process that never sees markup pays neither.
 */
export function preloadSanitizer(): void {
  purifier();
}

function removeMarkup(text: string, mode: MarkupMode): SanitizedText {
  if (mode === 'verbatim' || !text.includes('<')) return { text, sanitized: false };

  let left = text;
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const { tokens } = scanMarkup(left);
    if (tokens.length === 0) return { text: left, sanitized: round > 0 };
    left = isSmall(tokens) ? purify(left, tokens) : cutOut(left, tokens);
  }
  // Tags nested in tags, and not by accident: without these `<` nothing in it can be read as markup at all.
  return { text: left.replace(/<+(?=[a-z/!?])/gi, ''), sanitized: true };
}

function isSmall(tokens: readonly MarkupToken[]): boolean {
  if (tokens.length > MOST_PARSED_TOKENS) return false;
  return tokens.reduce((sum, token) => sum + token.tagEnd - token.start, 0) <= MOST_PARSED_CHARACTERS;
}

/**
 * Hands the text to DOMPurify with all that is no markup escaped, so that it comes back exactly, and every tag as it
 * was sent but closed at once: an open `<table>` would reorder the text after it, an open `<path>` take it along.
 */
function purify(text: string, tokens: readonly MarkupToken[]): string {
  // A letter first: it puts the parser into the body, where white space counts and `<title>` or `<frameset>` move nothing.
  let html = 'x';
  let at = 0;
  for (const token of tokens) {
    html += escapeText(text.slice(at, token.start)) + text.slice(token.start, token.tagEnd);
    if (token.opens !== null) html += `</${token.opens}>`;
    at = token.end;
  }
  html += escapeText(text.slice(at));
  try {
    return unescapeText(purifier()(html)).slice(1);
  } catch {
    // Neither the DOM nor the parser may decide whether a message can be sent: the tokens say enough to go on.
    return cutOut(text, tokens);
  }
}

function cutOut(text: string, tokens: readonly MarkupToken[]): string {
  let left = '';
  let at = 0;
  for (const token of tokens) {
    left += text.slice(at, token.start);
    at = token.end;
  }
  return left + text.slice(at);
}

/** `\r` as a reference, because a parser makes `\n` of it otherwise. */
function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('\r', '&#13;');
}

const UNESCAPED = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&nbsp;': '\u00a0' } as const;

/** Undoes what a serializer does to text, once and in one pass: `&amp;lt;` is the `&lt;` that somebody typed. */
function unescapeText(html: string): string {
  return html.replace(/&(?:amp|lt|gt|nbsp);/g, (reference) => UNESCAPED[reference as keyof typeof UNESCAPED]);
}

type DomPurify = typeof import('isomorphic-dompurify');

const require = createRequire(import.meta.url);
let loaded: DomPurify | null = null;
let calls = 0;

function purifier(): (html: string) => string {
  loaded ??= require('isomorphic-dompurify') as DomPurify;
  const { sanitize, clearWindow } = loaded;
  return (html) => {
    if (++calls % CALLS_PER_WINDOW === 0) clearWindow();
    return sanitize(html, { ALLOWED_TAGS: [], ALLOWED_ATTR: [] });
  };
}

function trim(text: string): string {
  // By hand: a regular expression for the trailing part takes quadratic time on a long run of spaces in the middle.
  let start = 0;
  let end = text.length;
  while (start < end && WHITE_SPACE.test(text[start]!)) start++;
  while (end > start && WHITE_SPACE.test(text[end - 1]!)) end--;
  return text.slice(start, end);
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}
