import { ERRORS, type ErrorCode, type FieldError, type Problem } from '@parley/protocol';

/** What an error may carry beside its code. */
export interface AppErrorOptions {
  /** Shown to the user in place of the table's message; never holds internals. */
  readonly detail?: string;
  readonly errors?: readonly FieldError[];
  readonly retryAfterMs?: number;
  /** Headers that the REST door adds to the answer. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What really happened: for the log only. */
  readonly cause?: unknown;
}

/** An error with a place in the error table: the only kind that services throw on purpose. */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly code: ErrorCode;
  readonly status: number;
  readonly options: AppErrorOptions;

  constructor(code: ErrorCode, options: AppErrorOptions = {}) {
    super(options.detail ?? ERRORS[code].message, { cause: options.cause });
    this.code = code;
    this.status = ERRORS[code].status;
    this.options = options;
  }

  /** The body that both doors answer with. */
  toProblem(requestId: string): Problem {
    const { errors, retryAfterMs } = this.options;
    return {
      type: `/docs/errors#${this.code}`,
      title: ERRORS[this.code].title,
      status: this.status,
      detail: this.message,
      code: this.code,
      requestId,
      ...(errors && { errors: [...errors] }),
      ...(retryAfterMs !== undefined && { retryAfterMs: Math.ceil(retryAfterMs) }),
    };
  }
}

/** A 400 that names one wrong field. */
export function invalidField(path: string, message: string): AppError {
  return new AppError('invalid_request', { errors: [{ path, message }] });
}
