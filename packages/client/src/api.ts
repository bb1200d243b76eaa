import { ParleyError } from './error.ts';
import { backoff, systemClock } from './platform.ts';
import type { Clock } from './platform.types.ts';
import type { Tokens } from './tokens.ts';
import type { HttpRequest, HttpResponse, Transport } from './transport.types.ts';
import { isProblem } from './transport.web.ts';

/** A REST call as the parts of the client write it. */
export interface ApiCall extends Omit<HttpRequest, 'token'> {
  /** How often at most. By default calls that may be repeated without harm get three tries, others one. */
  readonly tries?: number;
}

/** The REST door. */
export interface Api {
  /**
   * The body of a good answer.
   * @throws ParleyError
   */
  call<T>(call: ApiCall): Promise<T>;
}

const REPEATABLE: ReadonlySet<string> = new Set(['GET', 'PUT', 'DELETE']);
/** Somebody waits for these calls: a longer wait is theirs to decide upon. */
const LONGEST_WAIT_MS = 10_000;

/** Without `tokens` calls go out without a token. */
export function createApi({
  transport,
  tokens,
  clock = systemClock,
  random = Math.random,
}: {
  transport: Transport;
  tokens?: Tokens;
  clock?: Clock;
  random?: () => number;
}): Api {
  async function once<T>(call: ApiCall, token: string | null): Promise<T> {
    const { tries: _tries, ...request } = call;
    return unwrap<T>(await transport.request(token === null ? request : { ...request, token }));
  }

  async function authorized<T>(call: ApiCall): Promise<T> {
    const token = tokens === undefined ? null : await tokens.get();
    if (tokens !== undefined && token === null) throw signedOut();
    try {
      return await once<T>(call, token);
    } catch (error) {
      // A refused token changed nothing, so even a call that must not be repeated goes out again with another one.
      if (tokens === undefined || !isAuthError(error)) throw error;
      const other = await tokens.renew(token, error.code === 'token_expired' ? 'expired' : 'refused');
      if (other === null) throw error;
      return await once<T>(call, other);
    }
  }

  return {
    async call<T>(call: ApiCall) {
      const tries = call.tries ?? (REPEATABLE.has(call.method) ? 3 : 1);
      for (let attempt = 0; ; attempt++) {
        try {
          return await authorized<T>(call);
        } catch (thrown) {
          const error = ParleyError.from(thrown);
          const wait = error.retryAfterMs ?? backoff(attempt, random);
          if (!error.transient || attempt + 1 >= tries || wait > LONGEST_WAIT_MS) throw error;
          await sleep(clock, wait, call.signal);
        }
      }
    },
  };
}

type AuthErrorCode = 'unauthenticated' | 'token_expired' | 'session_revoked';

/** Whether the server refused the token rather than the request. */
export function isAuthError(error: unknown): error is ParleyError & { readonly code: AuthErrorCode } {
  return (
    error instanceof ParleyError &&
    (error.code === 'unauthenticated' || error.code === 'token_expired' || error.code === 'session_revoked')
  );
}

/** The error of a client whose provider gave no token. */
export function signedOut(): ParleyError {
  return new ParleyError({ code: 'unauthenticated', status: 401, message: 'You need to sign in.' });
}

function unwrap<T>({ status, body, retryAfterMs }: HttpResponse): T {
  if (status >= 200 && status < 300) return body as T;
  if (isProblem(body))
    return raise(ParleyError.fromProblem(retryAfterMs === undefined ? body : { retryAfterMs, ...body }));
  // No problem object: a proxy between us and the server. 5xx passes, the rest does not.
  const away = status >= 500 || status === 429 || status === 408;
  return raise(
    new ParleyError({
      code: away ? 'unavailable' : 'bad_answer',
      status,
      retryAfterMs,
      message: away ? 'The service is not available at the moment.' : 'The server answered something unknown.',
    }),
  );
}

function raise(error: ParleyError): never {
  throw error;
}

function sleep(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      cancel();
      reject(new ParleyError({ code: 'aborted', message: 'The call was aborted.' }));
    };
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener('abort', abort);
      resolve();
    });
    signal?.addEventListener('abort', abort, { once: true });
  });
}
