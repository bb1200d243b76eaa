import { type DestinationStream, type Logger, pino } from 'pino';
import type { Config } from '../config.ts';

export type { Logger } from 'pino';

/** Never written, wherever they stand in what is logged (two levels deep, which is as deep as anything logged goes). */
const SECRET_KEYS = [
  'authorization',
  'cookie',
  'token',
  'auth',
  'secret',
  'password',
  'content',
  'before',
  'after',
  'body',
];

/**
 * Lines are gathered and written together: written one by one they were a seventh of what this process does for a
 * page of history. `minLength` in bytes, `periodicFlush` in ms. What is gathered is written as the process ends, however it does but
 * by SIGKILL.
 */
const GATHERED = { minLength: 8_192, periodicFlush: 100 };

/**
 * The log of a process: JSON lines on standard output, pretty on a terminal.
 *
 * Children carry `requestId`, `userId`, `conversationId` and `socketId` where they are known. Info is a step of life, warn
 * mended itself, error needs a person. Never a token, never what people wrote: the redaction here is the net below, not a
 * licence to log such things. `debug` and below are for development and silent elsewhere.
 *
 * @param destination where lines go instead of standard output (tests).
 */
export function createLogger(
  config: Pick<Config, 'logLevel' | 'environment'>,
  destination?: DestinationStream,
): Logger {
  const options = {
    level: effectiveLevel(config),
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (level: string) => ({ level }) },
    serializers: { err: describeError },
    redact: { paths: SECRET_KEYS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: '[redacted]' },
  };
  if (destination) return pino(options, destination);
  if (!process.stdout.isTTY) return pino(options, pino.destination({ dest: 1, sync: false, ...GATHERED }));
  // pino-pretty's level labels need the numbers that the formatter above replaces.
  const { formatters: _, ...pretty } = options;
  return pino({
    ...pretty,
    transport: { target: 'pino-pretty', options: { translateTime: 'SYS:HH:MM:ss.l', ignore: 'pid,hostname' } },
  });
}

/** Causes of causes are told this deep. */
const DEEPEST_CAUSE = 4;

/**
 * What of an error is logged. Its other properties stay out: drivers hang the statement, its values, the rows in question
 * and whole connections on their errors, and people's messages are among those.
 */
function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as { code?: unknown };
  return {
    type: error.name,
    message: error.message,
    ...(typeof code === 'string' && { code }),
    stack: error.stack,
    ...(error.cause !== undefined && depth < DEEPEST_CAUSE && { cause: describeError(error.cause, depth + 1) }),
  };
}

function effectiveLevel({ logLevel, environment }: Pick<Config, 'logLevel' | 'environment'>): Config['logLevel'] {
  const forDevelopment = logLevel === 'debug' || logLevel === 'trace';
  return forDevelopment && environment !== 'development' ? 'info' : logLevel;
}
