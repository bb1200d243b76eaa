import { ERRORS, type HeldMessage, type HeldQuery, type Page, type ResolveHeld, type User } from '@parley/protocol';
import type { Actor } from '../../../utils/actor.ts';
import { AppError } from '../../../utils/app-error.ts';
import { decodeCursor, pageFrom } from '../../../utils/cursor.ts';
import { isUuid } from '../../../utils/ids.ts';
import type { Logger } from '../../../utils/logger.ts';
import type { SendDraft } from '../../messaging/index.ts';
import { isTimePlace } from '../places.ts';
import type { HeldRepository, HeldRow } from '../repositories/held.repository.ts';

export interface HeldServiceDeps {
  readonly repository: HeldRepository;
  /** Sends what was held; a second time does nothing. */
  readonly send: (draft: SendDraft) => Promise<void>;
  readonly findPeople: (ids: readonly string[]) => Promise<Map<string, User>>;
  /** Removes markup from a text and trims it. */
  readonly cleanText: (text: string) => string;
  readonly logger: Pick<Logger, 'warn'>;
}

/** How often a node looks for what was approved and not sent: somebody may have been killed between the two. */
const LOOK_EVERY_MS = 20_000;

/** Messages that wait for a decision: administrators decide, and what is approved goes the road of every message. */
export class HeldService {
  readonly #deps: HeldServiceDeps;
  #timer: NodeJS.Timeout | null = null;
  #sending: Promise<void> | null = null;

  constructor(deps: HeldServiceDeps) {
    this.#deps = deps;
  }

  async listHeld(actor: Actor, query: HeldQuery): Promise<Page<HeldMessage>> {
    requireAdministrator(actor);
    const place = decodeCursor(query.cursor, isTimePlace);
    const rows = await this.#deps.repository.findPage(query.state, place, query.limit + 1);
    const page = pageFrom(rows, query.limit, ({ createdAt, id }) => ({ at: createdAt, id }));
    return { items: await this.#present(page.items), nextCursor: page.nextCursor };
  }

  /**
   * Sends a held message, or never. The same again answers like the first time.
   *
   * @throws AppError `revision_conflict` where the other was decided.
   */
  async resolveHeld(actor: Actor, id: string, { decision, note }: ResolveHeld): Promise<HeldMessage> {
    requireAdministrator(actor);
    const held = isUuid(id) ? await this.#deps.repository.findOne(id) : null;
    if (!held) throw new AppError('not_found');
    const wanted = decision === 'approve' ? 'approved' : 'rejected';
    const by = { actorId: actor.id, note: (note && this.#deps.cleanText(note)) || null };
    const decided = await this.#deps.repository.decide(held, wanted, by);
    if (decided.decision !== wanted) throw new AppError('revision_conflict');
    await this.#send(decided);
    const [shown] = await this.#present([(await this.#deps.repository.findOne(id)) ?? decided]);
    return shown!;
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#sending ??= this.sendApproved()
        .catch((error: unknown) => this.#deps.logger.warn({ err: error }, 'approved messages could not be looked for'))
        .finally(() => {
          this.#sending = null;
        });
    }, LOOK_EVERY_MS);
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    if (this.#timer) clearInterval(this.#timer);
    await this.#sending;
  }

  /** Sends what was approved and is not sent yet. */
  async sendApproved(): Promise<void> {
    for (const row of await this.#deps.repository.findUnsent()) await this.#send(row);
  }

  async #send({ id, command, decision, sentAt, refusal }: HeldRow): Promise<void> {
    if (decision !== 'approved' || sentAt !== null || refusal !== null || command === null) return;
    try {
      await this.#deps.send(command);
      await this.#deps.repository.close(id, null);
    } catch (error) {
      if (error instanceof AppError && !ERRORS[error.code].retryable) await this.#deps.repository.close(id, error.code);
      // It stays approved, and is tried again before long.
      else this.#deps.logger.warn({ err: error, heldMessageId: id }, 'an approved message could not be sent yet');
    }
  }

  async #present(rows: readonly HeldRow[]): Promise<HeldMessage[]> {
    const people = await this.#deps.findPeople(rows.map(({ senderId }) => senderId));
    return rows.map(({ senderId, command, ...row }) => ({
      id: row.id,
      conversationId: row.conversationId,
      sender: people.get(senderId) ?? { id: senderId, name: senderId, avatarUrl: null },
      content: row.decision === null ? (command?.content ?? null) : null,
      attachmentIds: row.decision === null ? [...(command?.attachmentIds ?? [])] : [],
      cause: row.cause,
      createdAt: time(row.createdAt),
      resolvedAt: row.resolvedAt && time(row.resolvedAt),
      resolvedBy: row.resolvedBy,
      decision: row.decision,
      note: row.note,
      sentAt: row.sentAt && time(row.sentAt),
      refusal: row.refusal,
    }));
  }
}

function requireAdministrator(actor: Actor): void {
  if (!actor.roles.includes('admin')) throw new AppError('forbidden');
}

function time(value: string): string {
  return new Date(value).toISOString();
}
