import { hash } from 'node:crypto';
import { CAPS, isCleanString } from '@parley/protocol';
import {
  type CryptoKey,
  createRemoteJWKSet,
  errors,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
  SignJWT,
} from 'jose';
import type { Config } from '../config.ts';
import type { Actor, TokenRole } from '../utils/actor.ts';
import { AppError } from '../utils/app-error.ts';
import type { LimitGuard } from './limit-guard.ts';
import { badTokensRateLimiter } from './rate-limit.ts';
import { addressKey } from './request-context.ts';

/** Turns a token into the person it names. */
export interface TokenVerifier {
  /**
   * @throws AppError `token_expired` for a good token past its end, `unauthenticated` for any other that is not good,
   *   `unavailable` when the key set could not be had.
   */
  verify(token: string): Promise<Actor>;
}

/**
 * Who a token names, for both doors. Counts bad tokens by address, and enters people seen for the first time in the
 * directory.
 *
 * @throws AppError as `verify` does; `unauthenticated` without a token, `session_revoked` for one that was issued before
 *   its person's sessions were ended, `rate_limited` past the limit of bad tokens.
 */
export type Authenticate = (token: string | undefined, address: string) => Promise<Actor>;

export interface AuthenticateDeps {
  verifier: TokenVerifier;
  limits: LimitGuard;
  /** Enters the person in the directory. */
  ensureSeen(actor: Actor): Promise<void>;
  /** @throws AppError `session_revoked` for a token whose person's sessions were ended since. */
  refuseRevoked(actor: Actor): Promise<void>;
}

/**
 * Only what was no token of ours at all counts as bad: one that has merely ended is a client that has not refreshed yet,
 * and a whole office of those shares one address. Good tokens pass from an address over the limit.
 */
export function createAuthenticate({ verifier, limits, ensureSeen, refuseRevoked }: AuthenticateDeps): Authenticate {
  return async (token, address) => {
    if (token === undefined) throw new AppError('unauthenticated');
    let actor: Actor;
    try {
      actor = await verifier.verify(token);
    } catch (error) {
      if (error instanceof AppError && error.code === 'unauthenticated') {
        await limits.take(badTokensRateLimiter, addressKey(address));
      }
      throw error;
    }
    await ensureSeen(actor);
    // Last, so that nothing is waited for between this and what the caller does with the actor.
    await refuseRevoked(actor);
    return actor;
  };
}

/** The server's own tokens, for guest mode. */
export interface GuestTokens {
  /** A token for this person. Carries the name, no roles, and ends after 30 days. */
  issue(person: { id: string; name: string }): Promise<string>;
}

type IdentitySettings = Pick<Config, 'identity' | 'jwtIssuer' | 'jwtAudience'>;

const CLOCK_TOLERANCE_SECONDS = 30;
const GUEST_ISSUER = 'parley:guest';
const GUEST_TOKEN_LIFETIME = '30d';

/** The year 9999: later ends of a token are taken as this, so that every one is a date. */
const LATEST_EXPIRY = 253_402_300_799_000;

/**
 * The verifier of the configured kind. Its key object is made once here, since making one costs more than verifying; the
 * algorithms belong to the kind of key and are never taken from a token.
 *
 * @param guestSecret the secret of guest tokens; required by guest mode, unused otherwise.
 */
export async function createTokenVerifier(
  settings: IdentitySettings,
  guestSecret: string | undefined,
): Promise<TokenVerifier> {
  const { identity, jwtIssuer, jwtAudience } = settings;
  const key = await keyOf(identity, guestSecret);
  const claims = {
    ...((identity.mode === 'guest' ? GUEST_ISSUER : jwtIssuer) !== undefined && {
      issuer: identity.mode === 'guest' ? GUEST_ISSUER : jwtIssuer!,
    }),
    ...(identity.mode !== 'guest' && jwtAudience !== undefined && { audience: jwtAudience }),
  };
  const options = {
    ...claims,
    algorithms: identity.mode === 'guest' ? ['HS256'] : [...identity.algorithms],
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
    requiredClaims: ['exp', 'sub'],
  };
  const verify = async (token: string): Promise<Actor> => {
    try {
      return toActor(await claimsOf(token));
    } catch (error) {
      throw translate(error);
    }
  };
  const claimsOf = async (token: string): Promise<JWTPayload> => {
    if (typeof key !== 'function') return (await jwtVerify(token, key, options)).payload;
    try {
      return (await jwtVerify(token, key, options)).payload;
    } catch (error) {
      // A token without `kid` and a set of several keys: one of them may be it.
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
      for await (const candidate of error) {
        const verified = await jwtVerify(token, candidate, options).catch(passOverWrongKey);
        if (verified) return verified.payload;
      }
      throw error;
    }
  };
  return { verify: remember(verify) };
}

