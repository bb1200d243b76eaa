import { z } from 'zod';
import { parseRedisUrl } from './utils/redis-url.ts';

/** An algorithm that a token may be signed with. */
export type TokenAlgorithm = (typeof KEY_SET_ALGORITHMS)[number] | 'HS256';

/** How tokens are verified: by a shared secret, by a published key set, or by a secret of the server's own. */
export type IdentityConfig =
  | { readonly mode: 'secret'; readonly secret: string; readonly algorithms: readonly TokenAlgorithm[] }
  | { readonly mode: 'keySet'; readonly url: string; readonly algorithms: readonly TokenAlgorithm[] }
  | { readonly mode: 'guest' };

/** One master key of the ring: 32 bytes, and the id that stands beside what it wrapped. */
export interface EncryptionKey {
  readonly id: string;
  readonly key: Uint8Array;
}

/** How a program of the operator's is asked about messages. */
export interface PolicyHookConfig {
  readonly url: string;
  readonly secret: string;
  readonly timeoutMs: number;
}

/** Where clamd answers, and what becomes of files while it does not. */
export interface ScannerConfig {
  readonly address: { readonly host: string; readonly port: number } | { readonly path: string };
  readonly onFailure: 'refuse' | 'accept';
}

/** What of `X-Forwarded-For` to believe: nothing, everything, the last so many hops, or what these addresses say. */
export type TrustProxy = boolean | number | readonly string[];

/** The settings of a process, as contract and docs/configuration.md name them. */
export type Config = Readonly<{
  environment: 'development' | 'production' | 'test';
  host: string;
  port: number;
  databaseUrl: string | undefined;
  dataDir: string;
  redisUrl: string | undefined;
  identity: IdentityConfig;
  jwtIssuer: string | undefined;
  jwtAudience: string | undefined;
  corsOrigins: readonly string[];
  hostOrigins: readonly string[];
  socketTransports: readonly ('websocket' | 'polling')[];
  directory: 'off' | 'shared' | 'all';
  logLevel: LogLevel;
  rateLimitFactor: number;
  maxConnectionsPerUser: number;
  maxConnectionsPerAddress: number;
  messageHtml: 'strip' | 'verbatim';
  messageRateLimit: number;
  messageRateWindowSeconds: number;
  messageMaxLength: number;
  /** How often somebody may send the same text within the window; 0: as often as they like. */
  sameTextLimit: number;
  sameTextWindowSeconds: number;
  /** How many messages somebody may send into one conversation within the window; 0: as many as they may send at all. */
  floodLimit: number;
  floodWindowSeconds: number;
  /** A program of the operator's that is asked about each message; undefined: none. */
  policyHook: PolicyHookConfig | undefined;
  searchLanguage: string;
  uploadMaxBytes: number;
  /** Types that files may have, `image/*` for all of a kind; empty: any. */
  uploadTypes: readonly string[];
  storageUrl: string;
  /** What looks for viruses in files; undefined: nothing does. */
  scanner: ScannerConfig | undefined;
  /** What becomes of a message about which the policy could not be asked. */
  policyHookOnFailure: 'accept' | 'reject' | 'hold';
  encryptionKeys: readonly EncryptionKey[];
  metricsEnabled: boolean;
  trustProxy: TrustProxy;
}>;

export type LogLevel = z.output<typeof LogLevelSchema>;

/** Everything that is wrong with the environment, one line for each variable. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`The configuration is not valid:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}

/** What a key set may sign with. Symmetric algorithms are not among them: a public key must never serve as a secret. */
export const KEY_SET_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;

/** `simple`, and the languages that PostgreSQL 15 has a dictionary of stems for. */
const SEARCH_LANGUAGES = [
  ...['simple', 'arabic', 'armenian', 'basque', 'catalan', 'danish', 'dutch', 'english', 'finnish', 'french', 'german'],
  ...['greek', 'hindi', 'hungarian', 'indonesian', 'irish', 'italian', 'lithuanian', 'nepali', 'norwegian'],
  ...['portuguese', 'romanian', 'russian', 'serbian', 'spanish', 'swedish', 'tamil', 'turkish', 'yiddish'],
] as const;

const LogLevelSchema = z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']);

const wholeNumber = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, 'must be a whole number')
    .transform(Number)
    .refine((value) => value >= least && value <= most, `must be from ${least} to ${most}`);

