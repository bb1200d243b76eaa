import type { HeldQuery } from '@parley/protocol';
import { Prisma, type PrismaClient } from '../../../../prisma/generated/client.ts';
import type { SendDraft } from '../../messaging/index.ts';
import type { TimePlace } from '../places.ts';
import { audited } from './audited.ts';

/** A held message as it is stored. Times are ISO 8601 with an offset. */
export interface HeldRow {
  readonly id: string;
  readonly conversationId: string;
  readonly senderId: string;
  /** Null once it was sent, or never will be. */
  readonly command: SendDraft | null;
  readonly clientMessageId: string | null;
  readonly requestDigest: string | null;
  readonly cause: string;
  readonly createdAt: string;
  readonly resolvedAt: string | null;
  readonly resolvedBy: string | null;
  readonly decision: 'approved' | 'rejected' | null;
  readonly note: string | null;
  readonly sentAt: string | null;
  readonly refusal: string | null;
}

const STATES = {
  open: Prisma.sql`h."resolvedAt" IS NULL`,
  closed: Prisma.sql`h."resolvedAt" IS NOT NULL`,
  all: Prisma.sql`true`,
};

/** Messages that wait, and in the same transaction what the audit trail of their conversation says of them. */
export class HeldRepository {
  readonly #prisma: PrismaClient;

  constructor(prisma: PrismaClient) {
    this.#prisma = prisma;
  }

  /** Keeps a message. One that waits, or waited, under the same key is answered instead. */
  async hold(draft: SendDraft, cause: string): Promise<HeldRow> {
    const { id, conversationId, senderId, clientMessageId, requestDigest } = draft;
    return audited(this.#prisma, conversationId, async (tx, audit) => {
      const written = await tx.$executeRaw`
        INSERT INTO "HeldMessage" (id, "conversationId", "senderId", command, "clientMessageId", "requestDigest", cause)
        VALUES (${id}::uuid, ${conversationId}::uuid, ${senderId}, ${JSON.stringify(draft)}::jsonb, ${clientMessageId},
          ${requestDigest}, ${cause})
        ON CONFLICT ("conversationId", "senderId", "clientMessageId") DO NOTHING`;
      if (written > 0) await audit({ actorId: senderId, action: 'message.held', targetId: id, reason: cause });
      const [row] = await tx.$queryRaw<{ held: HeldRow }[]>`
        SELECT to_jsonb(h) AS held FROM "HeldMessage" h
        WHERE h.id = ${id}::uuid OR (h."conversationId" = ${conversationId}::uuid AND h."senderId" = ${senderId}
          AND h."clientMessageId" = ${clientMessageId})`;
      return row!.held;
    });
  }

  async findOne(id: string): Promise<HeldRow | null> {
    const [row] = await this.#prisma.$queryRaw<{ held: HeldRow }[]>`
      SELECT to_jsonb(h) AS held FROM "HeldMessage" h WHERE h.id = ${id}::uuid`;
    return row?.held ?? null;
  }

  /** Oldest first: who waits longest comes first. */
  async findPage(state: HeldQuery['state'], place: TimePlace | undefined, limit: number): Promise<HeldRow[]> {
    const beyond = place
      ? Prisma.sql`AND (h."createdAt", h.id) > (${place.at}::timestamptz, ${place.id}::uuid)`
      : Prisma.empty;
    const rows = await this.#prisma.$queryRaw<{ held: HeldRow }[]>`
      SELECT to_jsonb(h) AS held FROM "HeldMessage" h WHERE ${STATES[state]} ${beyond}
      ORDER BY h."createdAt", h.id LIMIT ${limit}`;
    return rows.map(({ held }) => held);
  }

  /** What was approved some seconds ago, and neither sent nor refused: somebody was stopped between the two. */
  async findUnsent(): Promise<HeldRow[]> {
    const rows = await this.#prisma.$queryRaw<{ held: HeldRow }[]>`
      SELECT to_jsonb(h) AS held FROM "HeldMessage" h
      WHERE h.decision = 'approved' AND h."sentAt" IS NULL AND h.refusal IS NULL
        AND h."resolvedAt" < now() - interval '5 seconds'
      ORDER BY h."resolvedAt" LIMIT 100`;
    return rows.map(({ held }) => held);
  }

  /** Decides about one that waits; one that was decided stays so. A rejected one keeps nothing but its place. */
  async decide(
    { id, conversationId }: HeldRow,
    decision: 'approved' | 'rejected',
    by: { readonly actorId: string; readonly note: string | null },
  ): Promise<HeldRow> {
    return audited(this.#prisma, conversationId, async (tx, audit) => {
      const [before] = await tx.$queryRaw<{ held: HeldRow }[]>`
        SELECT to_jsonb(h) AS held FROM "HeldMessage" h WHERE h.id = ${id}::uuid FOR UPDATE`;
      if (before!.held.decision !== null) return before!.held;
      const [row] = await tx.$queryRaw<{ held: HeldRow }[]>`
        UPDATE "HeldMessage" h SET decision = ${decision}::"HeldDecision", "resolvedAt" = now(),
          "resolvedBy" = ${by.actorId}, note = ${by.note},
          command = CASE WHEN ${decision === 'approved'} THEN h.command END
        WHERE h.id = ${id}::uuid RETURNING to_jsonb(h) AS held`;
      await audit({
        actorId: by.actorId,
        action: `message.${decision}`,
        targetId: id,
        reason: by.note,
        before: { senderId: before!.held.senderId, content: before!.held.command?.content ?? null },
      });
      return row!.held;
    });
  }

  /** Where the road of an approved one ended: it is a message now, or was refused. */
  async close(id: string, refusal: string | null): Promise<void> {
    await this.#prisma.$executeRaw`
      UPDATE "HeldMessage" SET command = NULL, refusal = ${refusal},
        "sentAt" = CASE WHEN ${refusal === null} THEN now() END
      WHERE id = ${id}::uuid AND "sentAt" IS NULL AND refusal IS NULL`;
  }
}
