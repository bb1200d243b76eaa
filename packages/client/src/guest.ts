import type { GuestSession } from '@parley/protocol';
import { createApi } from './api.ts';
import type { CallOptions } from './client.types.ts';
import { createWebTransport } from './transport.web.ts';

/**
 * Signs in as a guest, on a server in guest mode.
 * @throws ParleyError `not_found` where guests are not let in
 * @example
 * const { token } = await signInAsGuest({ name: 'Ada' });
 * const client = createParleyClient({ token });
 */
export function signInAsGuest({
  url,
  name,
  ...options
}: CallOptions & { url?: string; name: string }): Promise<GuestSession> {
  const api = createApi({ transport: createWebTransport(url) });
  return api.call<GuestSession>({ method: 'POST', path: '/auth/guest', body: { name }, ...options });
}
