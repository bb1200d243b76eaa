import { afterEach, describe, expect, it, vi } from 'vitest';
import { type GatherOptions, gatherCalls } from './gather-calls.ts';

/** Work that ends when it is told to, and the batches it was given. */
function controlled(options: GatherOptions = {}) {
  const batches: { inputs: readonly number[]; end: (error?: Error) => void }[] = [];
  const call = gatherCalls<number, string>(
    (inputs) =>
      new Promise((resolve, reject) => {
        batches.push({ inputs, end: (error) => (error ? reject(error) : resolve(inputs.map(String))) });
      }),
    options,
  );
  return { batches, call };
}

/** Lets what is ready run. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('gathered calls', () => {
  afterEach(() => vi.useRealTimers());

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

  it('follow at once where no rest is wanted', async () => {
    const { batches, call } = controlled({ restless: true });
    void call(1);
    void call(2);
    await turn();
    void call(3);
    batches[0]!.end();
    await turn();
    await turn();
    expect(batches.map(({ inputs }) => inputs)).toEqual([[1, 2], [3]]);
  });

  it('do not wait for a batch that stands still', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { batches, call } = controlled({ restless: true, patienceMs: 20 });
    const first = call(1);
    await turn();
    const second = call(2);
    vi.advanceTimersByTime(19);
    await turn();
    expect(batches.map(({ inputs }) => inputs)).toEqual([[1]]);
    vi.advanceTimersByTime(1);
    await turn();
    await turn();
    expect(batches.map(({ inputs }) => inputs)).toEqual([[1], [2]]);
    batches[1]!.end();
    expect(await second).toBe('2');
    batches[0]!.end(new Error('away'));
    await expect(first).rejects.toThrow('away');
    expect(vi.getTimerCount()).toBe(0);
  });
});
