import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seed } from '../../../test/support/seed.ts';
import { scanMarkup } from './markup-tokenizer.ts';
import { isBlank, sanitizeMetadata, sanitizeText } from './messaging.sanitizer.ts';

const strip = (text: string) => sanitizeText(text, 'strip');

/** The little of a DOM that is needed to ask a real HTML parser what it sees. */
interface Element {
  readonly localName: string;
  readonly attributes: ArrayLike<{ name: string; value: string }>;
}
interface Dom {
  readonly window: {
    readonly document: {
      readonly body: { innerHTML: string; querySelectorAll(selector: string): ArrayLike<Element> };
    };
    readonly HTMLUnknownElement: { [Symbol.hasInstance](value: unknown): boolean };
  };
}
const { JSDOM } = createRequire(import.meta.url)('jsdom') as { JSDOM: new (html: string) => Dom };
const { window } = new JSDOM('');

const actingAttribute =
  /^(on[a-z]|(src|href|xlink:href|style|srcdoc|action|formaction|data|background|poster|srcset)$)/;

/** Elements that a browser's parser finds in a page's body, in words that make a failure readable. */
function elementsIn(html: string): { known: string[]; acting: string[] } {
  window.document.body.innerHTML = html;
  const elements = Array.from(window.document.body.querySelectorAll('*'));
  return {
    known: elements
      .filter((element) => !(element instanceof window.HTMLUnknownElement))
      .map((element) => element.localName),
    acting: elements.flatMap((element) =>
      Array.from(element.attributes)
        .filter(({ name, value }) => actingAttribute.test(name) && value !== '')
        .map(({ name }) => `${element.localName}[${name}]`),
    ),
  };
}

function expectNoMarkup(text: string): void {
  expect(elementsIn(text)).toEqual({ known: [], acting: [] });
  // In a page that forgot to escape: the `>` of `</div>` ends what the text left open. A name and attributes that do
  // nothing may come of that (`a<b and c`), nothing that acts.
  const within = elementsIn(`<div>${text}</div><p>after</p>`);
  expect(within.acting).toEqual([]);
  expect(within.known.filter((name) => name === 'script' || name === 'style')).toEqual([]);
  expect(within.known.filter((name) => name !== 'div' && name !== 'p').length).toBeLessThanOrEqual(1);
}

/** What is to come out, by the tokens alone: DOMPurify behind them must neither keep more nor lose text. */
function cutByTokens(text: string): string {
  for (let round = 0; round < 5; round++) {
    const { tokens } = scanMarkup(text);
    if (tokens.length === 0) return text;
    for (const { start, end } of tokens.toReversed()) text = text.slice(0, start) + text.slice(end);
  }
  return text.replace(/<+(?=[a-z/!?])/gi, '');
}

const plainTexts = [
  'a < b && c > d',
  '1 << 3',
  'x<y',
  'x<y and y<0',
  'a<b and c',
  '&amp;',
  '&lt;script&gt;alert(1)&lt;/script&gt;',
  '&#60;b&#62; &nbsp; &notanentity; AT&T',
  '<3',
  'I <3 you, you </3 me',
  '<',
  '<>',
  'a <- b -> c <= d >= e <=> f',
  'Map<String, V>',
  'Promise<Array<string>>',
  'vector<int> v; v[0]<<1;',
  'Ada <ada@example.org>, Mary-Ann <mary-ann@example.org>',
  '<unknown> and </unknown> and <fill in your name>',
  '#include <stdio.h>',
  'if (i<n) { i++ }',
  'class Foo<T extends Bar>',
  'left <-- right, <!-- never closed',
  'x <! y <? z',
  'a <b title="never closed > and on it goes',
  '👩‍👩‍👧‍👦 🏳️‍🌈 1️⃣ 👍🏽',
  'שלום עולם مرحبا \u202bRTL\u202c',
  'e\u0301 n\u0303 Z̸̡̢͔͍̞̙̺͇̺̍̓͑͑͂͑͝͠a̶l̴g̷o̵',
  'line\r\nline\nline\rline\ttab\u2028\u2029\u00a0.',
  '\u00a0\ufeffnot white space in Unicode: \ufeff',
  'javascript:alert(1) onerror=alert(1) src=x',
  '𝒳 𠮷 \u{10ffff} \ufffe \u0001\u0007',
];

