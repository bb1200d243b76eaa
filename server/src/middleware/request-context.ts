import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import proxyAddr from '@fastify/proxy-addr';
import type { TrustProxy } from '../config.ts';

const SANE_REQUEST_ID = /^[\w.:-]{8,64}$/;

/** The id of a request: the caller's own `X-Request-Id` where it is one that a log can carry, else a new one. */
export function requestIdOf(request: Pick<IncomingMessage, 'headers'>): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && SANE_REQUEST_ID.test(given) ? given : randomUUID();
}

/** The address of whoever made a request. */
export type AddressReader = (request: IncomingMessage) => string;

/** Reads the same address for both doors, believing as much of `X-Forwarded-For` as TRUST_PROXY says. */
export function createAddressReader(trustProxy: TrustProxy): AddressReader {
  const trusts = trustFunction(trustProxy);
  return (request) => proxyAddr(request, trusts);
}

/** Tells of each address on the way, nearest first, whether what it says of the one before it is believed. */
export function trustFunction(trustProxy: TrustProxy): (address: string, hop: number) => boolean {
  if (typeof trustProxy === 'boolean') return () => trustProxy;
  if (typeof trustProxy === 'number') return (_address, hop) => hop < trustProxy;
  return proxyAddr.compile([...trustProxy]);
}

/**
 * The key under which limits of an address are counted. One customer of a provider has a whole /64 of IPv6, so that much
 * counts as one address.
 */
export function addressKey(address: string): string {
  const plain = address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address;
  if (isIP(plain) !== 6) return plain;
  const [head = '', tail] = plain.split('::');
  const start = head === '' ? [] : head.split(':');
  const end = tail ? tail.split(':') : [];
  const zeros = Array<string>(Math.max(0, 8 - start.length - end.length)).fill('0');
  return `${[...start, ...(tail === undefined ? [] : zeros), ...end].slice(0, 4).join(':')}::/64`;
}