const address = (...protocols: string[]) =>
  z
    .string()
    .refine(
      (value) => protocols.includes(URL.parse(value)?.protocol ?? ''),
      `must be an address that begins with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
    );

const redisAddress = z.string().superRefine((value, context) => {
  try {
    parseRedisUrl(value);
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
  }
});

const commaList = z.string().transform((value) =>
  value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);

const onOrOff = z.stringbool({ error: 'must be true or false' });

/** An environment variable: its schema, and what docs/configuration.md says when it is unset. */
interface Setting {
  readonly schema: z.ZodType<unknown, string | undefined>;
  readonly unset: string;
  readonly text: string;
}

/** Every variable the server reads, in the order of the docs. An empty one counts as unset. */
export const SETTINGS = {
  NODE_ENV: {
    schema: z.enum(['development', 'production', 'test']).default('development'),
    unset: '`development`',
    text: '`production` refuses to start without `JWT_SECRET` or `JWT_JWKS_URL`. Debug lines are logged in `development` only.',
  },
  HOST: {
    schema: z.string().optional(),
    unset: '`0.0.0.0` in production, else `127.0.0.1`',
    text: 'The address to listen on.',
  },
  PORT: {
    schema: wholeNumber(0, 65_535).default(3000),
    unset: '`3000`',
    text: 'The port of REST, Socket.IO and the page. `0` takes any free one.',
  },
  DATABASE_URL: {
    schema: address('postgres:', 'postgresql:').optional(),
    unset: 'the embedded database',
    text: 'A PostgreSQL 15 or newer. Unset: PostgreSQL embedded in the process (PGlite) under `DATA_DIR`.',
  },
  DATA_DIR: {
    schema: z.string().default('./data'),
    unset: '`./data`',
    text: 'Where the embedded database and, by default, files are kept. One process at a time.',
  },
  REDIS_URL: {
    schema: redisAddress.optional(),
    unset: 'one node',
    text: 'Needed by more than one node. Unset: everything is done in the process. `rediss://` for TLS; several nodes of a Redis Cluster as `redis://a:7000,b:7000`, one as `redis://a:7000?cluster=true`.',
  },
  JWT_SECRET: {
    schema: z.string().optional(),
    unset: '–',
    text: 'The secret that tokens are signed with (HS256). Use at least 32 random bytes.',
  },
  JWT_JWKS_URL: {
    schema: address('https:', 'http:').optional(),
    unset: '–',
    text: 'Where the public keys of tokens are published (RS, PS, ES, EdDSA). Set this or `JWT_SECRET`; with neither, outside of production, people sign in as guests.',
  },
  JWT_ISSUER: { schema: z.string().optional(), unset: 'any', text: 'Tokens must have this `iss`.' },
  JWT_AUDIENCE: { schema: z.string().optional(), unset: 'any', text: 'Tokens must have this `aud`.' },
  CORS_ORIGINS: {
    schema: commaList
      .refine((items) => items.every(isOrigin), 'must be origins such as https://app.example.com, separated by commas')
      .default([]),
    unset: 'the own origin',
    text: 'Origins of pages that may use REST and Socket.IO beside the server’s own, separated by commas.',
  },
  HOST_ORIGINS: {
    schema: commaList
      .refine((items) => items.every(isOrigin), 'must be origins such as https://app.example.com, separated by commas')
      .default([]),
    unset: 'none',
    text: 'Origins of pages that may open the web app in a window and hand it a token by `postMessage`, separated by commas.',
  },
  SOCKET_TRANSPORTS: {
    schema: commaList
      .pipe(z.array(z.enum(['websocket', 'polling'])).min(1))
      .transform((items) => [...new Set(items)])
      .default(['websocket', 'polling']),
    unset: '`websocket,polling`',
    text: 'Polling behind several nodes needs a sticky balancer; `websocket` alone does not.',
  },
  DIRECTORY: {
    schema: z.enum(['off', 'shared', 'all']).optional(),
    unset: '`all` for guests, else `shared`',
    text: 'Whom `GET /users` finds: nobody, people one shares a conversation with, everybody.',
  },
  LOG_LEVEL: {
    schema: LogLevelSchema.default('info'),
    unset: '`info`',
    text: '`fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`.',
  },
  RATE_LIMIT_FACTOR: {
    schema: z
      .string()
      .regex(/^\d{1,9}(\.\d{1,9})?$/, 'must be a number, 0 or more')
      .transform(Number)
      .default(1),
    unset: '`1`',
    text: 'Multiplies every limit but that of messages and of connections; `0` turns them off.',
  },
  MAX_CONNECTIONS_PER_USER: {
    schema: wholeNumber(1, 1_000_000).default(20),
    unset: '`20`',
    text: 'Sockets of one person at a time.',
  },
  MAX_CONNECTIONS_PER_ADDRESS: {
    schema: wholeNumber(1, 10_000_000).default(20_000),
    unset: '`20000`',
    text: 'Sockets of one address at a time, on each node. Behind a balancer set `TRUST_PROXY`, or all people share one address.',
  },
  MESSAGE_HTML: {
    schema: z.enum(['strip', 'verbatim']).default('strip'),
    unset: '`strip`',
    text: '`verbatim` removes no markup: only where every reader shows text as text.',
  },
  MESSAGE_RATE_LIMIT: {
    schema: wholeNumber(1, 1_000_000_000).default(30),
    unset: '`30`',
    text: 'Messages of one person in any `MESSAGE_RATE_WINDOW_SECONDS`.',
  },
  MESSAGE_RATE_WINDOW_SECONDS: {
    schema: wholeNumber(1, 86_400).default(60),
    unset: '`60`',
    text: 'The length of that window.',
  },
  MESSAGE_MAX_LENGTH: {
    schema: wholeNumber(1, 10_000).default(10_000),
    unset: '`10000`',
    text: 'Characters (code points) of one message.',
  },
  SAME_TEXT_LIMIT: {
    schema: wholeNumber(0, 1_000_000).default(0),
    unset: '`0`',
    text: 'How often one person may send the same text, whatever the conversation, in any `SAME_TEXT_WINDOW_SECONDS`; case, signs and spaces aside. `0`: as often as `MESSAGE_RATE_LIMIT` allows.',
  },
  SAME_TEXT_WINDOW_SECONDS: {
    schema: wholeNumber(1, 86_400).default(600),
    unset: '`600`',
    text: 'The length of that window.',
  },
  FLOOD_LIMIT: {
    schema: wholeNumber(0, 1_000_000).default(0),
    unset: '`0`',
    text: 'How many messages one person may send into one conversation in any `FLOOD_WINDOW_SECONDS`. `0`: as many as `MESSAGE_RATE_LIMIT` allows.',
  },
  FLOOD_WINDOW_SECONDS: {
    schema: wholeNumber(1, 3_600).default(10),
    unset: '`10`',
    text: 'The length of that window.',
  },
  POLICY_HOOK_URL: {
    schema: address('https:', 'http:').optional(),
    unset: '–',
    text: 'A program of yours that is asked about each message before it is stored (docs/operations.md).',
  },
  POLICY_HOOK_SECRET: {
    schema: z.string().min(16, 'must have at least 16 characters').optional(),
    unset: '–',
    text: 'Signs the calls to it. Required with `POLICY_HOOK_URL`.',
  },
  POLICY_HOOK_TIMEOUT_MS: {
    schema: wholeNumber(50, 30_000).default(2_000),
    unset: '`2000`',
    text: 'How long its answer is waited for.',
  },
  POLICY_HOOK_ON_FAILURE: {
    schema: z.enum(['accept', 'reject', 'hold']).default('accept'),
    unset: '`accept`',
    text: 'What becomes of a message when it does not answer: `accept`, `reject`, or `hold` for a moderator.',
  },
  SEARCH_LANGUAGE: {
    schema: z.enum(SEARCH_LANGUAGES).default('simple'),
    unset: '`simple`',
    text: 'Whose endings search looks through: `english` finds `houses` by `house`. `simple`: words as they are written. One of PostgreSQL’s languages (`danish`, `dutch`, `english`, `french`, `german` …), the same on every node; a change makes the index anew.',
  },
  UPLOAD_MAX_BYTES: {
    schema: wholeNumber(1, 1024 ** 4).default(26_214_400),
    unset: '`26214400`',
    text: 'Bytes of one file.',
  },
  UPLOAD_TYPES: {
    schema: commaList
      .refine(
        (items) => items.every((item) => /^[a-z]+\/(\*|[a-z0-9][a-z0-9.+-]*)$/.test(item)),
        'must be types such as image/* or application/pdf, separated by commas',
      )
      .default([]),
    unset: 'any',
    text: 'Types that files may have, by their content and not by their name: `image/*,audio/*,application/pdf`. What is not known by its content, text and HTML among it, is `application/octet-stream`.',
  },
  STORAGE_URL: {
    schema: address('file:', 's3:').optional(),
    unset: '`files` in `DATA_DIR`',
    text: 'Where files are kept: `file:` and a path (on several nodes one that all share), or `s3://KEY:SECRET@host/bucket/prefix?region=…`, each part percent-encoded; `&tls=false` without TLS.',
  },
  CLAMD_URL: {
    schema: z.string().transform(parseClamdUrl).optional(),
    unset: '–',
    text: 'A ClamAV daemon that looks into every file before anything else does: `tcp://host:3310` or `unix:/run/clamav/clamd.ctl`. See [operations.md](operations.md#viruses).',
  },
  CLAMD_ON_FAILURE: {
    schema: z.enum(['refuse', 'accept']).default('refuse'),
    unset: '`refuse`',
    text: 'What becomes of a file when it does not answer: `refuse` (503, to be tried again) or `accept` without having been looked into.',
  },
  ENCRYPTION_KEYS: {
    schema: commaList.transform(parseKeyRing).default([]),
    unset: '–',
    text: 'Master keys as `id:base64` of 32 bytes each (`openssl rand -base64 32`), separated by commas: needed for confidential conversations, and then all files are encrypted too. The first one is current, the others still open what they closed. See [encryption.md](encryption.md).',
  },
  METRICS_ENABLED: { schema: onOrOff.default(true), unset: '`true`', text: 'Whether `GET /metrics` answers.' },
  TRUST_PROXY: {
    schema: z.string().transform(parseTrustProxy).default(false),
    unset: '`false`',
    text: 'What of `X-Forwarded-For` to believe: `true`, a number of hops, or addresses and networks separated by commas.',
  },
} as const satisfies Record<string, Setting>;

