import { createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate as letOthersIn } from 'node:timers/promises';
import type { DataExport } from '@parley/protocol';
import type { JobQueue } from '../../../infrastructure/job-queue.ts';
import type { Storage } from '../../../infrastructure/storage.ts';
import type { Actor } from '../../../utils/actor.ts';
import { AppError } from '../../../utils/app-error.ts';
import { isUuid, newId } from '../../../utils/ids.ts';
import type { AuditRecord } from '../../audit/index.ts';
import { type FileSeal, type FileSeals, unreadable } from '../../confidential/index.ts';
import type { DataPage, PersonalDataRepository } from '../repositories/personal-data.repository.ts';
import type { JobRow, PrivacyJobsRepository } from '../repositories/privacy-jobs.repository.ts';
import { TAR_END, tarHeader, tarPadding, tarSizeOf } from './tar.ts';

/** A file that the person uploaded, for a copy. */
export interface OwnFile {
  readonly id: string;
  readonly line: unknown;
  readonly size: number;
}

/** Where what is a person's own comes from, a page at a time. */
export interface ExportSources {
  readonly data: PersonalDataRepository;
  findMessages(userId: string, after: unknown, limit: number): Promise<DataPage>;
  findFiles(userId: string, after: string | null, limit: number): Promise<{ files: OwnFile[]; next: string | null }>;
  /** The bytes of such a file; null where it is gone by now. */
  openFile(id: string): Promise<Readable | null>;
}

/** Where the next slice goes on. */
export interface ExportPlace {
  readonly section?: number;
  readonly after?: unknown;
}

/** What there is of the copy. */
export interface ExportResult {
  readonly keyId: string | null;
  readonly wrappedKey: string | null;
  readonly parts?: readonly { readonly name: string; readonly size: number }[];
  readonly files?: readonly { readonly id: string; readonly size: number }[];
}

type ExportJob = JobRow<ExportPlace, ExportResult>;

export interface ExportsServiceDeps {
  readonly jobs: PrivacyJobsRepository<ExportPlace, ExportResult>;
  readonly sources: ExportSources;
  readonly queue: Pick<JobQueue, 'add'>;
  readonly storage: Storage;
  /** With a master key, what is kept of a copy is encrypted. */
  readonly seals: FileSeals;
  /** A folder of this machine for what is being written. */
  readonly folder: string;
  readonly audit: (record: AuditRecord) => Promise<void>;
  /** How long a slice goes on before it makes way for another job. */
  readonly sliceMs?: number;
}

export const EXPORT_JOB = 'privacy-export';

/** The format of the copy (docs/privacy.md). */
const FORMAT_VERSION = 1;
const PAGE = 500;
const SLICE_MS = 5_000;
const KEPT_MS = 7 * 24 * 3_600_000;

/**
 * Copies of everything that is a person's own. The data is written part by part into the storage, and after each part the
 * job says how far it is, so that a process killed at it costs one part. Files stay where they are and are read when the
 * copy is fetched.
 */
export class ExportsService {
  readonly #deps: ExportsServiceDeps;

  constructor(deps: ExportsServiceDeps) {
    this.#deps = deps;
  }

  /** Begins a copy; `created` is false where one is under way. */
  async createExport(actor: Actor, userId: string): Promise<{ job: DataExport; created: boolean }> {
    if (actor.id !== userId && !actor.roles.includes('admin')) throw new AppError('forbidden');
    const { jobs, seals, queue, sources, audit } = this.#deps;
    if (!(await sources.data.isKnown(userId))) throw new AppError('not_found');
    const id = newId();
    const key = seals.create(id)?.key ?? null;
    const result: ExportResult = { keyId: key?.keyId ?? null, wrappedKey: key?.wrapped ?? null };
    const created = await jobs.create({ id, kind: 'export', userId, requestedBy: actor.id, reason: null, result });
    const job = created ? await jobs.find(id) : await jobs.findLast(userId);
    if (!job) throw new AppError('unavailable', { retryAfterMs: 1_000 });
    if (created) await audit({ actorId: actor.id, action: 'user.export_requested', targetId: userId, after: { id } });
    await queue.add(EXPORT_JOB, job.id);
    return { job: present(job), created };
  }

