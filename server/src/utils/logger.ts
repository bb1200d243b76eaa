import { type DestinationStream, type Logger, pino } from 'pino';
import type { Config } from '../config.ts';

export type { Logger } from 'pino';

/** Never written, wherever they stand in what is logged (two levels deep, which is as deep as anything logged goes). */
const SECRET_KEYS: ReadonlySet<string> = new Set([
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
]);
const DEEPEST_SECRET = 2;
const CENSOR = '[redacted]';

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
    formatters: { level: (level: string) => ({ level }), log: redact },
    // Of what children carry, which passes by the formatter.
    redact: { paths: [...SECRET_KEYS], censor: CENSOR },
    serializers: { err: describeError },
  };
  if (destination) return pino(options, destination);
  if (!process.stdout.isTTY) return pino(options, pino.destination({ dest: 1, sync: false, ...GATHERED }));
  // pino-pretty's level labels need the numbers that the formatter above replaces.
  return pino({
    ...options,
    formatters: { log: redact },
    transport: { target: 'pino-pretty', options: { translateTime: 'SYS:HH:MM:ss.l', ignore: 'pid,hostname' } },
  });
}

/**
 * The fields of a line without what is secret. The `redact` of pino finds what lies deeper by paths, which it follows through
 * a copy of every line: a twentieth of a request. Here a line that has nothing to hide is looked at once and left as it is.
 */
function redact(fields: object, depth = 0): Record<string, unknown> {
  let shown = fields as Record<string, unknown>;
  for (const [key, value] of Object.entries(fields)) {
    let inside: unknown = value;
    if (SECRET_KEYS.has(key)) inside = CENSOR;
    else if (depth < DEEPEST_SECRET && isNested(value)) inside = redact(value, depth + 1);
    if (inside === value) continue;
    if (shown === fields) shown = (Array.isArray(fields) ? [...fields] : { ...fields }) as Record<string, unknown>;
    shown[key] = inside;
  }
  return shown;
}

/** Errors are described by themselves, see `describeError`. */
function isNested(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !(value instanceof Error);
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
