import { type App, createApp } from './app.ts';
import { type Config, ConfigError, readConfig } from './config.ts';
import { guardProcess } from './infrastructure/shutdown.ts';
import { createLogger } from './utils/logger.ts';

const SHUTDOWN_DEADLINE_MS = 10_000;

const config = readConfigOrExit();
const logger = createLogger(config);
let app: App | undefined;
guardProcess({ logger, close: async () => app?.close(), deadlineMs: SHUTDOWN_DEADLINE_MS });
try {
  app = await createApp({ config, logger });
  const address = await app.listen();
  logger.info({ database: app.database.kind, identity: config.identity.mode }, `Parley is ready at ${address}`);
} catch (error) {
  logger.fatal({ err: error }, 'Parley could not start');
  await app?.close();
  process.exit(1);
}

/** Before there is a log: the problems go to standard error, one a line. */
function readConfigOrExit(): Config {
  try {
    return readConfig();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}
