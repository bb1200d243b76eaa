// Is what was made still what would be made now? Decided by content, never by times, which a clone or a copy changes.

import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { ROOT } from './paths.mjs';

const NOT_SOURCES = new Set(['node_modules', 'dist', 'generated', 'test']);

/**
 * One hash over files, and folders with all that is in them, by path and content. What does not exist counts as such.
 * @param {string[]} paths absolute
 * @param {string[]} [facts] further things that the result depends on
 */
export function fingerprint(paths, facts = []) {
  const hash = createHash('sha256');
  for (const fact of facts) hash.update(`${fact}\0`);
  for (const path of paths) addTo(hash, path);
  return hash.digest('hex');
}

/** The fingerprint that was stored when the thing was made. @param {string} file @returns {string | undefined} */
export function readStamp(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined; // never made, or made and deleted
  }
}

/** Stores a fingerprint beside what was made. @param {string} file @param {string} value */
export function writeStamp(file, value) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, value);
}

/** @param {import('node:crypto').Hash} hash @param {string} path */
function addTo(hash, path) {
  hash.update(`${relative(ROOT, path)}\0`);
  try {
    hash.update(readFileSync(path));
  } catch (error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error);
    if (code === 'ENOENT') return;
    if (code !== 'EISDIR') throw error;
    for (const name of readdirSync(path).sort()) {
      if (!NOT_SOURCES.has(name) && !name.startsWith('.')) addTo(hash, join(path, name));
    }
  }
}
