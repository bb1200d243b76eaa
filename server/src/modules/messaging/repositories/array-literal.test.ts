import { describe, expect, it } from 'vitest';
import { plainArray, textArray } from './array-literal.ts';

describe('an array literal', () => {
  it('of plain elements is what stands between the braces', () => {
    expect(plainArray([])).toBe('{}');
    expect(plainArray([1, 2])).toBe('{1,2}');
    expect(plainArray([true, false])).toBe('{true,false}');
  });

  it('of texts escapes quotes and backslashes, and tells null from its name', () => {
    expect(textArray(['a', null, 'NULL', '', 'a"b', '\\', 'a,b}', 'line\nbreak'])).toBe(
      '{"a",NULL,"NULL","","a\\"b","\\\\","a,b}","line\nbreak"}',
    );
  });
});
