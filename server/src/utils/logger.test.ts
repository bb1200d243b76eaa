import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createLogger } from './logger.ts';

function record(config: Parameters<typeof createLogger>[0]) {
  const lines: Record<string, unknown>[] = [];
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
      done();
    },
  });
  return { lines, logger: createLogger(config, destination) };
}

describe('createLogger', () => {
  it('writes JSON with the level by name, the time in UTC, and what the child carries', () => {
    const { lines, logger } = record({ logLevel: 'info', environment: 'production' });
    logger.child({ requestId: 'r', userId: 'ann' }).info({ ms: 1 }, 'request');
    expect(lines).toEqual([
      {
        level: 'info',
        time: expect.stringMatching(/^\d{4}-.*Z$/),
        requestId: 'r',
        userId: 'ann',
        ms: 1,
        msg: 'request',
      },
    ]);
  });

  it('never writes secrets or what people wrote', () => {
    const { lines, logger } = record({ logLevel: 'info', environment: 'production' });
    const event = { token: 'canary', headers: { authorization: 'canary' }, list: [{ content: 'canary', id: 1 }] };
    logger.info(event, 'x');
    logger.child({ auth: { secret: 'canary' }, token: 'canary', userId: 'ann' }).info('y');
    expect(JSON.stringify(lines)).not.toContain('canary');
    expect(lines[0]).toMatchObject({ token: '[redacted]', list: [{ id: 1 }] });
    expect(lines[1]).toMatchObject({ userId: 'ann' });
    expect(event.headers.authorization).toBe('canary');
  });

  it('writes of an error what helps, and nothing that a driver hung on it', () => {
    const { lines, logger } = record({ logLevel: 'info', environment: 'production' });
    const cause = Object.assign(new Error('duplicate key'), { code: '23505', detail: 'canary', query: 'canary' });
    logger.error({ err: new Error('could not send', { cause }) }, 'x');
    expect(lines[0]?.err).toMatchObject({
      type: 'Error',
      message: 'could not send',
      stack: expect.any(String),
      cause: { message: 'duplicate key', code: '23505' },
    });
    expect(JSON.stringify(lines)).not.toContain('canary');
  });

  it('keeps debug lines for development', () => {
    for (const [environment, count] of [
      ['development', 1],
      ['production', 0],
      ['test', 0],
    ] as const) {
      const { lines, logger } = record({ logLevel: 'debug', environment });
      logger.debug('x');
      expect(lines).toHaveLength(count);
    }
  });
});
