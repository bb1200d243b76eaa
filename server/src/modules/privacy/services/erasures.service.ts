import { randomBytes } from 'node:crypto';
import { setImmediate as letOthersIn } from 'node:timers/promises';
import type { Erasure } from '@parley/protocol';
import type { JobQueue } from '../../../infrastructure/job-queue.ts';
import type { Actor } from '../../../utils/actor.ts';
import { AppError } from '../../../utils/app-error.ts';
import { isUuid, newId } from '../../../utils/ids.ts';
import { type AuditRecord, appendToServerChain } from '../../audit/index.ts';
import type { WithdrawalService } from '../../messaging/index.ts';
import type { LegalHoldsRepository } from '../repositories/legal-holds.repository.ts';
import type { PersonalDataRepository } from '../repositories/personal-data.repository.ts';
import type { JobRow, PrivacyJobsRepository } from '../repositories/privacy-jobs.repository.ts';

/** Where the next slice goes on: in this conversation, or after it. */
export interface ErasurePlace {
  readonly begun?: boolean;
  readonly conversationId?: string | null;
  readonly after?: string | null;
  /** Counts the steps, so that no two slices do the same one. */
  readonly step?: number;
}

export interface ErasureResult {
  readonly pseudonym: string;
  readonly messages?: number;
  readonly files?: number;
  readonly conversations?: number;
  readonly kept?: number;
}

type ErasureJob = JobRow<ErasurePlace, ErasureResult>;

export interface ErasuresServiceDeps {
  readonly jobs: PrivacyJobsRepository<ErasurePlace, ErasureResult>;
  readonly data: PersonalDataRepository;
  readonly holds: LegalHoldsRepository;
  readonly withdrawal: WithdrawalService;
  readonly queue: Pick<JobQueue, 'add'>;
  /** Lets nobody of that id in any more, and ends their sessions. */
  readonly ban: (actor: Actor, userId: string) => Promise<void>;
  readonly audit: (record: AuditRecord) => Promise<void>;
  /** Removes the bytes of files that are gone. */
  readonly sweepFiles: () => Promise<void>;
  /** Removes markup from a text and trims it. */
  readonly cleanText: (text: string) => string;
  readonly sliceMs?: number;
}

export const ERASURE_JOB = 'privacy-erasure';

const SLICE_MS = 5_000;
const REASON = 'erasure';

/**
 * The erasure of people, conversation by conversation: they leave, their reactions go, and each message of theirs is deleted
 * under a pseudonym. Every step is one transaction and can be done again, so a process killed at it costs nothing.
 */
export class ErasuresService {
  readonly #deps: ErasuresServiceDeps;

  constructor(deps: ErasuresServiceDeps) {
    this.#deps = deps;
  }

