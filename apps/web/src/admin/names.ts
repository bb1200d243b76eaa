import type { ParleyClient } from '@parley/client';
import { createAdministration } from '@parley/client/admin';
import { useParleyClient, useSnapshot } from '@parley/react';
import { useEffect } from 'react';
import { reportError } from '../log.ts';
import { createValue, useValue } from '../value.ts';

/** Names of people whom the administrator never met, by id. */
const names = createValue<Readonly<Record<string, string>>>({});
const asked = new WeakSet<ParleyClient>();
/** Past so many people the others are told by their ids. */
const MOST_PAGES = 5;

/**
 * What to call somebody: by name where it is known. Asked of the list of people and not of conversations, since each look into
 * a conversation leaves an entry in the audit trail.
 */
export function useNames(): (userId: string) => string {
  const client = useParleyClient();
  const users = useSnapshot((snapshot) => snapshot.users);
  const known = useValue(names);
  useEffect(() => {
    if (asked.has(client)) return;
    asked.add(client);
    learn(client).catch((error: unknown) => {
      asked.delete(client);
      reportError(error, 'names');
    });
  }, [client]);
  return (userId) => users[userId]?.name ?? known[userId] ?? userId;
}

/** Remembers names that came with something else. */
export function rememberNames(people: readonly { readonly id: string; readonly name: string }[]): void {
  names.set({ ...names.get(), ...Object.fromEntries(people.map(({ id, name }) => [id, name])) });
}

async function learn(client: ParleyClient): Promise<void> {
  const admin = createAdministration(client);
  let cursor: string | undefined;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const { items, nextCursor } = await admin.users({ limit: 200, cursor });
    rememberNames(items.map(({ user }) => user));
    if (nextCursor === null) return;
    cursor = nextCursor;
  }
}
