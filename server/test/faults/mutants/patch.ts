import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { APPEND, type Patch } from './table.ts';

/** Puts a mistake into a copy of the server. @throws Error where its place is not there exactly once. */
export async function applyPatch(serverRoot: string, patch: Patch): Promise<void> {
  const { path, text } = await patched(serverRoot, patch);
  await writeFile(path, text);
}

/** A file of the server as a patch would leave it. @throws Error where its place is not there exactly once. */
export async function patched(
  serverRoot: string,
  { file, find, replace }: Patch,
): Promise<{ path: string; text: string }> {
  const path = file === APPEND ? await findAppend(serverRoot) : join(serverRoot, file);
  const parts = (await readFile(path, 'utf8')).split(find);
  if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} places that read ${find}`);
  return { path, text: parts.join(replace) };
}

/** Migrations define the function anew when it changes; the last definition is the one that runs. */
async function findAppend(serverRoot: string): Promise<string> {
  const folder = join(serverRoot, 'prisma/migrations');
  const files = (await readdir(folder)).sort().map((name) => join(folder, name, 'migration.sql'));
  const texts = await Promise.all(files.map((path) => readFile(path, 'utf8').catch(() => '')));
  const last = texts.findLastIndex((text) => /CREATE (OR REPLACE )?FUNCTION parley_append/.test(text));
  if (last < 0) throw new Error('no migration defines parley_append');
  return files[last]!;
}
