import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { transform } from 'lightningcss';
import { build, type Rolldown } from 'vite';
import { expect, it } from 'vitest';

const SRC = fileURLToPath(new URL('../src/', import.meta.url));
/** Bytes, gzipped; the emoji picker is the app's and loads when it is opened. */
const SCRIPT_BUDGET = 20_000;
const STYLE_BUDGET = 6_000;

it(`the script stays within ${SCRIPT_BUDGET} bytes gzipped, virtualisation included, the style sheet within ${STYLE_BUDGET}`, async () => {
  const built = (await build({
    configFile: false,
    logLevel: 'silent',
    build: {
      write: false,
      lib: { entry: `${SRC}index.ts`, formats: ['es'] },
      rolldownOptions: { external: [/^react/, /^@parley\/client/], output: { minify: true } },
    },
    define: { 'process.env.NODE_ENV': '"production"' },
  })) as Rolldown.RolldownOutput[];
  const script = built
    .flatMap(({ output }) => output.flatMap((part) => (part.type === 'chunk' ? [part.code] : [])))
    .join('');
  const { code: style } = transform({ filename: 'styles.css', code: await readFile(`${SRC}styles.css`), minify: true });
  expect(gzipSync(script, { level: 9 }).length).toBeGreaterThan(5_000);
  expect(gzipSync(script, { level: 9 }).length).toBeLessThan(SCRIPT_BUDGET);
  expect(gzipSync(style, { level: 9 }).length).toBeLessThan(STYLE_BUDGET);
});
