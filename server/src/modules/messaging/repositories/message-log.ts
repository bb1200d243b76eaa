import type { Metadata, Role } from '@parley/protocol';
import type { Database, Statement } from '../../../infrastructure/database.ts';
import { classifyDatabaseError, withRetries } from '../../../infrastructure/database-errors.ts';
import { AppError } from '../../../utils/app-error.ts';
import { endOfTurn } from '../../../utils/end-of-turn.ts';
import { plainArray, textArray } from './array-literal.ts';
import type { AttachmentRow, ReplyRow } from './rows.ts';

/** A send that passed every check but those that need the conversation's lock. */
export interface AppendCommand {
  readonly id: string;
  readonly conversationId: string;
  readonly senderId: string;
  /** Null where `sealed` has it. */
  readonly content: string | null;
  /** The encrypted text in a confidential conversation, where none is stored without; null in all others. */
  readonly sealed: string | null;
  readonly sanitized: boolean;
  readonly clientMessageId: string | null;
  /** Digest of the first request under this key; tells a repeat from another message. */
  readonly requestDigest: string | null;
  readonly replyToId: string | null;
  readonly metadata: Metadata | null;
  readonly mentions: readonly string[];
  /** Ids of the sender's own unsent files, in the order of the message. */
  readonly attachmentIds: readonly string[];
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
      readonly attachments: readonly AttachmentRow[];
      /** The sender had unread messages; the send moved the pointer past them. */
      readonly wasBehind: boolean;
      /** Those who came in with this batch, told with the first message of their conversation. */
      readonly joins: readonly JoinedRow[];
    }
  | { readonly outcome: 'duplicate'; readonly earlierId: string }
  | {
      readonly outcome: 'unknown_attachment';
      /** Its index in `attachmentIds`. */
      readonly index: number;
    }
  | {
      /** Slow mode: the sender's last message there is too new. */
      readonly outcome: 'slow';
      readonly waitMs: number;
    }
  | {
      readonly outcome:
        | 'idempotency_conflict'
        | 'not_found'
        | 'not_a_participant'
        | 'forbidden'
        | 'blocked'
        /** Confidential and not sealed, or the other way about. */
        | 'not_sealed'
        | 'unknown_reply'
        | 'attachment_in_use';
    };

interface Waiting {
  readonly command: AppendCommand;
  readonly resolve: (result: AppendResult) => void;
  readonly reject: (error: unknown) => void;
}

/** What `parley_append` answers (migration 0012_append): all were stored as they are, or what became of each. */
type AppendAnswer =
  | {
      readonly at: number;
      readonly seqs: readonly number[];
      readonly revs: readonly number[];
      readonly behinds: readonly boolean[];
    }
  | {
      readonly at: number;
      readonly seqs?: undefined;
      readonly results: readonly AppendedRow[];
      readonly joins: readonly JoinedRow[] | null;
    };

interface AppendedRow {
  /** Among the commands, from 1. */
  readonly place: number;
  readonly outcome: AppendResult['outcome'];
  readonly seq: number | null;
  readonly rev: number | null;
  readonly earlierId: string | null;
  readonly reply: ReplyRow | null;
  readonly wasBehind: boolean | null;
  readonly mentions: readonly string[] | null;
  /** Place of the unknown file, from 1. */
  readonly file: number | null;
  readonly attachments: readonly AttachmentRow[] | null;
  readonly waitMs: number;
}

export interface MessageLogOptions {
  readonly database: Pick<Database, 'query'>;
  readonly nodeId: string;
  /** Most sends in one statement. */
  readonly batchMost?: number;
  /** Most sends that wait; beyond it a send is refused with 503 and not held in memory. */
  readonly queueMost?: number;
  readonly onBatch?: (size: number, seconds: number) => void;
  readonly onDepth?: (depth: number) => void;
}

const APPEND: Statement = {
  name: 'parley_append',
  text: `SELECT parley_append($1, $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::boolean[], $7::text[], $8::text[],
    $9::int[], $10::text[]) AS answer`,
};

/**
 * While several send at once a batch begins so long after the one before it, unless enough wait already. A batch costs as
 * much as a dozen of its messages: at half of what the server can do, small ones took all of the processor, and whatever came
 * beside them waited for longer than this.
 */
const GATHER_MS = 6;
const ENOUGH = 32;

/** Each try waits a second at most for a row lock, so that a send is answered, well or by 503, within 3.5 s. */
const APART_TRIES = 2;
/** So long after a commit more of them are expected. */
const BUSY_MS = 1_000;

/**
 * The log of messages. Sends that wait at the same moment are committed together: a batch is what came in while the
 * one before was committing, or within `GATHER_MS` of its beginning where that had several. A lone message waits for nobody.
 *
 * A send resolves after its commit. It rejects with `unavailable` where the outcome is unknown or the database is
 * away; a retry with the same key then tells the truth.
 */
