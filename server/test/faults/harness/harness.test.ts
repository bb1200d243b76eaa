import { describe, expect, it } from 'vitest';
import { createRandom } from './random.ts';
import { isPublished, splitPostgres, splitRedis } from './wire.ts';

describe('random numbers of a run', () => {
  it('are fixed by the seed, and by the name of a fork', () => {
    const draw = (seed: number, name: string) => Array.from({ length: 5 }, createRandom(seed).fork(name).next);
    expect(draw(1, 'a')).toEqual(draw(1, 'a'));
    expect(draw(1, 'a')).not.toEqual(draw(1, 'b'));
    expect(draw(1, 'a')).not.toEqual(draw(2, 'a'));
  });

  it('stay within their bounds', () => {
    const random = createRandom(3);
    const drawn = Array.from({ length: 1_000 }, () => random.whole(2, 4));
    expect(new Set(drawn)).toEqual(new Set([2, 3, 4]));
  });
});

describe('messages on the wire', () => {
  const commandComplete = Buffer.from('C\0\0\0\x0bCOMMIT\0', 'latin1');

  it('of PostgreSQL are told apart wherever the stream is cut', () => {
    const stream = Buffer.concat([commandComplete, Buffer.from('Z\0\0\0\x05I', 'latin1')]);
    for (let cut = 0; cut <= stream.length; cut++) {
      const first = splitPostgres(stream.subarray(0, cut));
      const second = splitPostgres(Buffer.concat([first.rest, stream.subarray(cut)]));
      expect([...first.messages, ...second.messages].map(({ type }) => type)).toEqual(['C', 'Z']);
      expect(second.rest.length).toBe(0);
    }
  });

  it('of Redis are told apart wherever the stream is cut, and published ones are known', () => {
    const published = '*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$4\r\na\r\nb\r\n';
    const replies = [
      '+OK\r\n',
      ':1\r\n',
      '$-1\r\n',
      '*2\r\n$1\r\na\r\n*1\r\n:5\r\n',
      published,
      '>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nd\r\n',
    ];
    const stream = Buffer.from(replies.join(''), 'latin1');
    for (let cut = 0; cut <= stream.length; cut++) {
      const first = splitRedis(stream.subarray(0, cut));
      const second = splitRedis(Buffer.concat([first.rest, stream.subarray(cut)]));
      const all = [...first.replies, ...second.replies];
      expect(all.map((reply) => reply.toString('latin1'))).toEqual(replies);
      expect(all.map(isPublished)).toEqual([false, false, false, false, true, true]);
    }
  });
});
