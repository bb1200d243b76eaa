import { buildAsyncApi, buildOpenApi, docsStyles, renderDocsPage } from '@parley/protocol';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Metrics } from '../../utils/metrics.ts';
import type { createHealth } from './health.ts';

export interface SystemRoutesOptions {
  health: ReturnType<typeof createHealth>;
  metrics: Metrics;
  metricsEnabled: boolean;
  version: string;
}

/** Health, metrics and docs: what needs no token. */
export function registerSystemRoutes(server: FastifyInstance, options: SystemRoutesOptions): void {
  const { health, metrics, metricsEnabled, version } = options;

  // As long as this answers, a restart would help nobody.
  server.get('/health/live', async () => ({ status: 'ok' }));

  server.get('/health/ready', async (_request, reply) => {
    const readiness = await health.readiness();
    return reply.code(readiness.status === 'unavailable' ? 503 : 200).send(readiness);
  });

  if (metricsEnabled) {
    server.get('/metrics', async (_request, reply) =>
      reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
    );
  }

  const openApi = rememberByOrigin((serverUrl) => JSON.stringify(buildOpenApi({ version, serverUrl })));
  const asyncApi = rememberByOrigin((serverUrl) => JSON.stringify(buildAsyncApi({ version, serverUrl })));
  server.get('/openapi.json', async (request, reply) =>
    reply.type('application/json').send(openApi(originOf(request))),
  );
  server.get('/asyncapi.json', async (request, reply) =>
    reply.type('application/json').send(asyncApi(originOf(request))),
  );

  const docsPage = once(renderDocsPage);
  for (const path of ['/docs', '/docs/errors']) {
    server.get(path, async (_request, reply) => reply.type('text/html; charset=utf-8').send(docsPage()));
  }
  server.get('/docs/docs.css', async (_request, reply) => reply.type('text/css; charset=utf-8').send(docsStyles));
}

/** The origin that a caller used, so that the documents name a server which can be reached from there. */
function originOf(request: FastifyRequest): string {
  return URL.parse(`${request.protocol}://${request.host}`)?.origin ?? 'http://localhost';
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** A caller may write anything into `Host`, so only a few are remembered. */
const MOST_ORIGINS = 16;

function rememberByOrigin(make: (origin: string) => string): (origin: string) => string {
  const made = new Map<string, string>();
  return (origin) => {
    const known = made.get(origin);
    if (known !== undefined) return known;
    const text = make(origin);
    if (made.size >= MOST_ORIGINS) made.clear();
    made.set(origin, text);
    return text;
  };
}
