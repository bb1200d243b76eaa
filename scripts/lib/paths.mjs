// Where things are in the work tree.

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the work tree. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** @param {string[]} parts */
export const inRoot = (...parts) => join(ROOT, ...parts);

/** The Node 24 that npm brings along. */
export const LOCAL_NODE = inRoot('node_modules', 'node', 'bin', 'node');
