// Holds source files to the import rules. Pure: text in, violations out.

import { matchesGlob, posix } from 'node:path';
import { parseSync, Visitor } from 'oxc-parser';
import type { ImportRule } from '../import-rules.ts';

/** A source file, its path from the root of the work tree. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** One import that a rule forbids. */
export interface Violation {
  readonly rule: ImportRule;
  readonly path: string;
  readonly line: number;
  readonly imported: string;
}

interface Import {
  readonly target: string;
  readonly offset: number;
  readonly typeOnly: boolean;
}

const TEST_FILES = ['**/*.test.ts', '**/*.test.tsx', '**/*.test-d.ts'];

/**
 * The forbidden imports of one file.
 * @throws {Error} when the file does not parse
 */
export function findViolations(file: SourceFile, rules: readonly ImportRule[]): Violation[] {
  if (matchesAny(file.path, TEST_FILES)) return [];
  const binding = rules.filter(
    (rule) => matchesAny(file.path, rule.from) && !matchesAny(file.path, rule.notFrom ?? []),
  );
  if (binding.length === 0) return [];
  const imports = readImports(file);
  return binding.flatMap((rule) =>
    imports
      .filter((found) => forbids(rule, file.path, found))
      .map(({ target, offset }) => ({ rule, path: file.path, line: lineOf(file.text, offset), imported: target })),
  );
}

function forbids(rule: ImportRule, path: string, { target, typeOnly }: Import): boolean {
  if (typeOnly && rule.typesAllowed) return false;
  if (!matchesAny(target, rule.mayNotImport) || matchesAny(target, rule.except ?? [])) return false;
  return !(rule.exceptWithin && inSameFolder(path, target, rule.exceptWithin));
}

function inSameFolder(path: string, target: string, shape: string): boolean {
  const depth = shape.split('/').length;
  const folder = path.split('/').slice(0, depth).join('/');
  return matchesGlob(folder, shape) && target.startsWith(`${folder}/`);
}

function readImports(file: SourceFile): Import[] {
  const { program, module, errors } = parseSync(file.path, file.text);
  if (errors[0]) throw new Error(`${file.path}: ${errors[0].message}`);
  const imports: Import[] = [];
  const add = (specifier: string, offset: number, typeOnly: boolean) =>
    imports.push({ target: resolve(specifier, file.path), offset, typeOnly });

  for (const { moduleRequest, start, end } of module.staticImports)
    add(moduleRequest.value, start, isTypeOnly(file.text.slice(start, end)));
  for (const { entries, start, end } of module.staticExports) {
    const request = entries[0]?.moduleRequest;
    if (request) add(request.value, start, isTypeOnly(file.text.slice(start, end)));
  }
  new Visitor({
    ImportExpression: ({ source, start }) => {
      if (source.type === 'Literal' && typeof source.value === 'string') add(source.value, start, false);
    },
    TSImportType: ({ source, start }) => add(source.value, start, true),
  }).visit(program);
  return imports;
}

/** `import { type T } from` still loads the file at run time: only the whole statement can be one of types. */
function isTypeOnly(statement: string): boolean {
  return /^(import|export)\s+type\s+[^\s,]/.test(statement) && !/^import\s+type\s+from\b/.test(statement);
}

function resolve(specifier: string, path: string): string {
  if (specifier.startsWith('.')) return posix.join(posix.dirname(path), specifier);
  const own = /^@parley\/([^/]+)(.*)$/.exec(specifier);
  if (own) return `${OWN_PACKAGES[own[1] ?? ''] ?? `packages/${own[1]}`}/${own[2] || 'index'}`.replace('//', '/');
  return specifier.startsWith('node:') ? specifier : `npm:${specifier}`;
}

const OWN_PACKAGES: Record<string, string> = { server: 'server', web: 'apps/web', bench: 'bench', e2e: 'e2e' };

function matchesAny(path: string, globs: readonly string[]): boolean {
  return globs.some((glob) => matchesGlob(path, glob));
}

function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}
