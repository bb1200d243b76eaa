/**
 * Finds what of a text a browser would read as markup, in one pass from each side, whatever the text.
 *
 * A `<` alone says little: `x<y` and `Map<String, V>` are what people write, `<img src=x onerror=…` without an end runs
 * as soon as a careless reader puts it before `</div>`. So each `<` is judged by its whole tag, read as the tokenizer of
 * the HTML standard reads it:
 *
 * - closed by a `>`: markup when its name is one of HTML, SVG or MathML or a custom element's, or an attribute acts;
 * - not closed: markup when an attribute acts, or when its name is `script` or `style`, which take the page that follows
 *   for code; the browser reads such a tag to the end, so to the end it goes;
 * - a comment, a doctype, `<?…>`, `<![CDATA[…>`, `</ …>`: markup when closed.
 */
export interface MarkupToken {
  /** Index of the `<`. */
  readonly start: number;
  /** Index after the last character that belongs to it, hidden content (`<script>…</script>`) included. */
  readonly end: number;
  /** Index after the tag itself. */
  readonly tagEnd: number;
  /** Name of the element in lower case where this is an opening tag, null for closing tags and comments. */
  readonly opens: string | null;
}

export interface MarkupScan {
  readonly tokens: readonly MarkupToken[];
  /** Characters looked at: stays below a constant times the length of the text, which a test holds it to. */
  readonly steps: number;
}

/** Elements whose content is no text: a browser reads it raw, or never shows it. It is removed with the tag. */
const HIDES_CONTENT = new Set('script style template noscript iframe noembed noframes xmp plaintext'.split(' '));

/** Elements that run, or style by, whatever follows them on a page, even where their tag is closed by somebody else's `>`. */
const TAKES_OVER = new Set(['script', 'style']);

const HTML_NAMES = `a abbr acronym address applet area article aside audio b base basefont bdi bdo bgsound big blink
  blockquote body br button canvas caption center cite code col colgroup command content data datalist dd del details dfn
  dialog dir div dl dt element em embed fencedframe fieldset figcaption figure font footer form frame frameset geolocation
  h1 h2 h3 h4 h5 h6 head header hgroup hr html i iframe image img input ins isindex kbd keygen label layer legend li link
  listing main map mark marquee menu menuitem meta meter multicol nav nextid nobr noembed noframes nolayer noscript object
  ol optgroup option output p param permission picture plaintext portal pre progress q rb rbc rp rt rtc ruby s samp script
  search section select selectedcontent selectedoption shadow slot small source spacer span strike strong style sub summary
  sup table tbody td template textarea tfoot th thead time title tr track tt u ul var video wbr xmp`;

const SVG_NAMES = `altglyph altglyphdef altglyphitem animate animatecolor animatemotion animatetransform circle clippath
  color-profile cursor defs desc discard ellipse feblend fecolormatrix fecomponenttransfer fecomposite feconvolvematrix
  fediffuselighting fedisplacementmap fedistantlight fedropshadow feflood fefunca fefuncb fefuncg fefuncr fegaussianblur
  feimage femerge femergenode femorphology feoffset fepointlight fespecularlighting fespotlight fetile feturbulence filter
  font-face font-face-format font-face-name font-face-src font-face-uri foreignobject g glyph glyphref handler hatch
  hatchpath hkern line lineargradient listener marker mask mesh meshgradient meshpatch meshrow metadata missing-glyph mpath
  path pattern polygon polyline prefetch radialgradient rect set solidcolor stop svg switch symbol tbreak text textpath tref
  tspan use view vkern`;

const MATHML_NAMES = `annotation annotation-xml maction maligngroup malignmark math menclose merror mfenced mfrac mglyph mi
  mlabeledtr mlongdiv mmultiscripts mn mo mover mpadded mphantom mprescripts mroot mrow ms mscarries mscarry msgroup msline
  mspace msqrt msrow mstack mstyle msub msubsup msup mtable mtd mtext mtr munder munderover none semantics`;

const KNOWN_NAMES = new Set(`${HTML_NAMES} ${SVG_NAMES} ${MATHML_NAMES}`.split(/\s+/));