export class MessageLog {
  readonly #database: MessageLogOptions['database'];
  readonly #nodeId: string;
  readonly #batchMost: number;
  readonly #queueMost: number;
  readonly #onBatch: (size: number, seconds: number) => void;
  readonly #onDepth: (depth: number) => void;
  #waiting: Waiting[] = [];
  #committing: Promise<void> | null = null;
  /** Ends the pause before the next batch; null where there is none. */
  #endGathering: (() => void) | null = null;
  #committedAt = Number.NEGATIVE_INFINITY;
  /** Conversations whose row somebody else holds, each with its retry: their sends wait apart, and all others go on. */
  readonly #held = new Map<string, Promise<void>>();

  constructor(options: MessageLogOptions) {
    this.#database = options.database;
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
      if (this.#waiting.length >= ENOUGH) this.#endGathering?.();
      this.#committing ??= this.#commitAll();
    });
  }

  /** Whether messages are being stored now, or were a moment ago: between two batches there is always a short rest. */
  get isBusy(): boolean {
    return this.#committing !== null || performance.now() - this.#committedAt < BUSY_MS;
  }

  /** Resolves once nothing waits and nothing is being committed. */
  async drain(): Promise<void> {
    while (this.#committing || this.#held.size > 0) await (this.#committing ?? Promise.race(this.#held.values()));
  }

  async #commitAll(): Promise<void> {
    // Sends of one turn of the event loop belong together, the first one included. The embedded database commits before
    // the next socket is read: taken any earlier, every batch there would be of one.
    await endOfTurn();
    for (let batch = this.#takeBatch(); batch.length > 0; batch = this.#takeBatch()) {
      const started = performance.now();
      await this.#commit(batch);
      this.#committedAt = performance.now();
      if (batch.length > 1) await this.#gather(started + GATHER_MS);
      else await endOfTurn();
    }
    this.#committing = null;
  }

  /** Resolves at the end of a turn: at that time, or once enough wait. */
  #gather(until: number): Promise<void> {
    const waitMs = Math.floor(until - performance.now());
    if (waitMs < 1 || this.#waiting.length >= ENOUGH) return endOfTurn();
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#endGathering = null;
        setImmediate(resolve);
      };
      const timer = setTimeout(end, waitMs);
      this.#endGathering = end;
    });
  }

  /**
   * The next batch; empty where nothing can be committed now. A second send under a key, or with a file, that the batch
   * holds already stays for the one after.
   */
  #takeBatch(): Waiting[] {
    const batch: Waiting[] = [];
    const later: Waiting[] = [];
    const taken = new Set<string>();
    for (const [index, waiting] of this.#waiting.entries()) {
      if (batch.length === this.#batchMost) {
        later.push(...this.#waiting.slice(index));
        break;
      }
      const claims = claimsOf(waiting.command);
      if (this.#held.has(waiting.command.conversationId) || claims.some((claim) => taken.has(claim))) {
        later.push(waiting);
      } else {
        for (const claim of claims) taken.add(claim);
        batch.push(waiting);
      }
    }
    this.#waiting = later;
    this.#onDepth(later.length);
    return batch;
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    try {
      await this.#storeAll(batch, 1);
    } catch (error) {
      const { kind } = classifyDatabaseError(error);
      if (kind === 'conflict') {
        // Somebody holds one of these conversations for long. The others must not wait for it, now or with what comes next.
        const groups = Map.groupBy(batch, ({ command }) => command.conversationId);
        for (const [conversationId, group] of groups) this.#commitApart(conversationId, group);
      } else {
        await this.#commitEach(batch, error);
      }
    }
  }

  /** Tries on beside the other batches. What comes for the conversation meanwhile waits for the end of it. */
  #commitApart(conversationId: string, group: readonly Waiting[]): void {
    const work = this.#storeAll(group, APART_TRIES)
      .catch(async (error: unknown) => {
        if (classifyDatabaseError(error).kind !== 'conflict') return this.#commitEach(group, error);
        // It is held still: whoever waits for it hears so now, and not after another round.
        const isIn = ({ command }: Waiting): boolean => command.conversationId === conversationId;
        const given = [...group, ...this.#waiting.filter(isIn)];
        this.#waiting = this.#waiting.filter((waiting) => !isIn(waiting));
        for (const waiting of given) waiting.reject(error);
      })
      .then(() => {
        this.#held.delete(conversationId);
        this.#committing ??= this.#commitAll();
      });
    this.#held.set(conversationId, work);
  }

  /** One of them may be at fault: each gets an answer of its own. The statement was rolled back as a whole. */
  async #commitEach(batch: readonly Waiting[], error: unknown): Promise<void> {
    if (batch.length === 1 || classifyDatabaseError(error).kind === 'unavailable') {
      for (const waiting of batch) waiting.reject(error);
      return;
    }
    for (const waiting of batch) await this.#storeAll([waiting], APART_TRIES).catch(waiting.reject);
  }

  async #storeAll(batch: readonly Waiting[], tries: number): Promise<void> {
    const started = performance.now();
    const commands = batch.map(({ command }) => command);
    const results = await this.#store(commands, tries);
    this.#onBatch(batch.length, (performance.now() - started) / 1_000);
    for (const [index, waiting] of batch.entries()) waiting.resolve(results[index]!);
  }

  async #store(commands: readonly AppendCommand[], tries: number): Promise<AppendResult[]> {
    const { ids, cids, senders, contents, sanitizeds, keys, digests, nths, extras } = toColumns(commands);
    const values = [this.#nodeId, ids, cids, senders, contents, sanitizeds, keys, digests, nths, extras];
    const [row] = await withRetries(() => this.#database.query<{ answer: AppendAnswer }>(APPEND, values), { tries });
    return readAnswer(row!.answer, commands);
  }
}