describe('SEND-5: text that only looks like markup comes back exactly', () => {
  it.each(plainTexts)('%j', (text) => {
    expect(strip(text)).toEqual({ text: text.replace(/^\u00a0/, ''), sanitized: false });
  });

  it(`any text without an opened tag (seed ${seed})`, () => {
    const piece = fc.oneof(
      fc.constantFrom(
        ...plainTexts,
        '<',
        '<<',
        '>',
        '&',
        '&lt;',
        '"',
        "'",
        '=',
        ' ',
        '\r\n',
        '\u00a0',
        '-->',
        'on=',
        '5',
      ),
      fc.string({ unit: 'grapheme' }),
      fc.string({ unit: 'binary' }),
    );
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        // A full stop on each side keeps trimming, tested below, out of the comparison.
        const text = `.${pieces.join('').replace(/<(?=[a-z/!?])/gi, '< ')}.`;
        expect(strip(text)).toEqual({ text, sanitized: false });
      }),
      { seed, numRuns: 1000 },
    );
  });
});

/** Markup, and what is left of it. */
const markup: [string, string][] = [
  ['<b>bold</b> and <i>italic</i>', 'bold and italic'],
  ['Tom &amp; <u>Jerry</u> & co &lt;3', 'Tom &amp; Jerry & co &lt;3'],
  ['a < b <b>c</b> d > e', 'a < b c d > e'],
  ['a\r\n<p>b\u00a0c</p>\r\nd', 'a\r\nb\u00a0c\r\nd'],
  ['hello <script>alert(1)</script>world', 'hello world'],
  ['one <style>* { color: red }</style>two', 'one two'],
  ['see the <path> to <table>nowhere<tr><td>at all', 'see the  to nowhereat all'],
  ['<title>kept</title> <frameset>kept <svg>kept</svg>', 'kept kept kept'],
  ['if(a<b && c>d)', 'if(ad)'],
  ['Foo<a>', 'Foo'],
  ['<my-element>custom</my-element>', 'custom'],
  ['<x onclick=alert(1)>unknown</x>', 'unknown'],
  ['<B\nCLASS="a>b">case</B\t>', 'case'],
  ['a<!-- <b>comment</b> -->b', 'ab'],
  ['a<!-->b<!--->c<!--x--!>d', 'abcd'],
  ['a<!DOCTYPE html>b<?php echo 1 ?>c<![CDATA[d]]>e</ f>g</>h', 'abcegh'],
  ['open <img src=x onerror=alert(1) to the end', 'open'],
  ['open <script and all that follows', 'open'],
  ['<scr<b>ipt>alert(1)</scr</b>ipt> x', 'x'],
  ['<<b>b>c<<i>/b>', 'c'],
  ['&lt;<b>b</b>&gt;', '&lt;b&gt;'],
  ['<b></b>\u200b \u2800', ''],
  // The classics.
  ['<script>alert(1)</script>', ''],
  ['<SCRIPT SRC=//evil.example/x.js></SCRIPT>', ''],
  ['<script>alert(1)', ''],
  ['<script/anything src="x">alert(1)</script >', ''],
  ['<script\u000c>alert(1)</script\n>', ''],
  ['<img src=x onerror=alert(1)>', ''],
  ['<img src=x onerror=alert(1)//', ''],
  ['<IMG """><SCRIPT>alert(1)</SCRIPT>"\\>', '"\\>'],
  ['<img src="x` `<script>alert(1)</script>"` `>', ''],
  ['<img/src=`x`/onerror=alert`1`>', ''],
  ['<svg onload=alert(1)>', ''],
  ['<svg/onload=alert(1)//', ''],
  ['<svg><script>alert(1)</script></svg>', ''],
  ['<svg><style><img src=x onerror=alert(1)></style></svg>', ''],
  ['<svg><a xlink:href="javascript:alert(1)"><text>go</text></a></svg>', 'go'],
  ['<svg><animate attributeName=href values=javascript:alert(1) /></svg>', ''],
  ['<math><mi//xlink:href="data:x,<script>alert(1)</script>">', ''],
  ['<math><mtext><table><mglyph><style><!--</style><img src=x onerror=alert(1)>', ''],
  ['<a href="javascript:alert(1)">link</a>', 'link'],
  ['<a href="jav&#x09;ascript:alert(1)">link</a>', 'link'],
  ['<iframe srcdoc="<script>alert(1)</script>"></iframe>', ''],
  ['<iframe src=javascript:alert(1) <', ''],
  ['<object data="javascript:alert(1)"></object>', ''],
  ['<embed src=x>', ''],
  ['<body onload=alert(1)>', ''],
  ['<body onpageshow\n=\nalert(1)', ''],
  ['<details open ontoggle=alert(1)>', ''],
  ['<input autofocus onfocus=alert(1)>', ''],
  ['<marquee onstart=alert(1)>run</marquee>', 'run'],
  ['<video><source onerror=alert(1)></video>', ''],
  ['<meta http-equiv=refresh content="0;url=javascript:alert(1)">', ''],
  ['<base href="//evil.example/">', ''],
  ['<link rel=stylesheet href=//evil.example/x.css>', ''],
  ['<form action=//evil.example><button formaction=javascript:alert(1)>ok</button></form>', 'ok'],
  ['<div style="background:url(javascript:alert(1))">styled</div>', 'styled'],
  ['<noscript><p title="</noscript><img src=x onerror=alert(1)>">', '">'],
  ['<textarea><img src=x onerror=alert(1)></textarea>', ''],
  ['<template><script>alert(1)</script></template>', ''],
  ['<xmp><img src=x onerror=alert(1)></xmp>', ''],
  ['<plaintext><script>alert(1)</script>', ''],
  ['<!--[if IE]><script>alert(1)</script><![endif]-->', ''],
  ['<b title="<img src=x onerror=alert(1)>', '<b title="'],
  ['<b a=\'"><img src=x onerror=alert(1)>', '<b a=\'">'],
  ['<foo/onmouseover=alert(1)>over</foo>', 'over'],
  ['<a"b onclick=alert(1)>odd</a"b>', 'odd'],
  ['<a<b onclick=alert(1)>odd</a<b>', 'odd'],
  ['</p><br/></br>', ''],
];