/** Attributes that run, load, submit, navigate or dress something up; every `on…` is one as well. */
const ACTING_ATTRIBUTES = new Set(
  `action archive attributename background cite classid code codebase content data dynsrc formaction href http-equiv
  imagesrcset is lowsrc longdesc manifest ping poster profile src srcdoc srcset style usemap xlink:href xml:base`.split(
    /\s+/,
  ),
);
const LONGEST_ACTING_ATTRIBUTE = Math.max(...[...ACTING_ATTRIBUTES].map((name) => name.length));

/** Longer unknown names keep their closing tag, which alone does nothing: what is read of a name has to be bounded. */
const LONGEST_PAIRED_NAME = 64;

/** A name as custom elements may have it, which all known names fit as well. It stops at the next `<` at the latest. */
const ELEMENT_NAME =
  /[a-z][-.\w\u{B7}\u{C0}-\u{D6}\u{D8}-\u{F6}\u{F8}-\u{37D}\u{37F}-\u{1FFF}\u{200C}-\u{200D}\u{203F}-\u{2040}\u{2070}-\u{218F}\u{2C00}-\u{2FEF}\u{3001}-\u{D7FF}\u{F900}-\u{FDCF}\u{FDF0}-\u{FFFD}\u{10000}-\u{EFFFF}]*/iuy;

/** A `<` that a browser could take for the start of something. Where none is, there is nothing to tokenize. */
const OPENS_MARKUP = /<[a-z/!?]/i;

// Kinds of characters inside a tag.
const SPACE = 0;
const SLASH = 1;
const END = 2;
const EQUALS = 3;
const DOUBLE = 4;
const SINGLE = 5;
const OTHER = 6;

// States inside a tag, named as in the HTML standard (13.2.5).
const TAG_NAME = 0;
const BEFORE_NAME = 1;
const NAME = 2;
const AFTER_NAME = 3;
const BEFORE_VALUE = 4;
const DOUBLE_QUOTED = 5;
const SINGLE_QUOTED = 6;
const UNQUOTED = 7;
const AFTER_QUOTED = 8;
const SELF_CLOSING = 9;
const STATES = 10;
/** Not states: the tag ends here; an attribute's name begins here. */
const CLOSED = 10;
const NAME_BEGINS = 11;

/** `NEXT[state][kind of character]`. A row that "reconsumes" in the standard has the outcome of the row it goes to. */
const NEXT: readonly (readonly number[])[] = [
  // SPACE        SLASH         END     EQUALS        DOUBLE         SINGLE         OTHER
  [BEFORE_NAME, SELF_CLOSING, CLOSED, TAG_NAME, TAG_NAME, TAG_NAME, TAG_NAME],
  [BEFORE_NAME, SELF_CLOSING, CLOSED, NAME_BEGINS, NAME_BEGINS, NAME_BEGINS, NAME_BEGINS],
  [AFTER_NAME, SELF_CLOSING, CLOSED, BEFORE_VALUE, NAME, NAME, NAME],
  [AFTER_NAME, SELF_CLOSING, CLOSED, BEFORE_VALUE, NAME_BEGINS, NAME_BEGINS, NAME_BEGINS],
  [BEFORE_VALUE, UNQUOTED, CLOSED, UNQUOTED, DOUBLE_QUOTED, SINGLE_QUOTED, UNQUOTED],
  [DOUBLE_QUOTED, DOUBLE_QUOTED, DOUBLE_QUOTED, DOUBLE_QUOTED, AFTER_QUOTED, DOUBLE_QUOTED, DOUBLE_QUOTED],
  [SINGLE_QUOTED, SINGLE_QUOTED, SINGLE_QUOTED, SINGLE_QUOTED, SINGLE_QUOTED, AFTER_QUOTED, SINGLE_QUOTED],
  [BEFORE_NAME, UNQUOTED, CLOSED, UNQUOTED, UNQUOTED, UNQUOTED, UNQUOTED],
  [BEFORE_NAME, SELF_CLOSING, CLOSED, NAME_BEGINS, NAME_BEGINS, NAME_BEGINS, NAME_BEGINS],
  [BEFORE_NAME, SELF_CLOSING, CLOSED, NAME_BEGINS, NAME_BEGINS, NAME_BEGINS, NAME_BEGINS],
];

