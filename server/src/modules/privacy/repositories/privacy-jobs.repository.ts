import type { JobState } from '@parley/protocol';
import { Prisma, type PrismaClient } from '../../../../prisma/generated/client.ts';

export type JobKind = 'export' | 'erasure';

/** A job as it is stored. `place` is where the next slice goes on, `result` what came of it so far. */
export interface JobRow<Place, Result> {
  readonly id: string;
  readonly kind: JobKind;
  readonly userId: string;
  readonly requestedBy: string;
  readonly reason: string | null;
  readonly state: JobState;
  readonly done: number;
  readonly total: number;
  readonly place: Place;
  readonly result: Result;
  readonly createdAt: Date;
  readonly finishedAt: Date | null;
  readonly expiresAt: Date | null;
}

/** What a slice writes when it has come a step further. */
export interface JobStep<Place, Result> {
  readonly done: number;
  readonly total?: number;
  readonly place: Place;
  readonly result: Result;
}

type NewJob = Pick<JobRow<unknown, unknown>, 'id' | 'kind' | 'userId' | 'requestedBy' | 'reason' | 'result'>;

/** Jobs of one kind, with the shape that their place and result have. */
export class PrivacyJobsRepository<Place, Result> {
  readonly #prisma: PrismaClient;
  readonly #kind: JobKind;

  constructor(prisma: PrismaClient, kind: JobKind) {
    this.#prisma = prisma;
    this.#kind = kind;
  }

  /** Enters a job; false where one of this kind is open for that person, also when both come at the same moment. */
  async create({ id, kind, userId, requestedBy, reason, result }: NewJob): Promise<boolean> {
    const written = await this.#prisma.$executeRaw`
      INSERT INTO "PrivacyJob" (id, kind, "userId", "requestedBy", reason, result)
      VALUES (${id}::uuid, ${kind}::"PrivacyJobKind", ${userId}, ${requestedBy}, ${reason}, ${JSON.stringify(result)}::jsonb)
      ON CONFLICT DO NOTHING`;
    return written > 0;
  }

  async find(id: string): Promise<JobRow<Place, Result> | null> {
    const row = await this.#prisma.privacyJob.findFirst({ where: { id, kind: this.#kind } });
    return row as JobRow<Place, Result> | null;
  }

  /** The newest job for a person. */
  async findLast(userId: string): Promise<JobRow<Place, Result> | null> {
    const row = await this.#prisma.privacyJob.findFirst({
      where: { userId, kind: this.#kind },
      orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
    });
    return row as JobRow<Place, Result> | null;
  }

  async findUnfinished(): Promise<string[]> {
    const rows = await this.#prisma.privacyJob.findMany({
      where: { kind: this.#kind, state: { in: ['waiting', 'running'] } },
      select: { id: true },
    });
    return rows.map(({ id }) => id);
  }

  async findExpired(now: Date): Promise<JobRow<Place, Result>[]> {
    const rows = await this.#prisma.privacyJob.findMany({
      where: { kind: this.#kind, state: 'done', expiresAt: { lt: now } },
      take: 20,
    });
    return rows as JobRow<Place, Result>[];
  }

  /**
   * Notes how far a slice came. Null where another one was there first: the caller stops, since a job is done by one at a
   * time, and what it did is done again or was done already.
   */
  async advance(job: JobRow<Place, Result>, step: JobStep<Place, Result>): Promise<JobRow<Place, Result> | null> {
    const total = step.total ?? job.total;
    const written = await this.#prisma.$executeRaw`
      UPDATE "PrivacyJob" SET state = 'running', done = ${step.done}, total = ${total},
        place = ${JSON.stringify(step.place)}::jsonb, result = ${JSON.stringify(step.result)}::jsonb
      WHERE id = ${job.id}::uuid AND state IN ('waiting', 'running') AND place = ${JSON.stringify(job.place)}::jsonb`;
    return written > 0 ? { ...job, ...step, total, state: 'running' } : null;
  }

  async finish(job: JobRow<Place, Result>, state: 'done' | 'failed', expiresAt: Date | null): Promise<void> {
    await this.#prisma.$executeRaw`
      UPDATE "PrivacyJob" SET state = ${state}::"JobState", done = CASE WHEN ${state === 'done'} THEN total ELSE done END,
        "finishedAt" = now(), "expiresAt" = ${expiresAt?.toISOString() ?? null}::timestamptz
      WHERE id = ${job.id}::uuid AND state IN ('waiting', 'running')`;
  }

  /** Forgets a copy whose parts are gone. */
  async forget(id: string): Promise<void> {
    await this.#prisma.$executeRaw(Prisma.sql`DELETE FROM "PrivacyJob" WHERE id = ${id}::uuid`);
  }
}
