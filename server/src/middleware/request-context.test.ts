import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { addressKey, createAddressReader, requestIdOf } from './request-context.ts';

function requestFrom(remoteAddress: string, forwarded?: string): IncomingMessage {
  const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded };
  return { headers, socket: { remoteAddress }, connection: { remoteAddress } } as unknown as IncomingMessage;
}

describe('createAddressReader', () => {
  const request = requestFrom('10.0.0.1', '1.1.1.1, 2.2.2.2');

  it('believes nothing, all, some hops, or some networks', () => {
    expect(createAddressReader(false)(request)).toBe('10.0.0.1');
    expect(createAddressReader(true)(request)).toBe('1.1.1.1');
    expect(createAddressReader(1)(request)).toBe('2.2.2.2');
    expect(createAddressReader(2)(request)).toBe('1.1.1.1');
    expect(createAddressReader(['10.0.0.0/8'])(request)).toBe('2.2.2.2');
    expect(createAddressReader(['192.168.0.0/16'])(request)).toBe('10.0.0.1');
  });
});

describe('addressKey', () => {
  it.each([
    ['1.2.3.4', '1.2.3.4'],
    ['::ffff:1.2.3.4', '1.2.3.4'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::6', '2001:db8:1:2::/64'],
    ['2001:db8::6', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
  ])('counts %s as %s', (address, key) => {
    expect(addressKey(address)).toBe(key);
  });
});

describe('requestIdOf', () => {
  it('takes the caller’s id where it is sane', () => {
    expect(requestIdOf({ headers: { 'x-request-id': 'abc-123:4.5_6' } })).toBe('abc-123:4.5_6');
    for (const bad of ['short', 'x'.repeat(65), 'with space', 'line\nbreak', undefined]) {
      expect(requestIdOf({ headers: { ...(bad !== undefined && { 'x-request-id': bad }) } })).toMatch(
        /^[0-9a-f-]{36}$/,
      );
    }
  });
});