/**
 * Finds the markup of a text, first to last, without overlap. Linear in the length of the text.
 * Removing the tokens can bring two halves of another tag together: the caller scans again.
 */
export function scanMarkup(text: string): MarkupScan {
  const first = text.search(OPENS_MARKUP);
  if (first === -1) return { tokens: [], steps: text.length };

  const tags = readTagsBackwards(text, first);
  const find = createFinder(text);
  const tokens: MarkupToken[] = [];
  const unknownOpened = new Set<string>();
  let names = 0;

  let start = first;
  while (start !== -1) {
    const token = judge(start);
    if (token) tokens.push(token);
    start = text.indexOf('<', token ? token.end : start + 1);
  }
  return { tokens, steps: 2 * text.length + tags.steps + find.steps() + names };

  function judge(start: number): MarkupToken | null {
    const next = text[start + 1] ?? '';
    const closing = next === '/';
    const nameStart = closing ? start + 2 : start + 1;
    if (/[a-z]/i.test(text[nameStart] ?? '')) return judgeTag(start, nameStart, closing);
    if (text.startsWith('<!--', start)) return comment(start, find.commentEnd(start + 4));
    if (next === '!' || next === '?' || closing) return comment(start, find.after('>', start + 2));
    return null;
  }

  function judgeTag(start: number, nameStart: number, closing: boolean): MarkupToken | null {
    const tagEnd = tags.end[nameStart]!;
    const acts = tags.acts[nameStart] === 1;
    const name = readName(nameStart);
    if (tagEnd === -1) {
      // A browser drops a tag that the text leaves open, and all that follows in it.
      if (!acts && (closing || !name || !TAKES_OVER.has(name))) return null;
      return { start, end: text.length, tagEnd: text.length, opens: null };
    }
    if (!acts && !name && !(closing && closesUnknown(nameStart))) return null;
    if (closing) return { start, end: tagEnd, tagEnd, opens: null };
    const hides = name !== null && HIDES_CONTENT.has(name);
    const end = hides ? contentEnd(name, tagEnd) : tagEnd;
    const opens = name ?? text.slice(nameStart, tags.nameEnd[nameStart]).toLowerCase();
    if (name === null && opens.length <= LONGEST_PAIRED_NAME) unknownOpened.add(opens);
    return { start, end, tagEnd, opens };
  }

  /** Whether it closes an unknown element whose opening tag goes, as in `<x onclick=…>…</x>`. */
  function closesUnknown(nameStart: number): boolean {
    const nameEnd = tags.nameEnd[nameStart]!;
    if (unknownOpened.size === 0 || nameEnd - nameStart > LONGEST_PAIRED_NAME) return false;
    return unknownOpened.has(text.slice(nameStart, nameEnd).toLowerCase());
  }

  /** The name in lower case when it is a known or a custom element's, else null. */
  function readName(nameStart: number): string | null {
    ELEMENT_NAME.lastIndex = nameStart;
    const written = ELEMENT_NAME.exec(text)?.[0] ?? '';
    names += written.length;
    if (nameStart + written.length !== tags.nameEnd[nameStart]) return null;
    const name = written.toLowerCase();
    return KNOWN_NAMES.has(name) || name.includes('-') ? name : null;
  }

  /** Where the content of an element that hides it ends, its closing tag included; without one it goes to the end. */
  function contentEnd(name: string, from: number): number {
    if (name === 'plaintext') return text.length;
    const nameStart = find.closingTag(name, from);
    if (nameStart === -1) return text.length;
    const end = tags.end[nameStart]!;
    return end === -1 ? text.length : end;
  }
}

function comment(start: number, end: number): MarkupToken | null {
  return end === -1 ? null : { start, end, tagEnd: end, opens: null };
}

interface Tags {
  /** By index of a name's first character: index after the closing `>` of a tag whose name begins there, -1 if open. */
  readonly end: Int32Array;
  /** By the same index: 1 where the tag has an attribute that acts. */
  readonly acts: Uint8Array;
  /** By index: the next character that ends a tag's name. */
  readonly nameEnd: Int32Array;
  readonly steps: number;
}

/**
 * Runs the tag states from the end of the text to its start, for all states at once: what becomes of a tag that is in
 * state s at index p follows from what becomes of it at p + 1. Trying each `<` forwards instead would read the rest of
 * the text again for every one that is never closed (`<a <a <a …`).
 */
