import type { AuditEntry, AuditQuery, AuditVerdict, Page } from '@parley/protocol';
import type { Actor } from '../../utils/actor.ts';
import { AppError } from '../../utils/app-error.ts';
import { decodeCursor, pageFrom } from '../../utils/cursor.ts';
import { isUuid } from '../../utils/ids.ts';
import type { AuditRepository } from './audit.repository.ts';
import { type ChainedEntry, verifyChain } from './audit-chain.ts';

/** The audit trail, for administrators. */
export class AuditService {
  readonly #repository: AuditRepository;

  constructor(repository: AuditRepository) {
    this.#repository = repository;
  }

  /** Entries, newest first. */
  async listEntries(actor: Actor, query: AuditQuery): Promise<Page<AuditEntry>> {
    requireAdministrator(actor);
    if (query.conversationId !== undefined && !isUuid(query.conversationId)) return { items: [], nextCursor: null };
    const cursor = decodeCursor(query.cursor, isEntryCursor);
    const rows = await this.#repository.findPage({ ...query, cursor, limit: query.limit + 1 });
    return pageFrom(rows.map(presentEntry), query.limit, ({ at, id }) => ({ at, id }));
  }

  /** Checks the chain of one conversation, or of all of them up to the first bad one. */
  async verify(actor: Actor, conversationId?: string): Promise<AuditVerdict> {
    requireAdministrator(actor);
    return conversationId === undefined ? this.verifyAll() : this.verifyConversation(conversationId);
  }

  /** As `verify`, without an actor: for the command line. */
  async verifyConversation(conversationId: string): Promise<AuditVerdict> {
    const chain = isUuid(conversationId) ? await this.#repository.findChain(conversationId) : null;
    if (!chain) throw new AppError('not_found');
    return verifyChain(chain.entries, chain.head);
  }

  /** As `verify` for every conversation and the server's own chain, without an actor. */
  async verifyAll(): Promise<AuditVerdict> {
    const own = await this.#repository.findServerChain();
    const ownVerdict = verifyChain(own.entries, own.head);
    if (!ownVerdict.ok) return { ...ownVerdict, problem: `in the server's own chain: ${ownVerdict.problem}` };
    let { entries } = ownVerdict;
    for await (const id of this.#conversations()) {
      const verdict = await this.verifyConversation(id);
      entries += verdict.entries;
      if (!verdict.ok) return { ...verdict, entries, problem: `in conversation ${id}: ${verdict.problem}` };
    }
    return { ok: true, entries, firstBad: null, problem: null };
  }

  async *#conversations(): AsyncGenerator<string> {
    let after: string | null = null;
    for (;;) {
      const ids: string[] = await this.#repository.findConversations(after, 500);
      yield* ids;
      after = ids.at(-1) ?? null;
      if (after === null) return;
    }
  }
}

function requireAdministrator(actor: Actor): void {
  if (!actor.roles.includes('admin')) throw new AppError('forbidden');
}

function presentEntry({ position: _, ...entry }: ChainedEntry): AuditEntry {
  return { ...entry, before: entry.before as AuditEntry['before'], after: entry.after as AuditEntry['after'] };
}

function isEntryCursor(value: unknown): value is { at: string; id: string } {
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