/**
 * Reads the settings.
 *
 * @param environment the variables; those of the process by default. Nothing else in the server reads them.
 * @throws ConfigError that lists every bad value.
 */
export function readConfig(environment: Readonly<Record<string, string | undefined>> = process.env): Config {
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  );
  const problems: string[] = [];
  const read = <Name extends keyof typeof SETTINGS>(name: Name): z.output<(typeof SETTINGS)[Name]['schema']> => {
    const result = SETTINGS[name].schema.safeParse(given[name]);
    if (result.success) return result.data as z.output<(typeof SETTINGS)[Name]['schema']>;
    problems.push(`${name}: ${result.error.issues.map((issue) => issue.message).join('; ')}`);
    return undefined as never;
  };

  const environmentName = read('NODE_ENV');
  const identity = chooseIdentity(environmentName, read('JWT_SECRET'), read('JWT_JWKS_URL'), problems);
  const dataDir = read('DATA_DIR');
  const config: Config = {
    environment: environmentName,
    host: read('HOST') ?? (environmentName === 'production' ? '0.0.0.0' : '127.0.0.1'),
    port: read('PORT'),
    databaseUrl: read('DATABASE_URL'),
    dataDir,
    redisUrl: read('REDIS_URL'),
    identity,
    jwtIssuer: read('JWT_ISSUER'),
    jwtAudience: read('JWT_AUDIENCE'),
    corsOrigins: read('CORS_ORIGINS'),
    hostOrigins: read('HOST_ORIGINS'),
    socketTransports: read('SOCKET_TRANSPORTS'),
    directory: read('DIRECTORY') ?? (identity.mode === 'guest' ? 'all' : 'shared'),
    logLevel: read('LOG_LEVEL'),
    rateLimitFactor: read('RATE_LIMIT_FACTOR'),
    maxConnectionsPerUser: read('MAX_CONNECTIONS_PER_USER'),
    maxConnectionsPerAddress: read('MAX_CONNECTIONS_PER_ADDRESS'),
    messageHtml: read('MESSAGE_HTML'),
    messageRateLimit: read('MESSAGE_RATE_LIMIT'),
    messageRateWindowSeconds: read('MESSAGE_RATE_WINDOW_SECONDS'),
    messageMaxLength: read('MESSAGE_MAX_LENGTH'),
    sameTextLimit: read('SAME_TEXT_LIMIT'),
    sameTextWindowSeconds: read('SAME_TEXT_WINDOW_SECONDS'),
    floodLimit: read('FLOOD_LIMIT'),
    floodWindowSeconds: read('FLOOD_WINDOW_SECONDS'),
    policyHook: choosePolicyHook(
      read('POLICY_HOOK_URL'),
      read('POLICY_HOOK_SECRET'),
      read('POLICY_HOOK_TIMEOUT_MS'),
      problems,
    ),
    policyHookOnFailure: read('POLICY_HOOK_ON_FAILURE'),
    searchLanguage: read('SEARCH_LANGUAGE'),
    uploadMaxBytes: read('UPLOAD_MAX_BYTES'),
    uploadTypes: read('UPLOAD_TYPES'),
    storageUrl: read('STORAGE_URL') ?? `file:${dataDir}/files`,
    scanner: chooseScanner(read('CLAMD_URL'), read('CLAMD_ON_FAILURE')),
    encryptionKeys: read('ENCRYPTION_KEYS'),
    metricsEnabled: read('METRICS_ENABLED'),
    trustProxy: read('TRUST_PROXY'),
  };
  if (problems.length > 0) throw new ConfigError(problems);
  return freeze(config);
}

