import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Actor } from '../../../utils/actor.ts';
import { AppError } from '../../../utils/app-error.ts';

/** An address that works without a token is good for this long. */
const LINK_LIFETIME_MS = 15 * 60_000;

/** What a signed address says, as it stands in its query. */
export interface LinkQuery {
  readonly user: string;
  readonly expires: number;
  readonly signature: string;
}

/**
 * Signs addresses of files for those who cannot send a header, such as an `<img>`: each for one file and one person, for a
 * quarter of an hour. A link says who asks, and nothing about what they may: that is looked up on every fetch.
 */
export class AttachmentLinks {
  readonly #secret: Buffer;

  constructor(secret: string) {
    this.#secret = Buffer.from(secret);
  }

  /** The query of a signed address, and when it ends; never after the token of the person who asked for it. */
  sign(actor: Actor, attachmentId: string): { query: string; expiresAt: number } {
    const expiresAt = Math.min(Date.now() + LINK_LIFETIME_MS, actor.expiresAt);
    const signature = this.#signatureOf(attachmentId, actor.id, expiresAt);
    const query = new URLSearchParams({ user: actor.id, expires: String(expiresAt), signature });
    return { query: query.toString(), expiresAt };
  }

  /**
   * The person a link was made for. Roles of a token are not passed on: a link never reaches further than membership.
   *
   * @throws AppError `unauthenticated` for one that is not ours, `token_expired` for one that has ended.
   */
  verify(attachmentId: string, { user, expires, signature }: LinkQuery): Actor {
    const expected = Buffer.from(this.#signatureOf(attachmentId, user, expires));
    const given = Buffer.from(signature);
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw new AppError('unauthenticated');
    if (Date.now() >= expires) throw new AppError('token_expired');
    return {
      id: user,
      name: user,
      avatarUrl: null,
      roles: [],
      expiresAt: expires,
      issuedAt: expires - LINK_LIFETIME_MS,
    };
  }

  #signatureOf(attachmentId: string, userId: string, expires: number): string {
    return createHmac('sha256', this.#secret)
      .update(JSON.stringify([attachmentId.toLowerCase(), userId, expires]))
      .digest('base64url');
  }
}
