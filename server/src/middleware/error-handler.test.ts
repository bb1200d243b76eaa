import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { AppError } from '../utils/app-error.ts';
import { parseInput, toAppError } from './error-handler.ts';

describe('toAppError', () => {
  it('leaves an AppError as it is', () => {
    const error = new AppError('blocked');
    expect(toAppError(error)).toBe(error);
  });

  it.each([
    ['a lost connection', Object.assign(new Error('gone'), { code: 'ECONNREFUSED' }), 'unavailable'],
    ['a full disk', Object.assign(new Error('ENOSPC: gone'), { code: 'ENOSPC' }), 'unavailable'],
    ['a deadlock', Object.assign(new Error('deadlock'), { code: '40P01' }), 'unavailable'],
    ['a mistake in SQL', Object.assign(new Error('syntax'), { code: '42601' }), 'internal'],
    ['a mistake of ours', new TypeError('x is not a function'), 'internal'],
    ['something that is no error', 'text', 'internal'],
    ['nothing', undefined, 'internal'],
    [
      'a body over the limit',
      Object.assign(new Error(), { statusCode: 413, code: 'FST_ERR_CTP_BODY_TOO_LARGE' }),
      'payload_too_large',
    ],
    ['another type of content', Object.assign(new Error(), { statusCode: 415 }), 'unsupported_media_type'],
    ['a bad address', Object.assign(new Error(), { statusCode: 400, code: 'FST_ERR_BAD_URL' }), 'invalid_request'],
  ])('makes of %s', (_what, thrown, code) => {
    const error = toAppError(thrown);
    expect(error.code).toBe(code);
    expect(error.toProblem('id').detail).not.toContain('gone');
    if (code === 'unavailable') expect(error.options.retryAfterMs).toBeGreaterThan(0);
  });
});

describe('parseInput', () => {
  const schema = z.strictObject({ name: z.string(), list: z.array(z.int()).optional() });

  it('answers what was parsed', () => {
    expect(parseInput(schema, { name: 'x' })).toEqual({ name: 'x' });
  });

  it('names every wrong field, and bounds what it repeats of the caller', () => {
    const fields = (input: unknown): string[] => {
      try {
        parseInput(schema, input);
        return [];
      } catch (error) {
        return (error as AppError).options.errors!.map(({ path }) => path);
      }
    };
    expect(fields({ list: [1, 'x'], more: 1 }).sort()).toEqual(['list.1', 'more', 'name']);
    expect(fields(null)).toEqual(['']);
    expect(fields({ name: 'x', ['k'.repeat(5_000)]: 1 })[0]).toHaveLength(200);
    expect(fields({ name: 'x', 'a\0\ud800': 1 })).toEqual(['a\ufffd']);
    expect(
      fields(Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`k${index}`, 1]))).length,
    ).toBeLessThanOrEqual(20);
  });
});
