/*
 * The form in which texts are compared: what looks the same to a person is the same here. Unicode's compatibility forms
 * are taken apart, capitals made small, white space made one space, and invisible characters left out. Accents stay.
 */

/** A text in the form of comparison. `starts[i]` and `ends[i]`: which part of the original the unit `i` came from. */
export interface ComparedText {
  readonly text: string;
  readonly starts: readonly number[];
  readonly ends: readonly number[];
}

// A character with the marks on it: taking apart reorders marks, and never past a character.
const clusters = /\P{M}\p{M}*|\p{M}+/gu;
const invisible = /\p{Default_Ignorable_Code_Point}/gu;
/** What needs no more than small letters. */
const plain = /^(?:[\x21-\x7e]| (?! ))*$/;

/** A pattern, or any text of which no places are asked. */
export function compared(text: string): string {
  return fold(text)
    .replaceAll(/\p{White_Space}+/gu, ' ')
    .trim();
}

/** A text with the way back to where each part of it stands. */
export function comparedText(text: string): ComparedText {
  if (plain.test(text)) {
    const places = Array.from(text, (_, index) => index);
    return { text: text.toLowerCase(), starts: places, ends: places.map((place) => place + 1) };
  }
  let form = '';
  const starts: number[] = [];
  const ends: number[] = [];
  let start = 0;
  for (const part of text.match(clusters) ?? []) {
    const end = start + part.length;
    const folded = foldCluster(part);
    if (folded !== ' ' || !form.endsWith(' ')) {
      form += folded;
      for (let place = 0; place < folded.length; place++) {
        starts.push(start);
        ends.push(end);
      }
    }
    start = end;
  }
  return { text: form, starts, ends };
}

/** Texts are made of few different characters, and folding one costs as much as looking at a hundred. */
const folded = new Map<string, string>();
const MOST_FOLDED = 4_096;

function foldCluster(part: string): string {
  const known = folded.get(part);
  if (known !== undefined) return known;
  const form = fold(part).replaceAll(/\p{White_Space}+/gu, ' ');
  // Nobody makes it grow by piling marks on a letter.
  if (part.length <= 8) {
    if (folded.size >= MOST_FOLDED) folded.clear();
    folded.set(part, form);
  }
  return form;
}

/**
 * What a text is when somebody repeats it with small changes: letters and digits alone, runs of the same one as one.
 */
export function essenceOf(text: string): string {
  return fold(text)
    .replaceAll(/[^\p{L}\p{N}\p{Extended_Pictographic}]/gu, '')
    .replaceAll(/(.)\1+/gu, '$1');
}

/** Letter by letter, since a small sigma is another one at the end of a word; by way of the capital, so that ß is ss. */
function fold(text: string): string {
  return text
    .normalize('NFKD')
    .replaceAll(invisible, '')
    .replaceAll(/\P{ASCII}/gu, (letter) => letter.toUpperCase().toLowerCase())
    .toLowerCase();
}
