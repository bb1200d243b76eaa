/** A piece of a line. */
export type Inline =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'code'; readonly text: string }
  | { readonly kind: 'strong' | 'emphasis' | 'strike'; readonly children: readonly Inline[] }
  | { readonly kind: 'link'; readonly href: string; readonly children: readonly Inline[] }
  | { readonly kind: 'mention'; readonly userId: string; readonly text: string }
  | { readonly kind: 'break' };

/** A block of a message. */
export type Block =
  | { readonly kind: 'paragraph'; readonly children: readonly Inline[] }
  | { readonly kind: 'code'; readonly language: string; readonly text: string }
  | { readonly kind: 'quote'; readonly children: readonly Block[] }
  | { readonly kind: 'list'; readonly start: number | null; readonly items: readonly (readonly Inline[])[] };

/** Somebody whose `@name` in a text is a mention. */
export interface Mentionable {
  readonly id: string;
  readonly name: string;
}

/**
 * Reads the Markdown that people type in chats: bold, italics, strike-through, code, code blocks, quotes, lists, links and
 * mentions. Everything else, HTML foremost, is text. A line break is a line break. What is left open stays as typed. The time
 * it takes grows with the length of the text, whatever the text.
 */
export function parseMarkdown(text: string, mentions: readonly Mentionable[] = []): readonly Block[] {
  // Longest first, so that `@Ann Lee` is not taken for `@Ann`.
  const people = [...mentions].sort((a, b) => b.name.length - a.name.length);
  return parseBlocks(text.split('\n'), people, 0);
}

const FENCE = /^\s{0,3}```(?!.*`)\s*([\w+#.-]*)\s*$/;
const QUOTE = /^\s{0,3}> ?/;
const BULLET = /^\s{0,3}[-*•] +(?=\S)/;
const NUMBER = /^\s{0,3}(\d{1,9})[.)] +(?=\S)/;
/** Quotes within quotes beyond this are text: nobody reads them, and recursion stays bounded. */
const DEEPEST_QUOTE = 4;

function parseBlocks(lines: readonly string[], people: readonly Mentionable[], depth: number): readonly Block[] {
  const blocks: Block[] = [];
  let paragraph: string[] = [];
  const flush = () => {
    if (paragraph.length > 0) blocks.push({ kind: 'paragraph', children: parseInline(paragraph.join('\n'), people) });
    paragraph = [];
  };
  // Where no fence closes any more, looking for one again would make long texts slow.
  let fencesLeft = lines.filter((line) => /^\s{0,3}```\s*$/.test(line)).length;

  for (let at = 0; at < lines.length; ) {
    const line = lines[at]!;
    const fence = fencesLeft > 0 ? FENCE.exec(line) : null;
    if (fence) {
      const end = lines.findIndex((other, index) => index > at && /^\s{0,3}```\s*$/.test(other));
      if (end > 0) {
        flush();
        blocks.push({ kind: 'code', language: fence[1] ?? '', text: lines.slice(at + 1, end).join('\n') });
        at = end + 1;
        continue;
      }
      fencesLeft = 0;
    }
    if (depth < DEEPEST_QUOTE && QUOTE.test(line)) {
      flush();
      const quoted = takeWhile(lines, at, (other) => QUOTE.test(other));
      blocks.push({
        kind: 'quote',
        children: parseBlocks(
          quoted.map((other) => other.replace(QUOTE, '')),
          people,
          depth + 1,
        ),
      });
      at += quoted.length;
      continue;
    }
    const marker = BULLET.test(line) ? BULLET : NUMBER.test(line) ? NUMBER : null;
    if (marker) {
      flush();
      const items = takeWhile(lines, at, (other) => marker.test(other));
      const start = marker === NUMBER ? Number(NUMBER.exec(line)![1]) : null;
      blocks.push({ kind: 'list', start, items: items.map((item) => parseInline(item.replace(marker, ''), people)) });
      at += items.length;
      continue;
    }
    if (line.trim() === '') flush();
    else paragraph.push(line);
    at += 1;
  }
  flush();
  return blocks;
}

