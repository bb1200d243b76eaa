import type { EventName, EventPayload, SessionEndCode } from '@parley/protocol';
import { isAuthError, signedOut } from './api.ts';
import { ParleyError } from './error.ts';
import { backoff } from './platform.ts';
import type { Clock } from './platform.types.ts';
import type { ConnectionState } from './snapshot.types.ts';
import type { Tokens } from './tokens.ts';
import type { Link, Transport } from './transport.types.ts';

/** What the connection needs and whom it tells. */
export interface ConnectionDeps {
  readonly transport: Transport;
  readonly tokens: Tokens;
  readonly clock: Clock;
  readonly random: () => number;
  onState(state: ConnectionState): void;
  onEvent<Name extends EventName>(name: Name, payload: EventPayload<Name>): void;
}

/** Keeps one live connection up for as long as the server does not refuse it for good. */
export interface Connection {
  /** The link while it is up, else null. */
  readonly link: Link | null;
  start(): void;
  /** Try now instead of later. */
  wake(): void;
  /** Another token is there: used on the open connection, or to start again after a refusal. */
  tokenChanged(): void;
  stop(): void;
}

/** A connection that breaks sooner than this did not succeed: the waits go on growing. */
const STABLE_AFTER_MS = 5_000;
/** Time for the whole way from dialling to `ready`. */
const READY_WITHIN_MS = 25_000;
/** After so many refused tokens in a row the next one would be refused too. */
const MOST_REFUSED_TOKENS = 3;
/** Everybody is sent away at once when a server stops: come back spread over this time. */
const SHUTDOWN_SPREAD_MS = 1_000;

export function createConnection({ transport, tokens, clock, random, onState, onEvent }: ConnectionDeps): Connection {
  let state: ConnectionState = { status: 'idle' };
  /** The connection being made or made; `link` is it once the server said `ready`. */
  let dialled: Link | null = null;
  let link: Link | null = null;
  let attempt = 0;
  let refusedTokens = 0;
  let cancelTimer = () => {};
  /** What the server said before it ended the connection. */
  let goodbye: { code: SessionEndCode; retryAfterMs?: number | undefined } | null = null;
  /** Raised by every new dial and by stopping, so that answers to an older one are ignored. */
  let generation = 0;

  function become(next: ConnectionState) {
    state = next;
    onState(next);
  }

  function hangUp() {
    generation++;
    cancelTimer();
    cancelTimer = () => {};
    dialled?.close();
    dialled = null;
    link = null;
  }

  function end(error: ParleyError) {
    hangUp();
    become({ status: 'ended', error: error.toJSON() });
  }

  function waitFor(ms: number, error: ParleyError | null) {
    hangUp();
    // Before it is told: whoever hears of it may stop the connection.
    cancelTimer = clock.after(ms, dial);
    become({ status: 'waiting', attempt, retryAt: clock.now() + ms, error: error?.toJSON() ?? null });
  }

  function retry(error: ParleyError | null, least = 0) {
    const ms = Math.max(least, backoff(attempt, random));
    attempt++;
    waitFor(ms, error);
  }

  async function dial() {
    hangUp();
    const mine = generation;
    become({ status: 'connecting', attempt });
    let token: string | null;
    try {
      token = await tokens.get();
    } catch (error) {
      // The host product could not give a token now; that says nothing about the session.
      if (mine === generation) retry(ParleyError.from(error));
      return;
    }
    if (mine !== generation) return;
    if (token === null) return end(signedOut());

    goodbye = null;
    const used = token;
    cancelTimer = clock.after(READY_WITHIN_MS, () =>
      retry(new ParleyError({ code: 'timeout', message: 'The server did not answer in time.' })),
    );
    const opened = transport.connect(used, {
      onEvent(name, payload) {
        if (mine !== generation) return;
        if (name === 'ready') ready(opened, payload as EventPayload<'ready'>);
        if (name === 'session:expiring') void refresh(used);
        if (name === 'session:ended') goodbye = payload as EventPayload<'session:ended'>;
        onEvent(name, payload);
      },
      onDown(refusal) {
        if (mine !== generation) return;
        link = null;
        void down(tokens.current ?? used, refusal);
      },
    });
    dialled = opened;
  }

  function ready(opened: Link, { sessionId }: EventPayload<'ready'>) {
    cancelTimer();
    link = opened;
    refusedTokens = 0;
    cancelTimer = clock.after(STABLE_AFTER_MS, () => {
      attempt = 0;
    });
    become({ status: 'online', sessionId, since: clock.now() });
  }

  async function refresh(used: string) {
    const mine = generation;
    try {
      const token = await tokens.renew(used, 'expiring');
      if (token !== null && mine === generation) await link?.command('auth:refresh', { token });
    } catch {
      // Then the server ends the session at its time and we come back with whatever token there is by then.
    }
  }

  async function down(used: string, refusal: ParleyError | null) {
    const needsToken = isAuthError(refusal) || goodbye?.code === 'token_expired' || goodbye?.code === 'session_revoked';
    if (needsToken) return withNewToken(used, refusal);
    if (goodbye?.code === 'server_shutdown') {
      return waitFor((goodbye.retryAfterMs ?? 0) + random() * SHUTDOWN_SPREAD_MS, null);
    }
    if (refusal !== null && !refusal.transient) return end(refusal);
    retry(refusal, refusal?.retryAfterMs ?? goodbye?.retryAfterMs ?? 0);
  }

  async function withNewToken(used: string, refusal: ParleyError | null) {
    hangUp();
    const mine = generation;
    const code = goodbye?.code === 'session_revoked' ? goodbye.code : 'token_expired';
    const error = refusal ?? new ParleyError({ code, status: 401, message: 'Your session has ended. Sign in again.' });
    if (++refusedTokens > MOST_REFUSED_TOKENS) return end(error);
    become({ status: 'connecting', attempt });
    try {
      const token = await tokens.renew(used, error.code === 'token_expired' ? 'expired' : 'refused');
      if (mine !== generation) return;
      if (token === null) end(error);
      else void dial();
    } catch (failure) {
      if (mine === generation) retry(ParleyError.from(failure));
    }
  }

  return {
    get link() {
      return link;
    },
    start() {
      if (state.status === 'idle' || state.status === 'ended' || state.status === 'closed') {
        attempt = 0;
        refusedTokens = 0;
        void dial();
      }
    },
    wake() {
      if (state.status !== 'waiting') return;
      attempt = 0;
      void dial();
    },
    tokenChanged() {
      refusedTokens = 0;
      const token = tokens.current;
      if (link !== null && token !== null) {
        // A refusal ends the connection by the server's own means.
        link.command('auth:refresh', { token }).catch(() => {});
      } else if (state.status !== 'idle' && state.status !== 'closed') {
        attempt = 0;
        void dial();
      }
    },
    stop() {
      hangUp();
      become({ status: 'closed' });
    },
  };
}
