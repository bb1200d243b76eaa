import type { Conversation } from '@parley/protocol';
import type { Person } from './world.ts';

/** A master key as ENCRYPTION_KEYS names it, the same for the same id. */
export function masterKey(id: string): string {
  return `${id}:${Buffer.alloc(32, id).toString('base64')}`;
}

/** Master keys, the current one first. */
export function masterKeys(...ids: string[]): { ENCRYPTION_KEYS: string } {
  return { ENCRYPTION_KEYS: ids.map(masterKey).join(',') };
}

/** A confidential group of the first one's making. */
export async function createConfidential(creator: Person, ...others: Person[]): Promise<string> {
  const { status, body } = await creator.rest.post<Conversation>('/conversations', {
    type: 'group',
    title: 'Confidential',
    confidential: true,
    participantIds: others.map(({ id }) => id),
  });
  if (status !== 201 || !body.confidential) throw new Error(`create: ${JSON.stringify(body)}`);
  return body.id;
}
