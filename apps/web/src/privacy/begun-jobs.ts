import { createValue, type Value } from '../value.ts';

/** Copies and erasures that were begun in this browser: the server tells of one to whoever knows its id. */
export type JobKind = 'export' | 'erasure';

const MOST = 20;
const kept = new Map<string, Value<readonly string[]>>();

/** The ids of what a person began here, the latest first. They survive a reload. */
export function begunJobs(userId: string, kind: JobKind): Value<readonly string[]> {
  const key = keyOf(userId, kind);
  const known = kept.get(key);
  if (known) return known;
  const value = createValue<readonly string[]>(read(key));
  kept.set(key, value);
  return value;
}

/** Keeps an id in front of the others. */
export function rememberJob(userId: string, kind: JobKind, id: string): void {
  const jobs = begunJobs(userId, kind);
  write(userId, kind, [id, ...jobs.get().filter((other) => other !== id)].slice(0, MOST));
}

/** Forgets one: it is gone at the server, or of no more interest. */
export function forgetJob(userId: string, kind: JobKind, id: string): void {
  write(
    userId,
    kind,
    begunJobs(userId, kind)
      .get()
      .filter((other) => other !== id),
  );
}

/** Forgets all of a person's. */
export function forgetJobs(userId: string): void {
  for (const kind of ['export', 'erasure'] as const) write(userId, kind, []);
}

function write(userId: string, kind: JobKind, ids: readonly string[]): void {
  begunJobs(userId, kind).set(ids);
  try {
    if (ids.length > 0) localStorage.setItem(keyOf(userId, kind), JSON.stringify(ids));
    else localStorage.removeItem(keyOf(userId, kind));
  } catch {
    // Storage is full or forbidden: they are known as long as the page lives.
  }
}

function keyOf(userId: string, kind: JobKind): string {
  return `parley.${kind}s.${userId}`;
}

function read(key: string): readonly string[] {
  try {
    const ids: unknown = JSON.parse(localStorage.getItem(key) ?? '[]');
    return Array.isArray(ids) ? ids.filter((id) => typeof id === 'string') : [];
  } catch {
    return [];
  }
}
