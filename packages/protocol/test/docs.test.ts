import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import {
  API_PREFIX,
  CHANGE_EVENTS,
  COMMANDS,
  type CommandName,
  docsStyles,
  ERROR_ADVICE,
  ERRORS,
  type ErrorCode,
  EVENTS,
  type EventName,
  ProblemSchema,
  ROUTES,
  type RouteDefinition,
  type RouteName,
  renderDocsPage,
  SESSION_END_REASONS,
} from '../src/index.ts';

const read = (name: string) => readFileSync(new URL(`../../../docs/${name}`, import.meta.url), 'utf8');
const protocol = read('protocol.md');
const errors = read('errors.md');
const page = renderDocsPage();

const routes = Object.entries(ROUTES) as [RouteName, RouteDefinition][];

/** A promise that stops being written down is a promise that stops being kept. */
const RULES = [
  'ORD-1 ORD-2 ORD-3',
  'SEND-1 SEND-2 SEND-3 SEND-4 SEND-5',
  'DLV-1 DLV-2 DLV-3 DLV-4 DLV-5',
  'READ-1 READ-2',
  'EDIT-1 DEL-1 DEL-2',
  'ACC-1 ACC-2 ACC-3 ACC-4',
  'RATE-1 RATE-2 RATE-3',
].flatMap((group) => group.split(' '));

/** The part of a page of Markdown below a heading, up to the next one of its level. */
function section(markdown: string, heading: string): string {
  const start = markdown.indexOf(`\n## ${heading}\n`);
  expect(start, heading).toBeGreaterThan(0);
  const end = markdown.indexOf('\n## ', start + 1);
  return markdown.slice(start, end < 0 ? undefined : end);
}

/** The cells of the rows of every table in a piece of Markdown; heads and rules left out. */
function rows(markdown: string): string[][] {
  const lines = markdown.split('\n');
  return lines
    .filter(
      (line, index) => line.startsWith('| ') && !line.startsWith('| ---') && !lines[index + 1]?.startsWith('| ---'),
    )
    .map((line) =>
      line
        .slice(1, -1)
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim()),
    );
}

