import { UnreadableError } from '../../infrastructure/sealing.ts';
import type { ConversationSeal } from './conversation-seal.ts';

/** What an audit record says of its target, before and after. */
interface Told {
  readonly targetId?: string | null;
  readonly before?: unknown;
  readonly after?: unknown;
}

/** How a sealed value stands in the trail: the chain of hashes is over this form, so it is verified without a key. */
interface SealedValue {
  readonly sealed: string;
}

/** Shown instead of what does not open. */
const UNREADABLE = { unreadable: true } as const;

/** The record with what it tells sealed; as it is without a seal. */
export function sealRecord<Record extends Told>(seal: ConversationSeal | null, record: Record): Record {
  if (!seal) return record;
  const { before, after } = record;
  const sealed = (value: unknown): SealedValue | null =>
    value == null ? null : { sealed: seal.sealAudit(record.targetId ?? '', value) };
  return { ...record, before: sealed(before), after: sealed(after) };
}

export function isSealed({ before, after }: Told): boolean {
  return isSealedValue(before) || isSealedValue(after);
}

/** The entry with what it tells opened. Without a seal, and where it does not open, it says so instead. */
export function openRecord<Entry extends Told>(seal: ConversationSeal | null, entry: Entry): Entry {
  const opened = (value: unknown): unknown =>
    isSealedValue(value) ? openValue(seal, entry.targetId ?? '', value) : value;
  return { ...entry, before: opened(entry.before), after: opened(entry.after) };
}

function openValue(seal: ConversationSeal | null, targetId: string, { sealed }: SealedValue): unknown {
  if (!seal) return UNREADABLE;
  try {
    return seal.openAudit(targetId, sealed);
  } catch (error) {
    if (!(error instanceof UnreadableError)) throw error;
    return UNREADABLE;
  }
}

function isSealedValue(value: unknown): value is SealedValue {
  return typeof value === 'object' && value !== null && 'sealed' in value && typeof value.sealed === 'string';
}
