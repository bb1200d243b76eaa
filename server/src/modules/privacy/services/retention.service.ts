import { setImmediate as letOthersIn } from 'node:timers/promises';
import type {
  ConversationType,
  PutRetention,
  Retention,
  RetentionPreview,
  RetentionPreviewQuery,
} from '@parley/protocol';
import type { JobQueue } from '../../../infrastructure/job-queue.ts';
import type { Actor } from '../../../utils/actor.ts';
import { AppError } from '../../../utils/app-error.ts';
import type { WithdrawalService } from '../../messaging/index.ts';
import type { RetentionRepository } from '../repositories/retention.repository.ts';

export interface RetentionServiceDeps {
  readonly repository: RetentionRepository;
  readonly withdrawal: WithdrawalService;
  readonly queue: Pick<JobQueue, 'add'>;
  readonly sliceMs?: number;
}

export const RETENTION_JOB = 'privacy-retention';

/** Who deletes what has had its time: no user has such an id. */
export const RETENTION_ACTOR = 'parley:retention';

const TYPES: readonly ConversationType[] = ['direct', 'group', 'channel'];
const DAY_MS = 24 * 3_600_000;
const BATCH = 200;
const SLICE_MS = 5_000;

/** How long messages are kept, by the type of their conversation. */
export class RetentionService {
  readonly #deps: RetentionServiceDeps;

  constructor(deps: RetentionServiceDeps) {
    this.#deps = deps;
  }

  async getRetention(actor: Actor): Promise<Retention> {
    requireAdministrator(actor);
    return this.#deps.repository.find();
  }

  /** Sets it, and begins at once with what has had its time. */
  async putRetention(actor: Actor, { direct, group, channel }: PutRetention): Promise<Retention> {
    requireAdministrator(actor);
    const wanted = {
      ...(direct !== undefined && { direct }),
      ...(group !== undefined && { group }),
      ...(channel !== undefined && { channel }),
    };
    const retention = await this.#deps.repository.change(wanted, actor.id);
    if (isLimited(retention)) await this.#deps.queue.add(RETENTION_JOB, RETENTION_JOB);
    return retention;
  }

  /** What such a setting would delete at this moment; what is left out is as it is set. */
  async previewRetention(actor: Actor, query: RetentionPreviewQuery, now = Date.now()): Promise<RetentionPreview> {
    requireAdministrator(actor);
    const present = await this.#deps.repository.find();
    const [direct, group, channel] = await Promise.all(
      TYPES.map((type) => this.#count(type, query[type] ?? present[type], now)),
    );
    return { direct: direct!, group: group!, channel: channel! };
  }

  /** Whether anything ever has had its time. */
  async isNeeded(): Promise<boolean> {
    return isLimited(await this.#deps.repository.find());
  }

  /** Deletes for a few seconds, and puts the job in again where there is more. */
  async runSlice(signal?: AbortSignal, now: number = Date.now()): Promise<void> {
    const until = performance.now() + (this.#deps.sliceMs ?? SLICE_MS);
    const retention = await this.#deps.repository.find();
    for (const type of TYPES) {
      const days = retention[type];
      if (days === null) continue;
      for await (const conversationId of this.#findExpired(type, momentOf(days, now))) {
        let hasMore = true;
        while (hasMore) {
          hasMore = await this.#expire(conversationId, momentOf(days, now));
          await letOthersIn();
          if (signal?.aborted) return;
          if (performance.now() <= until) continue;
          await this.#deps.queue.add(RETENTION_JOB, RETENTION_JOB);
          return;
        }
      }
    }
  }

  async #expire(conversationId: string, moment: string): Promise<boolean> {
    try {
      const by = { actorId: RETENTION_ACTOR, reason: 'retention' };
      return (await this.#deps.withdrawal.withdrawMessages(conversationId, { kind: 'sent before', moment }, by))
        .hasMore;
    } catch (error) {
      // The conversation was deleted meanwhile.
      if (error instanceof AppError && error.code === 'not_found') return false;
      throw error;
    }
  }

  async *#findExpired(type: ConversationType, moment: string): AsyncGenerator<string> {
    let after: string | null = null;
    for (;;) {
      const batch: { last: string | null; ids: string[] } = await this.#deps.repository.findExpired(
        type,
        moment,
        after,
        BATCH,
      );
      yield* batch.ids;
      if (batch.last === null) return;
      after = batch.last;
    }
  }

  async #count(type: ConversationType, days: number | null, now: number): Promise<RetentionPreview['direct']> {
    const sum = { messages: 0, conversations: 0, held: 0, oldest: null as string | null };
    let after: string | null = null;
    while (days !== null) {
      const batch = await this.#deps.repository.countExpired(type, momentOf(days, now), after, BATCH);
      if (batch.last === null) break;
      after = batch.last;
      sum.messages += batch.messages;
      sum.conversations += batch.conversations;
      sum.held += batch.held;
      const oldest = batch.oldest && new Date(batch.oldest).toISOString();
      if (oldest && (sum.oldest === null || oldest < sum.oldest)) sum.oldest = oldest;
    }
    return sum;
  }
}

function isLimited(retention: Retention): boolean {
  return TYPES.some((type) => retention[type] !== null);
}

function momentOf(days: number, now: number): string {
  return new Date(now - days * DAY_MS).toISOString();
}

function requireAdministrator(actor: Actor): void {
  if (!actor.roles.includes('admin')) throw new AppError('forbidden');
}
