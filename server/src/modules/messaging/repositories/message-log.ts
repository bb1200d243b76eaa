import type { Metadata, Role } from '@parley/protocol';
import type { PrismaClient } from '../../../../prisma/generated/client.ts';
import { classifyDatabaseError, withRetries } from '../../../infrastructure/database-errors.ts';
import { AppError } from '../../../utils/app-error.ts';
import type { ReplyRow } from './rows.ts';

/** A send that passed every check but those that need the conversation's lock. */
export interface AppendCommand {
  readonly id: string;
  readonly conversationId: string;
  readonly senderId: string;
  readonly content: string;
  readonly sanitized: boolean;
  readonly clientMessageId: string | null;
  /** Digest of the first request under this key; tells a repeat from another message. */
  readonly requestDigest: string | null;
  readonly replyToId: string | null;
  readonly metadata: Metadata | null;
  readonly mentions: readonly string[];
}

/** Somebody who came in with a send. */
export interface JoinedRow {
  readonly conversationId: string;
  readonly userId: string;
  readonly role: Role;
  readonly rev: number;
  readonly lastReadSeq: number;
  readonly lastDeliveredSeq: number;
}

/** What became of one send. `createdAt` is the database's clock, in milliseconds since the epoch. */
export type AppendResult =
  | {
      readonly outcome: 'stored';
      readonly seq: number;
      readonly rev: number;
      readonly createdAt: number;
      readonly reply: ReplyRow | null;
      readonly mentions: readonly string[];
      /** The sender had unread messages; the send moved the pointer past them. */
      readonly wasBehind: boolean;
      /** Those who came in with this batch, told with the first message of their conversation. */
      readonly joins: readonly JoinedRow[];
    }
  | { readonly outcome: 'duplicate'; readonly earlierId: string }
  | {
      readonly outcome: 'idempotency_conflict' | 'not_found' | 'not_a_participant' | 'forbidden' | 'unknown_reply';
    };

interface Waiting {
  readonly command: AppendCommand;
  readonly resolve: (result: AppendResult) => void;
  readonly reject: (error: unknown) => void;
}

/** What `parley_append` answers (migration 0002_append). */
interface AppendAnswer {
  readonly at: number;
  readonly results: readonly {
    readonly idx: number;
    readonly outcome: AppendResult['outcome'];
    readonly seq: number | null;
    readonly rev: number | null;
    readonly earlierId: string | null;
    readonly reply: ReplyRow | null;
    readonly wasBehind: boolean | null;
    readonly mentions: readonly string[] | null;
  }[];
  readonly joins: readonly JoinedRow[] | null;
}

export interface MessageLogOptions {
  readonly prisma: PrismaClient;
  readonly nodeId: string;
  /** Most sends in one statement. */
  readonly batchMost?: number;
  /** Most sends that wait; beyond it a send is refused with 503 and not held in memory. */
  readonly queueMost?: number;
  readonly onBatch?: (size: number, seconds: number) => void;
  readonly onDepth?: (depth: number) => void;
}

/**
 * The log of messages. Sends that wait at the same moment are committed together: a batch is what came in while the
 * one before was committing, so a lone message waits for nobody and no timer is involved.
 *
 * A send resolves after its commit. It rejects with `unavailable` where the outcome is unknown or the database is
 * away; a retry with the same key then tells the truth.
 */
export class MessageLog {
  readonly #prisma: PrismaClient;
  readonly #nodeId: string;
  readonly #batchMost: number;
  readonly #queueMost: number;
  readonly #onBatch: (size: number, seconds: number) => void;
  readonly #onDepth: (depth: number) => void;
  #waiting: Waiting[] = [];
  #committing: Promise<void> | null = null;

  constructor(options: MessageLogOptions) {
    this.#prisma = options.prisma;
    this.#nodeId = options.nodeId;
    this.#batchMost = options.batchMost ?? 256;
    this.#queueMost = options.queueMost ?? 10_000;
    this.#onBatch = options.onBatch ?? (() => {});
    this.#onDepth = options.onDepth ?? (() => {});
  }

