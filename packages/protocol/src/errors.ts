import { z } from 'zod';

/** What the error table says of one code. */
export interface ErrorDefinition {
  /** HTTP status; the same number stands in the problem object of a socket acknowledgement. */
  readonly status: number;
  /** Short name, the same for every occurrence. */
  readonly title: string;
  /** What a person may be shown: general on purpose, the detail is in the log under the same `requestId`. */
  readonly message: string;
  /** Whether the same request can succeed later without being changed. */
  readonly retryable: boolean;
}

/** Every error code Parley answers with. `docs/errors.md` is the same table for readers, and a test keeps them equal. */
export const ERRORS = {
  invalid_request: {
    status: 400,
    title: 'Invalid request',
    message: 'The request is not valid.',
    retryable: false,
  },
  empty_message: { status: 400, title: 'Empty message', message: 'The message has no content.', retryable: false },
  message_too_long: { status: 400, title: 'Message too long', message: 'The message is too long.', retryable: false },
  unauthenticated: { status: 401, title: 'Not signed in', message: 'You need to sign in.', retryable: false },
  token_expired: {
    status: 401,
    title: 'Session expired',
    message: 'Your session has expired. Sign in again.',
    retryable: false,
  },
  session_revoked: {
    status: 401,
    title: 'Session ended',
    message: 'Your session was ended. Sign in again.',
    retryable: false,
  },
  forbidden: { status: 403, title: 'Not allowed', message: 'You are not allowed to do this.', retryable: false },
  not_a_participant: {
    status: 403,
    title: 'Not a participant',
    message: 'You are not a participant of this conversation.',
    retryable: false,
  },
  blocked: {
    status: 403,
    title: 'Blocked',
    message: 'You cannot exchange messages with this person.',
    retryable: false,
  },
  message_held: {
    status: 403,
    title: 'Waiting for approval',
    message: 'Your message waits for the approval of a moderator.',
    retryable: false,
  },
  not_found: { status: 404, title: 'Not found', message: 'There is nothing here.', retryable: false },
  method_not_allowed: {
    status: 405,
    title: 'Method not allowed',
    message: 'This method is not supported here.',
    retryable: false,
  },
  idempotency_conflict: {
    status: 409,
    title: 'Key already used',
    message: 'This key was already used for another message.',
    retryable: false,
  },
  revision_conflict: {
    status: 409,
    title: 'Changed meanwhile',
    message: 'The message was changed meanwhile.',
    retryable: false,
  },
  message_deleted: { status: 409, title: 'Message deleted', message: 'The message was deleted.', retryable: false },
  attachment_in_use: {
    status: 409,
    title: 'Attachment in use',
    message: 'The attachment already belongs to a message.',
    retryable: false,
  },
  payload_too_large: { status: 413, title: 'Too large', message: 'The request is too large.', retryable: false },
  unsupported_media_type: {
    status: 415,
    title: 'Unsupported media type',
    message: 'This type of content is not supported.',
    retryable: false,
  },
  virus_found: {
    status: 422,
    title: 'Virus found',
    message: 'A virus was found in the file.',
    retryable: false,
  },
  rate_limited: {
    status: 429,
    title: 'Too many requests',
    message: 'Too many requests. Wait a moment and try again.',
    retryable: true,
  },
  too_many_connections: {
    status: 429,
    title: 'Too many connections',
    message: 'Too many connections are open for this account.',
    retryable: true,
  },
  internal: { status: 500, title: 'Internal error', message: 'Something went wrong on our side.', retryable: true },
  unavailable: {
    status: 503,
    title: 'Unavailable',
    message: 'The service is not available at the moment. Try again shortly.',
    retryable: true,
  },
} as const satisfies Record<string, ErrorDefinition>;

export type ErrorCode = keyof typeof ERRORS;

export const ErrorCodeSchema = z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]);

/** Why the server ends a connection, and what the client is to do about it. */
export const SESSION_END_REASONS = {
  token_expired: { message: 'The session has expired.', comeBack: 'with a new token' },
  session_revoked: { message: 'The session was ended.', comeBack: 'with a new token' },
  too_slow: { message: 'The connection could not keep up.', comeBack: 'and resume' },
  server_shutdown: { message: 'The server is going away.', comeBack: 'elsewhere, at once' },
} as const;

export type SessionEndCode = keyof typeof SESSION_END_REASONS;

/** The one error body of both doors: RFC 9457 `application/problem+json`, and `error` of a socket acknowledgement. */
export const ProblemSchema = z
  .strictObject({
    type: z.string().describe('A reference into docs/errors.md.'),
    title: z.string(),
    status: z.int(),
    detail: z.string().describe('May be shown to a person.'),
    code: ErrorCodeSchema,
    requestId: z.string().describe('Names the line of the log that has the detail.'),
    errors: z
      .array(z.strictObject({ path: z.string(), message: z.string() }))
      .optional()
      .describe('Which fields were wrong, by path.'),
    retryAfterMs: z.int().nonnegative().optional().describe('Milliseconds after which a retry makes sense.'),
  })
  .meta({ id: 'Problem' });

export type Problem = z.output<typeof ProblemSchema>;

/** One wrong field of a request: `path` in dots (`participantIds.2`). */
export type FieldError = NonNullable<Problem['errors']>[number];
