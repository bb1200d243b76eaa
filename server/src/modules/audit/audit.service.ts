import type { AuditEntry, AuditQuery, AuditVerdict, Page } from '@parley/protocol';
import type { Actor } from '../../utils/actor.ts';
import { AppError } from '../../utils/app-error.ts';
import { decodeCursor, pageFrom } from '../../utils/cursor.ts';
import { isUuid } from '../../utils/ids.ts';
import { type ConversationSeal, isSealed, openRecord, type Seals } from '../confidential/index.ts';
import type { AuditRepository } from './audit.repository.ts';
import { type ChainedEntry, verifyChain } from './audit-chain.ts';

/** What reading the entries of confidential conversations takes. */
export interface ConfidentialReads {
  readonly seals: Pick<Seals, 'find'>;
  /** Leaves an entry of its own that somebody read in a conversation. */
  noteRead(actor: Actor, conversationId: string): Promise<void>;
}

/** The audit trail, for administrators. */
export class AuditService {
  readonly #repository: AuditRepository;
  readonly #confidential: ConfidentialReads | null;

  /** @param confidential null for who only verifies: the chain is over the entries as they are kept. */
  constructor(repository: AuditRepository, confidential: ConfidentialReads | null) {
    this.#repository = repository;
    this.#confidential = confidential;
  }

  /** Entries, newest first. */
  async listEntries(actor: Actor, query: AuditQuery): Promise<Page<AuditEntry>> {
    requireAdministrator(actor);
    if (query.conversationId !== undefined && !isUuid(query.conversationId)) return { items: [], nextCursor: null };
    const cursor = decodeCursor(query.cursor, isEntryCursor);
    const rows = await this.#repository.findPage({ ...query, cursor, limit: query.limit + 1 });
    const { items, nextCursor } = pageFrom(rows, query.limit, ({ at, id }) => ({ at, id }));
    return { items: (await this.#open(actor, items)).map(presentEntry), nextCursor };
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

  /** Opens what entries tell of confidential conversations; to see it is to read there, which is audited first. */
  async #open(actor: Actor, entries: readonly ChainedEntry[]): Promise<ChainedEntry[]> {
    const ids = new Set(entries.flatMap((entry) => (isSealed(entry) ? (entry.conversationId ?? []) : [])));
    const seals = new Map<string, ConversationSeal | null>();
    for (const id of ids) seals.set(id, await this.#findSeal(actor, id));
    return entries.map((entry) => openRecord(seals.get(entry.conversationId ?? '') ?? null, entry));
  }

  /** Null where the key is lost: the entries then say that they cannot be opened, and the rest of the trail is shown. */
  async #findSeal(actor: Actor, conversationId: string): Promise<ConversationSeal | null> {
    if (!this.#confidential) return null;
    try {
      await this.#confidential.noteRead(actor, conversationId);
    } catch (error) {
      // Deleted with everything in it; its trail is what is left, and cannot be added to.
      if (!(error instanceof AppError) || error.code !== 'not_found') throw error;
    }
    return this.#confidential.seals.find(conversationId).catch((error: unknown) => {
      if (error instanceof AppError && error.code === 'unavailable') return null;
      throw error;
    });
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
