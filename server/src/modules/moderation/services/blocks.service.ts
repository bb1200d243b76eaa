import type { Block, Page, PageQuery, User } from '@parley/protocol';
import type { Actor } from '../../../utils/actor.ts';
import { AppError, invalidField } from '../../../utils/app-error.ts';
import { decodeCursor, pageFrom } from '../../../utils/cursor.ts';
import type { BlockPlace, BlocksRepository } from '../repositories/blocks.repository.ts';
import type { BlockList } from './block-list.ts';

/** Where people are looked up; unknown ids are missing from the answer. */
export interface Directory {
  findMany(ids: readonly string[]): Promise<Map<string, User>>;
}

export interface BlocksServiceDeps {
  readonly repository: BlocksRepository;
  readonly list: BlockList;
  readonly directory: Directory;
  /** What the two may see of each other is otherwise now. */
  readonly onChanged: (one: string, other: string) => void;
}

/** Whom one does not want to hear from. Only oneself sees one's list; the other learns of it by what no longer works. */
export class BlocksService {
  readonly #deps: BlocksServiceDeps;

  constructor(deps: BlocksServiceDeps) {
    this.#deps = deps;
  }

  /** @throws AppError `not_found` for somebody unknown, `invalid_request` for oneself. */
  async block(actor: Actor, userId: string): Promise<void> {
    if (userId === actor.id) throw invalidField('uid', 'Must be somebody else.');
    await this.#requireKnown(userId);
    if (await this.#deps.repository.begin(actor.id, userId)) await this.#told(actor.id, userId);
  }

  /** @throws AppError `not_found` for somebody unknown. */
  async unblock(actor: Actor, userId: string): Promise<void> {
    await this.#requireKnown(userId);
    if (await this.#deps.repository.end(actor.id, userId)) await this.#told(actor.id, userId);
  }

  /** Whom one blocks, the latest first. */
  async listBlocks(actor: Actor, { limit, cursor }: PageQuery): Promise<Page<Block>> {
    const rows = await this.#deps.repository.findPage(actor.id, decodeCursor(cursor, isBlockPlace), limit + 1);
    return pageFrom(rows, limit, ({ createdAt, user }) => ({ at: createdAt, id: user.id }));
  }

  async #told(one: string, other: string): Promise<void> {
    await this.#deps.list.noteChange(one, other);
    this.#deps.onChanged(one, other);
  }

  async #requireKnown(userId: string): Promise<void> {
    const known = await this.#deps.directory.findMany([userId]);
    if (!known.has(userId)) throw new AppError('not_found');
  }
}

function isBlockPlace(value: unknown): value is BlockPlace {
  return (
    typeof value === 'object' &&
    value !== null &&
    'at' in value &&
    typeof value.at === 'string' &&
    !Number.isNaN(Date.parse(value.at)) &&
    'id' in value &&
    typeof value.id === 'string' &&
    !value.id.includes('\0')
  );
}
