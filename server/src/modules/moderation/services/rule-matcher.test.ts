import { describe, expect, it } from 'vitest';
import type { MatchedRule } from '../repositories/rules.repository.ts';
import { patternOf, RuleMatcher } from './rule-matcher.ts';
import { essenceOf } from './text-forms.ts';

type Given = readonly [kind: MatchedRule['kind'], pattern: string, action: MatchedRule['action']];

function matcherOf(...given: Given[]): RuleMatcher {
  return new RuleMatcher(
    given.map(([kind, pattern, action], index) => ({
      id: String(index),
      kind,
      pattern: patternOf(kind, pattern)!,
      action,
    })),
  );
}

const actionOf = (matcher: RuleMatcher, text: string) => matcher.judge(text).action;

describe('words', () => {
  const matcher = matcherOf(['word', 'spam', 'reject'], ['word', 'Straße', 'reject'], ['word', 'free money', 'reject']);

  it.each([
    'spam',
    'no SPAM, please',
    'ｓｐａｍ in wide letters',
    's\u200bp\u00ada\u2060m with what nobody sees',
    '𝓼𝓹𝓪𝓶 in fine letters',
    '(spam)',
    'STRASSE',
    'straße',
    'free  \n money',
    'FREE\u00a0MONEY!',
    'emoji 🎉spam🎉',
  ])('finds one in %j', (text) => expect(actionOf(matcher, text)).toBe('reject'));

  it.each(['spammer', 'antispam', 'spám', 'sp am', 'freemoney', 'free and money', 'spam_folder', '', 'ß'])(
    'finds none in %j',
    (text) => expect(actionOf(matcher, text)).toBe('accept'),
  );

  it('stand anywhere where words are not spaced', () => {
    const japanese = matcherOf(['word', '詐欺', 'reject'], ['word', 'โกง', 'reject']);
    expect(actionOf(japanese, 'これは詐欺です')).toBe('reject');
    expect(actionOf(japanese, 'คนโกงมาก')).toBe('reject');
    expect(actionOf(japanese, 'これは本当です')).toBe('accept');
  });

  it('are masked character by character, where they stand in the text as it was sent', () => {
    const masks = matcherOf(['word', 'darn', 'mask'], ['word', 'heck', 'mask']);
    expect(masks.judge('Darn it, what the HECK').content).toBe('•••• it, what the ••••');
    expect(masks.judge('ﬁne: d\u200barn 👩‍👩‍👧 ｈｅｃｋ!').content).toBe('ﬁne: ••••• 👩‍👩‍👧 ••••!');
    expect(masks.judge('nothing here').content).toBe('nothing here');
  });

  it('give way to a longer one around them', () => {
    const rules = matcherOf(['word', 'bloody', 'reject'], ['word', 'bloody mary', 'accept'], ['word', 'a b', 'mask']);
    expect(actionOf(rules, 'a Bloody Mary, please')).toBe('accept');
    expect(actionOf(rules, 'a bloody mess')).toBe('reject');
    expect(actionOf(rules, 'bloody mary, you bloody fool')).toBe('reject');
    expect(rules.judge('A B c').content).toBe('••• c');
  });

  it('decide by the strictest of those that count', () => {
    const rules = matcherOf(['word', 'one', 'mask'], ['word', 'two', 'hold'], ['word', 'three', 'reject']);
    expect(['one', 'one two', 'three two one'].map((text) => actionOf(rules, text))).toEqual([
      'mask',
      'hold',
      'reject',
    ]);
  });
});

describe('domains', () => {
  const matcher = matcherOf(
    ['domain', 'https://Evil.example/path', 'reject'],
    ['domain', 'docs.evil.example', 'accept'],
    ['domain', 'bücher.example', 'hold'],
    ['domain', '10.0.0.1', 'reject'],
  );

  it.each([
    'see https://evil.example/x',
    'evil.example',
    'HTTP://WWW.EVIL.EXAMPLE',
    'http://good.example@evil.example/',
    'http://ev%69l.example/',
    'evil。example',
    'ｅｖｉｌ．ｅｘａｍｐｌｅ',
    'http://0x0a000001/',
  ])('finds %j', (text) => expect(actionOf(matcher, text)).toBe('reject'));

  it.each(['notevil.example', 'https://docs.evil.example/a', 'https://evil.example.org/', 'evil example'])(
    'passes %j',
    (text) => expect(actionOf(matcher, text)).toBe('accept'),
  );

  it('knows names in other scripts by either spelling', () => {
    expect(actionOf(matcher, 'https://xn--bcher-kva.example')).toBe('hold');
    expect(actionOf(matcher, 'BÜCHER.example')).toBe('hold');
  });

  it('may be all links but some', () => {
    const strict = matcherOf(['domain', '*', 'reject'], ['domain', 'example.com', 'accept']);
    expect(actionOf(strict, 'https://example.com/a and https://www.example.com')).toBe('accept');
    expect(actionOf(strict, 'https://example.org')).toBe('reject');
    expect(actionOf(strict, 'www.example.org')).toBe('reject');
    expect(actionOf(strict, 'file.txt, i.e. no link')).toBe('accept');
  });

  it('are masked whole', () => {
    expect(matcherOf(['domain', 'a.example', 'mask']).judge('go to x.a.example now').content).toBe(
      'go to ••••••••••• now',
    );
  });
});

describe('the matcher', () => {
  it('finds what a look at each pattern by itself finds', () => {
    let seed = 7;
    const random = (most: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      return seed % most;
    };
    const word = () =>
      Array.from({ length: 1 + random(3) }, () => 'ab '[random(3)])
        .join('')
        .trim() || 'a';
    for (let round = 0; round < 300; round++) {
      const patterns = [...new Set(Array.from({ length: 5 }, word).map((text) => patternOf('word', text)!))];
      const matcher = matcherOf(...patterns.map((pattern): Given => ['word', pattern, 'reject']));
      const text = Array.from({ length: 12 }, () => 'ab '[random(3)]).join('');
      const form = ` ${text.replaceAll(/ +/g, ' ')} `;
      const expected = patterns.some((pattern) => new RegExp(`(?<![ab])${pattern}(?![ab])`).test(form));
      expect([text, patterns, actionOf(matcher, text)]).toEqual([text, patterns, expected ? 'reject' : 'accept']);
    }
  });

  it('is linear: texts that would take it hours otherwise come to an end', () => {
    const matcher = matcherOf(['word', 'x y', 'mask'], ['domain', 'evil.example', 'reject'], ['domain', '*', 'reject']);
    const texts = ['a', 'a.', 'a。', 'この文。', 'x ', '://', 'a://', 'e\u0301', '\u200b', '//a.b@', 'evil.', '👩‍👩‍👧'];
    for (const text of texts) expect(() => matcher.judge(text.repeat(200_000 / text.length))).not.toThrow();
    expect(actionOf(matcher, `${'あ。'.repeat(5_000)}evil.example`)).toBe('reject');
  }, 60_000);

  it('refuses patterns of which nothing is left', () => {
    expect([patternOf('word', '\u200b'), patternOf('domain', 'https://'), patternOf('domain', '*')]).toEqual([
      null,
      null,
      '*',
    ]);
  });
});

describe('what somebody repeats', () => {
  it('is the same with other capitals, signs, spaces and lengthened letters', () => {
    const texts = ['Buy now: example', 'BUY NOW!!! example', 'b.u.y n-o-w exampleeee', 'ｂｕｙ\u200b now, example'];
    expect(new Set(texts.map(essenceOf)).size).toBe(1);
    expect(essenceOf('Buy later: example')).not.toBe(essenceOf(texts[0]!));
  });
});