/** Which kind of key verifies tokens is decided here, by configuration, and never by what a token says of itself. */
function chooseIdentity(
  environment: Config['environment'],
  secret: string | undefined,
  url: string | undefined,
  problems: string[],
): IdentityConfig {
  if (secret !== undefined && url !== undefined) problems.push('JWT_SECRET, JWT_JWKS_URL: set one of them, not both');
  if (secret !== undefined) return { mode: 'secret', secret, algorithms: ['HS256'] };
  if (url !== undefined) return { mode: 'keySet', url, algorithms: KEY_SET_ALGORITHMS };
  if (environment === 'production') problems.push('JWT_SECRET, JWT_JWKS_URL: one of them must be set in production');
  return { mode: 'guest' };
}

function choosePolicyHook(
  url: string | undefined,
  secret: string | undefined,
  timeoutMs: number,
  problems: string[],
): PolicyHookConfig | undefined {
  if (url === undefined) return undefined;
  if (secret !== undefined) return { url, secret, timeoutMs };
  problems.push('POLICY_HOOK_SECRET: must be set with POLICY_HOOK_URL');
  return undefined;
}

function chooseScanner(
  address: ScannerConfig['address'] | undefined,
  onFailure: ScannerConfig['onFailure'],
): ScannerConfig | undefined {
  return address && { address, onFailure };
}