describe('SEND-5: what a browser reads as markup is removed, and sanitized says so', () => {
  it.each(markup)('%j', (text, left) => {
    expect(strip(text)).toEqual({ text: left, sanitized: true });
    expectNoMarkup(left);
  });

  it(`any mix of markup and text leaves nothing that parses as an element (seed ${seed})`, () => {
    const name = fc.constantFrom(
      ...[
        'b',
        'a',
        'IMG',
        'script',
        'style',
        'svg',
        'math',
        'mi',
        'title',
        'textarea',
        'p',
        'br',
        'table',
        'td',
        'select',
      ],
      ...[
        'option',
        'template',
        'noscript',
        'xmp',
        'iframe',
        'x',
        'foo-bar',
        'path',
        'form',
        'frameset',
        'body',
        'String,',
      ],
    );
    const attribute = fc.constantFrom(
      ...[
        'onclick=1',
        'src=x',
        'HREF = "y"',
        "style='z'",
        'title="a > b"',
        "alt='<b>'",
        'disabled',
        '/',
        '"',
        "'",
        'x=',
      ],
    );
    const opening = fc
      .tuple(
        fc.constantFrom('<', '<', '</'),
        name,
        fc.array(attribute, { maxLength: 3 }),
        fc.constantFrom('>', '>', '/>', ''),
      )
      .map(([begin, element, attributes, end]) => begin + [element, ...attributes].join(' ') + end);
    const piece = fc.oneof(
      { weight: 4, arbitrary: opening },
      { weight: 2, arbitrary: markupPieces() },
      { weight: 1, arbitrary: fc.constantFrom(...plainTexts) },
      { weight: 1, arbitrary: fc.constantFrom(...markup.map(([text]) => text)) },
      { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 5 }) },
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = pieces.join('');
        const once = strip(text);
        expectNoMarkup(once.text);
        expect(strip(once.text)).toEqual({ text: once.text, sanitized: false });
        expect(once).toEqual({ ...strip(cutByTokens(text)), sanitized: scanMarkup(text).tokens.length > 0 });
      }),
      { seed, numRuns: 500 },
    );
  }, 60_000);

  it('tags nested in tags end after a bounded number of rounds', () => {
    const nested = `${'<'.repeat(50)}b${'<i>'.repeat(50)}${'>'.repeat(50)}`;
    const { text, sanitized } = strip(nested);
    expect(sanitized).toBe(true);
    expectNoMarkup(text);
  });

  it('more markup than DOMPurify is given leaves the same text', () => {
    const many = 'a <b>&amp;</b> <3\r\n'.repeat(400);
    expect(strip(many).text).toBe('a &amp; <3\r\n'.repeat(400).trimEnd());
    expect(strip(`${'<p>'.repeat(20_000)}deep`).text).toBe('deep');
  });

  it('goes on the same over many calls, as windows are renewed', () => {
    for (let call = 0; call < 1100; call++) expect(strip(`<b>${call}</b>`).text).toBe(String(call));
  }, 60_000);

  it('MESSAGE_HTML=verbatim removes nothing', () => {
    expect(sanitizeText(' <b>code</b><script>x</script> ', 'verbatim')).toEqual({
      text: '<b>code</b><script>x</script>',
      sanitized: false,
    });
    expect(sanitizeText('\u200b ', 'verbatim').text).toBe('');
  });
});

