/** A role that the host product gives in the token. */
export type TokenRole = 'admin' | 'moderator';

/** The verified person behind a call or a socket. */
export interface Actor {
  /** `sub` of the token. */
  readonly id: string;
  readonly name: string;
  readonly avatarUrl: string | null;
  readonly roles: readonly TokenRole[];
  /** When the token ends, in milliseconds since the epoch. */
  readonly expiresAt: number;
  /** When the token was issued, in milliseconds since the epoch; null where it does not say. */
  readonly issuedAt: number | null;
}
