// Part of `npm run check`: holds all sources to scripts/import-rules.ts and names each import that breaks a rule.

import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { IMPORT_RULES } from './import-rules.ts';
import { findViolations } from './lib/find-violations.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const NOT_OURS = ['node_modules', 'dist', 'generated'];
const paths = globSync('{server,packages,apps}/**/*.{ts,tsx}', {
  cwd: root,
  exclude: (name) => NOT_OURS.includes(name.split('/').at(-1) ?? ''),
});

const violations = paths.flatMap((path) =>
  findViolations({ path, text: readFileSync(`${root}/${path}`, 'utf8') }, IMPORT_RULES),
);
for (const { rule, path, line, imported } of violations) {
  process.stdout.write(`${path}:${line} imports ${imported}\n  ${rule.name}: ${rule.why}\n`);
}
process.stdout.write(`${paths.length} files, ${IMPORT_RULES.length} rules, ${violations.length} forbidden imports\n`);
process.exitCode = violations.length > 0 ? 1 : 0;
