import { CAPS, type CreateRule, type Page, type PageQuery, type Rule } from '@parley/protocol';
import type { Actor } from '../../../utils/actor.ts';
import { AppError, invalidField } from '../../../utils/app-error.ts';
import { decodeCursor, pageFrom } from '../../../utils/cursor.ts';
import { isUuid, newId } from '../../../utils/ids.ts';
import { isTimePlace } from '../places.ts';
import type { RulesRepository } from '../repositories/rules.repository.ts';
import type { RuleBook } from './rule-book.ts';
import { patternOf } from './rule-matcher.ts';

/** Rules for words and links: administrators make them. */
export class RulesService {
  readonly #repository: RulesRepository;
  readonly #book: RuleBook;

  constructor({ repository, book }: { repository: RulesRepository; book: RuleBook }) {
    this.#repository = repository;
    this.#book = book;
  }

  async listRules(actor: Actor, query: PageQuery): Promise<Page<Rule>> {
    requireAdministrator(actor);
    const rules = await this.#repository.findPage(decodeCursor(query.cursor, isTimePlace), query.limit + 1);
    return pageFrom(rules, query.limit, ({ createdAt, id }) => ({ at: createdAt, id }));
  }

  /** Makes a rule, or gives the one of this pattern another action. It holds here when this resolves. */
  async createRule(actor: Actor, { kind, pattern, action }: CreateRule): Promise<{ rule: Rule; created: boolean }> {
    requireAdministrator(actor);
    const form = patternOf(kind, pattern);
    if (form === null) throw invalidField('pattern', 'There is nothing in it to look for.');
    const rule = { id: newId(), kind, pattern: form, action, createdBy: actor.id };
    const stored = await this.#repository.put(rule, CAPS.rules);
    if (!stored) throw invalidField('pattern', `There are ${CAPS.rules} rules already.`);
    await this.#book.noteChange();
    return stored;
  }

  /** @throws AppError `not_found` where there is none of that id. */
  async deleteRule(actor: Actor, id: string): Promise<void> {
    requireAdministrator(actor);
    if (!isUuid(id) || !(await this.#repository.remove(id, actor.id))) throw new AppError('not_found');
    await this.#book.noteChange();
  }
}

function requireAdministrator(actor: Actor): void {
  if (!actor.roles.includes('admin')) throw new AppError('forbidden');
}
