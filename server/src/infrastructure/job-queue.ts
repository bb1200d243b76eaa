import { PgBoss } from 'pg-boss';
import type { Logger } from '../utils/logger.ts';
import type { Database } from './database.ts';

/** A job as its handler gets it. */
export interface Job {
  readonly id: string;
  /** The process goes down: leave off after the step under way. */
  readonly signal: AbortSignal;
}

/** One slice of work: short, and harmless when it is done twice. */
export type JobHandler = (job: Job) => Promise<void>;

export interface JobQueueOptions {
  readonly database: Pick<Database, 'runScript' | 'kind'>;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
  /** What is done for the jobs of each name, on every node. */
  readonly handlers: Readonly<Record<string, JobHandler>>;
}

/**
 * Work for later, kept in the database (pg-boss), so that it outlives whoever put it there.
 *
 * A job runs at least once, on any node whose queue has begun. One whose process was killed runs again within two minutes;
 * one that throws, after a pause.
 */
export interface JobQueue {
  /** Puts a job in; resolves when that is durable. The first call begins the queue, which makes its tables if need be. */
  add(name: string, id: string): Promise<void>;
  /** Begins to take jobs, for what another process put in. */
  begin(): Promise<void>;
  /** Finishes what runs, and takes no more. */
  stop(): Promise<void>;
}

/** A slice takes seconds: one that takes this long is somebody's who was killed. */
const EXPIRE_SECONDS = 60;
const STOP_WITHIN_MS = 5_000;

export function createJobQueue({ database, logger, handlers }: JobQueueOptions): JobQueue {
  let beginning: Promise<PgBoss> | undefined;
  const stopping = new AbortController();
  const { signal } = stopping;

  const begin = (): Promise<PgBoss> => {
    if (signal.aborted) return Promise.reject(new Error('the job queue is stopped'));
    beginning ??= open().catch((error: unknown) => {
      // The next call tries again.
      beginning = undefined;
      throw error;
    });
    return beginning;
  };

  const open = async (): Promise<PgBoss> => {
    const boss = new PgBoss({
      db: { executeSql: (text, values) => database.runScript(text, values) },
      backend: database.kind === 'embedded' ? 'pglite' : 'postgres',
      schedule: false,
      superviseIntervalSeconds: 30,
      maintenanceIntervalSeconds: 600,
      monitorIntervalSeconds: 30,
    });
    boss.on('error', (error) => logger.warn({ err: error }, 'the job queue met an error'));
    await boss.start();
    for (const [name, handle] of Object.entries(handlers)) {
      await boss.createQueue(name, { expireInSeconds: EXPIRE_SECONDS, retryLimit: 10_000, retryDelay: 5 });
      await boss.work<{ id: string }>(name, { pollingIntervalSeconds: 1 }, async ([job]) => {
        if (job) await handle({ id: job.data.id, signal });
      });
    }
    logger.info('the job queue has begun');
    return boss;
  };

  return {
    add: async (name, id) => {
      const boss = await begin();
      await boss.send(name, { id });
    },
    begin: async () => void (await begin()),
    stop: async () => {
      stopping.abort();
      const boss = await beginning?.catch(() => undefined);
      await boss?.stop({ graceful: true, timeout: STOP_WITHIN_MS, close: false });
    },
  };
}
