import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

const require = createRequire(import.meta.url);
const backend = process.env.PARLEY_SERVER ?? 'http://127.0.0.1:3000';

export default defineConfig({
  plugins: [react(), tailwindcss(), emojiData(), listOfAssets(), compressed()],
  build: {
    target: 'es2023',
    // Newer than the scripts need: `light-dark()` must reach the browser as it is, since a theme can be chosen by hand.
    cssTarget: ['chrome123', 'firefox121', 'safari17.5'],
    // The bundle is the page's own: nothing is inlined, as the Content-Security-Policy wants it.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: {
        index: new URL('index.html', import.meta.url).pathname,
        sw: new URL('src/sw.ts', import.meta.url).pathname,
      },
      output: {
        // A service worker needs a name that stays.
        entryFileNames: (chunk) => (chunk.name === 'sw' ? 'sw.js' : 'assets/[name]-[hash].js'),
      },
    },
  },
  server: {
    proxy: {
      '/api': backend,
      '/socket.io': { target: backend, ws: true },
    },
  },
});

/** Emoji by language, for the picker (`emoji/en/data.json`), and shortcodes for completion (`emoji/shortcodes.json`). */
function emojiData(): Plugin {
  const read = (file: string) => readFileSync(require.resolve(`emojibase-data/${file}`), 'utf8');
  return {
    name: 'parley:emoji-data',
    apply: 'build',
    generateBundle() {
      for (const locale of ['en', 'de']) {
        for (const file of ['data.json', 'messages.json']) {
          this.emitFile({ type: 'asset', fileName: `emoji/${locale}/${file}`, source: read(`${locale}/${file}`) });
        }
      }
      this.emitFile({ type: 'asset', fileName: 'emoji/shortcodes.json', source: JSON.stringify(shortcodes(read)) });
    },
  };
}

/** `[emoji, shortcode, …]`, most usual first. */
function shortcodes(read: (file: string) => string): string[][] {
  const emoji: { hexcode: string; unicode: string; order?: number }[] = JSON.parse(read('en/compact.json'));
  const names: Record<string, string | string[]> = JSON.parse(read('en/shortcodes/emojibase.json'));
  return emoji.flatMap(({ hexcode, unicode }) => {
    const codes = names[hexcode];
    return codes === undefined ? [] : [[unicode, ...(typeof codes === 'string' ? [codes] : codes)]];
  });
}

/** What the service worker keeps for when there is no network. */
function listOfAssets(): Plugin {
  return {
    name: 'parley:list-of-assets',
    apply: 'build',
    generateBundle(_options, bundle) {
      const files = Object.keys(bundle).filter(
        (name) => name.startsWith('assets/') && !/(?:-|noto-)(?:cyrillic|greek|vietnamese|color-emoji)/.test(name),
      );
      this.emitFile({
        type: 'asset',
        fileName: 'assets.json',
        source: JSON.stringify(files.map((name) => `/${name}`)),
      });
    },
  };
}

/**
 * Compressed copies beside the files, so that the server need not compress on each request. Made from what was written: until
 * then other plugins still fill in names.
 */
function compressed(): Plugin {
  return {
    name: 'parley:compressed',
    apply: 'build',
    async writeBundle({ dir = 'dist' }, bundle) {
      const names = Object.keys(bundle).filter((name) => /\.(?:js|css|json|html|svg)$/.test(name));
      await Promise.all(
        names.map(async (name) => {
          const path = join(dir, name);
          const source = await readFile(path);
          if (source.length < 1024) return;
          const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: source.length };
          await writeFile(`${path}.br`, await promisify(brotliCompress)(source, { params }));
          await writeFile(`${path}.gz`, await promisify(gzip)(source, { level: 9 }));
        }),
      );
    },
  };
}
