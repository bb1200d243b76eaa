/*
 * Arrays as PostgreSQL writes them. The layers below would make the same text from an array, but look at each element
 * several times on the way; a batch of sends has thousands.
 */

/** Of elements that need no quotes: ids, numbers, booleans. */
export function plainArray(elements: readonly (string | number | boolean)[]): string {
  return `{${elements.join(',')}}`;
}

/** Of any texts, null among them. */
export function textArray(elements: readonly (string | null)[]): string {
  let literal = '{';
  for (const [index, element] of elements.entries()) {
    if (index > 0) literal += ',';
    literal +=
      element === null ? 'NULL' : `"${SPECIAL.test(element) ? element.replace(ALL_SPECIAL, '\\$&') : element}"`;
  }
  return `${literal}}`;
}

const SPECIAL = /["\\]/;
const ALL_SPECIAL = /["\\]/g;
