import type { ParleyClient } from '@parley/client';
import { useParleyClient } from '@parley/react';
import { useEffect } from 'react';
import { reportError } from './log.ts';
import { createValue, useValue, type Value } from './value.ts';

const NOBODY: ReadonlySet<string> = new Set();

interface Known {
  readonly value: Value<ReadonlySet<string>>;
  asked: boolean;
}

const kept = new WeakMap<ParleyClient, Known>();

function knownOf(client: ParleyClient): Known {
  const known = kept.get(client) ?? { value: createValue(NOBODY), asked: false };
  kept.set(client, known);
  return known;
}

/** Whom one blocks, as far as it is known. Nobody is told of it. */
export function useBlocked(): ReadonlySet<string> {
  const client = useParleyClient();
  const known = knownOf(client);
  useEffect(() => {
    if (known.asked) return;
    known.asked = true;
    readAll(client).then(
      (ids) => known.value.set(new Set(ids)),
      (error: unknown) => {
        known.asked = false;
        reportError(error, 'blocks');
      },
    );
  }, [client, known]);
  return useValue(known.value);
}

/** Blocks somebody, or no longer. @throws ParleyError */
export async function setBlocked(client: ParleyClient, userId: string, blocked: boolean): Promise<void> {
  await (blocked ? client.blocks.add(userId) : client.blocks.remove(userId));
  const { value } = knownOf(client);
  const after = new Set(value.get());
  if (blocked) after.add(userId);
  else after.delete(userId);
  value.set(after);
}

async function readAll(client: ParleyClient): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | null = null;
  do {
    const page = await client.blocks.list({ limit: 200, ...(cursor !== null && { cursor }) });
    ids.push(...page.items.map(({ user }) => user.id));
    cursor = page.nextCursor;
  } while (cursor !== null);
  return ids;
}
