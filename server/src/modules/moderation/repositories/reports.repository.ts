import type { ReportOutcome } from '@parley/protocol';
import { Prisma, type PrismaClient } from '../../../../prisma/generated/client.ts';
import { audited } from './audited.ts';

/** A report as it is stored. Times are ISO 8601 with an offset. */
export interface ReportRow {
  readonly id: string;
  readonly conversationId: string;
  readonly messageId: string;
  readonly reporterId: string;
  readonly reason: string;
  readonly createdAt: string;
  readonly resolvedAt: string | null;
  readonly resolvedBy: string | null;
  readonly outcome: ReportOutcome | null;
  readonly note: string | null;
}

export type NewReport = Pick<ReportRow, 'id' | 'conversationId' | 'messageId' | 'reporterId' | 'reason'>;

/** How a report ends. `scope`: this report alone, or every open one of its message. */
export interface Resolution {
  readonly outcome: ReportOutcome;
  readonly resolvedBy: string;
  readonly note: string | null;
  readonly scope: 'report' | 'message';
}

export interface ReportFilter {
  readonly state: 'open' | 'closed' | 'all';
  readonly conversationId?: string | undefined;
  /** Reports older than this one. */
  readonly place: { readonly at: string; readonly id: string } | undefined;
  readonly limit: number;
}

const STATES = {
  open: Prisma.sql`r."resolvedAt" IS NULL`,
  closed: Prisma.sql`r."resolvedAt" IS NOT NULL`,
  all: Prisma.sql`true`,
};

/** Reports and, in the same transaction, what the audit trail of their conversation says of them. */
export class ReportsRepository {
  readonly #prisma: PrismaClient;

  constructor(prisma: PrismaClient) {
    this.#prisma = prisma;
  }

  /** Stores a report. One that the person made of this message before is answered instead, with `created` false. */
  async create(report: NewReport): Promise<{ report: ReportRow; created: boolean }> {
    return audited(this.#prisma, report.conversationId, async (tx, audit) => {
      const written = await tx.$executeRaw`
        INSERT INTO "Report" (id, "conversationId", "messageId", "reporterId", reason)
        VALUES (${report.id}::uuid, ${report.conversationId}::uuid, ${report.messageId}::uuid, ${report.reporterId},
          ${report.reason})
        ON CONFLICT ("messageId", "reporterId") DO NOTHING`;
      const [row] = await tx.$queryRaw<{ report: ReportRow }[]>`
        SELECT to_jsonb(r) AS report FROM "Report" r
        WHERE r."messageId" = ${report.messageId}::uuid AND r."reporterId" = ${report.reporterId}`;
      if (written > 0) {
        await audit({
          actorId: report.reporterId,
          action: 'message.reported',
          targetId: report.messageId,
          reason: report.reason,
        });
      }
      return { report: row!.report, created: written > 0 };
    });
  }

  async findOne(id: string): Promise<ReportRow | null> {
    const [row] = await this.#prisma.$queryRaw<{ report: ReportRow }[]>`
      SELECT to_jsonb(r) AS report FROM "Report" r WHERE r.id = ${id}::uuid`;
    return row?.report ?? null;
  }

  /** Newest first. */
  async findPage({ state, conversationId, place, limit }: ReportFilter): Promise<ReportRow[]> {
    const conditions = [STATES[state]];
    if (conversationId) conditions.push(Prisma.sql`r."conversationId" = ${conversationId}::uuid`);
    if (place) conditions.push(Prisma.sql`(r."createdAt", r.id) < (${place.at}::timestamptz, ${place.id}::uuid)`);
    const rows = await this.#prisma.$queryRaw<{ report: ReportRow }[]>`
      SELECT to_jsonb(r) AS report FROM "Report" r
      WHERE ${Prisma.join(conditions, ' AND ')}
      ORDER BY r."createdAt" DESC, r.id DESC LIMIT ${limit}`;
    return rows.map(({ report }) => report);
  }

  /** Closes a report, and answers with it as it is then: one that was closed meanwhile stays as it was closed. */
  async resolve(report: ReportRow, resolution: Resolution): Promise<ReportRow> {
    const { outcome, resolvedBy, note, scope } = resolution;
    return audited(this.#prisma, report.conversationId, async (tx, audit) => {
      const which =
        scope === 'message' ? Prisma.sql`"messageId" = ${report.messageId}::uuid` : Prisma.sql`id = ${report.id}::uuid`;
      const closed = await tx.$queryRaw<{ id: string }[]>`
        UPDATE "Report" SET "resolvedAt" = now(), "resolvedBy" = ${resolvedBy}, note = ${note},
          outcome = ${outcome}::"ReportOutcome"
        WHERE ${which} AND "resolvedAt" IS NULL
        RETURNING id::text AS id`;
      for (const { id } of closed) {
        const after = { reportId: id, outcome };
        await audit({
          actorId: resolvedBy,
          action: 'report.resolved',
          targetId: report.messageId,
          reason: note,
          after,
        });
      }
      const [row] = await tx.$queryRaw<{ report: ReportRow }[]>`
        SELECT to_jsonb(r) AS report FROM "Report" r WHERE r.id = ${report.id}::uuid`;
      return row!.report;
    });
  }
}
