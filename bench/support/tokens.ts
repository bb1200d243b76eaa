import { SignJWT } from 'jose';

/** Signs and verifies the tokens of the bench. */
export const SECRET = 'a secret of the bench, thirty-two bytes or more';

const key = new TextEncoder().encode(SECRET);
const tokens = new Map<string, Promise<string>>();

/** A token of this person, good for the length of a run; made once. */
export function tokenOf(id: string): Promise<string> {
  const token =
    tokens.get(id) ??
    new SignJWT({ name: id })
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .setSubject(id)
      .setExpirationTime('12h')
      .sign(key);
  tokens.set(id, token);
  return token;
}
