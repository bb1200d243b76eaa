import { describe, expect, it } from 'vitest';
import { IMPORT_RULES } from './import-rules.ts';
import { findViolations } from './lib/find-violations.ts';

const MESSAGING = 'server/src/modules/messaging';

/** For every rule an import that it forbids, and one beside it that it allows. */
const CASES: Record<string, { path: string; forbidden: string[]; allowed: string[] }> = {
  'doors-call-services': {
    path: `${MESSAGING}/routes/rest/messaging.routes.ts`,
    forbidden: [
      `import { append } from '../../repositories/message-log.ts'`,
      `import type { Row } from '../../repositories/rows.ts'`,
      `const { open } = await import('../../../../infrastructure/database.ts')`,
      `import { PrismaClient } from '@prisma/client'`,
    ],
    allowed: [`import { MessagingService } from '../../services/messaging.service.ts'`],
  },
  'services-know-no-door': {
    path: `${MESSAGING}/services/messaging.service.ts`,
    forbidden: [
      `import { routes } from '../routes/rest/messaging.routes.ts'`,
      `import type { FastifyRequest } from 'fastify'`,
    ],
    allowed: [`import { append } from '../repositories/message-log.ts'`],
  },
  'services-write-no-sql': {
    path: `${MESSAGING}/services/messaging.service.ts`,
    forbidden: [`import { Prisma } from '../../../../prisma/generated/client.ts'`, `import { type Pool } from 'pg'`],
    allowed: [`import type { Prisma } from '../../../../prisma/generated/client.ts'`],
  },
  'feed-knows-no-repository': {
    path: `${MESSAGING}/services/realtime-messaging.service.ts`,
    forbidden: [
      `import { findChanges } from '../repositories/change.repository.ts'`,
      `import type { Row } from '../repositories/rows.ts'`,
      `type Row = import('../repositories/rows.ts').Row`,
    ],
    allowed: [`import type { Publisher } from '../messaging.events.ts'`, `import { Server } from 'socket.io'`],
  },
  'repositories-know-infrastructure-only': {
    path: `${MESSAGING}/repositories/message-log.ts`,
    forbidden: [
      `import { limit } from '../../../middleware/rate-limit.ts'`,
      `export { MessagingService } from '../services/messaging.service.ts'`,
    ],
    allowed: [`import { retry } from '../../../infrastructure/database.ts'`],
  },
  'infrastructure-knows-no-module': {
    path: 'server/src/infrastructure/database.ts',
    forbidden: [`export * from '../modules/messaging/index.ts'`],
    allowed: [`import { logger } from '../utils/logger.ts'`],
  },
  'pure-stays-pure': {
    path: `${MESSAGING}/messaging.policy.ts`,
    forbidden: [`import { readFile } from 'node:fs/promises'`, `import { redis } from '../../infrastructure/redis.ts'`],
    allowed: [`import { AppError } from '../../utils/app-error.ts'`],
  },
  'pure-reads-no-rows': {
    path: `${MESSAGING}/messaging.presenter.ts`,
    forbidden: [`import { findPage } from './repositories/message.repository.ts'`],
    allowed: [`import type { MessageRow } from './repositories/rows.ts'`],
  },
  'utils-and-middleware-know-no-module': {
    path: 'server/src/middleware/authenticate.ts',
    forbidden: [`import { createUsersModule } from '../modules/users/index.ts'`],
    allowed: [`import { logger } from '../utils/logger.ts'`],
  },
  'modules-meet-at-index': {
    path: `${MESSAGING}/services/membership.service.ts`,
    forbidden: [`import { UsersService } from '../../users/services/users.service.ts'`],
    allowed: [`import type { Users } from '../../users/index.ts'`, `import { can } from '../messaging.policy.ts'`],
  },
  'config-reads-the-environment': {
    path: 'server/src/app.ts',
    forbidden: [`import { env } from 'node:process'`],
    allowed: [`import type { Config } from './config.ts'`],
  },
  'server-knows-no-client': {
    path: 'server/src/app.ts',
    forbidden: [`import { createClient } from '@parley/client'`, `import { io } from 'socket.io-client'`],
    allowed: [`import { messageSchema } from '@parley/protocol'`],
  },
  'web-and-react-know-no-server': {
    path: 'packages/react/src/provider.tsx',
    forbidden: [`import { createApp } from '../../../server/src/app.ts'`, `import type { App } from '@parley/server'`],
    allowed: [`import { createClient } from '@parley/client'`],
  },
  'packages-know-no-app': {
    path: 'packages/react/src/provider.tsx',
    forbidden: [`import { theme } from '@parley/web/theme.ts'`],
    allowed: [`import { createContext } from 'react'`],
  },
  'client-knows-no-view': {
    path: 'packages/client/src/store.ts',
    forbidden: [
      `import { useState } from 'react'`,
      `import { Provider } from '@parley/react'`,
      `import { EventEmitter } from 'node:events'`,
    ],
    allowed: [`import { io } from 'socket.io-client'`],
  },
  'react-runs-in-browsers': {
    path: 'packages/react/src/provider.tsx',
    forbidden: [`import { join } from 'node:path'`],
    allowed: [`import { useState } from 'react'`],
  },
  'browsers-get-types-only': {
    path: 'packages/client/src/store.ts',
    forbidden: [
      `import { messageSchema } from '@parley/protocol'`,
      `import { type Message } from '@parley/protocol'`,
      `export { LIMITS } from '@parley/protocol'`,
      `import { z } from 'zod'`,
      `await import('zod')`,
    ],
    allowed: [`import type { Message } from '@parley/protocol'`, `export type { Message } from '@parley/protocol'`],
  },
  'protocol-stands-alone': {
    path: 'packages/protocol/src/shapes.ts',
    forbidden: [`import { createClient } from '../../client/src/index.ts'`, `import { createHash } from 'node:crypto'`],
    allowed: [`import { z } from 'zod'`],
  },
  'products-know-no-tests': {
    path: 'server/src/main.ts',
    forbidden: [`import { startApp } from '../test/support/app.ts'`, `import { vi } from 'vitest'`],
    allowed: [`import { createApp } from './app.ts'`],
  },
};

describe('the import rules', () => {
  it('each have a case that breaks them', () => {
    expect(Object.keys(CASES).sort()).toEqual(IMPORT_RULES.map((rule) => rule.name).sort());
  });

  for (const [name, { path, forbidden, allowed }] of Object.entries(CASES)) {
    it.each(forbidden)(`${name} refuses %s`, (text) => {
      const broken = findViolations({ path, text }, IMPORT_RULES).map((violation) => violation.rule.name);
      expect(broken).toContain(name);
    });

    it.each(allowed)(`${name} allows %s`, (text) => {
      expect(findViolations({ path, text }, IMPORT_RULES)).toEqual([]);
    });
  }

  it('leave tests alone', () => {
    const text = `import { append } from './repositories/message-log.ts'; import { readFileSync } from 'node:fs';`;
    expect(findViolations({ path: `${MESSAGING}/messaging.policy.test.ts`, text }, IMPORT_RULES)).toEqual([]);
  });

  it('name the line', () => {
    const text = `import { a } from '../messaging.policy.ts';\n\nimport { b } from 'fastify';\n`;
    const [violation] = findViolations({ path: `${MESSAGING}/services/messaging.service.ts`, text }, IMPORT_RULES);
    expect(violation).toMatchObject({ line: 3, imported: 'npm:fastify' });
  });
});
