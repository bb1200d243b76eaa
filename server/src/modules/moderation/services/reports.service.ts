import type { Message, MessageReport, Page, Report, ReportsQuery, ResolveReport } from '@parley/protocol';
import type { Actor } from '../../../utils/actor.ts';
import { AppError, invalidField } from '../../../utils/app-error.ts';
import { decodeCursor, pageFrom } from '../../../utils/cursor.ts';
import { isUuid, newId } from '../../../utils/ids.ts';
import { isTimePlace } from '../places.ts';
import type { ReportRow, ReportsRepository } from '../repositories/reports.repository.ts';
import type { RestrictionsService } from './restrictions.service.ts';

/** Messages and conversations, as far as reports need them. */
export interface ReportedMessages {
  /** The message, for a participant of whatever role (`not_found`, `not_a_participant`). */
  findReportable(actor: Actor, conversationId: string, messageId: string): Promise<Message>;
  /** In wire shape by id, for an administrator; those that are gone with their conversation are missing. */
  findManyFor(actor: Actor, ids: readonly string[]): Promise<Map<string, Message>>;
  deleteMessage(actor: Actor, conversationId: string, messageId: string, reason?: string): Promise<Message>;
}

/** What can become of the author of a message in its conversation. */
export interface Silencing {
  silence(
    actor: Actor,
    where: { readonly conversationId: string; readonly userId: string },
    silencedUntil: string,
    reason: string | undefined,
  ): Promise<void>;
}

export interface ReportsServiceDeps {
  readonly repository: ReportsRepository;
  readonly messages: ReportedMessages;
  readonly members: Silencing;
  readonly restrictions: Pick<RestrictionsService, 'putRestrictions'>;
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
    const place = decodeCursor(query.cursor, isTimePlace);
    const rows = await this.#deps.repository.findPage({ ...query, place, limit: query.limit + 1 });
    const page = pageFrom(rows, query.limit, ({ createdAt, id }) => ({ at: createdAt, id }));
    return { items: await this.#present(actor, page.items), nextCursor: page.nextCursor };
  }

  /**
   * Closes a report: `dismissed`; `deleted`, which deletes the message and closes every open report of it; `restricted`,
   * which closes them and leaves it. With the last two something may become of its author. The same again answers with the
   * report as it is; another outcome than the one it has is a 409.
   */
  async resolveReport(actor: Actor, reportId: string, { outcome, note, author }: ResolveReport): Promise<Report> {
    requireAdministrator(actor);
    const report = isUuid(reportId) ? await this.#deps.repository.findOne(reportId) : null;
    if (!report) throw new AppError('not_found');
    const cleaned = (note && this.#deps.cleanText(note)) || null;
    if (report.outcome === null) {
      // Each step can be taken again, so that whoever was stopped in the middle repeats the call.
      if (author) await this.#restrict(actor, report, author, cleaned);
      if (outcome === 'deleted') await this.#delete(actor, report, cleaned);
    }
    const scope = outcome === 'dismissed' ? 'report' : 'message';
    const resolved = await this.#deps.repository.resolve(report, {
      outcome,
      resolvedBy: actor.id,
      note: cleaned,
      scope,
    });
    if (resolved.outcome !== outcome) throw new AppError('revision_conflict');
    return (await this.#present(actor, [resolved]))[0]!;
  }

  async #restrict(
    actor: Actor,
    { conversationId, messageId, reason }: ReportRow,
    { silencedUntil, where, banned }: NonNullable<ResolveReport['author']>,
    note: string | null,
  ): Promise<void> {
    const message = (await this.#deps.messages.findManyFor(actor, [messageId])).get(messageId);
    if (!message) throw new AppError('not_found');
    const userId = message.senderId;
    const why = note ?? reason;
    if (silencedUntil !== undefined && where === 'conversation') {
      await this.#deps.members.silence(actor, { conversationId, userId }, silencedUntil, why);
    }
    const everywhere = silencedUntil !== undefined && where === 'everywhere' ? { silencedUntil } : {};
    if (banned || where === 'everywhere') {
      await this.#deps.restrictions.putRestrictions(actor, userId, {
        ...everywhere,
        ...(banned && { banned }),
        reason: why,
      });
    }
  }

  async #delete(actor: Actor, { conversationId, messageId, reason }: ReportRow, note: string | null): Promise<void> {
    try {
      await this.#deps.messages.deleteMessage(actor, conversationId, messageId, note ?? reason);
    } catch (error) {
      // With its whole conversation it is gone already.
      if (!(error instanceof AppError) || error.code !== 'not_found') throw error;
    }
  }

  async #present(actor: Actor, rows: readonly ReportRow[]): Promise<Report[]> {
    const ids = rows.map(({ messageId }) => messageId);
    const messages = await this.#deps.messages.findManyFor(actor, ids);
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