  /** 404 for everybody but that person and administrators. */
  async getExport(actor: Actor, id: string): Promise<DataExport> {
    return present(await this.#require(actor, id));
  }

  /** The copy as a tar archive; 404 until it is done. */
  async openExport(actor: Actor, id: string): Promise<{ fileName: string; bytes: Readable }> {
    const job = await this.#require(actor, id);
    if (job.state !== 'done') throw new AppError('not_found');
    await this.#deps.audit({ actorId: actor.id, action: 'user.export_fetched', targetId: job.userId, after: { id } });
    const seal = this.#sealOf(job);
    return {
      fileName: `parley-export-${job.createdAt.toISOString().slice(0, 10)}.tar`,
      bytes: Readable.from(this.#tar(job, seal)),
    };
  }

  /** Does a few seconds of a job, and puts it in again where there is more. */
  async runSlice(id: string, signal?: AbortSignal): Promise<void> {
    const { jobs, sources, queue, sliceMs = SLICE_MS } = this.#deps;
    const until = performance.now() + sliceMs;
    let job = await jobs.find(id);
    if (job?.state === 'waiting') {
      const total = await sources.data.countLines(job.userId);
      job = await jobs.advance(job, { done: 0, total, place: { section: 0, after: null }, result: job.result });
    }
    while (job?.state === 'running') {
      if ((job.place.section ?? 0) >= SECTIONS.length) {
        await jobs.finish(job, 'done', new Date(Date.now() + KEPT_MS));
        return;
      }
      job = await this.#step(job);
      await letOthersIn();
      // The next process takes it up.
      if (signal?.aborted) return;
      if (job && performance.now() > until) {
        await queue.add(EXPORT_JOB, id);
        return;
      }
    }
  }

  /** Removes copies that have had their time. */
  async sweep(now: Date = new Date()): Promise<void> {
    for (const job of await this.#deps.jobs.findExpired(now)) {
      for (const index of (job.result.parts ?? []).keys()) await this.#deps.storage.remove(partKey(job.id, index));
      await this.#deps.jobs.forget(job.id);
    }
  }

  /** Writes the next part, then says so. A part that was written and not noted is written again under the same key. */
  async #step(job: ExportJob): Promise<ExportJob | null> {
    const { section = 0, after = null } = job.place;
    const { name, read } = SECTIONS[section]!;
    const { lines, next, files } = await read(this.#deps.sources, job.userId, after);
    const parts = [...(job.result.parts ?? [])];
    if (lines.length > 0) {
      const bytes = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
      await this.#write(job, parts.length, bytes);
      parts.push({ name, size: bytes.length });
    }
    return this.#deps.jobs.advance(job, {
      done: Math.min(job.done + lines.length, job.total),
      place: next === null ? { section: section + 1, after: null } : { section, after: next },
      result: { ...job.result, parts, files: [...(job.result.files ?? []), ...(files ?? [])] },
    });
  }

