import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, brotliDecompressSync } from 'node:zlib';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHttpServer } from '../../infrastructure/http-server.ts';
import { createMetrics } from '../../utils/metrics.ts';
import { registerPage } from './page.routes.ts';

/** It is told whom it may take a token from. */
const PAGE = '<html>the app <meta name="parley-hosts" content="https://host.example https://other.example" /></html>';

describe('the built page', () => {
  let folder: string;
  let server: FastifyInstance;

  beforeAll(async () => {
    folder = `${await mkdtemp(join(tmpdir(), 'parley-page-'))}/`;
    await mkdir(`${folder}assets`);
    await writeFile(`${folder}index.html`, '<html>the app <meta name="parley-hosts" content="" /></html>');
    await writeFile(`${folder}assets/app-1a2b.js.br`, brotliCompressSync('export {};'));
    await writeFile(`${folder}assets/app-1a2b.js`, 'export {};');
    server = await createHttpServer({
      config: { trustProxy: false, corsOrigins: [] },
      logger: pino({ level: 'silent' }),
      metrics: createMetrics(),
      isClosing: () => false,
    });
    await registerPage(server, { folder, hostOrigins: ['https://host.example', 'https://other.example'] });
    await server.ready();
  });
  afterAll(async () => {
    await server.close();
    await rm(folder, { recursive: true });
  });

  const navigate = (url: string) => server.inject({ url, headers: { accept: 'text/html,*/*' } });

  it('is served at / and wherever a browser navigates, always fresh', async () => {
    for (const url of ['/', '/index.html', '/c/0190?message=1']) {
      const { statusCode, body, headers } = await navigate(url);
      expect([statusCode, body]).toEqual([200, PAGE]);
      expect(headers['cache-control']).toBe('no-cache');
      expect(headers['content-security-policy']).toContain("script-src 'self'");
    }
  });

  it('has assets that browsers may keep, and no page in place of a missing one', async () => {
    const asset = await server.inject('/assets/app-1a2b.js');
    expect(asset.headers['cache-control']).toContain('immutable');
    expect(asset.headers['content-encoding']).toBeUndefined();
    const small = await server.inject({ url: '/assets/app-1a2b.js', headers: { 'accept-encoding': 'br' } });
    expect(small.headers).toMatchObject({ 'content-encoding': 'br', 'content-type': asset.headers['content-type'] });
    expect(small.headers['cache-control']).toContain('immutable');
    expect(brotliDecompressSync(small.rawPayload).toString()).toBe('export {};');
    expect((await navigate('/assets/gone.js')).statusCode).toBe(404);
    expect((await navigate('/assets/..%2f..%2fpackage.json')).statusCode).toBe(404);
    expect((await server.inject({ method: 'POST', url: '/' })).statusCode).toBe(405);
  });
});
