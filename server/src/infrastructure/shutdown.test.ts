import { EventEmitter, once } from 'node:events';
import { pino } from 'pino';
import { describe, expect, it, vi } from 'vitest';
import { guardProcess, runShutdown } from './shutdown.ts';

const logger = pino({ level: 'silent' });

/** A process that can be signalled without ending the tests. */
class FakeProcess extends EventEmitter {
  readonly codes: number[] = [];

  exit(code: number): never {
    this.codes.push(code);
    this.emit('exited');
    return undefined as never;
  }
}

function guard(close: () => Promise<void>, deadlineMs = 10_000): FakeProcess {
  const target = new FakeProcess();
  guardProcess({ logger, close, deadlineMs, process: target as unknown as NodeJS.Process });
  return target;
}

describe('guardProcess', () => {
  it.each(['SIGTERM', 'SIGINT'])('closes once on %s and exits with 0', async (signal) => {
    const close = vi.fn(async () => {});
    const target = guard(close);
    target.emit(signal);
    await once(target, 'exited');
    expect(close).toHaveBeenCalledOnce();
    expect(target.codes).toEqual([0]);
  });

  it('exits at once on a second signal', () => {
    const target = guard(() => new Promise(() => {}));
    target.emit('SIGTERM');
    target.emit('SIGTERM');
    expect(target.codes).toEqual([1]);
  });

  it('exits with 1 when closing fails or takes too long', async () => {
    const failing = guard(async () => {
      throw new Error('no');
    });
    failing.emit('SIGTERM');
    await once(failing, 'exited');
    expect(failing.codes).toEqual([1]);

    vi.useFakeTimers();
    const hanging = guard(() => new Promise(() => {}), 10_000);
    hanging.emit('SIGTERM');
    vi.advanceTimersByTime(10_000);
    expect(hanging.codes).toEqual([1]);
    vi.useRealTimers();
  });

  it.each(['uncaughtException', 'unhandledRejection'])('goes down in order with 1 on %s', async (event) => {
    const close = vi.fn(async () => {});
    const target = guard(close);
    target.emit(event, new Error('lost'));
    target.emit(event, new Error('lost again'));
    await once(target, 'exited');
    expect(close).toHaveBeenCalledOnce();
    expect(target.codes).toEqual([1]);
  });
});

describe('runShutdown', () => {
  it('runs every step in order, failed ones too', async () => {
    const ran: string[] = [];
    const step = (name: string, fail = false) => ({
      name,
      run: async () => {
        await Promise.resolve();
        ran.push(name);
        if (fail) throw new Error(name);
      },
    });
    await runShutdown([step('one'), step('two', true), step('three')], logger);
    expect(ran).toEqual(['one', 'two', 'three']);
  });
});
