import { createValue } from './value.ts';

/** What stands beside the conversation. */
export type SidePane =
  | { readonly kind: 'details' }
  /** Looks through one conversation, or through all. */
  | { readonly kind: 'search'; readonly conversationId: string | null; readonly query: string };

/** Which pane is open; one at a time. */
export const sidePane = createValue<SidePane | null>(null);

/** Opens the search, in a conversation or in all. */
export function openSearch(conversationId: string | null, query = ''): void {
  sidePane.set({ kind: 'search', conversationId, query });
}
