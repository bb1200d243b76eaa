import type { IncomingMessage } from 'node:http';

/** Whether a page of this origin may use the socket door. */
export type OriginCheck = (request: Pick<IncomingMessage, 'headers'>) => boolean;

/**
 * Lets in requests without an `Origin` (native clients: a browser always sends one with a handshake), those of the page
 * that the server itself serves, and those of the origins allowed by name. `null` and everything malformed is foreign.
 */
export function createOriginCheck(allowed: readonly string[]): OriginCheck {
  const names = new Set(allowed);
  return ({ headers }) => {
    const { origin } = headers;
    if (origin === undefined) return true;
    return names.has(origin) || isOwnOrigin(origin, headers.host);
  };
}

/** The scheme is left open: behind a proxy that ends TLS this process does not know it. */
function isOwnOrigin(origin: string, host: string | undefined): boolean {
  const url = URL.parse(origin);
  if (!url || host === undefined || url.origin !== origin) return false;
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return false;
  // Parsed with the origin's scheme, so that a default port may be written out or not.
  return URL.parse(`${url.protocol}//${host}`)?.host === url.host;
}
