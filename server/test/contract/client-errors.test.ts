import { pino } from 'pino';
import { expect, it } from 'vitest';
import { startTestApp } from '../support/app.ts';

it('RATE-2 what breaks in clients is a line of the log: of somebody signed in, bounded, and only so often', async () => {
  const lines: { msg?: string; level?: number; userId?: string; client?: Record<string, string> }[] = [];
  const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const world = await startTestApp({ logger });
  try {
    const report = {
      message: 'TypeError: x\n{"level":60,"msg":"forged"}',
      stack: 'at f (a.js:1:2)\nat g',
      during: 'thread',
    };
    const reported = () => lines.filter(({ msg }) => msg === 'a client reported an error');
    expect((await world.rest(null).post('/client-errors', report)).status).toBe(401);
    expect((await world.rest('ann').post('/client-errors', { ...report, more: 1 })).status).toBe(400);
    expect((await world.rest('ann').post('/client-errors', { ...report, message: 'x'.repeat(501) })).status).toBe(400);
    expect(reported()).toEqual([]);

    expect((await world.rest('ben').post('/client-errors', report)).status).toBe(204);
    expect(reported()).toMatchObject([
      {
        level: 40,
        userId: 'ben',
        client: {
          during: 'thread',
          message: 'TypeError: x {"level":60,"msg":"forged"}',
          stack: 'at f (a.js:1:2) at g',
        },
      },
    ]);
    for (let more = 0; more < 9; more += 1) await world.rest('ben').post('/client-errors', report);
    const refused = await world.rest('ben').post<{ code: string }>('/client-errors', report);
    expect([refused.status, refused.body.code]).toEqual([429, 'rate_limited']);
    expect(reported()).toHaveLength(10);
    expect((await world.rest('cyd').post('/client-errors', report)).status).toBe(204);
  } finally {
    await world.close();
  }
});