  async #write(job: ExportJob, index: number, bytes: Buffer): Promise<void> {
    const { folder, storage } = this.#deps;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, `${partKey(job.id, index)}-${newId()}`);
    try {
      const source = Readable.from([bytes]);
      const target = createWriteStream(path, { mode: 0o600 });
      const seal = this.#sealOf(job);
      await (seal ? pipeline(source, seal.sealBytes('file'), target) : pipeline(source, target));
      await storage.put(partKey(job.id, index), path);
    } finally {
      await rm(path, { force: true });
    }
  }

  async *#tar(job: ExportJob, seal: FileSeal | null): AsyncGenerator<Buffer> {
    const { parts = [], files = [] } = job.result;
    const head = Buffer.from(`${JSON.stringify(describe(job), null, 2)}\n`);
    yield tarHeader('export.json', head.length, job.createdAt);
    yield head;
    yield tarPadding(head.length);
    for (const name of SECTIONS.map((section) => section.name)) {
      const own = [...parts.entries()].filter(([, part]) => part.name === name);
      const size = own.reduce((total, [, part]) => total + part.size, 0);
      yield tarHeader(name, size, job.createdAt);
      for (const [index, part] of own) yield* this.#openPart(job, index, part.size, seal);
      yield tarPadding(size);
    }
    for (const { id, size } of files) {
      // Deleted since: then it is nobody's any more.
      const bytes = await this.#deps.sources.openFile(id);
      if (!bytes) continue;
      yield tarHeader(`files/${id}`, size, job.createdAt);
      yield* bytes;
      yield tarPadding(size);
    }
    yield TAR_END;
  }

  async *#openPart(job: ExportJob, index: number, size: number, seal: FileSeal | null): AsyncGenerator<Buffer> {
    const read = (range?: { start: number; end: number }) => this.#deps.storage.open(partKey(job.id, index), range);
    const bytes = seal ? await seal.openBytes('file', size, read) : await read();
    if (!bytes) throw new Error(`part ${index} of export ${job.id} is missing`);
    yield* bytes;
  }

  #sealOf({ id, result: { keyId, wrappedKey } }: ExportJob): FileSeal | null {
    try {
      return this.#deps.seals.of({ id, keyId, wrappedKey });
    } catch (error) {
      throw unreadable(error);
    }
  }

  async #require(actor: Actor, id: string): Promise<ExportJob> {
    const job = isUuid(id) ? await this.#deps.jobs.find(id) : null;
    if (!job || (job.userId !== actor.id && !actor.roles.includes('admin'))) throw new AppError('not_found');
    return job;
  }
}

interface SectionPage extends DataPage {
  readonly files?: readonly { readonly id: string; readonly size: number }[];
}

interface Section {
  /** Of the file in the archive. */
  readonly name: string;
  read(sources: ExportSources, userId: string, after: unknown): Promise<SectionPage>;
}

/** Everything that is a person's own, in the order of the archive. */
const SECTIONS: readonly Section[] = [
  { name: 'profile.jsonl', read: ({ data }, userId) => data.findProfile(userId) },
  {
    name: 'conversations.jsonl',
    read: ({ data }, userId, after) => data.findMemberships(userId, after as string | null, PAGE),
  },
  { name: 'messages.jsonl', read: (sources, userId, after) => sources.findMessages(userId, after, PAGE) },
  {
    name: 'reactions.jsonl',
    read: ({ data }, userId, after) => data.findReactions(userId, after as string | null, PAGE),
  },
  { name: 'blocks.jsonl', read: ({ data }, userId) => data.findBlocks(userId) },
  { name: 'reports.jsonl', read: ({ data }, userId) => data.findReports(userId) },
  { name: 'held-messages.jsonl', read: ({ data }, userId) => data.findHeld(userId) },
  {
    name: 'attachments.jsonl',
    read: async (sources, userId, after) => {
      const { files, next } = await sources.findFiles(userId, after as string | null, PAGE);
      return { lines: files.map(({ line }) => line), next, files: files.map(({ id, size }) => ({ id, size })) };
    },
  },
];

function partKey(jobId: string, index: number): string {
  return `export-${jobId}-${index}`;
}

function describe({ userId, createdAt }: ExportJob) {
  return { format: 'parley-export', version: FORMAT_VERSION, userId, createdAt: createdAt.toISOString() };
}

function present(job: ExportJob): DataExport {
  const { id, userId, requestedBy, state, done, total, createdAt, finishedAt, expiresAt } = job;
  return {
    ...{ id, userId, requestedBy, state },
    progress: { done, total },
    createdAt: createdAt.toISOString(),
    finishedAt: finishedAt?.toISOString() ?? null,
    size: state === 'done' ? sizeOf(job) : null,
    expiresAt: expiresAt?.toISOString() ?? null,
  };
}

function sizeOf(job: ExportJob): number {
  const { parts = [], files = [] } = job.result;
  const head = Buffer.byteLength(`${JSON.stringify(describe(job), null, 2)}\n`);
  const sections = SECTIONS.map(({ name }) =>
    parts.filter((part) => part.name === name).reduce((total, { size }) => total + size, 0),
  );
  const sizes = [head, ...sections, ...files.map(({ size }) => size)];
  return sizes.reduce((total, size) => total + tarSizeOf(size), TAR_END.length);
}
