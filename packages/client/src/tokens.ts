import type { TokenProvider, TokenReason } from './client.types.ts';
import { readToken } from './platform.ts';
import type { Clock } from './platform.types.ts';

/** A token this close to its end is not used to begin anything. */
const ALMOST_OVER_MS = 5_000;

/** The one place that has the token; both doors ask here. */
export interface Tokens {
  /** The token in use, without asking anybody. */
  readonly current: string | null;
  /** A token that has not run out; asks the provider when there is none. Null when signed out. Rejects when the provider does. */
  get(): Promise<string | null>;
  /** A token other than `refused`: what came meanwhile, else what the provider gives. Null when there is no other. */
  renew(refused: string | null, reason: TokenReason): Promise<string | null>;
  set(token: string): void;
}

/** Callers at the same moment share one question to the provider. */
export function createTokens(source: TokenProvider | string, clock: Clock): Tokens {
  let current: string | null = typeof source === 'string' ? source : null;
  let asking: Promise<string | null> | null = null;

  function ask(reason: TokenReason): Promise<string | null> {
    if (typeof source === 'string') return Promise.resolve(current);
    asking ??= Promise.resolve()
      .then(() => source(reason))
      .then((token) => {
        current = token;
        return token;
      })
      .finally(() => {
        asking = null;
      });
    return asking;
  }

  return {
    get current() {
      return current;
    },
    async get() {
      if (current === null) return ask('start');
      const { expiresAt } = readToken(current);
      if (typeof source === 'string' || expiresAt === null || expiresAt - clock.now() > ALMOST_OVER_MS) return current;
      return ask('expired');
    },
    async renew(refused, reason) {
      if (current !== null && current !== refused) return current;
      const token = await ask(reason);
      return token === refused ? null : token;
    },
    set(token) {
      current = token;
    },
  };
}
