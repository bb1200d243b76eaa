// Writes docs/configuration.md from the schema of server/src/config.ts. `npm run docs:configuration` runs it, and a test
// of the server fails while the two differ.
import { writeFileSync } from 'node:fs';
import { SETTINGS } from '../server/src/config.ts';

/** The text of docs/configuration.md. */
export function renderConfigurationDoc(): string {
  const rows = Object.entries(SETTINGS).map(([name, { unset, text }]) => `| \`${name}\` | ${unset} | ${text} |`);
  return `# Configuration

Parley is configured by environment variables. They are read once, at the start; every bad one is named, and the process
ends with 1. An empty variable counts as unset. This page is made from the schema in \`server/src/config.ts\` by
\`scripts/configuration-doc.ts\`.

| Variable | When unset | What it is |
| --- | --- | --- |
${rows.join('\n')}
`;
}

if (import.meta.main) {
  writeFileSync(new URL('../docs/configuration.md', import.meta.url), renderConfigurationDoc());
}
