import type { User } from '@parley/protocol';
import { Prisma, type PrismaClient } from '../../../../prisma/generated/client.ts';
import { withRetries } from '../../../infrastructure/database-errors.ts';
import { type AuditRecord, appendToChain } from '../../audit/index.ts';
import type { Fact } from '../messaging.events.ts';
import type { ConversationRow, ParticipantRow } from './rows.ts';

/** The part of the Prisma client that a transaction has. */
export type Transaction = Omit<PrismaClient, '$connect' | '$disconnect' | '$on' | '$transaction' | '$extends'>;

/** What of a conversation is changed as such. */
type SharedFields = Pick<ConversationRow, 'title' | 'avatarUrl' | 'metadata' | 'slowModeSeconds' | 'readOnly'>;

/**
 * One transaction on a conversation, its row locked: every change that is not a send.
 *
 * What is read through `tx` is as fresh as the lock. Nothing but SQL may be awaited before it ends.
 */
export class ConversationChange {
  readonly tx: Transaction;
  readonly conversation: ConversationRow;
  /** The database's clock under the lock, ISO 8601. */
  readonly moment: string;
  /** What to tell after the commit, in order of `rev`. */
  readonly facts: Fact[] = [];
  readonly #affected = new Set<string>();
  #rev: number;
  #auditHead: { count: number; hash: string };
  #updates: Prisma.Sql[] = [];

  constructor(tx: Transaction, conversation: ConversationRow, moment: string) {
    this.tx = tx;
    this.conversation = conversation;
    this.moment = moment;
    this.#rev = conversation.rev;
    this.#auditHead = { count: conversation.auditCount, hash: conversation.auditHash };
  }

  /** Takes the conversation's next `rev` (ORD-2): once for each change, each told by one fact. */
  nextRev(): number {
    this.#rev += 1;
    return this.#rev;
  }

  /** The conversation's `rev` as it will be committed. */
  get rev(): number {
    return this.#rev;
  }

  /** Somebody whose membership this transaction changes. */
  affects(userId: string): void {
    this.#affected.add(userId);
  }

  /** Title, picture and so on: written when the transaction ends, under a new `rev`, which this answers. */
  update(shared: Partial<SharedFields>): number {
    const rev = this.nextRev();
    if (shared.title !== undefined) this.#updates.push(Prisma.sql`title = ${shared.title}`);
    if (shared.avatarUrl !== undefined) this.#updates.push(Prisma.sql`"avatarUrl" = ${shared.avatarUrl}`);
    if (shared.metadata !== undefined) {
      this.#updates.push(Prisma.sql`metadata = ${JSON.stringify(shared.metadata)}::jsonb`);
    }
    if (shared.slowModeSeconds !== undefined) {
      this.#updates.push(Prisma.sql`"slowModeSeconds" = ${shared.slowModeSeconds}`);
    }
    if (shared.readOnly !== undefined) this.#updates.push(Prisma.sql`"readOnly" = ${shared.readOnly}`);
    this.#updates.push(Prisma.sql`"changedRev" = ${rev}`, Prisma.sql`"updatedAt" = ${this.moment}::timestamptz`);
    return rev;
  }

  /** Ends the conversation. The pair of a direct one may begin anew. */
  close(): number {
    this.#updates.push(Prisma.sql`"deletedAt" = ${this.moment}::timestamptz`, Prisma.sql`"directKey" = NULL`);
    return this.nextRev();
  }

  /** So many people more are present, or fewer. */
  countPeople(difference: number): void {
    if (difference === 0) return;
    this.#updates.push(Prisma.sql`"participantCount" = "participantCount" + ${difference}`);
  }

  /** Whether the actor left such an entry in this conversation's trail within so many milliseconds. */
  async wasAudited(actorId: string, action: string, withinMs: number): Promise<boolean> {
    const [row] = await this.tx.$queryRaw<{ found: boolean }[]>`
      SELECT EXISTS (
        SELECT FROM "AuditEntry" e
        WHERE e."actorId" = ${actorId} AND e.at > ${this.moment}::timestamptz - make_interval(secs => ${withinMs / 1_000})
          AND e."conversationId" = ${this.conversation.id}::uuid AND e.action = ${action}
      ) AS found`;
    return row!.found;
  }

  /** Writes an entry of the audit trail in this transaction (DEL-2). */
  async audit(record: AuditRecord): Promise<void> {
    this.#auditHead = await appendToChain(this.tx, this.conversation.id, this.#auditHead, this.moment, record);
  }

