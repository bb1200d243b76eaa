/** No NUL, which PostgreSQL cannot store, and no lone surrogate, which UTF-8 cannot carry. */
export function isCleanString(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}

/** Number of code points. */
export function countCodePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

const emojiPart = /\p{Extended_Pictographic}|\p{Regional_Indicator}|\u20E3/u;
const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** One grapheme that is an emoji: skin tones, flags, keycaps and joined sequences are one each. */
export function isEmoji(text: string): boolean {
  const segments = graphemes.segment(text)[Symbol.iterator]();
  const first = segments.next();
  return !first.done && segments.next().done === true && emojiPart.test(text);
}

/** Whether every string in a JSON value, keys included, is clean. */
export function isCleanJson(value: unknown): boolean {
  if (typeof value === 'string') return isCleanString(value);
  if (Array.isArray(value)) return value.every(isCleanJson);
  if (value !== null && typeof value === 'object') {
    return Object.entries(value).every(([key, item]) => isCleanString(key) && isCleanJson(item));
  }
  return true;
}

/**
 * Whether a JSON value has at most so many levels of nesting: a plain value has 0, `{}` 1, `{ a: {} }` 2. Looks no
 * deeper than it has to, so a value of ten thousand brackets costs no stack.
 */
export function isWithinDepth(value: unknown, most: number): boolean {
  if (value === null || typeof value !== 'object') return true;
  if (most === 0) return false;
  return Object.values(value).every((item) => isWithinDepth(item, most - 1));
}
