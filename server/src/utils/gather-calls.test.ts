import { describe, expect, it } from 'vitest';
import { gatherCalls } from './gather-calls.ts';

/** Work that ends when it is told to, and the batches it was given. */
function controlled() {
  const batches: { inputs: readonly number[]; end: (error?: Error) => void }[] = [];
  const call = gatherCalls<number, string>(
    (inputs) =>
      new Promise((resolve, reject) => {
        batches.push({ inputs, end: (error) => (error ? reject(error) : resolve(inputs.map(String))) });
      }),
  );
  return { batches, call };
}

/** Lets what is ready run. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('gathered calls', () => {
  it('go at once alone, and together what comes meanwhile', async () => {
    const { batches, call } = controlled();
    const first = call(1);
    await turn();
    const others = [call(2), call(3)];
    await turn();
    expect(batches.map(({ inputs }) => inputs)).toEqual([[1]]);
    batches[0]!.end();
    expect(await first).toBe('1');
    await turn();
    expect(batches.map(({ inputs }) => inputs)).toEqual([[1], [2, 3]]);
    batches[1]!.end();
    expect(await Promise.all(others)).toEqual(['2', '3']);
  });

  it('of one turn go together', async () => {
    const { batches, call } = controlled();
    const calls = [call(1), call(2)];
    await turn();
    batches[0]!.end();
    expect(await Promise.all(calls)).toEqual(['1', '2']);
  });

  it('all fail with what they were in, and the next go on', async () => {
    const { batches, call } = controlled();
    const calls = [call(1), call(2)].map((one) => one.catch((error: Error) => error.message));
    await turn();
    const next = call(3);
    batches[0]!.end(new Error('away'));
    expect(await Promise.all(calls)).toEqual(['away', 'away']);
    await expect.poll(() => batches.length).toBe(2);
    batches[1]!.end();
    expect(await next).toBe('3');
  });
});
