import { describe, expect, it } from 'vitest';
import { type Whisper, Whispers } from './whispers.ts';

const read = (userId: string, seq: number): Whisper => ({
  name: 'receipt:read',
  payload: { conversationId: 'c', userId, seq, at: '2026-01-01T00:00:00.000Z' },
});
const typing = (name: 'typing:started' | 'typing:stopped', userId: string): Whisper => ({
  name,
  payload: { conversationId: 'c', userId },
});

describe('whispers', () => {
  it('are told at once, each of them, where few listen', () => {
    const whispers = new Whispers();
    for (let seq = 1; seq <= 50; seq += 1) {
      whispers.add(read('ann', seq));
      expect(whispers.waitMs(seq)).toBe(0);
      expect(whispers.take(seq, 20)).toEqual([read('ann', seq)]);
    }
    expect(whispers.waitMs(51)).toBeNull();
  });

  it('gather where many listen, and the last state of everybody is told', () => {
    const whispers = new Whispers();
    whispers.add(read('ann', 1));
    expect(whispers.take(0, 1_000)).toHaveLength(1);
    // A thousand tellings are worth a pause of 50 ms.
    for (let seq = 2; seq <= 9; seq += 1) for (const person of ['ann', 'bob']) whispers.add(read(person, seq));
    expect(whispers.waitMs(10)).toBe(40);
    expect(whispers.take(10, 1_000)).toEqual([]);
    expect(whispers.waitMs(50)).toBe(0);
    expect(whispers.take(50, 1_000)).toEqual([read('ann', 9), read('bob', 9)]);
    expect(whispers.waitMs(50)).toBeNull();
    // It was a pause after those two, and not for ever longer.
    whispers.add(read('ann', 10));
    expect(whispers.waitMs(50)).toBe(100);
    expect(whispers.waitMs(1_000)).toBe(0);
  });

  it('keep nothing back for longer than 5 s', () => {
    const whispers = new Whispers();
    for (let person = 0; person < 1_000; person += 1) whispers.add(read(`p${person}`, 1));
    expect(whispers.take(0, 1_000)).toHaveLength(1_000);
    whispers.add(read('ann', 2));
    expect(whispers.waitMs(0)).toBe(5_000);
  });

  it('say nothing of typing that ended before anybody was told', () => {
    const whispers = new Whispers();
    whispers.add(typing('typing:started', 'ann'));
    whispers.add(typing('typing:stopped', 'ann'));
    expect(whispers.waitMs(0)).toBeNull();
    whispers.add(typing('typing:started', 'ann'));
    whispers.add(typing('typing:started', 'bob'));
    expect(whispers.takeTyping('ann')).toEqual(typing('typing:started', 'ann'));
    expect(whispers.takeTyping('ann')).toBeNull();
    expect(whispers.take(0, 2)).toEqual([typing('typing:started', 'bob')]);
  });
});