const inCode = (cell = '') => /`([^`]+)`/.exec(cell)?.[1];

describe('docs/protocol.md', () => {
  it('has every rule once, in order, and no other', () => {
    expect([...protocol.matchAll(/^\*\*([A-Z]+-\d+)\.\*\*/gm)].map(([, id]) => id)).toEqual(RULES);
  });

  it('refers to no rule that it does not have', () => {
    const all = [protocol, errors, read('architecture.md')].join('\n');
    const named = new Set(all.match(/\b(?:ORD|SEND|DLV|READ|EDIT|DEL|ACC|RATE)-\d+/g));
    expect([...named].filter((id) => !RULES.includes(id))).toEqual([]);
  });

  it('lists every command with its fields', () => {
    const listed = rows(section(protocol, 'Commands and acknowledgements'));
    expect(listed.map(([name]) => inCode(name))).toEqual(Object.keys(COMMANDS));
    for (const [name, takes] of listed) {
      const fields = [...takes!.matchAll(/`(\w+)\??`/g)].map(([, field]) => field);
      const { shape } = COMMANDS[inCode(name) as CommandName].input;
      expect(fields.toSorted(), name).toEqual(Object.keys(shape).toSorted());
    }
  });

  it('lists every event with what it carries, changes first', () => {
    const listed = rows(section(protocol, 'Events'));
    expect(listed.map(([name]) => inCode(name))).toEqual(Object.keys(EVENTS));
    for (const [name, carries] of listed) {
      const event = inCode(name) as EventName;
      const fields = [...carries!.matchAll(/`(\w+)\??`/g)].map(([, field]) => field).filter((field) => field !== 'me');
      const common = event in CHANGE_EVENTS ? ['conversationId', 'rev'] : [];
      expect([...common, ...fields].toSorted(), event).toEqual(Object.keys(EVENTS[event].payload.shape).toSorted());
    }
  });

  it('lists every route, and the command of the same meaning', () => {
    const listed = rows(section(protocol, 'REST'));
    expect(listed.map(([, call]) => inCode(call))).toEqual(routes.map(([, { method, path }]) => `${method} ${path}`));
    const commands = listed.map(([, , command]) => inCode(command)).filter((name) => name !== undefined);
    expect(commands.filter((name) => !(name in COMMANDS))).toEqual([]);
    const socketOnly: CommandName[] = ['typing:start', 'typing:stop', 'presence:watch', 'auth:refresh'];
    expect([...commands, ...socketOnly].toSorted()).toEqual(Object.keys(COMMANDS).toSorted());
  });

  it('names every reason for the end of a session', () => {
    const listed = rows(section(protocol, 'Connection')).map(([code]) => inCode(code));
    expect(listed).toEqual(Object.keys(SESSION_END_REASONS));
  });

  it('shows examples that fit their schemas', () => {
    const examples = [...protocol.matchAll(/^```json (\S+)\n([\s\S]*?)^```$/gm)];
    expect(examples.map(([, subject]) => subject)).toEqual([
      'problem',
      'command:message:send',
      'event:message:created',
      'event:reaction:added',
      'answer:listChanges',
    ]);
    for (const [, subject, json] of examples) {
      expect(schemaOfExample(subject!).safeParse(JSON.parse(json!)).error, subject).toBeUndefined();
    }
  });
});

function schemaOfExample(subject: string): z.ZodType {
  const [kind, ...rest] = subject.split(':');
  const name = rest.join(':');
  if (kind === 'event') return EVENTS[name as EventName].payload;
  if (kind === 'command') return COMMANDS[name as CommandName].input;
  if (kind === 'answer') return Object.values(ROUTES[name as RouteName].answers)[0] as z.ZodType;
  return ProblemSchema;
}

describe('docs/errors.md', () => {
  it('is the table of errors', () => {
    const listed = rows(errors).filter(([code]) => code?.startsWith('<a id='));
    expect(listed).toEqual(
      (Object.keys(ERRORS) as ErrorCode[]).map((code) => [
        `<a id="${code}"></a>\`${code}\``,
        String(ERRORS[code].status),
        ERRORS[code].retryable ? 'yes' : 'no',
        ERRORS[code].message,
        ERROR_ADVICE[code],
      ]),
    );
  });

  it('has the reasons for the end of a connection', () => {
    const listed = rows(section(errors, 'Why a connection ends'));
    expect(listed).toEqual(
      Object.entries(SESSION_END_REASONS).map(([code, { message, comeBack }]) => [`\`${code}\``, message, comeBack]),
    );
  });
});

describe('the reference page', () => {
  const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id!);

  it('has an entry for every route, command, event and code', () => {
    const wanted = [
      ...routes.map(([name]) => `route-${name}`),
      ...Object.keys(COMMANDS).map((name) => `command-${name}`),
      ...Object.keys(EVENTS).map((name) => `event-${name}`),
      ...Object.keys(ERRORS),
    ];
    expect(wanted.filter((id) => !ids.includes(id))).toEqual([]);
  });

  it('has each id once, and no link within it that leads nowhere', () => {
    expect(new Set(ids).size).toBe(ids.length);
    const targets = [...page.matchAll(/href="#([^"]+)"/g)].map(([, id]) => id!);
    expect(targets.filter((id) => !ids.includes(id))).toEqual([]);
  });

  it('runs no script, has no inline style and loads nothing but its style sheet', () => {
    expect(page).not.toMatch(/<script|<style| style=| on\w+=|javascript:/i);
    expect([...page.matchAll(/<(?:link|img|iframe|object)\b[^>]*>/g)].map(([tag]) => tag)).toEqual([
      '<link rel="stylesheet" href="/docs/docs.css">',
    ]);
    expect(docsStyles).not.toMatch(/@import|url\(/);
  });

  it('opens and closes its elements in pairs', () => {
    const open: string[] = [];
    for (const [, closing, name] of page.matchAll(/<(\/?)([a-z][a-z0-9]*)\b[^>]*>/g)) {
      if (['meta', 'link', 'br'].includes(name!)) continue;
      if (closing) expect(open.pop()).toBe(name);
      else open.push(name!);
    }
    expect(open).toEqual([]);
  });

  it('names the prefix and escapes what it shows', () => {
    expect(page).toContain(API_PREFIX);
    expect(page).not.toMatch(/undefined|\[object|NaN/);
    expect(page).toContain('({ message }) =&gt; show(message)');
  });
});
