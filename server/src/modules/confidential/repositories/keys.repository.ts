import { Prisma, type PrismaClient } from '../../../../prisma/generated/client.ts';
import type { WrappedKey } from '../../../infrastructure/key-ring.ts';

/** Whether a conversation is confidential, and its data key as it is kept. */
export interface ConversationKeyRow {
  readonly confidential: boolean;
  /** Null where there is none, which in a confidential conversation is a loss. */
  readonly key: WrappedKey | null;
}

/** A wrapped key and what it belongs to. */
export interface KeptKey extends WrappedKey {
  readonly id: string;
}

/** How many keys a master key wraps. */
export interface KeyUse {
  readonly keyId: string;
  readonly conversations: number;
  readonly files: number;
}

/** Where keys are kept wrapped: of conversations, of files that people sent, and of copies of what is a person's own. */
export const KEPT_KINDS = ['conversation', 'file', 'export'] as const;
export type KeptKind = (typeof KEPT_KINDS)[number];

export class KeysRepository {
  readonly #prisma: PrismaClient;

  constructor(prisma: PrismaClient) {
    this.#prisma = prisma;
  }

  /** Null where there is no such conversation. A deleted one is one still: its audit trail is read. */
  async findForConversation(conversationId: string): Promise<ConversationKeyRow | null> {
    const [row] = await this.#prisma.$queryRaw<{ row: ConversationKeyRow }[]>`
      SELECT jsonb_build_object('confidential', c.confidential, 'key',
        CASE WHEN k."keyId" IS NOT NULL THEN jsonb_build_object('keyId', k."keyId", 'wrapped', k.wrapped) END) AS row
      FROM "Conversation" c LEFT JOIN "ConversationKey" k ON k."conversationId" = c.id
      WHERE c.id = ${conversationId}::uuid`;
    return row?.row ?? null;
  }

  /** Ids of the master keys that wrapped something of this kind; each found by one step through an index. */
  async findWrappers(kind: KeptKind): Promise<string[]> {
    const { table, keyId: by } = tables[kind];
    const rows = await this.#prisma.$queryRaw<{ keyId: string }[]>`
      WITH RECURSIVE used AS (
        SELECT min(${by}) AS key FROM ${table} t
        UNION ALL
        SELECT (SELECT min(${by}) FROM ${table} t WHERE ${by} > used.key) FROM used WHERE used.key IS NOT NULL
      )
      SELECT key AS "keyId" FROM used WHERE key IS NOT NULL`;
    return rows.map(({ keyId }) => keyId);
  }

  /** Keys that this master key wrapped, in order of id after `after`. */
  async findWrappedBy(kind: KeptKind, keyId: string, after: string | null, limit: number): Promise<KeptKey[]> {
    const { table, id, keyId: by, wrapped } = tables[kind];
    return this.#prisma.$queryRaw<KeptKey[]>`
      SELECT t.${id}::text AS id, ${by} AS "keyId", ${wrapped} AS wrapped FROM ${table} t
      WHERE ${by} = ${keyId} AND (${after}::uuid IS NULL OR t.${id} > ${after}::uuid)
      ORDER BY t.${id} LIMIT ${limit}`;
  }

  /** Puts keys in the place of what they were before; one that changed meanwhile stays. Answers how many were put. */
  async replace(
    kind: KeptKind,
    keys: readonly { readonly before: KeptKey; readonly after: WrappedKey }[],
  ): Promise<number> {
    const { table, id, wrapped, assignment } = tables[kind];
    const moves = keys.map(({ before, after }) => ({ id: before.id, was: before.wrapped, ...after }));
    return this.#prisma.$executeRaw`
      UPDATE ${table} t SET ${assignment}
      FROM jsonb_to_recordset(${JSON.stringify(moves)}::jsonb) AS x(id uuid, was text, "keyId" text, wrapped text)
      WHERE t.${id} = x.id AND ${wrapped} = x.was`;
  }

  /** Master keys by what they wrap; those that wrap nothing are missing. */
  async countUses(): Promise<KeyUse[]> {
    return this.#prisma.$queryRaw<KeyUse[]>`
      SELECT "keyId", sum(conversations)::int AS conversations, sum(files)::int AS files FROM (
        SELECT "keyId", count(*) AS conversations, 0 AS files FROM "ConversationKey" GROUP BY "keyId"
        UNION ALL
        SELECT "keyId", 0, count(*) FROM "Attachment" WHERE "keyId" IS NOT NULL GROUP BY "keyId"
        UNION ALL
        SELECT result ->> 'keyId', 0, count(*) FROM "PrivacyJob" WHERE result ->> 'keyId' IS NOT NULL GROUP BY 1
      ) used GROUP BY "keyId" ORDER BY "keyId"`;
  }
}

/** How the keys of each kind are kept; `t` is the row, `x` what it becomes. */
const tables = {
  conversation: {
    table: Prisma.sql`"ConversationKey"`,
    id: Prisma.sql`"conversationId"`,
    keyId: Prisma.sql`t."keyId"`,
    wrapped: Prisma.sql`t.wrapped`,
    assignment: Prisma.sql`"keyId" = x."keyId", wrapped = x.wrapped`,
  },
  file: {
    table: Prisma.sql`"Attachment"`,
    id: Prisma.sql`id`,
    keyId: Prisma.sql`t."keyId"`,
    wrapped: Prisma.sql`t."wrappedKey"`,
    assignment: Prisma.sql`"keyId" = x."keyId", "wrappedKey" = x.wrapped`,
  },
  export: {
    table: Prisma.sql`"PrivacyJob"`,
    id: Prisma.sql`id`,
    keyId: Prisma.sql`(t.result ->> 'keyId')`,
    wrapped: Prisma.sql`(t.result ->> 'wrappedKey')`,
    assignment: Prisma.sql`result = t.result || jsonb_build_object('keyId', x."keyId", 'wrappedKey', x.wrapped)`,
  },
} as const satisfies Record<KeptKind, object>;
