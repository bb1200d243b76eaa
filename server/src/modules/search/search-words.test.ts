import { describe, expect, it } from 'vitest';
import { findRanges, parseQuery, toQuery, toVector, wordsOf } from './search-words.ts';

const found = (text: string, query: string) =>
  findRanges(text, parseQuery(query))?.map(({ start, end }) => text.slice(start, end)) ?? null;

describe('words', () => {
  it.each([
    ['Hello, World! 42', ['hello', 'world', '42']],
    ['it’s a_b c-d', ['it', 's', 'a', 'b', 'c', 'd']],
    ['Café CAFE\u0301 ÉCOLE', ['cafe', 'cafe', 'ecole']],
    ['Straße ΟΔΟΣ οδος İstanbul', ['straße', 'οδοσ', 'οδοσ', 'istanbul']],
    ['Ёлка ЙОД', ['елка', 'иод']],
    ['今日は天気', ['今', '日', 'は', '天', '気']],
    ['コーヒー ｶﾀｶﾅ', ['コ', 'ー', 'ヒ', 'ー', 'カ', 'タ', 'カ', 'ナ']],
    ['학교에서 봐', ['학교에서', '봐']],
    ['สวัสดี', ['ส', 'วั', 'ส', 'ดี']],
    ['हिन्दी भाषा', ['हिन्दी', 'भाषा']],
    ['שָׁלוֹם عَرَبِيّ', ['שָׁלוֹם'.normalize('NFC'), 'عَرَبِيّ'.normalize('NFC')]],
    ['👍🏽 ❤️ 🇩🇪', ['👍', '❤', '🇩', '🇪']],
    ['ＡＢＣ１２３ ﬁn', ['abc123', 'fin']],
    ['… — "" !? <>', []],
  ])('of %j', (text, expected) => {
    expect(wordsOf(text).map((word) => word.text)).toEqual(expected);
  });

  it('stand where the text has them', () => {
    const text = 'ab ÉCOLE 天気👍🏽';
    expect(wordsOf(text).map(({ start, end }) => text.slice(start, end))).toEqual(['ab', 'ÉCOLE', '天', '気', '👍']);
  });

  it('are not torn where they are too long', () => {
    const [word] = wordsOf(`é${'𝒳'.normalize('NFC')}${'\u{20000}'.repeat(0)}${'\u{10400}'.repeat(300)}`);
    expect(word!.text.isWellFormed()).toBe(true);
    expect(word!.text.length).toBeLessThanOrEqual(200);
  });
});

describe('queries', () => {
  it.each([
    [
      'hel wor',
      [
        { words: ['hel'], prefix: true },
        { words: ['wor'], prefix: true },
      ],
    ],
    ['"Hello World"', [{ words: ['hello', 'world'], prefix: false }]],
    [
      '„Hello World” x',
      [
        { words: ['hello', 'world'], prefix: false },
        { words: ['x'], prefix: true },
      ],
    ],
    ['"not closed', [{ words: ['not', 'closed'], prefix: false }]],
    ['a@b.example', [{ words: ['a', 'b', 'example'], prefix: true }]],
    ['天気', [{ words: ['天', '気'], prefix: true }]],
    ['"" !! -', []],
  ])('%j', (query, expected) => {
    expect(parseQuery(query)).toEqual(expected);
  });

  it('become text that PostgreSQL reads', () => {
    expect(toQuery(parseQuery('hel "a b"'), ['#1', "o'2\\"])).toBe("('hel':*) & ('a' <-> 'b') & ('#1' | 'o''2\\\\')");
    expect(toVector(wordsOf('a b A'), ['#1'])).toBe("'#1' 'a':1,3 'b':2");
  });
});

describe('stems', () => {
  const stems = new Map([
    ['houses', 'hous'],
    ['house', 'hous'],
  ]);

  it('stand beside their words, and are found by words that are not in quotes', () => {
    expect(toVector(wordsOf('my houses'), [], stems)).toBe("'my':1 'houses':2 '~hous':2");
    expect(toQuery(parseQuery('my-house "house"'), [], stems)).toBe("('my' <-> ('house':* | '~hous')) & ('house')");
    expect(findRanges('my houses', parseQuery('houses'), stems)).toEqual([{ start: 3, end: 9 }]);
    expect(findRanges('my house', parseQuery('houses'), stems)).toEqual([{ start: 3, end: 8 }]);
    expect(findRanges('my house', parseQuery('"houses"'), stems)).toBeNull();
    expect(findRanges('my', parseQuery('other'), stems)).toBeNull();
  });
});

describe('highlights', () => {
  it.each([
    ['Hello world, hello', 'hel', ['Hello', 'hello']],
    ['Hello world', 'world hello', ['Hello', 'world']],
    ['hello world', '"hello wor"', null],
    ['hello big world', '"hello world"', null],
    ['hello, world', '"hello world"', ['hello, world']],
    ['今日は天気がいい', '天気', ['天気']],
    ['aaa', 'a aa', ['aaa']],
    ['ababab', 'b', null],
    ['天天天', '天天', ['天天天']],
    ['x', 'y', null],
  ])('of %j by %j', (text, query, expected) => {
    expect(found(text, query)).toEqual(expected);
  });
});
