import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { renderConfigurationDoc } from '../../scripts/configuration-doc.ts';
import { ConfigError, readConfig } from './config.ts';

function problemsOf(environment: Record<string, string>): readonly string[] {
  try {
    readConfig(environment);
    return [];
  } catch (error) {
    return (error as ConfigError).problems;
  }
}

describe('readConfig', () => {
  it('needs nothing in development', () => {
    expect(readConfig({})).toMatchObject({
      environment: 'development',
      host: '127.0.0.1',
      port: 3000,
      databaseUrl: undefined,
      identity: { mode: 'guest' },
      socketTransports: ['websocket', 'polling'],
      directory: 'all',
      rateLimitFactor: 1,
      maxConnectionsPerUser: 20,
      maxConnectionsPerAddress: 20_000,
      messageHtml: 'strip',
      messageRateLimit: 30,
      messageRateWindowSeconds: 60,
      messageMaxLength: 10_000,
      uploadMaxBytes: 26_214_400,
      storageUrl: 'file:./data/files',
      encryptionKeys: [],
      metricsEnabled: true,
      trustProxy: false,
    });
  });

  it('counts an empty variable as unset', () => {
    expect(readConfig({ PORT: '', DATABASE_URL: '', JWT_SECRET: '' })).toMatchObject({
      port: 3000,
      identity: { mode: 'guest' },
    });
  });

  it('refuses production without a way to verify tokens', () => {
    expect(problemsOf({ NODE_ENV: 'production' })).toEqual([expect.stringContaining('must be set in production')]);
    expect(readConfig({ NODE_ENV: 'production', JWT_SECRET: 'x' })).toMatchObject({
      host: '0.0.0.0',
      directory: 'shared',
      identity: { mode: 'secret', algorithms: ['HS256'] },
    });
  });

  it('pins algorithms by the kind of key, never both kinds', () => {
    const { identity } = readConfig({ JWT_JWKS_URL: 'https://host.example/jwks.json' });
    expect(identity).toMatchObject({ mode: 'keySet', algorithms: expect.not.arrayContaining(['HS256']) });
    expect(problemsOf({ JWT_SECRET: 'x', JWT_JWKS_URL: 'https://host.example/jwks.json' })).toHaveLength(1);
  });

  it('lists every bad value at once', () => {
    const bad = {
      NODE_ENV: 'staging',
      PORT: '70000',
      DATABASE_URL: 'mysql://x',
      REDIS_URL: 'http://x',
      JWT_JWKS_URL: 'file:///etc/passwd',
      CORS_ORIGINS: 'https://ok.example, https://ok.example/path',
      SOCKET_TRANSPORTS: 'webtransport',
      DIRECTORY: 'some',
      LOG_LEVEL: 'loud',
      RATE_LIMIT_FACTOR: '-1',
      MAX_CONNECTIONS_PER_USER: '0',
      MESSAGE_HTML: 'maybe',
      MESSAGE_RATE_LIMIT: '1.5',
      STORAGE_URL: 'ftp://x',
      ENCRYPTION_KEYS: 'id:c2hvcnQ=',
      METRICS_ENABLED: 'perhaps',
      TRUST_PROXY: 'nobody!',
    };
    const problems = problemsOf(bad);
    const named = problems.map((problem) => problem.split(':')[0]).sort();
    expect(named).toEqual(Object.keys(bad).sort());
    expect(new ConfigError(problems).message.split('\n')).toHaveLength(problems.length + 1);
  });

  it('reads lists, keys and proxies', () => {
    const key = Buffer.alloc(32, 7).toString('base64');
    const config = readConfig({
      CORS_ORIGINS: 'https://a.example, http://localhost:5173',
      SOCKET_TRANSPORTS: 'websocket',
      ENCRYPTION_KEYS: `new:${key},old:${key}`,
      TRUST_PROXY: '10.0.0.0/8, ::1',
      RATE_LIMIT_FACTOR: '0.5',
      METRICS_ENABLED: 'no',
    });
    expect(config).toMatchObject({
      corsOrigins: ['https://a.example', 'http://localhost:5173'],
      socketTransports: ['websocket'],
      encryptionKeys: [{ id: 'new' }, { id: 'old' }],
      trustProxy: ['10.0.0.0/8', '::1'],
      rateLimitFactor: 0.5,
      metricsEnabled: false,
    });
    expect(readConfig({ TRUST_PROXY: '2' }).trustProxy).toBe(2);
    expect(problemsOf({ ENCRYPTION_KEYS: `a:${key},a:${key}` })).toEqual([expect.stringContaining('one id twice')]);
    const bad = problemsOf({ ENCRYPTION_KEYS: `a:${key},${key},b:c2hvcnQ=,c:%%%` });
    expect(bad).toHaveLength(1);
    for (const part of ['key 2 has no id', 'key 3 (b) has 5 bytes', 'key 4 (c) is not in base64']) {
      expect(bad[0]).toContain(part);
    }
    expect(bad[0]).not.toContain(key);
  });

  it('reads where the virus scanner is', () => {
    const scannerAt = (url: string) => readConfig({ CLAMD_URL: url }).scanner;
    expect(readConfig({ CLAMD_ON_FAILURE: 'accept' }).scanner).toBeUndefined();
    expect(scannerAt('tcp://clam:3310')).toEqual({ address: { host: 'clam', port: 3310 }, onFailure: 'refuse' });
    expect(scannerAt('tcp://[::1]:3310')?.address).toEqual({ host: '::1', port: 3310 });
    expect(scannerAt('unix:/run/clamd.ctl')?.address).toEqual({ path: '/run/clamd.ctl' });
    for (const url of ['clam:3310', 'tcp://clam', 'http://clam:3310', 'unix:', 'nonsense']) {
      expect(problemsOf({ CLAMD_URL: url }), url).toEqual([expect.stringContaining('CLAMD_URL: must be tcp://')]);
    }
  });

  it('reads types of files, and a policy hook only with its secret', () => {
    expect(readConfig({ UPLOAD_TYPES: 'image/*, application/pdf' }).uploadTypes).toEqual([
      'image/*',
      'application/pdf',
    ]);
    expect(problemsOf({ UPLOAD_TYPES: 'pictures' })).toEqual([expect.stringContaining('UPLOAD_TYPES')]);
    const POLICY_HOOK_URL = 'https://policy.example/check';
    const { policyHook, policyHookOnFailure } = readConfig({ POLICY_HOOK_URL, POLICY_HOOK_SECRET: 'sixteen letters!' });
    expect([policyHook, policyHookOnFailure]).toEqual([
      { url: POLICY_HOOK_URL, secret: 'sixteen letters!', timeoutMs: 2_000 },
      'accept',
    ]);
    expect(problemsOf({ POLICY_HOOK_URL })).toEqual([expect.stringContaining('POLICY_HOOK_SECRET')]);
    expect(problemsOf({ POLICY_HOOK_URL, POLICY_HOOK_SECRET: 'short' }).join()).toContain('16 characters');
  });

  it('is frozen', () => {
    const config = readConfig({ CORS_ORIGINS: 'https://a.example' });
    expect(() => Object.assign(config, { port: 1 })).toThrow(TypeError);
    expect(() => Object.assign(config.corsOrigins, { 0: 'https://evil.example' })).toThrow(TypeError);
  });
});

describe('docs/configuration.md', () => {
  it('is what the schema says (run scripts/configuration-doc.ts)', () => {
    const page = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
    expect(page).toBe(renderConfigurationDoc());
  });
});
