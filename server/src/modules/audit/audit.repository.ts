import { Prisma, type PrismaClient } from '../../../prisma/generated/client.ts';
import { newId } from '../../utils/ids.ts';
import { type ChainedEntry, type ChainHead, hashEntry } from './audit-chain.ts';

/** What is written of one action. */
export interface AuditRecord {
  readonly actorId: string;
  /** `noun.verb` in the past: `message.deleted`. */
  readonly action: string;
  readonly targetId?: string | null;
  readonly reason?: string | null;
  readonly before?: unknown;
  readonly after?: unknown;
}

type Transaction = Pick<PrismaClient, '$queryRaw' | '$executeRaw'>;

export interface AuditFilter {
  readonly conversationId?: string | undefined;
  readonly actorId?: string | undefined;
  readonly action?: string | undefined;
  readonly before?: string | undefined;
  readonly after?: string | undefined;
  /** Entries older than this one. */
  readonly cursor?: { readonly at: string; readonly id: string } | undefined;
  readonly limit: number;
}

/** Entries as rows of JSON: times with an offset are made canonical here. */
type EntryRow = Omit<ChainedEntry, 'at'> & { at: string };

const entryJson = Prisma.sql`to_jsonb(e)`;

/**
 * Appends to the chain of a conversation whose row the caller has locked, and answers with the chain's new head, which
 * the caller writes back with the row.
 */
export async function appendToChain(
  tx: Transaction,
  conversationId: string | null,
  head: ChainHead,
  at: string,
  record: AuditRecord,
): Promise<ChainHead> {
  const unhashed = {
    id: newId(),
    conversationId,
    position: head.count + 1,
    at,
    actorId: record.actorId,
    action: record.action,
    targetId: record.targetId ?? null,
    reason: record.reason ?? null,
    before: record.before ?? null,
    after: record.after ?? null,
    previousHash: head.hash,
  };
  const entry = { ...unhashed, hash: hashEntry(unhashed) };
  await tx.$executeRaw`
    INSERT INTO "AuditEntry"
      (id, "conversationId", position, at, "actorId", action, "targetId", reason, before, after, "previousHash", hash)
    SELECT id, "conversationId", position, at, "actorId", action, "targetId", reason,
      nullif(before, 'null'), nullif(after, 'null'), "previousHash", hash
    FROM jsonb_to_record(${JSON.stringify(entry)}::jsonb) AS e(
      id uuid, "conversationId" uuid, position int, at timestamptz, "actorId" text, action text, "targetId" text,
      reason text, before jsonb, after jsonb, "previousHash" text, hash text)`;
  return { count: entry.position, hash: entry.hash };
}

/** Where the head of the server's own chain is kept. */
const SERVER_CHAIN_SETTING = 'auditHead';
const EMPTY_CHAIN: ChainHead = { count: 0, hash: '' };

/**
 * Appends to the server's own chain, that of actions which belong to no conversation, inside of the caller's transaction.
 * Its head is a row of the settings, locked here until the transaction ends: such actions follow one another.
 */
export async function appendToServerChain(tx: Transaction, record: AuditRecord): Promise<void> {
  const [row] = await tx.$queryRaw<{ value: string; at: string }[]>`
    INSERT INTO "ServerSetting" AS s (key, value) VALUES (${SERVER_CHAIN_SETTING}, ${JSON.stringify(EMPTY_CHAIN)})
    ON CONFLICT (key) DO UPDATE SET value = s.value
    RETURNING value, to_json(date_trunc('milliseconds', clock_timestamp())) #>> '{}' AS at`;
  const at = new Date(row!.at).toISOString();
  const head = await appendToChain(tx, null, JSON.parse(row!.value) as ChainHead, at, record);
  await tx.$executeRaw`
    UPDATE "ServerSetting" SET value = ${JSON.stringify(head)} WHERE key = ${SERVER_CHAIN_SETTING}`;
}

/** Reads the trail. Writing goes through `appendToChain`, inside of the transaction of what is recorded. */
export class AuditRepository {
  readonly #prisma: PrismaClient;

  constructor(prisma: PrismaClient) {
    this.#prisma = prisma;
  }

  /** Newest first. */
  async findPage(filter: AuditFilter): Promise<ChainedEntry[]> {
    const conditions = [Prisma.sql`true`];
    if (filter.conversationId) conditions.push(Prisma.sql`e."conversationId" = ${filter.conversationId}::uuid`);
    if (filter.actorId) conditions.push(Prisma.sql`e."actorId" = ${filter.actorId}`);
    if (filter.action) conditions.push(Prisma.sql`e.action = ${filter.action}`);
    if (filter.before) conditions.push(Prisma.sql`e.at < ${filter.before}::timestamptz`);
    if (filter.after) conditions.push(Prisma.sql`e.at > ${filter.after}::timestamptz`);
    if (filter.cursor) {
      conditions.push(Prisma.sql`(e.at, e.id) < (${filter.cursor.at}::timestamptz, ${filter.cursor.id}::uuid)`);
    }
    const rows = await this.#prisma.$queryRaw<{ entry: EntryRow }[]>`
      SELECT ${entryJson} AS entry FROM "AuditEntry" e
      WHERE ${Prisma.join(conditions, ' AND ')}
      ORDER BY e.at DESC, e.id DESC LIMIT ${filter.limit}`;
    return rows.map(({ entry }) => canonical(entry));
  }

  /** The whole chain of a conversation with its head, read as of one moment; null where there is no conversation. */
  async findChain(conversationId: string): Promise<{ entries: ChainedEntry[]; head: ChainHead } | null> {
    const [row] = await this.#prisma.$queryRaw<{ count: number; hash: string; entries: EntryRow[] | null }[]>`
      SELECT c."auditCount" AS count, c."auditHash" AS hash,
        (SELECT jsonb_agg(${entryJson} ORDER BY e.position) FROM "AuditEntry" e WHERE e."conversationId" = c.id) AS entries
      FROM "Conversation" c WHERE c.id = ${conversationId}::uuid`;
    if (!row) return null;
    return { entries: (row.entries ?? []).map(canonical), head: { count: row.count, hash: row.hash } };
  }

  /** The server's own chain: actions that belong to no conversation. */
  async findServerChain(): Promise<{ entries: ChainedEntry[]; head: ChainHead }> {
    const [row] = await this.#prisma.$queryRaw<{ head: string | null; entries: EntryRow[] | null }[]>`
      SELECT (SELECT value FROM "ServerSetting" WHERE key = ${SERVER_CHAIN_SETTING}) AS head,
        (SELECT jsonb_agg(${entryJson} ORDER BY e.position) FROM "AuditEntry" e WHERE e."conversationId" IS NULL) AS entries`;
    return {
      entries: (row!.entries ?? []).map(canonical),
      head: row!.head === null ? EMPTY_CHAIN : (JSON.parse(row!.head) as ChainHead),
    };
  }

  /** Ids of the conversations after `after` in order of id, for a walk over all chains. */
  async findConversations(after: string | null, limit: number): Promise<string[]> {
    const rows = await this.#prisma.$queryRaw<{ id: string }[]>`
      SELECT id FROM "Conversation"
      WHERE ${after}::uuid IS NULL OR id > ${after}::uuid
      ORDER BY id LIMIT ${limit}`;
    return rows.map(({ id }) => id);
  }
}

function canonical(row: EntryRow): ChainedEntry {
  return { ...row, at: new Date(row.at).toISOString() };
}