  async findParticipant(userId: string): Promise<ParticipantRow | null> {
    const [row] = await this.tx.$queryRaw<{ participant: ParticipantRow }[]>`
      SELECT to_jsonb(p) AS participant FROM "ConversationParticipant" p
      WHERE p."conversationId" = ${this.conversation.id}::uuid AND p."userId" = ${userId}`;
    return row?.participant ?? null;
  }

  /** Whether a block cuts this direct conversation off for the person; false in every other type. */
  async isCut(userId: string): Promise<boolean> {
    if (this.conversation.type !== 'direct') return false;
    const [row] = await this.tx.$queryRaw<{ cut: boolean }[]>`
      SELECT parley_is_blocked(${this.conversation.id}::uuid, ${userId}) AS cut`;
    return row!.cut;
  }

  /** Whether this participant may write nothing now: a member of a read-only conversation, or silenced. */
  async isSilent({ userId, role, silencedUntil }: ParticipantRow): Promise<boolean> {
    if (this.conversation.readOnly && role === 'member') return true;
    if (silencedUntil !== null && Date.parse(silencedUntil) > Date.parse(this.moment)) return true;
    const [row] = await this.tx.$queryRaw<{ silent: boolean }[]>`
      SELECT coalesce("silencedUntil" > ${this.moment}::timestamptz, false) AS silent FROM "User" WHERE id = ${userId}`;
    return row?.silent ?? false;
  }

  /** A person's name and picture, read inside the transaction: the embedded database has no second connection. */
  async findPerson(userId: string): Promise<User | undefined> {
    const [person] = await this.tx.$queryRaw<User[]>`
      SELECT id, name, "avatarUrl" FROM "User" WHERE id = ${userId}`;
    return person;
  }

  /** Writes the conversation's row and the notice for other nodes' tailers, if anything changed. */
  async finish(nodeId: string): Promise<void> {
    const changed = this.#rev !== this.conversation.rev;
    const audited = this.#auditHead.count !== this.conversation.auditCount;
    if (!changed && !audited && this.#updates.length === 0) return;
    const assignments = [
      ...this.#updates,
      Prisma.sql`rev = ${this.#rev}`,
      Prisma.sql`"auditCount" = ${this.#auditHead.count}`,
      Prisma.sql`"auditHash" = ${this.#auditHead.hash}`,
    ];
    await this.tx.$executeRaw`
      UPDATE "Conversation" SET ${Prisma.join(assignments)} WHERE id = ${this.conversation.id}::uuid`;
    if (changed) {
      await this.tx.$executeRaw`
        INSERT INTO "ChangeNotice" (xid, "nodeId", "conversationIds", revs, "userIds")
        SELECT pg_current_xact_id()::text::bigint, ${nodeId}, ARRAY[${this.conversation.id}::uuid],
          ARRAY[${this.#rev}::bigint], ARRAY(SELECT jsonb_array_elements_text(${JSON.stringify([...this.#affected])}::jsonb))`;
    }
  }
}

/** What a change leads to: the answer for the caller, and what to tell. */
export interface Committed<Answer> {
  readonly answer: Answer;
  readonly facts: readonly Fact[];
}

/** Runs changes of conversations, each one transaction on the row lock that sends take as well. */
export class ConversationLog {
  readonly #prisma: PrismaClient;
  readonly #nodeId: string;

  constructor({ prisma, nodeId }: { prisma: PrismaClient; nodeId: string }) {
    this.#prisma = prisma;
    this.#nodeId = nodeId;
  }

  /**
   * Locks the conversation and runs `work`. Null where there is no such conversation, or no longer. What `work` throws
   * rolls everything back. Deadlocks and serialization failures run it again from the start.
   */
  async change<Answer>(
    conversationId: string,
    work: (change: ConversationChange) => Promise<Answer>,
  ): Promise<Committed<Answer> | null> {
    return withRetries(() =>
      this.#prisma.$transaction(async (tx) => {
        const [row] = await tx.$queryRaw<{ conversation: ConversationRow; moment: string }[]>`
          SELECT to_jsonb(c) AS conversation, to_jsonb(date_trunc('milliseconds', clock_timestamp())) AS moment
          FROM "Conversation" c WHERE c.id = ${conversationId}::uuid FOR NO KEY UPDATE`;
        if (!row || row.conversation.deletedAt !== null) return null;
        const change = new ConversationChange(tx, row.conversation, new Date(row.moment).toISOString());
        const answer = await work(change);
        await change.finish(this.#nodeId);
        const facts = row.conversation.confidential
          ? change.facts.map((fact): Fact => ({ ...fact, confidential: true }))
          : change.facts;
        return { answer, facts };
      }),
    );
  }
}
