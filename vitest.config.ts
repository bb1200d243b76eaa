import { existsSync, readdirSync } from 'node:fs';
import { defineConfig, type TestProjectConfiguration } from 'vitest/config';
import server from './server/vitest.config.ts';

// Each part of the work tree brings its own settings; one without tests yet has none.
const folders = ['packages', 'apps'].flatMap((parent) => readdirSync(parent).map((name) => `${parent}/${name}`));
const parts = folders.filter((part) => existsSync(`${part}/vitest.config.ts`));

// The server is tested in several ways, projects of their own: a project cannot hold others, so they are named here.
const serverProjects = (server.test?.projects ?? []).map((project): TestProjectConfiguration => {
  if (typeof project !== 'object') throw new Error('The projects of server/vitest.config.ts are written out in it.');
  return { root: './server', ...project };
});

export default defineConfig({
  test: {
    maxWorkers: 2,
    globalSetup: [server.test?.globalSetup ?? []].flat().map((file) => `./server/${file}`),
    // Those that share the machine first; then the kills, then the browser, which each want it to themselves: `groupOrder`
    // in their own settings.
    projects: [...parts, ...serverProjects, { test: { name: 'scripts', include: ['scripts/**/*.test.ts'] } }, './e2e'],
  },
});
