import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Block, type Inline, isEmojiOnly, parseMarkdown, plainText } from '../src/markdown.ts';

/** A block as short text: marks in angle brackets. */
function told(blocks: readonly Block[]): string {
  return blocks
    .map((block) => {
      switch (block.kind) {
        case 'paragraph':
          return `<p>${inline(block.children)}`;
        case 'code':
          return `<pre ${block.language}>${block.text}`;
        case 'quote':
          return `<q>${told(block.children)}</q>`;
        default:
          return `<l ${block.start ?? '•'}>${block.items.map(inline).join('|')}`;
      }
    })
    .join('');
}

function inline(pieces: readonly Inline[]): string {
  return pieces
    .map((piece) => {
      switch (piece.kind) {
        case 'text':
          return piece.text;
        case 'code':
          return `<c>${piece.text}</c>`;
        case 'link':
          return `<a ${piece.href}>${inline(piece.children)}</a>`;
        case 'mention':
          return `<@${piece.userId}>`;
        case 'break':
          return '<br>';
        default:
          return `<${piece.kind}>${inline(piece.children)}</${piece.kind}>`;
      }
    })
    .join('');
}

describe('Markdown of chats', () => {
  it.each([
    ['plain', '<p>plain'],
    ['two\nlines', '<p>two<br>lines'],
    ['two\n\nparagraphs', '<p>two<p>paragraphs'],
    [
      '**bold** and *soft* and _soft_',
      '<p><strong>bold</strong> and <emphasis>soft</emphasis> and <emphasis>soft</emphasis>',
    ],
    ['**bold *both***', '<p><strong>bold <emphasis>both</emphasis></strong>'],
    ['~~gone~~ `co*d*e`', '<p><strike>gone</strike> <c>co*d*e</c>'],
    ['snake_case_name and 2*3*4', '<p>snake_case_name and 2*3*4'],
    ['* not a mark', '<l •>not a mark'],
    ['** open', '<p>** open'],
    ['*open', '<p>*open'],
    ['\\*typed\\*', '<p>*typed*'],
    ['- a\n- **b**', '<l •>a|<strong>b</strong>'],
    ['3. c\n4. d', '<l 3>c|d'],
    ['> said\n> twice\nand I', '<q><p>said<br>twice</q><p>and I'],
    ['```ts\nlet a = "<b>";\n```\nafter', '<pre ts>let a = "<b>";<p>after'],
    ['```\nnever closed', '<p>```<br>never closed'],
    ['<b>no</b> & <script>', '<p><b>no</b> & <script>'],
    ['see https://example.com/a_(b).', '<p>see <a https://example.com/a_(b)>https://example.com/a_(b)</a>.'],
    ['(https://example.com)', '<p>(<a https://example.com/>https://example.com</a>)'],
    ['[name](https://example.com)', '<p><a https://example.com/>name</a>'],
    ['[name](javascript:alert(1))', '<p>[name](javascript:alert(1))'],
    ['javascript:alert(1) data:text/html,x', '<p>javascript:alert(1) data:text/html,x'],
    ['https://', '<p>https://'],
  ])('%j', (text, expected) => {
    expect(told(parseMarkdown(text))).toBe(expected);
  });

  it('takes the longest name for a mention, and none within a word', () => {
    const people = [
      { id: 'ann', name: 'Ann' },
      { id: 'lee', name: 'Ann Lee' },
    ];
    expect(told(parseMarkdown('@Ann Lee, @Ann! @Annabel mail@Ann', people))).toBe(
      '<p><@lee>, <@ann>! @Annabel mail@Ann',
    );
  });

  it('loses no letter of any text, and links lead nowhere but to http and https', () => {
    const letters = (text: string) => text.replace(/[^\p{L}]/gu, '');
    const words = fc.array(
      fc.constantFrom(
        'a',
        'é',
        '*',
        '**',
        '_',
        '~~',
        '`',
        '```',
        '\n',
        '> ',
        '- ',
        '1. ',
        '[',
        '](',
        ')',
        'https://a.b/c',
        '\\',
        '@',
        ' ',
      ),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(words, (parts) => {
        const text = parts.join('');
        const blocks = parseMarkdown(text);
        const shown = told(blocks).replace(/<[^>]*>/g, '');
        // The address of a named link is not shown; everything else is.
        if (!text.includes('](')) expect(letters(shown)).toBe(letters(text));
        for (const [, href] of told(blocks).matchAll(/<a ([^>]*)>/g)) expect(href).toMatch(/^https?:/);
      }),
      { numRuns: 2_000 },
    );
  });

  it('ends for texts made to be slow', () => {
    for (const piece of ['*a ', '**a *', '_', '[', '`', '> ', '```\n', '@Ann', 'https://', '~~a', '1. ']) {
      parseMarkdown(piece.repeat(Math.ceil(10_000 / piece.length)), [{ id: 'ann', name: 'Ann' }]);
    }
  });

  it('previews are without marks', () => {
    expect(plainText('**Hi** _there_\n> quoted\n```ts\nx\n```')).toBe('Hi there quoted x');
  });

  it('few emoji alone are large', () => {
    expect([
      isEmojiOnly('🎉'),
      isEmojiOnly('👩‍🚀 👍🏽'),
      isEmojiOnly('🇩🇪'),
      isEmojiOnly('🎉🎉🎉🎉'),
      isEmojiOnly('12'),
      isEmojiOnly('a🎉'),
      isEmojiOnly(''),
    ]).toEqual([true, true, true, false, false, false, false]);
  });
});