function markupPieces() {
  return fc.constantFrom(
    ...['<', '>', '/', '"', "'", '=', ' ', '\n', '<!--', '-->', '--!>', '<!', '<?', '</', ']]>', '<![CDATA['],
  );
}

describe('SEND-4: trimming and emptiness', () => {
  it('trims White_Space of Unicode and nothing else', () => {
    const spaces = ' \t\n\v\f\r\u0085\u00a0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000';
    expect(strip(`${spaces}a${spaces}b${spaces}`).text).toBe(`a${spaces}b`);
    expect(strip('\u200ba\ufeff').text).toBe('\u200ba\ufeff');
  });

  it('what shows nothing is empty', () => {
    for (const text of [
      '',
      ' \n',
      '\u200b',
      '\u200d\ufe0f',
      '\u2800',
      '\u3164',
      '\u00ad \u2060\u180e',
      '\u{e0001}',
      '\ufeff',
    ]) {
      expect(isBlank(text)).toBe(true);
      expect(strip(text).text).toBe('');
    }
    expect(isBlank('\u200b.')).toBe(false);
  });

  it('a long run of spaces inside is no work', () => {
    const text = `a${' '.repeat(60_000)}b`;
    expect(strip(text).text).toBe(text);
  });
});

describe('SEND-5: metadata follows the same rule', () => {
  it('removes markup from values at every level and leaves all else as it is', () => {
    const metadata = { plain: ' a < b ', list: ['<b>x</b>', 1, null, true, { deep: '<script>y</script>z' }] };
    expect(sanitizeMetadata(metadata, 'strip')).toEqual({
      ok: true,
      value: { plain: ' a < b ', list: ['x', 1, null, true, { deep: 'z' }] },
      sanitized: true,
    });
    expect(sanitizeMetadata({ 'a<3': 'b' }, 'strip')).toEqual({ ok: true, value: { 'a<3': 'b' }, sanitized: false });
  });

  it('names the first key that holds markup', () => {
    expect(sanitizeMetadata({ a: [{ ok: 1 }, { '<b>': 1 }], '<i>': 2 }, 'strip')).toEqual({
      ok: false,
      path: 'a.1.<b>',
    });
    expect(sanitizeMetadata({ '<b>': '<i>' }, 'verbatim')).toEqual({
      ok: true,
      value: { '<b>': '<i>' },
      sanitized: false,
    });
  });

  it('keeps a key named __proto__ a key', () => {
    const metadata = JSON.parse('{"__proto__":{"polluted":"<b>x</b>"}}') as Record<string, string>;
    const result = sanitizeMetadata(metadata, 'strip');
    expect(JSON.stringify(result)).toBe('{"ok":true,"value":{"__proto__":{"polluted":"x"}},"sanitized":true}');
  });
});
