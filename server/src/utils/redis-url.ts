/** Where Redis is, out of `REDIS_URL`. */
export interface RedisAddress {
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly database: number;
  readonly tls: boolean;
  /** Several nodes were named, or the address says `?cluster=true`. */
  readonly isCluster: boolean;
}

const DEFAULT_PORT = 6379;

/**
 * Reads `redis://[user:password@]host[:port][/database]`, `rediss://…` (TLS), or several nodes of a Redis Cluster:
 * `redis://user:password@a:7000,b:7001`. A cluster with one address to ask is `redis://host?cluster=true`.
 *
 * @throws Error that says what is wrong with it.
 */
export function parseRedisUrl(text: string): RedisAddress {
  const [first = '', ...others] = text.split(',').map((part) => part.trim());
  const url = URL.parse(first);
  if (!url || !['redis:', 'rediss:'].includes(url.protocol) || url.hostname === '') {
    throw new Error('must be an address that begins with redis:// or rediss://');
  }
  const nodes = [url, ...others.map((other) => otherNode(other, url.protocol))].map(({ hostname, port }) => ({
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? DEFAULT_PORT : Number(port),
  }));
  const database = url.pathname.replace('/', '');
  if (!/^\d{0,4}$/.test(database)) throw new Error('must name the database by its number');
  const isCluster = nodes.length > 1 || url.searchParams.get('cluster') === 'true';
  if (isCluster && Number(database) !== 0) throw new Error('must not name a database: a Redis Cluster has only one');
  return {
    nodes,
    username: decodeURIComponent(url.username) || undefined,
    password: decodeURIComponent(url.password) || undefined,
    database: Number(database),
    tls: url.protocol === 'rediss:',
    isCluster,
  };
}

function otherNode(text: string, protocol: string): URL {
  const url = URL.parse(text.includes('://') ? text : `${protocol}//${text}`);
  if (!url || url.hostname === '') throw new Error(`must name its further nodes as host:port, not ${text}`);
  if (url.protocol !== protocol) throw new Error('must not mix redis:// and rediss://');
  return url;
}