function readTagsBackwards(text: string, from: number): Tags {
  const length = text.length;
  const end = new Int32Array(length + 2).fill(-1);
  const acts = new Uint8Array(length + 2);
  const nameEnd = new Int32Array(length + 2).fill(length);
  let endHere = new Int32Array(STATES);
  let actsHere = new Uint8Array(STATES);
  let endNext = new Int32Array(STATES).fill(-1);
  let actsNext = new Uint8Array(STATES);
  // Of the attribute name that would begin here: where it ends, and whether a value follows.
  let attributeEnd = length;
  let valueFollows = false;
  let spaceThenEquals = false;
  let steps = 0;

  for (let at = length - 1; at > from; at--) {
    const kind = kindOf(text.charCodeAt(at));
    let acting: boolean | undefined;
    for (let state = 0; state < STATES; state++) {
      steps++;
      let next = NEXT[state]![kind]!;
      if (next === CLOSED) {
        endHere[state] = at + 1;
        actsHere[state] = 0;
        continue;
      }
      let begins = 0;
      if (next === NAME_BEGINS) {
        next = NAME;
        acting ??= kind !== EQUALS && valueFollows && isActing(text, at, attributeEnd);
        begins = acting ? 1 : 0;
      }
      endHere[state] = endNext[next]!;
      actsHere[state] = actsNext[next]! | begins;
    }
    [endHere, endNext] = [endNext, endHere];
    [actsHere, actsNext] = [actsNext, actsHere];
    end[at] = endNext[TAG_NAME]!;
    acts[at] = actsNext[TAG_NAME]!;
    nameEnd[at] = kind === SPACE || kind === SLASH || kind === END ? at : nameEnd[at + 1]!;
    if (kind !== SPACE) spaceThenEquals = kind === EQUALS;
    if (kind === SPACE || kind === SLASH || kind === END || kind === EQUALS) {
      attributeEnd = at;
      valueFollows = spaceThenEquals;
    }
  }
  return { end, acts, nameEnd, steps };
}

function isActing(text: string, start: number, end: number): boolean {
  if (/^on[a-z]/i.test(text.slice(start, Math.min(end, start + 3)))) return true;
  return end - start <= LONGEST_ACTING_ATTRIBUTE && ACTING_ATTRIBUTES.has(text.slice(start, end).toLowerCase());
}

function kindOf(code: number): number {
  switch (code) {
    case 9:
    case 10:
    case 12:
    case 13:
    case 32:
      return SPACE;
    case 47:
      return SLASH;
    case 62:
      return END;
    case 61:
      return EQUALS;
    case 34:
      return DOUBLE;
    case 39:
      return SINGLE;
    default:
      return OTHER;
  }
}

/** Searches forwards, and never again for what was not found once: a later search for it would not find it either. */
function createFinder(text: string) {
  const missing = new Set<string>();
  let steps = 0;

  function search(key: string, from: number, run: () => number): number {
    if (missing.has(key)) return -1;
    const found = run();
    if (found === -1) missing.add(key);
    steps += (found === -1 ? text.length : found) - from;
    return found;
  }

  return {
    steps: () => steps,
    /** Index after the next `mark`, or -1. */
    after(mark: string, from: number): number {
      const found = search(mark, from, () => text.indexOf(mark, from));
      return found === -1 ? -1 : found + mark.length;
    },
    /** Index after the end of a comment whose content begins at `from`, or -1. */
    commentEnd(from: number): number {
      if (text[from] === '>') return from + 1;
      if (text.startsWith('->', from)) return from + 2;
      const ending = /--!?>/g;
      ending.lastIndex = from;
      const found = search('-->', from, () => ending.exec(text)?.index ?? -1);
      return found === -1 ? -1 : ending.lastIndex;
    },
    /** Index of the name in the next closing tag of this name, or -1. */
    closingTag(name: string, from: number): number {
      const closing = new RegExp(`</${name}(?=[\\t\\n\\f\\r />])`, 'gi');
      closing.lastIndex = from;
      const found = search(name, from, () => closing.exec(text)?.index ?? -1);
      return found === -1 ? -1 : found + 2;
    },
  };
}
