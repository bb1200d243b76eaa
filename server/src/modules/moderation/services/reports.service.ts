import type { Message, MessageReport, Page, Report, ReportsQuery, ResolveReport } from '@parley/protocol';
import type { Actor } from '../../../utils/actor.ts';
import { AppError, invalidField } from '../../../utils/app-error.ts';
import { decodeCursor, pageFrom } from '../../../utils/cursor.ts';
import { isUuid, newId } from '../../../utils/ids.ts';
import type { ReportRow, ReportsRepository } from '../repositories/reports.repository.ts';

/** Messages and conversations, as far as reports need them. */
export interface ReportedMessages {
  /** The message, for a participant of whatever role (`not_found`, `not_a_participant`). */
  findReportable(actor: Actor, conversationId: string, messageId: string): Promise<Message>;
  /** In wire shape by id; those that are gone with their conversation are missing. */
  findMany(ids: readonly string[]): Promise<Map<string, Message>>;
  deleteMessage(actor: Actor, conversationId: string, messageId: string, reason?: string): Promise<Message>;
}

export interface ReportsServiceDeps {
  readonly repository: ReportsRepository;
  readonly messages: ReportedMessages;
  /** Removes markup from a text and trims it; an empty result means that nothing is left. */
  readonly cleanText: (text: string) => string;
}

/** Reports of messages: participants make them, administrators look through them. */
export class ReportsService {
  readonly #deps: ReportsServiceDeps;

  constructor(deps: ReportsServiceDeps) {
    this.#deps = deps;
  }

  /** Reports a message. A second time answers with the first report, `created` false. Its author is not told. */
  async reportMessage(
    actor: Actor,
    conversationId: string,
    messageId: string,
    input: { readonly reason: string },
  ): Promise<{ report: MessageReport; created: boolean }> {
    const reason = this.#deps.cleanText(input.reason);
    if (reason === '') throw invalidField('reason', 'Must not be empty.');
    const message = await this.#deps.messages.findReportable(actor, conversationId, messageId);
    if (message.deletedAt !== null) throw new AppError('message_deleted');
    const { report, created } = await this.#deps.repository.create({
      id: newId(),
      conversationId: message.conversationId,
      messageId: message.id,
      reporterId: actor.id,
      reason,
    });
    return { report: presentToReporter(report), created };
  }

  /** The queue, newest first, each report with its message as it is now. */
  async listReports(actor: Actor, query: ReportsQuery): Promise<Page<Report>> {
    requireAdministrator(actor);
    const { conversationId } = query;
    if (conversationId !== undefined && !isUuid(conversationId)) return { items: [], nextCursor: null };
    const place = decodeCursor(query.cursor, isReportPlace);
    const rows = await this.#deps.repository.findPage({ ...query, place, limit: query.limit + 1 });
    const page = pageFrom(rows, query.limit, ({ createdAt, id }) => ({ at: createdAt, id }));
    return { items: await this.#present(page.items), nextCursor: page.nextCursor };
  }

  /**
   * Closes a report: `dismissed`, or `deleted`, which deletes the message and closes every open report of it. The same
   * again answers with the report as it is; another outcome than the one it has is a 409.
   */
  async resolveReport(actor: Actor, reportId: string, { outcome, note }: ResolveReport): Promise<Report> {
    requireAdministrator(actor);
    const report = isUuid(reportId) ? await this.#deps.repository.findOne(reportId) : null;
    if (!report) throw new AppError('not_found');
    const cleaned = (note && this.#deps.cleanText(note)) || null;
    if (report.outcome === null && outcome === 'deleted') await this.#delete(actor, report, cleaned);
    const scope = outcome === 'deleted' ? 'message' : 'report';
    const resolved = await this.#deps.repository.resolve(report, {
      outcome,
      resolvedBy: actor.id,
      note: cleaned,
      scope,
    });
    if (resolved.outcome !== outcome) throw new AppError('revision_conflict');
    return (await this.#present([resolved]))[0]!;
  }

  async #delete(actor: Actor, { conversationId, messageId, reason }: ReportRow, note: string | null): Promise<void> {
    try {
      await this.#deps.messages.deleteMessage(actor, conversationId, messageId, note ?? reason);
    } catch (error) {
      // With its whole conversation it is gone already.
      if (!(error instanceof AppError) || error.code !== 'not_found') throw error;
    }
  }

  async #present(rows: readonly ReportRow[]): Promise<Report[]> {
    const messages = await this.#deps.messages.findMany(rows.map(({ messageId }) => messageId));
    return rows.map((row) => ({
      ...presentToReporter(row),
      resolvedAt: row.resolvedAt && new Date(row.resolvedAt).toISOString(),
      resolvedBy: row.resolvedBy,
      outcome: row.outcome,
      note: row.note,
      message: messages.get(row.messageId) ?? null,
    }));
  }
}

/** What a report is to whoever made it: what became of it is between the administrators. */
function presentToReporter({ id, conversationId, messageId, reporterId, reason, createdAt }: ReportRow): MessageReport {
  return { id, conversationId, messageId, reporterId, reason, createdAt: new Date(createdAt).toISOString() };
}

function requireAdministrator(actor: Actor): void {
  if (!actor.roles.includes('admin')) throw new AppError('forbidden');
}

function isReportPlace(value: unknown): value is { at: string; id: string } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'at' in value &&
    typeof value.at === 'string' &&
    !Number.isNaN(Date.parse(value.at)) &&
    'id' in value &&
    typeof value.id === 'string' &&
    isUuid(value.id)
  );
}
