import { setTimeout as sleep } from 'node:timers/promises';

/** What a failed call to the database means for the one who made it. */
export type DatabaseFailure = {
  /**
   * - `conflict`: others were in the way (serialization, deadlock, a lock not had in time); the same again may work.
   * - `unique`: the row is there already.
   * - `unavailable`: the database cannot be reached, is going down, is full, hangs or has no connection left.
   * - `other`: anything else, foremost a mistake of ours.
   */
  kind: 'conflict' | 'unique' | 'unavailable' | 'other';
  /** As PostgreSQL gave it; absent when the error is not PostgreSQL's. */
  sqlState?: string;
  /** The violated constraint or index, by name. */
  constraint?: string;
  /** True when the call may have been carried out all the same: the connection broke after it was sent (SEND-1). */
  outcomeUnknown: boolean;
};

/**
 * Tells what an error thrown by Prisma, by `pg` or by its pool means. It goes by PostgreSQL's code wherever the layers
 * above have put it, then by the codes of the system and of Prisma, and last by the messages of `pg` that have none.
 */
export function classifyDatabaseError(error: unknown): DatabaseFailure {
  const layers = collectLayers(error);
  const sqlState = firstOf(layers, sqlStateOf);
  const constraint = firstOf(layers, constraintOf);
  const judged = sqlState === undefined ? firstOf(layers, judgeWithoutState) : judgeState(sqlState);
  return {
    kind: 'other',
    outcomeUnknown: false,
    ...judged,
    ...(sqlState !== undefined && { sqlState }),
    ...(constraint !== undefined && { constraint }),
  };
}

export type RetryOptions = {
  /** How often at most; 5 by default. */
  tries?: number;
  /** Told before each further try, with the number of tries so far. */
  onRetry?: (failure: DatabaseFailure, tries: number) => void;
  /** Waits for so many milliseconds. Tests give their own. */
  wait?: (ms: number) => Promise<unknown>;
};

/** The longest wait before the second try; each further one may be twice as long, up to `LONGEST_WAIT_MS`. */
const FIRST_WAIT_MS = 10;
const LONGEST_WAIT_MS = 320;

/**
 * Runs `fn`, and runs it again when it failed on a conflict. The waits are drawn from the whole of a growing span, since
 * contenders that come back together only meet again. `fn` must be a whole transaction. The last error is thrown on.
 */
export async function withRetries<T>(fn: () => Promise<T>, options: RetryOptions = {}): Promise<T> {
  const { tries = 5, onRetry, wait = sleep } = options;
  for (let made = 1; ; made += 1) {
    try {
      return await fn();
    } catch (error) {
      const failure = classifyDatabaseError(error);
      if (failure.kind !== 'conflict' || made >= tries) throw error;
      onRetry?.(failure, made);
      await wait(Math.random() * Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** made));
    }
  }
}

type Layer = Record<string, unknown>;
type Judgement = Pick<DatabaseFailure, 'kind' | 'outcomeUnknown'>;

const CONFLICT: Judgement = { kind: 'conflict', outcomeUnknown: false };
const UNIQUE: Judgement = { kind: 'unique', outcomeUnknown: false };
/** Nothing was sent, or it was refused. */
const REFUSED: Judgement = { kind: 'unavailable', outcomeUnknown: false };
/** It was sent, and no answer came. */
const LOST: Judgement = { kind: 'unavailable', outcomeUnknown: true };

/** The error and everything it carries: causes, the errors of an AggregateError, Prisma's `meta` and what is in there. */
function collectLayers(error: unknown): Layer[] {
  const layers: Layer[] = [];
  const queue: unknown[] = [error];
  while (queue.length > 0 && layers.length < 32) {
    const layer = queue.shift();
    if (typeof layer !== 'object' || layer === null || layers.includes(layer as Layer)) continue;
    const fields = layer as Layer;
    layers.push(fields);
    queue.push(fields.cause, fields.meta, fields.driverAdapterError);
    if (Array.isArray(fields.errors)) queue.push(...fields.errors);
  }
  return layers;
}

