import { describe, expect, it } from 'vitest';
import { SLOW_CLIENT_BOUNDS, SlowClientWatch } from './slow-clients.ts';

const key = {};

function connection(packets: { data: string }[], bufferedAmount = 0) {
  const socket = { bufferedAmount, terminate: () => {}, pause: () => {}, resume: () => {} };
  return { writeBuffer: packets, transport: { name: 'websocket', socket } };
}

describe('SlowClientWatch (DLV-5)', () => {
  it('leaves alone who keeps up', () => {
    const watch = new SlowClientWatch();
    for (let now = 0; now < 60_000; now += 1_000) {
      expect(watch.isTooSlow(key, connection([{ data: 'a new packet each time' }]), now)).toBe(false);
    }
  });

  it('counts packets and bytes, those of the last write too', () => {
    const watch = new SlowClientWatch();
    const many = Array.from({ length: SLOW_CLIENT_BOUNDS.packets + 1 }, () => ({ data: '' }));
    expect(watch.isTooSlow(key, connection(many.slice(1)), 0)).toBe(false);
    expect(watch.isTooSlow(key, connection(many), 0)).toBe(true);
    expect(watch.isTooSlow(key, connection([{ data: 'x'.repeat(600_000) }], 300_000), 0)).toBe(false);
    expect(watch.isTooSlow(key, connection([{ data: 'x'.repeat(600_000) }], 600_000), 0)).toBe(true);
  });

  it('notices a packet that stands first for 10 s', () => {
    const watch = new SlowClientWatch();
    const head = { data: 'stuck' };
    expect(watch.isTooSlow(key, connection([head]), 0)).toBe(false);
    expect(watch.isTooSlow(key, connection([head, { data: 'later' }]), 9_000)).toBe(false);
    expect(watch.isTooSlow(key, connection([head, { data: 'later' }]), 10_000)).toBe(true);
  });

  it('notices a write of which nothing leaves for 10 s', () => {
    const watch = new SlowClientWatch();
    expect(watch.isTooSlow(key, connection([], 5_000), 0)).toBe(false);
    expect(watch.isTooSlow(key, connection([], 4_000), 9_000)).toBe(false);
    expect(watch.isTooSlow(key, connection([], 4_000), 18_000)).toBe(false);
    expect(watch.isTooSlow(key, connection([], 4_000), 19_000)).toBe(true);
  });

  it('forgets what was once everything has left', () => {
    const watch = new SlowClientWatch();
    const head = { data: 'x' };
    watch.isTooSlow(key, connection([head]), 0);
    watch.isTooSlow(key, connection([]), 5_000);
    expect(watch.isTooSlow(key, connection([head]), 11_000)).toBe(false);
  });
});