/** What no two sends of one batch may share: the key, and each file. */
function claimsOf({ conversationId, senderId, clientMessageId, attachmentIds }: AppendCommand): string[] {
  if (clientMessageId === null) return [...attachmentIds];
  return [JSON.stringify([conversationId, senderId, clientMessageId]), ...attachmentIds];
}

/** The commands as `parley_append` takes them: one array of each column. */
function toColumns(commands: readonly AppendCommand[]) {
  const size = commands.length;
  const columns = {
    ids: new Array<string>(size),
    cids: new Array<string>(size),
    senders: new Array<string>(size),
    contents: new Array<string | null>(size),
    sanitizeds: new Array<boolean>(size),
    keys: new Array<string | null>(size),
    digests: new Array<string | null>(size),
    nths: new Array<number>(size),
    extras: null as (string | null)[] | null,
  };
  const inConversation = new Map<string, number>();
  for (const [index, command] of commands.entries()) {
    const nth = (inConversation.get(command.conversationId) ?? 0) + 1;
    inConversation.set(command.conversationId, nth);
    columns.ids[index] = command.id;
    columns.cids[index] = command.conversationId;
    columns.senders[index] = command.senderId;
    columns.contents[index] = command.content;
    columns.sanitizeds[index] = command.sanitized;
    columns.keys[index] = command.clientMessageId;
    columns.digests[index] = command.requestDigest;
    columns.nths[index] = nth;
    const extra = extraOf(command);
    if (extra !== null) {
      columns.extras ??= new Array<string | null>(size).fill(null);
      columns.extras[index] = extra;
    }
  }
  return {
    ids: plainArray(columns.ids),
    cids: plainArray(columns.cids),
    senders: textArray(columns.senders),
    contents: textArray(columns.contents),
    sanitizeds: plainArray(columns.sanitizeds),
    keys: textArray(columns.keys),
    digests: textArray(columns.digests),
    nths: plainArray(columns.nths),
    extras: columns.extras && textArray(columns.extras),
  };
}

/** What most sends do not have. */
function extraOf({ sealed, replyToId, metadata, mentions, attachmentIds }: AppendCommand): string | null {
  const isPlain =
    sealed === null && replyToId === null && metadata === null && mentions.length === 0 && attachmentIds.length === 0;
  return isPlain ? null : JSON.stringify({ sealed, reply: replyToId, metadata, mentions, attachments: attachmentIds });
}

const NOBODY: readonly never[] = [];

function readAnswer(answer: AppendAnswer, commands: readonly AppendCommand[]): AppendResult[] {
  if (answer.seqs) {
    const { at, seqs, revs, behinds } = answer;
    return seqs.map((seq, index) => ({
      outcome: 'stored',
      seq,
      rev: revs[index]!,
      createdAt: at,
      reply: null,
      mentions: NOBODY,
      attachments: NOBODY,
      wasBehind: behinds[index]!,
      joins: NOBODY,
    }));
  }
  const joins = Map.groupBy(answer.joins ?? [], (join) => join.conversationId);
  const results = new Array<AppendResult>(commands.length);
  for (const result of [...answer.results].sort((a, b) => a.place - b.place)) {
    results[result.place - 1] = readRow(result, answer.at, commands[result.place - 1]!, joins);
  }
  return results;
}

/** Takes the joins of its conversation where it is the first message that was stored there. */
function readRow(
  row: AppendedRow,
  at: number,
  { conversationId }: AppendCommand,
  joins: Map<string, JoinedRow[]>,
): AppendResult {
  const { outcome } = row;
  switch (outcome) {
    case 'stored': {
      const newcomers = joins.get(conversationId) ?? [];
      joins.delete(conversationId);
      return {
        outcome,
        seq: row.seq!,
        rev: row.rev!,
        createdAt: at,
        reply: row.reply,
        mentions: row.mentions ?? [],
        attachments: row.attachments ?? [],
        wasBehind: row.wasBehind ?? false,
        joins: newcomers,
      };
    }
    case 'duplicate':
      return { outcome, earlierId: row.earlierId! };
    case 'unknown_attachment':
      return { outcome, index: row.file! - 1 };
    case 'slow':
      return { outcome, waitMs: row.waitMs };
    default:
      return { outcome };
  }
}
