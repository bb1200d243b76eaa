import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seed } from '../../../test/support/seed.ts';
import { scanMarkup } from './markup-tokenizer.ts';

/** Two passes over the characters, one over them for each of the ten states, and the searches. */
const STEPS_PER_CHARACTER = 16;

function expectLinear(text: string): void {
  expect(scanMarkup(text).steps).toBeLessThanOrEqual(STEPS_PER_CHARACTER * text.length + 16);
}

describe('scanMarkup', () => {
  it.each([
    ...[
      '<a ',
      '<b>',
      '<',
      '</',
      '<!--',
      '<!',
      '<?',
      '<b title="',
      "<b title='",
      '<b on',
      '<b onclick',
      '<b src =',
      '<a-',
      '</a-',
    ],
    ...[
      '<script>',
      '<script',
      '<script></scrip',
      '<xmp></xm',
      '<title>',
      '<x onclick=1>',
      '<x onclick=1></x',
      '<b " \'',
      '< ',
    ],
  ])('is linear on many %j', (piece) => {
    for (const length of [10_000, 65_536]) {
      const text = piece.repeat(Math.ceil(length / piece.length));
      expectLinear(text);
      expectLinear(`${text}>`);
      expectLinear(`${text}" -->`);
    }
  });

  it(`is linear on any mix (seed ${seed})`, () => {
    const piece = fc.constantFrom(
      ...[
        '<',
        '<a',
        '<a-b',
        '</',
        '>',
        '/',
        '"',
        "'",
        '=',
        ' ',
        '<!--',
        '--',
        '<script',
        '</script',
        '<xmp>',
        'onx',
        'src',
      ],
    );
    const run = fc.tuple(fc.array(piece, { minLength: 1, maxLength: 6 }), fc.integer({ min: 1, max: 500 }));
    fc.assert(
      fc.property(fc.array(run, { maxLength: 5 }), (runs) => {
        expectLinear(runs.map(([pieces, times]) => pieces.join('').repeat(times)).join(''));
      }),
      { seed, numRuns: 200 },
    );
  });

  it('gives tokens in order, without overlap, with the hidden content in them', () => {
    expect(scanMarkup('a<b>c<script>d</script>e<!--f-->g</b>h<x y').tokens).toEqual([
      { start: 1, end: 4, tagEnd: 4, opens: 'b' },
      { start: 5, end: 23, tagEnd: 13, opens: 'script' },
      { start: 24, end: 32, tagEnd: 32, opens: null },
      { start: 33, end: 37, tagEnd: 37, opens: null },
    ]);
  });

  it('has no cap on the length of a tag', () => {
    const text = `<img ${'title="padding" '.repeat(4000)} onerror=alert(1)>`;
    expect(scanMarkup(text).tokens).toEqual([{ start: 0, end: text.length, tagEnd: text.length, opens: 'img' }]);
  });
});
