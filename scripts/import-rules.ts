/**
 * Who may know whom. Imports point one way:
 *
 *     doors → services → repositories → infrastructure      policy, events, presenter, sanitizer: pure
 *     apps/web → packages/react → packages/client → packages/protocol ← server
 *
 * A path is from the root of the work tree (`server/src/app.ts`); a workspace package is its folder and, for what it
 * exports, `packages/protocol`; Node's own modules are `node:fs`, packages of the registry `npm:zod`.
 * `node scripts/check-imports.ts` (part of `npm run check`) holds the sources to it. Tests may import what they like.
 */
export interface ImportRule {
  readonly name: string;
  /** Told to whoever breaks the rule. */
  readonly why: string;
  /** Globs of the files that the rule binds. */
  readonly from: readonly string[];
  /** Globs of files in `from` that it leaves alone. */
  readonly notFrom?: readonly string[];
  /** Globs of what they may not import. */
  readonly mayNotImport: readonly string[];
  /** Globs of what they may import all the same. */
  readonly except?: readonly string[];
  /** Both ends in the same folder of this shape is allowed. */
  readonly exceptWithin?: string;
  /** `import type` is allowed: nothing of it is there at run time. */
  readonly typesAllowed?: boolean;
}

const DOORS = 'server/src/modules/*/routes/**';
const SERVICES = 'server/src/modules/*/services/**';
const REPOSITORIES = 'server/src/modules/*/repositories/**';
const INFRASTRUCTURE = 'server/src/infrastructure/**';
const PURE = ['policy', 'events', 'presenter', 'sanitizer'].map((role) => `server/src/modules/**/*.${role}.ts`);
const DATABASE_CLIENTS = ['npm:@prisma/**', 'npm:pg', 'npm:@electric-sql/**', 'server/prisma/**'];
const NETWORK = ['npm:ioredis', 'npm:fastify', 'npm:@fastify/**', 'npm:socket.io'];
const NODE = ['node:*', 'node:*/**'];
const REACT = ['npm:react', 'npm:react/**', 'npm:react-dom', 'npm:react-dom/**'];

export const IMPORT_RULES: readonly ImportRule[] = [
  // The server, from its doors down.
  {
    name: 'doors-call-services',
    why: 'A door authenticates, limits, parses and makes one service call; it knows neither tables nor connections.',
    from: [DOORS],
    mayNotImport: [REPOSITORIES, INFRASTRUCTURE, ...DATABASE_CLIENTS, 'npm:ioredis'],
  },
  {
    name: 'services-know-no-door',
    why: 'A service is called alike by both doors and by programs that have none.',
    from: [SERVICES],
    mayNotImport: [DOORS, 'server/src/app.ts', 'server/src/main.ts', 'npm:fastify', 'npm:@fastify/**'],
  },
  {
    name: 'services-write-no-sql',
    why: 'What the database is asked stands in the repositories.',
    from: [SERVICES],
    mayNotImport: DATABASE_CLIENTS,
    typesAllowed: true,
  },
  {
    name: 'feed-knows-no-repository',
    why: 'The feed is handed what it needs to read; it could run in a process without a database.',
    from: ['server/src/modules/messaging/services/realtime-messaging.service.ts'],
    mayNotImport: [REPOSITORIES, ...DATABASE_CLIENTS],
  },
  {
    name: 'repositories-know-infrastructure-only',
    why: 'A repository says what the tables do, whoever asks.',
    from: [REPOSITORIES],
    mayNotImport: [DOORS, SERVICES, 'server/src/middleware/**', ...NETWORK],
  },
  {
    name: 'infrastructure-knows-no-module',
    why: 'Databases, Redis and storage serve the product and know nothing of it.',
    from: [INFRASTRUCTURE],
    mayNotImport: ['server/src/modules/**', 'server/src/app.ts'],
  },
  {
    name: 'pure-stays-pure',
    why: 'Policy, events, presenter and sanitizer turn values into values, so that they can be read and tested alone.',
    from: PURE,
    mayNotImport: [
      INFRASTRUCTURE,
      ...NODE,
      DOORS,
      SERVICES,
      'server/src/middleware/**',
      ...DATABASE_CLIENTS,
      ...NETWORK,
    ],
    except: ['node:module'], // the sanitizer loads DOMPurify, which brings a whole DOM, when the first markup arrives
  },
  {
    name: 'pure-reads-no-rows',
    why: 'The shape of a row may be named, the repository that fetches it may not be called.',
    from: PURE,
    mayNotImport: [REPOSITORIES],
    typesAllowed: true,
  },
  {
    name: 'utils-and-middleware-know-no-module',
    why: 'They are shared by all modules.',
    from: ['server/src/utils/**', 'server/src/middleware/**'],
    mayNotImport: ['server/src/modules/**'],
  },
  {
    name: 'modules-meet-at-index',
    why: 'What a module offers to others is what its index.ts exports.',
    from: ['server/src/**'],
    mayNotImport: ['server/src/modules/*/**'],
    except: ['server/src/modules/*/index.ts'],
    exceptWithin: 'server/src/modules/*',
  },
  {
    name: 'config-reads-the-environment',
    why: 'Settings are read and validated once, in config.ts, and passed in.',
    from: ['server/src/**'],
    notFrom: ['server/src/config.ts', 'server/src/main.ts', 'server/src/cli.ts'],
    mayNotImport: ['node:process', 'npm:process', 'npm:dotenv'],
  },
  {
    name: 'server-knows-no-client',
    why: 'The server serves any client; ours is one of them.',
    from: ['server/src/**'],
    mayNotImport: ['packages/client/**', 'packages/react/**', 'apps/**', ...REACT, 'npm:socket.io-client'],
  },

  // The packages, from the web app down.
  {
    name: 'web-and-react-know-no-server',
    why: 'They know the server by its protocol alone.',
    from: ['apps/**', 'packages/**'],
    mayNotImport: ['server/**'],
  },
  {
    name: 'packages-know-no-app',
    why: 'They are used by other products too.',
    from: ['packages/**'],
    mayNotImport: ['apps/**'],
  },
  {
    name: 'client-knows-no-view',
    why: 'The SDK runs wherever JavaScript does, under any view library or none.',
    from: ['packages/client/src/**'],
    mayNotImport: [...REACT, 'packages/react/**', ...NODE],
  },
  {
    name: 'react-runs-in-browsers',
    why: "A browser has none of Node's modules.",
    from: ['packages/react/src/**', 'apps/web/src/**'],
    mayNotImport: [...NODE],
  },
  {
    name: 'browsers-get-types-only',
    why: 'The protocol gives its types to clients; its schemas and zod stay on the server. Write `import type`.',
    from: ['packages/client/src/**', 'packages/react/src/**', 'apps/web/src/**'],
    mayNotImport: ['packages/protocol/**', 'npm:zod', 'npm:zod/**'],
    typesAllowed: true,
  },
  {
    name: 'protocol-stands-alone',
    why: 'Server and clients both build on it.',
    from: ['packages/protocol/src/**'],
    mayNotImport: ['packages/client/**', 'packages/react/**', ...REACT, ...NODE],
  },
  {
    name: 'products-know-no-tests',
    why: 'What only tests need is not shipped.',
    from: ['server/src/**', 'packages/*/src/**', 'apps/*/src/**'],
    mayNotImport: [
      'server/test/**',
      'packages/*/test/**',
      'apps/*/test/**',
      'e2e/**',
      'bench/**',
      'scripts/**',
      'npm:vitest',
    ],
  },
];
