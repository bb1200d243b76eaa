import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';

const DOCUMENT = fileURLToPath(new URL('../../docs/performance.md', import.meta.url));

/**
 * Puts measured text into docs/performance.md, between `<!-- name -->` and `<!-- /name -->`. What stands outside of such
 * pairs is written by people and stays.
 *
 * @throws Error where the document has no such place.
 */
export async function writeSection(name: string, text: string): Promise<void> {
  const document = await readFile(DOCUMENT, 'utf8');
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from < 0 || to < from) throw new Error(`docs/performance.md has no place for ${name}`);
  await writeFile(DOCUMENT, `${document.slice(0, from + begin.length)}\n${text.trim()}\n${document.slice(to)}`);
}

/** Machine, versions and date of a measurement, as one line of Markdown. */
export async function describeRun(postgresVersion: string): Promise<string> {
  const [{ model } = { model: 'unknown' }] = cpus();
  const { stdout } = await promisify(execFile)('git', ['rev-parse', '--short', 'HEAD']).catch(() => ({ stdout: '' }));
  const commit = stdout.trim();
  return [
    new Date().toISOString().slice(0, 10),
    ...(commit ? [`commit ${commit}`] : []),
    `${cpus().length} × ${model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    `Linux ${release()}`,
    `Node ${process.versions.node}`,
    `PostgreSQL ${postgresVersion}`,
  ].join(' · ');
}

/** A Markdown table; the first row is its head, all columns but the first stand right. */
export function table([head = [], ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, index) => (index === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

/** The version of a PostgreSQL server, such as `17.5`. */
export async function postgresVersion(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ server_version: string }>('SHOW server_version');
    return rows[0]!.server_version.split(' ')[0]!;
  } finally {
    await client.end();
  }
}
