import { createValue, type Value } from './value.ts';

/** What was written in each conversation and not sent, by conversation id. */
export type Drafts = Readonly<Record<string, string>>;

const kept = new Map<string, Value<Drafts>>();

/** The drafts of a person in this browser. They survive a reload. */
export function draftsOf(userId: string): Value<Drafts> {
  const known = kept.get(userId);
  if (known) return known;
  const value = createValue<Drafts>(read(userId));
  kept.set(userId, value);
  return value;
}

/** Keeps a draft; an empty one is forgotten. */
export function setDraft(userId: string, conversationId: string, text: string): void {
  const drafts = draftsOf(userId);
  const { [conversationId]: before, ...others } = drafts.get();
  if ((before ?? '') === text) return;
  drafts.set(text === '' ? others : { ...others, [conversationId]: text });
  try {
    localStorage.setItem(keyOf(userId), JSON.stringify(drafts.get()));
  } catch {
    // Storage is full or forbidden: the draft lives as long as the page.
  }
}

/** Forgets all drafts of a person. */
export function forgetDrafts(userId: string): void {
  kept.delete(userId);
  try {
    localStorage.removeItem(keyOf(userId));
  } catch {
    // Without storage there is nothing to forget.
  }
}

function keyOf(userId: string): string {
  return `parley.drafts.${userId}`;
}

function read(userId: string): Drafts {
  try {
    return JSON.parse(localStorage.getItem(keyOf(userId)) ?? '{}');
  } catch {
    return {};
  }
}
