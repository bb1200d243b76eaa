import { describe, expect, it } from 'vitest';
import { createHealth, type HealthDeps } from './health.ts';

const well: HealthDeps = {
  version: '1.2.3',
  pingDatabase: async () => 1.234_5,
  readDatabaseClock: async () => Date.now(),
  pingRedis: async () => 0.5,
  isClosing: () => false,
};
const away = async (): Promise<never> => {
  throw new Error('a password in the address');
};

describe('readiness', () => {
  it('names every dependency with its latency', async () => {
    expect(await createHealth(well).readiness()).toEqual({
      status: 'ok',
      version: '1.2.3',
      dependencies: {
        database: { status: 'ok', latencyMs: 1.23 },
        clock: { status: 'ok', latencyMs: expect.any(Number), skewMs: expect.any(Number) },
        redis: { status: 'ok', latencyMs: 0.5 },
      },
    });
    const alone = await createHealth({ ...well, pingRedis: undefined }).readiness();
    expect(Object.keys(alone.dependencies)).toEqual(['database', 'clock']);
  });

  it('RATE-3 is degraded without Redis, and unavailable without the database', async () => {
    const degraded = await createHealth({ ...well, pingRedis: away }).readiness();
    expect(degraded).toMatchObject({ status: 'degraded', dependencies: { redis: { status: 'degraded' } } });
    const gone = await createHealth({ ...well, pingDatabase: away, readDatabaseClock: away }).readiness();
    expect(gone).toMatchObject({ status: 'unavailable', dependencies: { database: { status: 'down' } } });
    expect(JSON.stringify(gone)).not.toContain('password');
  });

  it.each([
    [0, 'ok', 'ok'],
    [4_000, 'ok', 'ok'],
    [-8_000, 'degraded', 'degraded'],
    [8_000, 'degraded', 'degraded'],
    [40_000, 'down', 'unavailable'],
    [-40_000, 'down', 'unavailable'],
  ])('with clocks %i ms apart the clock is %s and the node %s', async (skew, clock, status) => {
    const health = createHealth({ ...well, readDatabaseClock: async () => Date.now() + skew });
    expect(await health.readiness()).toMatchObject({ status, dependencies: { clock: { status: clock } } });
  });

  it('asks the dependencies once for callers at the same time', async () => {
    let asked = 0;
    const health = createHealth({
      ...well,
      pingDatabase: async () => {
        asked++;
        return 1;
      },
    });
    await Promise.all([health.readiness(), health.readiness(), health.readiness()]);
    expect(asked).toBe(1);
  });

  it('is unavailable while the server goes down', async () => {
    expect((await createHealth({ ...well, isClosing: () => true }).readiness()).status).toBe('unavailable');
  });
});