function takeWhile(lines: readonly string[], from: number, fits: (line: string) => boolean): readonly string[] {
  let end = from;
  while (end < lines.length && fits(lines[end]!)) end += 1;
  return lines.slice(from, end);
}

const SPECIAL = /[\\`*_~[@\n]|https?:\/\//gi;
const DELIMITERS = [
  { mark: '**', kind: 'strong' },
  { mark: '__', kind: 'strong' },
  { mark: '~~', kind: 'strike' },
  { mark: '*', kind: 'emphasis' },
  { mark: '_', kind: 'emphasis' },
] as const;

/** The pieces of a text without block structure. */
export function parseInline(text: string, people: readonly Mentionable[] = []): readonly Inline[] {
  const pieces: Inline[] = [];
  let plain = '';
  // A mark that closes nowhere after here is not looked for again.
  const closesNowhere = new Set<string>();
  const push = (piece: Inline) => {
    if (plain !== '') pieces.push({ kind: 'text', text: plain });
    plain = '';
    pieces.push(piece);
  };

  for (let at = 0; at < text.length; ) {
    SPECIAL.lastIndex = at;
    const special = SPECIAL.exec(text);
    if (special === null) {
      plain += text.slice(at);
      break;
    }
    plain += text.slice(at, special.index);
    at = special.index;
    const found = pieceAt(text, at, people, closesNowhere);
    if (found === null) {
      plain += text[at];
      at += 1;
    } else {
      if (found.piece === null) plain += found.plain;
      else push(found.piece);
      at = found.end;
    }
  }
  if (plain !== '') pieces.push({ kind: 'text', text: plain });
  return pieces;
}

type Found =
  | { readonly piece: Inline; readonly end: number }
  | { readonly piece: null; readonly plain: string; readonly end: number };

function pieceAt(text: string, at: number, people: readonly Mentionable[], closesNowhere: Set<string>): Found | null {
  switch (text[at]) {
    case '\n':
      return { piece: { kind: 'break' }, end: at + 1 };
    case '\\': {
      const next = text[at + 1];
      return next !== undefined && /[\\`*_~[\]@>-]/.test(next) ? { piece: null, plain: next, end: at + 2 } : null;
    }
    case '`':
      return codeAt(text, at, closesNowhere);
    case '@': {
      if (at > 0 && /[\p{L}\p{N}]/u.test(text[at - 1]!)) return null;
      const person = people.find(
        ({ name }) =>
          text.startsWith(name, at + 1) &&
          !/^[\p{L}\p{N}]/u.test(text.slice(at + 1 + name.length, at + 3 + name.length)),
      );
      if (!person) return null;
      return {
        piece: { kind: 'mention', userId: person.id, text: `@${person.name}` },
        end: at + 1 + person.name.length,
      };
    }
    case '[':
      return namedLinkAt(text, at);
    case 'h':
    case 'H':
      return addressAt(text, at);
    default:
      return delimitedAt(text, at, people, closesNowhere);
  }
}

function codeAt(text: string, at: number, closesNowhere: Set<string>): Found | null {
  const ticks = text.startsWith('``', at) ? '``' : '`';
  const end = closesNowhere.has(ticks) ? -1 : text.indexOf(ticks, at + ticks.length);
  if (end < 0) closesNowhere.add(ticks);
  const code = text.slice(at + ticks.length, end);
  if (end < 0 || code.trim() === '' || code.includes('\n'))
    return { piece: null, plain: ticks, end: at + ticks.length };
  return { piece: { kind: 'code', text: code }, end: end + ticks.length };
}

