import type { Change, Changes, SyncResult, User } from '@parley/protocol';
import type { Actor } from '../../../utils/actor.ts';
import { AppError } from '../../../utils/app-error.ts';
import { presentConversation, presentMessage, presentParticipant, withoutPointers } from '../messaging.presenter.ts';
import type { ChangeRow, ChangesRepository } from '../repositories/changes.repository.ts';
import type { ConversationAccess } from './conversation-access.ts';
import type { Blocks, Directory } from './conversations.service.ts';

/** How a client that was away comes to the present state, from any `rev` (DLV-2). */
export class SyncService {
  readonly #changes: ChangesRepository;
  readonly #access: ConversationAccess;
  readonly #directory: Directory;
  readonly #blocks: Blocks;

  constructor(deps: { changes: ChangesRepository; access: ConversationAccess; directory: Directory; blocks: Blocks }) {
    this.#changes = deps.changes;
    this.#access = deps.access;
    this.#directory = deps.directory;
    this.#blocks = deps.blocks;
  }

  /** What changed after a `rev`, in order, each thing once in its latest state. */
  async listChanges(
    actor: Actor,
    conversationId: string,
    query: { readonly after: number; readonly limit: number },
  ): Promise<Changes> {
    await this.#access.require(actor, conversationId, 'read');
    const page = await this.#changes.findAfter(conversationId, query.after, query.limit);
    if (!page) throw new AppError('not_found');
    const changes = await this.presentChanges(page.changes);
    return { changes: await this.#hidePointers(actor.id, changes), rev: page.rev, hasMore: page.hasMore };
  }

  /** Which of the actor's conversations are behind, gone from, or missing in, the client's cursors. */
  async sync(actor: Actor, cursors: Readonly<Record<string, number>>): Promise<SyncResult> {
    const rows = await this.#changes.findSyncRows(actor.id);
    const mine = new Set(rows.map(({ conversationId }) => conversationId));
    return {
      behind: rows.filter(({ conversationId, rev }) => (cursors[conversationId] ?? rev) < rev),
      gone: Object.keys(cursors).filter((id) => !mine.has(id)),
      added: rows.flatMap(({ conversationId }) => (Object.hasOwn(cursors, conversationId) ? [] : [conversationId])),
    };
  }

  async #hidePointers(viewerId: string, changes: Change[]): Promise<Change[]> {
    if (!changes.some(({ type }) => type === 'participant')) return changes;
    const cutOff = await this.#blocks.findCutOff(viewerId);
    return changes.map((change) =>
      change.type === 'participant'
        ? { ...change, participant: withoutPointers([change.participant], cutOff)[0]! }
        : change,
    );
  }

  /** Entries of the log in wire shape, people looked up once for all. */
  async presentChanges(rows: readonly ChangeRow[]): Promise<Changes['changes']> {
    const ids = rows.flatMap((row) => (row.type === 'participant' ? [row.participant.userId] : []));
    const people = ids.length > 0 ? await this.#directory.findMany(ids) : new Map<string, User>();
    return rows.map((row) => presentChange(row, people));
  }
}

function presentChange(row: ChangeRow, people: Map<string, User>): Change {
  const { rev } = row;
  switch (row.type) {
    case 'message':
      return { rev, type: row.type, message: presentMessage(row.message) };
    case 'participant':
      return {
        rev,
        type: row.type,
        participant: presentParticipant(row.participant, people.get(row.participant.userId)),
      };
    case 'conversation':
      return { rev, type: row.type, conversation: presentConversation(row.conversation, row.lastMessage) };
  }
}
