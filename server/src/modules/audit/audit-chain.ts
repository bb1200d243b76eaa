import { createHash } from 'node:crypto';

/** An entry of the audit trail as it is stored and hashed. `at` is ISO 8601 in UTC with milliseconds. */
export interface ChainedEntry {
  readonly id: string;
  readonly conversationId: string | null;
  /** 1, 2, 3 … within its chain. */
  readonly position: number;
  readonly at: string;
  readonly actorId: string;
  readonly action: string;
  readonly targetId: string | null;
  readonly reason: string | null;
  readonly before: unknown;
  readonly after: unknown;
  readonly previousHash: string;
  readonly hash: string;
}

/** The end of a chain, kept apart from its entries so that a missing last entry shows as well. */
export interface ChainHead {
  readonly count: number;
  readonly hash: string;
}

export interface ChainVerdict {
  readonly ok: boolean;
  readonly entries: number;
  /** Id of the first entry that does not fit; where entries are missing at the end, that of the last one left. */
  readonly firstBad: string | null;
  readonly problem: string | null;
}

/** Hash of an entry: SHA-256 over its fields, the hash before it among them, as JSON with sorted keys. */
export function hashEntry(entry: Omit<ChainedEntry, 'hash'>): string {
  const { id, conversationId, position, at, actorId, action, targetId, reason, before, after, previousHash } = entry;
  return createHash('sha256')
    .update(
      canonicalJson({
        id,
        conversationId,
        position,
        at,
        actorId,
        action,
        targetId,
        reason,
        before,
        after,
        previousHash,
      }),
    )
    .digest('hex');
}

/** Walks a chain in order of position and finds the first entry that was changed, is missing or was added. */
export function verifyChain(entries: readonly ChainedEntry[], head: ChainHead): ChainVerdict {
  let previousHash = '';
  let position = 0;
  for (const entry of entries) {
    const problem = misfit(entry, position + 1, previousHash);
    if (problem) return { ok: false, entries: entries.length, firstBad: entry.id, problem };
    previousHash = entry.hash;
    position = entry.position;
  }
  if (position === head.count && previousHash === head.hash) {
    return { ok: true, entries: entries.length, firstBad: null, problem: null };
  }
  return {
    ok: false,
    entries: entries.length,
    firstBad: entries.at(-1)?.id ?? null,
    problem: `the chain ends at entry ${position}, but ${head.count} were written`,
  };
}

function misfit(entry: ChainedEntry, position: number, previousHash: string): string | null {
  if (entry.position !== position) return `entry ${position} is missing before this one`;
  if (entry.previousHash !== previousHash) return 'it does not follow the entry before it';
  if (entry.hash !== hashEntry(entry)) return 'it was changed after it was written';
  return null;
}

/** JSON with sorted keys, so that the order in which a database gives them back does not matter. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    item !== null && typeof item === 'object' && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}
