import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

interface LockedPackage {
  /** Where it was fetched from, or for a link the folder of the workspace. */
  readonly resolved?: string;
  readonly link?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const file = readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8');
const { packages } = JSON.parse(file) as { packages: Readonly<Record<string, LockedPackage>> };

/** Whether a package finds another one: in its own folder, or in one above it, as Node looks. */
function finds(place: string, name: string): boolean {
  for (let folder = place; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    if (`${folder && `${folder}/`}node_modules/${name}` in packages) return true;
    if (folder === '') return false;
  }
}

// npm leaves out those that the machine at hand has no use for, when it writes the file beside installed packages: the tools
// that build the web app would then be missing on every other system.
it('names the native parts of every package for all systems', () => {
  const missing = Object.entries(packages).flatMap(([place, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies)
      .filter((name) => !finds(place, name))
      .map((name) => `${name}, of ${place}`),
  );
  expect(missing).toEqual([]);
});

it('does not tell where a package was fetched from', () => {
  const fetched = Object.entries(packages).filter(([, { resolved, link }]) => resolved !== undefined && !link);
  expect(fetched).toEqual([]);
});