function parseClamdUrl(text: string, context: z.RefinementCtx): ScannerConfig['address'] {
  const url = URL.parse(text);
  if (url?.protocol === 'tcp:' && url.hostname !== '' && url.port !== '') {
    return { host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(url.port) };
  }
  if (url?.protocol === 'unix:' && url.pathname.length > 1) return { path: decodeURIComponent(url.pathname) };
  context.addIssue({ code: 'custom', message: 'must be tcp://host:port or unix:/path' });
  return z.NEVER;
}

function isOrigin(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && (url.protocol === 'http:' || url.protocol === 'https:') && url.origin === text;
}

function parseKeyRing(items: string[], context: z.RefinementCtx): EncryptionKey[] {
  const keys = items.map((item, index) => {
    const colon = item.indexOf(':');
    const id = item.slice(0, Math.max(colon, 0));
    const text = item.slice(colon + 1);
    const key = Uint8Array.from(Buffer.from(text, 'base64'));
    const wrong = wrongWithKey(id, text, key);
    // By its place and never by its text: what is wrong may be that the id is missing.
    if (wrong) context.addIssue({ code: 'custom', message: `key ${index + 1} ${wrong} (id:base64 of 32 bytes)` });
    return { id, key };
  });
  if (new Set(keys.map(({ id }) => id)).size < keys.length) {
    context.addIssue({ code: 'custom', message: 'must not name one id twice' });
  }
  return keys;
}

function wrongWithKey(id: string, text: string, { length }: Uint8Array): string | null {
  if (!/^[\w.-]{1,64}$/.test(id)) return 'has no id of letters, digits, dots, dashes and underscores';
  if (!/^[\w+/-]+={0,2}$/.test(text)) return `(${id}) is not in base64`;
  return length === 32 ? null : `(${id}) has ${length} bytes instead of 32`;
}

function parseTrustProxy(text: string, context: z.RefinementCtx): TrustProxy {
  const lower = text.toLowerCase();
  if (['true', 'yes', 'on'].includes(lower)) return true;
  if (['false', 'no', 'off'].includes(lower)) return false;
  if (/^\d{1,3}$/.test(text)) return Number(text);
  const networks = text.split(',').map((item) => item.trim());
  if (networks.every((item) => /^(loopback|linklocal|uniquelocal|[0-9a-f.:]+(\/\d{1,3})?)$/i.test(item)))
    return networks;
  context.addIssue({ code: 'custom', message: 'must be true, false, a number of hops, or addresses and networks' });
  return false;
}

function freeze<T extends object>(value: T): T {
  for (const item of Object.values(value)) {
    // A typed array cannot be frozen while it holds something.
    if (item !== null && typeof item === 'object' && !ArrayBuffer.isView(item)) freeze(item);
  }
  return Object.freeze(value);
}
