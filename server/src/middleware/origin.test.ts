import { describe, expect, it } from 'vitest';
import { createOriginCheck } from './origin.ts';

describe('createOriginCheck', () => {
  const isAllowed = createOriginCheck(['https://app.example.com']);
  const check = (origin: string | undefined, host?: string) =>
    isAllowed({ headers: { ...(origin !== undefined && { origin }), ...(host !== undefined && { host }) } });

  it.each([
    [undefined, 'chat.example.com'],
    ['https://app.example.com', 'chat.example.com'],
    ['https://chat.example.com', 'chat.example.com'],
    ['https://chat.example.com', 'chat.example.com:443'],
    ['http://chat.example.com', 'chat.example.com:80'],
    ['http://127.0.0.1:3000', '127.0.0.1:3000'],
    ['http://[::1]:3000', '[::1]:3000'],
  ])('lets %s in at %s', (origin, host) => {
    expect(check(origin, host)).toBe(true);
  });

  it.each([
    ['null', 'chat.example.com'],
    ['', 'chat.example.com'],
    ['https://evil.example.com', 'chat.example.com'],
    ['https://app.example.com.evil.example', 'chat.example.com'],
    ['https://app.example.com:8443', 'chat.example.com'],
    ['http://app.example.com', 'chat.example.com'],
    ['https://chat.example.com/path', 'chat.example.com'],
    ['https://user@chat.example.com', 'chat.example.com'],
    ['http://chat.example.com:3001', 'chat.example.com:3000'],
    ['file://', 'chat.example.com'],
    ['https://chat.example.com', undefined],
    ['https://chat.example.com, https://app.example.com', 'chat.example.com'],
  ])('refuses %s at %s', (origin, host) => {
    expect(check(origin, host)).toBe(false);
  });
});
