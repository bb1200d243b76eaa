import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OWN_SERVER } from './cluster.ts';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));

/** A copy of the server's sources in a temporary folder, with the packages of the work tree. */
export interface ServerCopy {
  /** What `startCluster` takes as `serverRoot`. */
  readonly root: string;
  remove(): Promise<void>;
}

/** Copies the server as it is now: a run tests one state of the sources, whatever is edited meanwhile. */
export async function copyServer(): Promise<ServerCopy> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-server-'));
  const root = join(folder, 'server');
  for (const part of ['src', 'prisma', 'package.json']) {
    await cp(join(OWN_SERVER, part), join(root, part), { recursive: true });
  }
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  await symlink(join(OWN_SERVER, 'node_modules'), join(root, 'node_modules'));
  return { root, remove: () => rm(folder, { recursive: true, force: true }) };
}