function delimitedAt(
  text: string,
  at: number,
  people: readonly Mentionable[],
  closesNowhere: Set<string>,
): Found | null {
  const delimiter = DELIMITERS.find(({ mark }) => text.startsWith(mark, at));
  if (!delimiter) return null;
  const { mark, kind } = delimiter;
  const asText: Found = { piece: null, plain: mark, end: at + mark.length };
  if (closesNowhere.has(mark)) return asText;
  const first = text[at + mark.length];
  // An opening mark stands before a word; `_` and `*` within words (snake_case, 2*3) are text.
  if (first === undefined || /\s/.test(first) || (at > 0 && /[\p{L}\p{N}]/u.test(text[at - 1]!))) return asText;

  for (let end = text.indexOf(mark, at + mark.length); end >= 0; end = text.indexOf(mark, end + 1)) {
    // Of a run of marks the last ones close the outer pair.
    if (mark.length === 2 && text[end + 2] === mark[0]) end += 1;
    const inside = text.slice(at + mark.length, end);
    const after = text[end + mark.length];
    // The closing `*` of `**a *b***` belongs to the inner one.
    const longer = mark.length === 1 && (after === mark || text[end - 1] === mark);
    if (inside !== '' && !longer && !/\s$/.test(inside) && (after === undefined || !/[\p{L}\p{N}]/u.test(after))) {
      return { piece: { kind, children: parseInline(inside, people) }, end: end + mark.length };
    }
    if (end - at > 2_000) break;
  }
  closesNowhere.add(mark);
  return asText;
}

const NAMED_LINK = /\[([^[\]\n]{1,200})\]\((https?:\/\/[^\s()<>]+(?:\([^\s()<>]*\)[^\s()<>]*)*)\)/iy;
const ADDRESS = /https?:\/\/[^\s<>"'`{}|\\^]+/iy;

function namedLinkAt(text: string, at: number): Found | null {
  NAMED_LINK.lastIndex = at;
  const match = NAMED_LINK.exec(text);
  const href = match && safeAddress(match[2]!);
  if (!match || !href) return null;
  return {
    piece: { kind: 'link', href, children: [{ kind: 'text', text: match[1]! }] },
    end: at + match[0].length,
  };
}

function addressAt(text: string, at: number): Found | null {
  ADDRESS.lastIndex = at;
  const match = ADDRESS.exec(text);
  if (!match) return null;
  // A sentence's own punctuation is not part of the address, nor is a bracket that the address did not open.
  let address = match[0].replace(/[.,:;!?*_~]+$/, '');
  while (address.endsWith(')') && address.split('(').length < address.split(')').length) address = address.slice(0, -1);
  const href = safeAddress(address);
  return href
    ? { piece: { kind: 'link', href, children: [{ kind: 'text', text: address }] }, end: at + address.length }
    : null;
}

/** The address if a browser may be sent there: http and https only. */
function safeAddress(address: string): string | null {
  const url = URL.parse(address);
  return url && (url.protocol === 'https:' || url.protocol === 'http:') && url.hostname !== '' ? url.href : null;
}

/** The text without its marks, for previews and announcements. */
export function plainText(text: string): string {
  return text
    .replace(/```[\w+#.-]*\n?/g, '')
    .replace(/^\s{0,3}> ?/gm, '')
    .replace(/(\*\*|__|~~|`)(?=\S)(.+?)\1/g, '$2')
    .replace(/(^|\s)([*_])(?=\S)([^*_\n]+)\2(?=$|[\s.,:;!?])/g, '$1$3')
    .replace(/\s+/g, ' ')
    .trim();
}

const EMOJI_ONLY = /^(?:\p{Emoji_Presentation}|\p{Emoji}\uFE0F|\p{Emoji_Modifier}|\u200D|\p{Regional_Indicator}|\s)+$/u;

/** Whether a text is one to three emoji and nothing else: shown large. */
export function isEmojiOnly(text: string): boolean {
  if (text.length > 40 || !EMOJI_ONLY.test(text)) return false;
  return [...new Intl.Segmenter().segment(text.replace(/\s/g, ''))].length <= 3;
}