  /**
   * Begins to erase somebody; `created` is false where that is under way or was done.
   *
   * @throws AppError `forbidden` for anybody but an administrator, for oneself, and under a legal hold; `not_found`.
   */
  async eraseUser(actor: Actor, userId: string, reason?: string): Promise<{ job: Erasure; created: boolean }> {
    requireAdministrator(actor);
    const { jobs, data, holds, queue, audit } = this.#deps;
    if (!(await data.isKnown(userId))) throw new AppError('not_found');
    if (userId === actor.id) throw new AppError('forbidden', { detail: 'Somebody else has to do this.' });
    if (await holds.isHeld(userId)) throw new AppError('forbidden', { detail: 'This person is under a legal hold.' });
    const last = await jobs.findLast(userId);
    const isDone = last?.state === 'done' && (await data.isErased(userId));
    if (last && isDone) return { job: present(last), created: false };

    const why = (reason && this.#deps.cleanText(reason)) || null;
    const id = newId();
    const result: ErasureResult = { pseudonym: `erased-${randomBytes(6).toString('hex')}` };
    const created = await jobs.create({ id, kind: 'erasure', userId, requestedBy: actor.id, reason: why, result });
    const job = created ? await jobs.find(id) : await jobs.findLast(userId);
    if (!job) throw new AppError('unavailable', { retryAfterMs: 1_000 });
    if (created) await audit({ actorId: actor.id, action: 'user.erasure_requested', targetId: userId, reason: why });
    // From here on nothing new of theirs comes.
    await this.#deps.ban(actor, userId);
    await queue.add(ERASURE_JOB, job.id);
    return { job: present(job), created };
  }

  async getErasure(actor: Actor, id: string): Promise<Erasure> {
    requireAdministrator(actor);
    const job = isUuid(id) ? await this.#deps.jobs.find(id) : null;
    if (!job) throw new AppError('not_found');
    return present(job);
  }

  /** Does a few seconds of a job, and puts it in again where there is more. */
  async runSlice(id: string, signal?: AbortSignal): Promise<void> {
    const { jobs, data, queue, sliceMs = SLICE_MS } = this.#deps;
    const until = performance.now() + sliceMs;
    let job = await jobs.find(id);
    if (job?.state === 'waiting') {
      const total = await data.countLines(job.userId);
      job = await jobs.advance(job, {
        done: 0,
        total,
        place: { begun: true, after: null, step: 0 },
        result: job.result,
      });
    }
    while (job?.state === 'running') {
      const conversationId: string | null = await data.findConversation(job.userId, job.place.after ?? null);
      if (conversationId === null) {
        await this.#finish(job);
        return;
      }
      job = await this.#step(job, conversationId);
      // With the embedded database one answer follows the other without a pause in which a request could come in.
      await letOthersIn();
      // The next process takes it up.
      if (signal?.aborted) return;
      if (job && performance.now() > until) {
        await queue.add(ERASURE_JOB, id);
        return;
      }
    }
  }

  async #step(job: ErasureJob, conversationId: string): Promise<ErasureJob | null> {
    const { withdrawal, jobs } = this.#deps;
    const { userId, requestedBy: actorId, result, place } = job;
    const by = { actorId, reason: REASON };
    const wasIn = await orGone(() => withdrawal.withdrawParticipant(conversationId, userId, by), false);
    const hadReactions = await orGone(() => withdrawal.withdrawReactions(conversationId, userId), false);
    const what = { kind: 'of sender', senderId: userId, pseudonym: result.pseudonym } as const;
    const nothing = { messages: 0, files: 0, hasMore: false };
    const gone = await orGone(() => withdrawal.withdrawMessages(conversationId, what, by), nothing);
    const isOver = !gone.hasMore && !hadReactions;
    const counted = gone.messages + (isOver ? 1 : 0);
    return jobs.advance(job, {
      done: Math.min(job.done + counted, job.total),
      place: { begun: true, after: isOver ? conversationId : (place.after ?? null), step: (place.step ?? 0) + 1 },
      result: {
        ...result,
        messages: (result.messages ?? 0) + gone.messages,
        files: (result.files ?? 0) + gone.files,
        conversations: (result.conversations ?? 0) + (wasIn ? 1 : 0),
      },
    });
  }

  /** The rest in one transaction with its proof, then the job: a second time finds nothing left and proves the same. */
  async #finish(job: ErasureJob): Promise<void> {
    const { data, jobs, sweepFiles } = this.#deps;
    const { userId, requestedBy: actorId, reason } = job;
    const kept = await data.countMessages(userId);
    const result: ErasureResult = { ...job.result, kept };
    const noted = await jobs.advance(job, { done: job.total, place: { ...job.place, step: -1 }, result });
    if (!noted) return;
    const after = proofOf(result);
    await data.eraseRest(userId, result.pseudonym, (tx) =>
      appendToServerChain(tx, { actorId, action: 'user.erased', targetId: userId, reason, after }),
    );
    await sweepFiles();
    await jobs.finish(noted, 'done', null);
  }
}

/** A conversation may be deleted at any moment; then there is nothing to tell anybody. */
async function orGone<Answer>(work: () => Promise<Answer>, fallback: Answer): Promise<Answer> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof AppError && error.code === 'not_found') return fallback;
    throw error;
  }
}

function proofOf({ messages = 0, files = 0, conversations = 0, kept = 0 }: ErasureResult) {
  return { messages, files, conversations, kept };
}

function present(job: ErasureJob): Erasure {
  const { id, userId, requestedBy, state, done, total, createdAt, finishedAt, result } = job;
  return {
    ...{ id, userId, requestedBy, state },
    progress: { done, total },
    createdAt: createdAt.toISOString(),
    finishedAt: finishedAt?.toISOString() ?? null,
    pseudonym: result.pseudonym,
    proof: state === 'done' ? proofOf(result) : null,
  };
}

function requireAdministrator(actor: Actor): void {
  if (!actor.roles.includes('admin')) throw new AppError('forbidden');
}
