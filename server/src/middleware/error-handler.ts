import { CAPS, type FieldError } from '@parley/protocol';
import { z } from 'zod';
import { classifyDatabaseError } from '../infrastructure/database-errors.ts';
import { AppError } from '../utils/app-error.ts';
import type { Logger } from '../utils/logger.ts';

/** After this time a call that the database could not serve is worth trying again. */
const RETRY_AFTER_MS = 1_000;

const MOST_FIELD_ERRORS = 20;

/**
 * The one translator from whatever was thrown to the error table, for both doors. An AppError says itself what it is; the
 * database's troubles are `unavailable`, also where the outcome of a commit is unknown (SEND-1); the HTTP layer's
 * refusals get our codes; everything else is `internal`, and its detail stays in the log.
 */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  if (error instanceof z.ZodError) return new AppError('invalid_request', { errors: fieldErrors(error), cause: error });
  const http = httpError(error);
  if (http) return http;
  const { kind } = classifyDatabaseError(error);
  if (kind === 'unavailable' || kind === 'conflict' || hasNoRoom(error)) {
    return new AppError('unavailable', { retryAfterMs: RETRY_AFTER_MS, cause: error });
  }
  return new AppError('internal', { cause: error });
}

/** The disk of the files is full, or the process may open no more of them: a matter for its operator, and of a while. */
function hasNoRoom(error: unknown): boolean {
  const codes: readonly unknown[] = ['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE'];
  return error instanceof Error && 'code' in error && codes.includes(error.code);
}

/**
 * Parses what came from outside.
 *
 * @throws AppError `invalid_request` with the path of every wrong field.
 */
export function parseInput<Schema extends z.ZodType>(schema: Schema, input: unknown): z.output<Schema> {
  let result: z.ZodSafeParseResult<z.output<Schema>>;
  try {
    result = schema.safeParse(input);
  } catch (error) {
    // A body of 64 KiB can nest deeper than any recursive schema can follow.
    if (!(error instanceof RangeError)) throw error;
    throw new AppError('invalid_request', { detail: 'The request is nested too deeply.' });
  }
  if (result.success) return result.data;
  throw new AppError('invalid_request', { errors: fieldErrors(result.error) });
}

function fieldErrors(error: z.ZodError): FieldError[] {
  const fields = error.issues.flatMap((issue): FieldError[] => {
    if (issue.code !== 'unrecognized_keys') return [{ path: pathOf(issue.path), message: issue.message }];
    return issue.keys.map((key) => ({
      path: pathOf([...issue.path, key]),
      message: 'Is not a field of this request.',
    }));
  });
  return fields.slice(0, MOST_FIELD_ERRORS);
}

/** In dots. A field's name may be the caller's own, as long and as strange as a body allows. */
function pathOf(path: readonly PropertyKey[]): string {
  return path.map(String).join('.').slice(0, CAPS.query).toWellFormed().replaceAll('\0', '');
}

/** The refusals of Fastify and its parts, by their code and, failing that, their status. */
function httpError(error: unknown): AppError | undefined {
  if (!(error instanceof Error) || !('statusCode' in error)) return undefined;
  const code = 'code' in error ? error.code : undefined;
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE' || error.statusCode === 413) return new AppError('payload_too_large');
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE' || error.statusCode === 415)
    return new AppError('unsupported_media_type');
  if (error.statusCode === 404) return new AppError('not_found');
  if (error.statusCode === 503) return new AppError('unavailable', { retryAfterMs: RETRY_AFTER_MS });
  if (typeof error.statusCode === 'number' && error.statusCode >= 400 && error.statusCode < 500) {
    return new AppError('invalid_request', { cause: error });
  }
  return undefined;
}

/** Logs what a person has to look at; the rest of the refusals is said by the line of the call itself. */
export function logFailure(log: Pick<Logger, 'error' | 'warn'>, error: AppError): void {
  if (error.code === 'internal') log.error({ err: error.cause ?? error }, 'call failed');
  else if (error.code === 'unavailable') log.warn({ err: error.cause ?? error }, 'call could not be served');
}