function firstOf<T>(layers: Layer[], read: (layer: Layer) => T | undefined): T | undefined {
  for (const layer of layers) {
    const found = read(layer);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Neither Prisma's codes (P1001 …) nor the system's (EPIPE) are of these classes. */
const SQL_STATE = /^(?:[0-9][0-9A-Z]|F0|HV|P0|XX)[0-9A-Z]{3}$/;

function sqlStateOf(layer: Layer): string | undefined {
  for (const field of ['originalCode', 'code']) {
    const value = layer[field];
    if (typeof value === 'string' && SQL_STATE.test(value)) return value;
  }
  return undefined;
}

function constraintOf(layer: Layer): string | undefined {
  const constraint = layer.constraint;
  if (typeof constraint === 'string') return constraint;
  if (typeof constraint !== 'object' || constraint === null) return undefined;
  const index = (constraint as Layer).index;
  return typeof index === 'string' ? index : undefined;
}

function judgeState(state: string): Judgement | undefined {
  switch (state) {
    case '40001': // serialization failure
    case '40P01': // deadlock
    case '55P03': // lock not available in time
      return CONFLICT;
    case '23505':
      return UNIQUE;
    case '08001': // cannot connect
    case '08004': // connection refused
    case '25006': // read-only: a standby, or a server about to become one
    case '25P03': // idle in transaction for too long
    case '3D000': // no such database
    case '57014': // statement timeout
    case '57P03': // starting up or shutting down
    case '58030': // input or output failed
      return REFUSED;
    case '40003': // completion unknown
    case '57P01': // ended by an administrator, or shut down
    case '57P02': // a crash of another session
      return LOST;
    default:
      break;
  }
  switch (state.slice(0, 2)) {
    case '08': // the connection
      return LOST;
    case '28': // not let in
    case '53': // disk full, out of memory, too many connections
      return REFUSED;
    default:
      return undefined;
  }
}

const CODES: Record<string, Judgement> = {
  // The system's
  ECONNREFUSED: REFUSED,
  ENOTFOUND: REFUSED,
  ENOENT: REFUSED, // no such Unix socket
  EAI_AGAIN: REFUSED,
  EMFILE: REFUSED, // this process has no file left to connect by
  ENFILE: REFUSED,
  EHOSTUNREACH: LOST,
  ENETUNREACH: LOST,
  ECONNRESET: LOST,
  EPIPE: LOST,
  ETIMEDOUT: LOST,
  // Prisma's
  P1000: REFUSED, // authentication failed
  P1001: REFUSED, // not reachable
  P1003: REFUSED, // no such database
  P1010: REFUSED, // not let in
  P1011: REFUSED, // TLS
  P1002: LOST, // timed out
  P1008: LOST, // socket timeout
  P1017: LOST, // connection closed
  P2002: UNIQUE,
  P2024: REFUSED, // no connection free
  P2028: REFUSED, // the transaction did not start in time, or ran out of time and was rolled back
  P2034: CONFLICT,
  P2037: REFUSED, // too many connections
};

/** What Prisma's adapters call failures for which they keep no code. */
const KINDS: Record<string, Judgement> = {
  DatabaseNotReachable: REFUSED,
  DatabaseDoesNotExist: REFUSED,
  DatabaseAccessDenied: REFUSED,
  AuthenticationFailed: REFUSED,
  TlsConnectionError: REFUSED,
  TooManyConnections: REFUSED,
  TransactionAlreadyClosed: REFUSED,
  ConnectionClosed: LOST,
  SocketTimeout: LOST,
  TransactionWriteConflict: CONFLICT,
  UniqueConstraintViolation: UNIQUE,
};

const MESSAGES: [RegExp, Judgement][] = [
  [/^timeout exceeded when trying to connect/, REFUSED],
  [/^Connection terminated due to connection timeout/, REFUSED],
  [/^Cannot use a pool after calling end on the pool/, REFUSED],
  [/^Client (?:has encountered a connection error|was closed) and is not queryable/, REFUSED],
  [/^(?:Connection terminated|Query read timeout)/, LOST],
];

function judgeWithoutState(layer: Layer): Judgement | undefined {
  const { code, kind, message } = layer;
  if (typeof code === 'string' && Object.hasOwn(CODES, code)) return CODES[code];
  if (typeof kind === 'string' && Object.hasOwn(KINDS, kind)) return KINDS[kind];
  if (typeof message !== 'string') return undefined;
  return MESSAGES.find(([pattern]) => pattern.test(message))?.[1];
}