/** Signs the tokens of guests with the secret that the database keeps, so that they outlive a restart. */
export async function createGuestTokens(guestSecret: string): Promise<GuestTokens> {
  const key = await secretKey(guestSecret, ['sign']);
  return {
    issue: ({ id, name }) =>
      new SignJWT({ name })
        .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
        .setIssuer(GUEST_ISSUER)
        .setSubject(id)
        .setIssuedAt()
        .setExpirationTime(GUEST_TOKEN_LIFETIME)
        .sign(key),
  };
}

async function keyOf(
  identity: Config['identity'],
  guestSecret: string | undefined,
): Promise<CryptoKey | JWTVerifyGetKey> {
  if (identity.mode === 'secret') return secretKey(identity.secret, ['verify']);
  if (identity.mode === 'keySet') {
    // A key unknown so far is looked for at once, but an invented `kid` cannot make us ask more often than this.
    return createRemoteJWKSet(new URL(identity.url), { cooldownDuration: 5_000, timeoutDuration: 5_000 });
  }
  if (guestSecret === undefined) throw new Error('Guest mode needs its secret.');
  return secretKey(guestSecret, ['verify']);
}

function secretKey(secret: string, uses: ('sign' | 'verify')[]): Promise<CryptoKey> {
  const bytes = new TextEncoder().encode(secret);
  return crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, uses);
}

function passOverWrongKey(error: unknown): undefined {
  if (error instanceof errors.JWSSignatureVerificationFailed) return undefined;
  throw error;
}

function toActor({ sub, exp, iat, name, picture, roles }: JWTPayload): Actor {
  if (typeof sub !== 'string' || sub.length < 1 || sub.length > CAPS.userId || !isCleanString(sub)) {
    throw new AppError('unauthenticated', { detail: 'The token names no valid user.' });
  }
  return {
    id: sub,
    name: typeof name === 'string' ? cleanName(name) : '',
    avatarUrl: typeof picture === 'string' && isPicture(picture) ? picture : null,
    roles: Array.isArray(roles) ? [...new Set(roles.filter(isTokenRole))] : [],
    expiresAt: Math.min(Math.floor(exp! * 1000), LATEST_EXPIRY),
    issuedAt: typeof iat === 'number' ? iat * 1000 : null,
  };
}

/** A name is the host product's to give, so one that breaks a rule is mended where another input would be refused. */
function cleanName(name: string): string {
  const clean = name.toWellFormed().replaceAll('\0', '').trim();
  return Array.from(clean.slice(0, CAPS.name * 2))
    .slice(0, CAPS.name)
    .join('')
    .toWellFormed();
}

function isPicture(text: string): boolean {
  const protocol = URL.parse(text)?.protocol;
  return (protocol === 'https:' || protocol === 'http:') && text.length <= CAPS.avatarUrl && isCleanString(text);
}

function isTokenRole(role: unknown): role is TokenRole {
  return role === 'admin' || role === 'moderator';
}

function translate(error: unknown): AppError {
  if (error instanceof AppError) return error;
  if (error instanceof errors.JWTExpired) return new AppError('token_expired', { cause: error });
  if (isKeySetTrouble(error)) return new AppError('unavailable', { retryAfterMs: 1_000, cause: error });
  return new AppError('unauthenticated', { cause: error });
}

/** The token may be good: we could not have the keys to tell. */
function isKeySetTrouble(error: unknown): boolean {
  if (error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid) return true;
  if (!(error instanceof errors.JOSEError)) return true;
  // What jose throws when the key set answers with anything but 200 and JSON.
  return error.code === 'ERR_JOSE_GENERIC';
}

/** How many tokens are remembered, and for how long at most: a key taken out of the set stops counting after this. */
const REMEMBERED = 10_000;
const REMEMBERED_MS = 60_000;

/**
 * Remembers good tokens, by their hash, since most calls come with one seen a moment ago: a look-up costs a tenth of a
 * verification. Never beyond the token's own end.
 */
function remember(verify: TokenVerifier['verify']): TokenVerifier['verify'] {
  const known = new Map<string, { actor: Actor; until: number }>();
  return async (token) => {
    const key = hash('sha256', token, 'base64');
    const entry = known.get(key);
    if (entry && Date.now() < entry.until) return entry.actor;
    known.delete(key);
    const actor = await verify(token);
    const until = Math.min(actor.expiresAt, Date.now() + REMEMBERED_MS);
    if (known.size >= REMEMBERED) known.delete(known.keys().next().value!);
    known.set(key, { actor, until });
    return actor;
  };
}
