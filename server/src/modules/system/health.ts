/** How a dependency is. `degraded`: away, but the server works without it. `down`: the server does not. */
export type HealthStatus = 'ok' | 'degraded' | 'down';

export interface DependencyHealth {
  status: HealthStatus;
  latencyMs: number | null;
  /** What is wrong, in general words. */
  reason?: string;
  /** Of `clock`: how far the database's clock is ahead of this node's. */
  skewMs?: number;
}

/** The body of `GET /health/ready`. */
export interface Readiness {
  status: 'ok' | 'degraded' | 'unavailable';
  version: string;
  dependencies: Record<string, DependencyHealth>;
}

export interface HealthDeps {
  version: string;
  /** Milliseconds of a round trip. */
  pingDatabase(): Promise<number>;
  /** The database's clock, in milliseconds since the epoch. */
  readDatabaseClock(): Promise<number>;
  /** Undefined without Redis. */
  pingRedis: (() => Promise<number>) | undefined;
  isClosing(): boolean;
}

const PROBE_TIMEOUT_MS = 2_000;

/** Anybody may ask, so the dependencies are asked at most this often. */
const KEPT_MS = 1_000;

const SKEW_DEGRADED_MS = 5_000;
const SKEW_DOWN_MS = 30_000;

/** Tells how the server is. One check at a time, its result kept for a second. */
export function createHealth(deps: HealthDeps) {
  let kept: { readiness: Promise<Readiness>; until: number } | undefined;

  return {
    readiness: (): Promise<Readiness> => {
      if (deps.isClosing()) return Promise.resolve({ status: 'unavailable', version: deps.version, dependencies: {} });
      const now = performance.now();
      if (!kept || now >= kept.until) kept = { readiness: check(deps), until: now + KEPT_MS };
      return kept.readiness;
    },
  };
}

async function check(deps: HealthDeps): Promise<Readiness> {
  const [database, clock, redis] = await Promise.all([
    probe(deps.pingDatabase, 'down'),
    probeClock(deps.readDatabaseClock),
    deps.pingRedis && probe(deps.pingRedis, 'degraded'),
  ]);
  const dependencies: Record<string, DependencyHealth> = { database, clock, ...(redis && { redis }) };
  const statuses = Object.values(dependencies).map(({ status }) => status);
  const status = statuses.includes('down') ? 'unavailable' : statuses.includes('degraded') ? 'degraded' : 'ok';
  return { status, version: deps.version, dependencies };
}

async function probe(ping: () => Promise<number>, whenAway: HealthStatus): Promise<DependencyHealth> {
  try {
    return { status: 'ok', latencyMs: round(await within(ping())) };
  } catch {
    // The cause is in the log already, from whoever needed the dependency; here it would be told to anybody.
    return { status: whenAway, latencyMs: null, reason: 'does not answer' };
  }
}

/** Tokens end and limits age by clocks: nodes whose clocks differ from the database's serve people wrongly. */
async function probeClock(read: () => Promise<number>): Promise<DependencyHealth> {
  try {
    const before = Date.now();
    const start = performance.now();
    const database = await within(read());
    const latencyMs = performance.now() - start;
    // The clock was read somewhere during the round trip.
    const skewMs = Math.round(database - (before + latencyMs / 2));
    const off = Math.abs(skewMs) - latencyMs / 2;
    const status = off > SKEW_DOWN_MS ? 'down' : off > SKEW_DEGRADED_MS ? 'degraded' : 'ok';
    return { status, latencyMs: round(latencyMs), skewMs, ...(status !== 'ok' && { reason: 'clocks differ' }) };
  } catch {
    // The database's own line says that it is away.
    return { status: 'degraded', latencyMs: null, reason: 'could not be compared' };
  }
}

async function within<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('No answer in time.')), PROBE_TIMEOUT_MS);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}
