import type { EventPayload } from '@parley/protocol';
import { describe, expect, test } from 'vitest';
import { type Connection, createConnection } from '../src/connection.ts';
import { type ConnectionState, type LinkHandlers, ParleyError } from '../src/index.ts';
import { createManualClock } from '../src/testing/index.ts';
import { createTokens } from '../src/tokens.ts';

const problem = (code: 'forbidden' | 'too_many_connections' | 'token_expired', retryAfterMs?: number) =>
  new ParleyError({ code, status: 400, message: code, retryAfterMs });

function setUp({
  random = () => 1,
  token = () => 'token',
  onState = () => {},
}: {
  random?: () => number;
  token?: () => string | null;
  onState?: (state: ConnectionState) => void;
} = {}) {
  const clock = createManualClock();
  const states: ConnectionState[] = [];
  const dials: { token: string; handlers: LinkHandlers; closed: boolean }[] = [];
  const connection: Connection = createConnection({
    clock,
    random,
    tokens: createTokens(token, clock),
    transport: {
      request: () => Promise.reject(new Error('not used')),
      connect(used, handlers) {
        const dial = { token: used, handlers, closed: false };
        dials.push(dial);
        return {
          command: () => Promise.reject(new Error('not used')),
          close() {
            dial.closed = true;
          },
        };
      },
    },
    onState(state) {
      states.push(state);
      onState(state);
    },
    onEvent() {},
  });
  const ready = () =>
    dials
      .at(-1)
      ?.handlers.onEvent('ready', { userId: 'ada', sessionId: 's', serverTime: '' } satisfies EventPayload<'ready'>);
  const down = (refusal: ParleyError | null = null) => dials.at(-1)?.handlers.onDown(refusal);
  const waits = () => {
    const state = states.at(-1);
    return state?.status === 'waiting' ? state.retryAt - clock.now() : state?.status;
  };
  return { clock, states, dials, connection, ready, down, waits };
}

describe('the connection', () => {
  test('waits longer after each failure, up to half a minute, and begins anew after a time that held', async () => {
    const { clock, connection, ready, down, waits, dials } = setUp();
    connection.start();
    const seen: unknown[] = [];
    for (let n = 0; n < 8; n++) {
      await clock.flush();
      down();
      await clock.flush();
      seen.push(waits());
      await clock.advance(Number(waits()));
    }
    expect(seen).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    ready();
    down();
    await clock.flush();
    expect(waits(), 'a connection that broke at once').toBe(30_000);
    await clock.advance(30_000);
    ready();
    await clock.advance(5_000);
    down();
    await clock.flush();
    expect(waits()).toBe(500);
    expect(dials.every((dial, index) => dial.closed || index === dials.length - 1)).toBe(true);
  });

  test('waits vary from nothing to the full wait', async () => {
    const { clock, connection, down, waits } = setUp({ random: () => 0.25 });
    connection.start();
    await clock.flush();
    down();
    await clock.flush();
    expect(waits()).toBe(125);
  });

  test('a device that wakes does not wait', async () => {
    const { clock, connection, down, dials, waits } = setUp();
    connection.start();
    await clock.flush();
    down();
    await clock.flush();
    connection.wake();
    await clock.flush();
    expect(waits()).toBe('connecting');
    expect(dials).toHaveLength(2);
    await clock.advance(500);
    expect(dials, 'the timer of the wait is gone').toHaveLength(2);
  });

  test('gives up on a definite refusal, and only on that', async () => {
    const { clock, connection, down, waits } = setUp();
    connection.start();
    await clock.flush();
    down(problem('too_many_connections', 7_000));
    await clock.flush();
    expect(waits()).toBe(7_000);
    await clock.advance(7_000);
    down(problem('forbidden'));
    await clock.flush();
    expect(waits()).toBe('ended');
    await clock.advance(600_000);
    expect(waits()).toBe('ended');
  });

  test('nobody answers: dials again', async () => {
    const { clock, connection, dials, waits } = setUp();
    connection.start();
    await clock.advance(25_000);
    expect(dials[0]?.closed).toBe(true);
    expect(waits()).toBe(500);
  });

  test('a provider that fails is asked again; one that has nothing ends it; refused tokens are not tried for ever', async () => {
    let answer: () => string | null = () => {
      throw new Error('the host is away');
    };
    const { clock, connection, down, dials, waits } = setUp({ token: () => answer() });
    connection.start();
    await clock.flush();
    expect(waits()).toBe(500);
    let count = 0;
    answer = () => `token ${++count}`;
    await clock.advance(500);
    for (let n = 0; n < 10; n++) {
      down(problem('token_expired'));
      await clock.flush();
    }
    expect(dials.map((dial) => dial.token)).toEqual(['token 1', 'token 2', 'token 3', 'token 4']);
    expect(waits()).toBe('ended');
    answer = () => null;
    connection.start();
    await clock.flush();
    down(problem('token_expired'));
    await clock.flush();
    expect(waits()).toBe('ended');
  });

  test('stopped by whoever hears that it waits, it stays stopped', async () => {
    const { clock, connection, dials, down, waits } = setUp({
      onState: ({ status }) => status === 'waiting' && connection.stop(),
    });
    connection.start();
    await clock.flush();
    down();
    await clock.advance(60_000);
    expect([waits(), dials.length]).toEqual(['closed', 1]);
  });

  test('what an older connection says is not heard', async () => {
    const { clock, connection, dials, ready, waits } = setUp();
    connection.start();
    await clock.flush();
    const old = dials[0]?.handlers;
    old?.onDown(null);
    await clock.advance(500);
    ready();
    old?.onDown(problem('forbidden'));
    await clock.flush();
    expect(waits()).toBe('online');
    connection.stop();
    ready();
    expect(waits()).toBe('closed');
  });
});