  append(command: AppendCommand): Promise<AppendResult> {
    if (this.#waiting.length >= this.#queueMost) {
      return Promise.reject(new AppError('unavailable', { retryAfterMs: 1_000, cause: 'the queue of sends is full' }));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ command, resolve, reject });
      this.#committing ??= this.#commitAll();
    });
  }

  /** Resolves once nothing waits and nothing is being committed. */
  async drain(): Promise<void> {
    while (this.#committing) await this.#committing;
  }

  async #commitAll(): Promise<void> {
    // Sends of one turn of the event loop belong together, the first one included.
    await Promise.resolve();
    while (this.#waiting.length > 0) await this.#commit(this.#takeBatch());
    this.#committing = null;
  }

  /** The next batch. A second send under a key that the batch holds already stays for the one after. */
  #takeBatch(): Waiting[] {
    const batch: Waiting[] = [];
    const later: Waiting[] = [];
    const keys = new Set<string>();
    for (const [index, waiting] of this.#waiting.entries()) {
      if (batch.length === this.#batchMost) {
        later.push(...this.#waiting.slice(index));
        break;
      }
      const key = idempotencyKey(waiting.command);
      if (key !== null && keys.has(key)) {
        later.push(waiting);
      } else {
        if (key !== null) keys.add(key);
        batch.push(waiting);
      }
    }
    this.#waiting = later;
    this.#onDepth(later.length);
    return batch;
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    const started = performance.now();
    try {
      const results = await this.#store(batch.map(({ command }) => command));
      this.#onBatch(batch.length, (performance.now() - started) / 1_000);
      for (const [index, waiting] of batch.entries()) waiting.resolve(results[index]!);
    } catch (error) {
      const { kind } = classifyDatabaseError(error);
      if (batch.length > 1 && kind !== 'unavailable') {
        // One of them is at fault: each gets an answer of its own. The statement was rolled back as a whole.
        for (const waiting of batch) await this.#commit([waiting]);
        return;
      }
      for (const waiting of batch) waiting.reject(error);
    }
  }

  async #store(commands: readonly AppendCommand[]): Promise<AppendResult[]> {
    const json = JSON.stringify(commands.map(toParameters));
    const [row] = await withRetries(
      () =>
        this.#prisma.$queryRaw<[{ answer: AppendAnswer }]>`
/* parley:once */ SELECT parley_append(${this.#nodeId}, ${json}::jsonb) AS answer`,
    );
    return readAnswer(row!.answer, commands);
  }
}

function idempotencyKey({ conversationId, senderId, clientMessageId }: AppendCommand): string | null {
  return clientMessageId === null ? null : JSON.stringify([conversationId, senderId, clientMessageId]);
}

function toParameters(command: AppendCommand, idx: number) {
  return {
    idx,
    cid: command.conversationId,
    sender: command.senderId,
    id: command.id,
    content: command.content,
    sanitized: command.sanitized,
    key: command.clientMessageId,
    digest: command.requestDigest,
    reply: command.replyToId,
    metadata: command.metadata,
    mentions: command.mentions,
  };
}

function readAnswer(answer: AppendAnswer, commands: readonly AppendCommand[]): AppendResult[] {
  const joins = Map.groupBy(answer.joins ?? [], (join) => join.conversationId);
  const results = new Array<AppendResult>(commands.length);
  for (const result of [...answer.results].sort((a, b) => a.idx - b.idx)) {
    if (result.outcome === 'stored') {
      const { conversationId } = commands[result.idx]!;
      results[result.idx] = {
        outcome: 'stored',
        seq: result.seq!,
        rev: result.rev!,
        createdAt: answer.at,
        reply: result.reply,
        mentions: result.mentions ?? [],
        wasBehind: result.wasBehind ?? false,
        joins: joins.get(conversationId) ?? [],
      };
      joins.delete(conversationId);
    } else if (result.outcome === 'duplicate') {
      results[result.idx] = { outcome: 'duplicate', earlierId: result.earlierId! };
    } else {
      results[result.idx] = { outcome: result.outcome };
    }
  }
  return results;
}
