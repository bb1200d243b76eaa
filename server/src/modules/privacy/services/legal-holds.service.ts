import type { CreateLegalHold, LegalHold, Page, PageQuery } from '@parley/protocol';
import type { Actor } from '../../../utils/actor.ts';
import { AppError, invalidField } from '../../../utils/app-error.ts';
import { decodeCursor, pageFrom } from '../../../utils/cursor.ts';
import { isUuid, newId } from '../../../utils/ids.ts';
import type { LegalHoldsRepository } from '../repositories/legal-holds.repository.ts';
import type { PersonalDataRepository } from '../repositories/personal-data.repository.ts';

/** What neither erasure nor retention may touch. Looked up under the lock of every conversation that they change. */
export class LegalHoldsService {
  readonly #holds: LegalHoldsRepository;
  readonly #data: Pick<PersonalDataRepository, 'isKnown'>;
  readonly #cleanText: (text: string) => string;

  constructor(deps: {
    holds: LegalHoldsRepository;
    data: Pick<PersonalDataRepository, 'isKnown'>;
    cleanText: (text: string) => string;
  }) {
    this.#holds = deps.holds;
    this.#data = deps.data;
    this.#cleanText = deps.cleanText;
  }

  async listLegalHolds(actor: Actor, { limit, cursor }: PageQuery): Promise<Page<LegalHold>> {
    requireAdministrator(actor);
    const holds = await this.#holds.findPage(decodeCursor(cursor, isTimePlace), limit + 1);
    return pageFrom(holds, limit, ({ createdAt, id }) => ({ at: createdAt, id }));
  }

  /** Begins a hold; `created` is false where it lasts already. */
  async createLegalHold(actor: Actor, input: CreateLegalHold): Promise<{ hold: LegalHold; created: boolean }> {
    requireAdministrator(actor);
    const reason = this.#cleanText(input.reason);
    if (reason === '') throw invalidField('reason', 'Must not be empty.');
    const { conversationId = null, userId = null } = input;
    const exists =
      conversationId === null
        ? await this.#data.isKnown(userId ?? '')
        : isUuid(conversationId) && (await this.#holds.conversationExists(conversationId));
    if (!exists) throw new AppError('not_found');
    return this.#holds.create({ id: newId(), conversationId, userId, reason, createdBy: actor.id });
  }

  /** @throws AppError `not_found` where no such hold lasts. */
  async releaseLegalHold(actor: Actor, id: string): Promise<void> {
    requireAdministrator(actor);
    if (!isUuid(id) || !(await this.#holds.release(id, actor.id))) throw new AppError('not_found');
  }
}

function requireAdministrator(actor: Actor): void {
  if (!actor.roles.includes('admin')) throw new AppError('forbidden');
}

function isTimePlace(value: unknown): value is { at: string; id: string } {
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
