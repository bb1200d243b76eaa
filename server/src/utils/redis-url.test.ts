import { describe, expect, it } from 'vitest';
import { parseRedisUrl } from './redis-url.ts';

describe('parseRedisUrl', () => {
  it('reads one Redis, with and without all the rest', () => {
    expect(parseRedisUrl('redis://127.0.0.1')).toEqual({
      nodes: [{ host: '127.0.0.1', port: 6379 }],
      username: undefined,
      password: undefined,
      database: 0,
      tls: false,
      isCluster: false,
    });
    expect(parseRedisUrl('rediss://ann:p%40ss@cache.example:6380/3')).toMatchObject({
      nodes: [{ host: 'cache.example', port: 6380 }],
      username: 'ann',
      password: 'p@ss',
      database: 3,
      tls: true,
      isCluster: false,
    });
    expect(parseRedisUrl('redis://[::1]:7000')).toMatchObject({ nodes: [{ host: '::1', port: 7000 }] });
  });

  it('takes several nodes, or one that says so, for a cluster', () => {
    const nodes = [
      { host: 'a', port: 7000 },
      { host: 'b', port: 6379 },
    ];
    expect(parseRedisUrl('redis://:secret@a:7000, b')).toMatchObject({ nodes, password: 'secret', isCluster: true });
    expect(parseRedisUrl('redis://a:7000,redis://b')).toMatchObject({ nodes, isCluster: true });
    expect(parseRedisUrl('rediss://entry.example?cluster=true')).toMatchObject({ isCluster: true, tls: true });
  });

  it.each(['', 'http://x', 'redis://', 'redis://a/x', 'redis://a/1,b', 'redis://a,', 'redis://a,rediss://b'])(
    'refuses %j',
    (text) => {
      expect(() => parseRedisUrl(text)).toThrow('must');
    },
  );
});
