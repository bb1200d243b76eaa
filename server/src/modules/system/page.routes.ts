import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** Where the web app lies once it is built. */
export const WEB_APP_FOLDER = fileURLToPath(new URL('../../../../apps/web/dist/', import.meta.url));

const NOT_BUILT = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Parley</title>
<h1>Parley is running</h1>
<p>The page is not built yet. Build it with <code>npm run build</code>, then reload.</p>
<p>The API is described at <a href="/docs">/docs</a>.</p>
</html>
`;

export interface PageOptions {
  /** Where the built app lies. */
  readonly folder?: string;
  /** HOST_ORIGINS: the page is told whom it may take a token from. */
  readonly hostOrigins?: readonly string[];
}

/**
 * The web app at `/`. Every address that a browser navigates to and nothing else answers is the app's own, so that its
 * places can be linked and reloaded.
 */
export async function registerPage(
  server: FastifyInstance,
  { folder = WEB_APP_FOLDER, hostOrigins = [] }: PageOptions = {},
): Promise<void> {
  if (!existsSync(`${folder}index.html`)) {
    server.get('/', async (_request, reply) => reply.type('text/html; charset=utf-8').send(NOT_BUILT));
    server.setNotFoundHandler((_request, reply) => reply.type('text/html; charset=utf-8').send(NOT_BUILT));
    return;
  }
  await server.register(fastifyStatic, {
    root: folder,
    wildcard: false,
    index: false,
    // Sent below, with what the page is told.
    globIgnore: ['index.html*'],
    // The build lays compressed copies beside the files.
    preCompressed: true,
    cacheControl: false,
    setHeaders: (response, path) => {
      // The build puts a hash into the name of every asset; the page that names them must always be fresh.
      const fixed = path.includes('/assets/');
      response.header('cache-control', fixed ? 'public, max-age=31536000, immutable' : 'no-cache');
    },
  });
  const page = withHosts(await readFile(`${folder}index.html`, 'utf8'), hostOrigins);
  const sendPage = (_request: FastifyRequest, reply: FastifyReply) =>
    reply.header('cache-control', 'no-cache').type('text/html; charset=utf-8').send(page);
  server.get('/', sendPage);
  server.get('/index.html', sendPage);
  server.setNotFoundHandler(sendPage);
}

/** Origins hold nothing that would have to be escaped: they were parsed as such. */
function withHosts(page: string, hostOrigins: readonly string[]): string {
  return page.replace(
    '<meta name="parley-hosts" content=""',
    `<meta name="parley-hosts" content="${hostOrigins.join(' ')}"`,
  );
}
