import type { ErrorCode, Problem } from '@parley/protocol';

/** Codes of what went wrong on this side of the wire, before or without an answer of the server. */
export type ClientErrorCode =
  /** Nothing came back: no network, the server is away, or the connection broke. The outcome is unknown. */
  | 'network'
  /** No answer in time. The outcome is unknown. */
  | 'timeout'
  /** The caller's `AbortSignal` fired, or the operation was cancelled before it left. */
  | 'aborted'
  /** The client was closed. */
  | 'closed'
  /** The server answered with something that is not of the protocol. */
  | 'bad_answer'
  /** A file to be sent is no longer on this device. */
  | 'file_lost';

/** Every code a `ParleyError` can carry: those of the server's error table and those of the client. */
export type ParleyErrorCode = ErrorCode | ClientErrorCode;

/** What a `ParleyError` is made from. */
export interface ParleyErrorInit {
  readonly code: ParleyErrorCode;
  readonly message: string;
  readonly status?: number;
  readonly retryAfterMs?: number | undefined;
  readonly requestId?: string | undefined;
  readonly errors?: Problem['errors'];
  readonly cause?: unknown;
}

const TRANSIENT: ReadonlySet<string> = new Set(['network', 'timeout', 'bad_answer', 'internal', 'unavailable']);

/**
 * The one error class of the SDK. Branch on `code`; `message` may be shown to a person.
 *
 * @example
 * try {
 *   await conversation.send({ content: 'Hello' });
 * } catch (error) {
 *   if (error instanceof ParleyError && error.code === 'blocked') showBlocked();
 * }
 */
export class ParleyError extends Error {
  override readonly name = 'ParleyError';
  readonly code: ParleyErrorCode;
  /** HTTP status of the answer; 0 when there was none. */
  readonly status: number;
  /** Milliseconds after which a retry makes sense, where the server said so. */
  readonly retryAfterMs: number | undefined;
  /** Names the line of the server's log that has the detail. */
  readonly requestId: string | undefined;
  /** Which fields were wrong, by path. */
  readonly errors: Problem['errors'];

  constructor(init: ParleyErrorInit) {
    super(init.message, init.cause === undefined ? undefined : { cause: init.cause });
    this.code = init.code;
    this.status = init.status ?? 0;
    this.retryAfterMs = init.retryAfterMs;
    this.requestId = init.requestId;
    this.errors = init.errors;
  }

  /** Whether the very same request may succeed later; its outcome may be unknown until then. */
  get transient(): boolean {
    return TRANSIENT.has(this.code) || this.code === 'rate_limited' || this.code === 'too_many_connections';
  }

  /** The error for a problem object of either door. */
  static fromProblem(problem: Problem): ParleyError {
    return new ParleyError({ ...problem, message: problem.detail });
  }

  /** Anything thrown, as a `ParleyError`; an abort becomes `aborted`, whatever is unknown `network`. */
  static from(error: unknown): ParleyError {
    if (error instanceof ParleyError) return error;
    const aborted = error instanceof Error && error.name === 'AbortError';
    return new ParleyError({
      code: aborted ? 'aborted' : 'network',
      message: aborted ? 'The call was aborted.' : 'The server cannot be reached.',
      cause: error,
    });
  }

  /** A plain copy that survives storage and structured cloning between tabs. */
  toJSON(): ParleyErrorInit {
    return {
      code: this.code,
      message: this.message,
      status: this.status,
      retryAfterMs: this.retryAfterMs,
      requestId: this.requestId,
      errors: this.errors,
    };
  }
}
