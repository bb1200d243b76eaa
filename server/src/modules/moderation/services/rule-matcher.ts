import { domainToASCII } from 'node:url';
import type { RuleAction, RuleKind } from '@parley/protocol';
import type { MatchedRule } from '../repositories/rules.repository.ts';
import { type ComparedText, compared, comparedText } from './text-forms.ts';

/** What the rules say of a text. */
export interface RuleVerdict {
  readonly action: RuleAction;
  /** The rule that decided; null where none did. */
  readonly rule: MatchedRule | null;
  /** The text as it may be shown: masked where a rule says so. */
  readonly content: string;
}

/** The domain rule that every link falls under. */
export const ANY_DOMAIN = '*';

const SEVERITY = { accept: 0, mask: 1, hold: 2, reject: 3 } as const satisfies Record<RuleAction, number>;

/** A pattern in the form in which it is kept and compared; null where nothing of it can be. */
export function patternOf(kind: RuleKind, text: string): string | null {
  const form = compared(text);
  if (kind === 'word') return form || null;
  if (form === ANY_DOMAIN) return form;
  const host = form.replace(/^[a-z][a-z0-9+.-]*:\/\//, '').replace(/[/?#:].*$/, '');
  return asciiDomain(host.replace(/^\*?\./, '')) || null;
}

/**
 * All rules at once, in one pass over a text however many they are: words by an automaton of Aho and Corasick, domains by
 * looking up each ending of each host. What overlaps is decided by the longest match; of those that are left the
 * strictest action counts.
 */
export class RuleMatcher {
  readonly #words: WordAutomaton;
  readonly #domains: ReadonlyMap<string, MatchedRule>;
  readonly isEmpty: boolean;

  constructor(rules: readonly MatchedRule[]) {
    this.#words = new WordAutomaton(rules.filter(({ kind }) => kind === 'word'));
    this.#domains = new Map(rules.flatMap((rule) => (rule.kind === 'domain' ? [[rule.pattern, rule]] : [])));
    this.isEmpty = rules.length === 0;
  }

  judge(content: string): RuleVerdict {
    const none = { action: 'accept', rule: null, content } as const;
    if (this.isEmpty) return none;
    const text = comparedText(content);
    const found = [...longest(this.#words.find(text.text), text.text.length), ...this.#findDomains(text.text)];
    let decisive: Match | null = null;
    for (const match of found) {
      if (!decisive || SEVERITY[match.rule.action] > SEVERITY[decisive.rule.action]) decisive = match;
    }
    if (!decisive) return none;
    const { rule } = decisive;
    return { action: rule.action, rule, content: rule.action === 'mask' ? mask(content, text, found) : content };
  }

  *#findDomains(text: string): Generator<Match> {
    if (this.#domains.size === 0) return;
    for (const { host, start, end, isLink } of findHosts(text)) {
      const rule = this.#ruleOf(host) ?? (isLink ? this.#domains.get(ANY_DOMAIN) : undefined);
      if (rule) yield { rule, start, end };
    }
  }

  /** Of the most particular domain that has one. */
  #ruleOf(host: string): MatchedRule | undefined {
    for (let ending = asciiDomain(host); ending !== ''; ending = ending.slice(ending.indexOf('.') + 1)) {
      const rule = this.#domains.get(ending);
      if (rule) return rule;
      if (!ending.includes('.')) return undefined;
    }
    return undefined;
  }
}

/** Where in the compared text a rule was found; the end is excluded. */
interface Match {
  readonly rule: MatchedRule;
  readonly start: number;
  readonly end: number;
}

/** Without those that lie in, or reach into, a longer one. */
function longest(matches: readonly Match[], length: number): Match[] {
  if (matches.length < 2) return [...matches];
  const taken = new Uint8Array(length);
  const byLength = matches.toSorted((a, b) => b.end - b.start - (a.end - a.start) || a.start - b.start);
  return byLength.filter(({ start, end }) => {
    if (taken.subarray(start, end).includes(1)) return false;
    taken.fill(1, start, end);
    return true;
  });
}

function mask(content: string, { starts, ends }: ComparedText, matches: readonly Match[]): string {
  const ranges = matches
    .filter(({ rule }) => rule.action === 'mask')
    .map(({ start, end }) => ({ from: starts[start]!, to: ends[end - 1]! }))
    .toSorted((a, b) => a.from - b.from);
  let shown = '';
  let place = 0;
  for (const { from, to } of ranges) {
    const begin = Math.max(from, place);
    if (begin >= to) continue;
    shown += content.slice(place, begin) + Array.from(content.slice(begin, to), () => '•').join('');
    place = to;
  }
  return shown + content.slice(place);
}

interface Node {
  readonly next: Map<string, Node>;
  /** The longest other beginning of a pattern that this one ends with. */
  fallback: Node | null;
  /** The nearest node on the way of fallbacks at which a pattern ends. */
  shorter: Node | null;
  rule: MatchedRule | null;
}

/** Finds every pattern in one walk over the text. */
class WordAutomaton {
  readonly #root: Node = createNode();
  readonly #isEmpty: boolean;

  constructor(rules: readonly MatchedRule[]) {
    this.#isEmpty = rules.length === 0;
    for (const rule of rules) {
      let node = this.#root;
      for (let place = 0; place < rule.pattern.length; place++) {
        const unit = rule.pattern[place]!;
        const next = node.next.get(unit) ?? createNode();
        node.next.set(unit, next);
        node = next;
      }
      node.rule = rule;
    }
    this.#link();
  }

  /** Every pattern that stands in the text as words of their own, also where they overlap. */
  find(text: string): Match[] {
    if (this.#isEmpty) return [];
    const found: Match[] = [];
    let node = this.#root;
    for (let place = 0; place < text.length; place++) {
      const unit = text[place]!;
      while (node !== this.#root && !node.next.has(unit)) node = node.fallback!;
      node = node.next.get(unit) ?? this.#root;
      for (let at: Node | null = node.rule ? node : node.shorter; at; at = at.shorter) {
        const { rule } = at;
        const start = place + 1 - rule!.pattern.length;
        if (isWhole(text, start, place + 1)) found.push({ rule: rule!, start, end: place + 1 });
      }
    }
    return found;
  }

  #link(): void {
    const queue: Node[] = [];
    for (const node of this.#root.next.values()) {
      node.fallback = this.#root;
      queue.push(node);
    }
    for (const node of queue) {
      for (const [unit, next] of node.next) {
        let fallback = node.fallback!;
        while (fallback !== this.#root && !fallback.next.has(unit)) fallback = fallback.fallback!;
        next.fallback = fallback.next.get(unit) ?? this.#root;
        next.shorter = next.fallback.rule ? next.fallback : next.fallback.shorter;
        queue.push(next);
      }
    }
  }
}

function createNode(): Node {
  return { next: new Map(), fallback: null, shorter: null, rule: null };
}

const wordCharacter = /[\p{L}\p{N}\p{M}_]/u;
/** Scripts that put no spaces between words, as in search: a word of theirs may stand anywhere. */
const unspaced = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}]/u;

function isWhole(text: string, start: number, end: number): boolean {
  return isEdge(before(text, start), at(text, start)) && isEdge(before(text, end), at(text, end));
}

/** Whether a word may end between these two characters. */
function isEdge(left: string, right: string): boolean {
  if (!wordCharacter.test(left) || !wordCharacter.test(right)) return true;
  return (unspaced.test(left) || unspaced.test(right)) && !/\p{M}/u.test(right);
}

function at(text: string, place: number): string {
  const point = text.codePointAt(place);
  return point === undefined ? '' : String.fromCodePoint(point);
}

function before(text: string, place: number): string {
  const unit = text.charCodeAt(place - 1);
  return unit >= 0xdc00 && unit <= 0xdfff ? text.slice(place - 2, place) : text.slice(Math.max(0, place - 1), place);
}

interface Host {
  readonly host: string;
  readonly start: number;
  readonly end: number;
  /** Written as a link, not only as something with a dot in it. */
  readonly isLink: boolean;
}

// Only from where a word begins: to try again at each of its letters would take the square of its length.
const dotted = /(?<![\p{L}\p{N}\p{M}_-])[\p{L}\p{N}\p{M}_-]+(?:[.。][\p{L}\p{N}\p{M}_-]+)+/gu;
/** Of the longest name of a host; of what is longer only the end can be one. */
const LONGEST_HOST = 253;
const address = /[a-z][a-z0-9+.-]{0,20}:\/\/[^\s<>"']+/g;

/** Everything that a reader, or a browser, could take for the name of a host. */
function* findHosts(text: string): Generator<Host> {
  for (const { 0: host, index } of text.matchAll(dotted)) {
    const isLink = host.startsWith('www.') || text.slice(Math.max(0, index - 3), index) === '://';
    const name = host.slice(-LONGEST_HOST).replaceAll('。', '.');
    yield { host: name, start: index + host.length - name.length, end: index + host.length, isLink };
  }
  // What only a browser sees: percent signs, numbers as addresses, names before an @.
  for (const { 0: link, index } of text.matchAll(address)) {
    const host = URL.parse(link)?.hostname;
    if (host) yield { host, start: index, end: index + link.length, isLink: true };
  }
}

function asciiDomain(host: string): string {
  return domainToASCII(host) || host;
}
