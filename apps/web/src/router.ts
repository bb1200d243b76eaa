import { createValue, useValue } from './value.ts';

/** Where in the app one is. */
export interface Route {
  readonly conversationId: string | null;
  /** A permalink to this message. */
  readonly seq: number | null;
  /** The screen of administrators, and which part of it. */
  readonly admin: string | null;
  /** Rises with every step: the same place again is a new visit. */
  readonly visit: number;
}

let visits = 0;

const route = createValue<Route>(parse(location.pathname));

globalThis.addEventListener('popstate', () => route.set(parse(location.pathname)));

/** The present place; renders again when it changes. */
export function useRoute(): Route {
  return useValue(route);
}

/** The present place. */
export function currentRoute(): Route {
  return route.get();
}

/** Goes somewhere. Going back in the browser comes back here, unless `replace` is set. */
export function navigate(path: string, { replace = false }: { readonly replace?: boolean } = {}): void {
  if (path !== location.pathname) history[replace ? 'replaceState' : 'pushState'](null, '', path);
  route.set(parse(path));
}

/** The address of a conversation, or of one message in it. */
export function pathOf(conversationId: string | null, seq: number | null = null): string {
  if (conversationId === null) return '/';
  return seq === null ? `/c/${conversationId}` : `/c/${conversationId}/${seq}`;
}

function parse(path: string): Route {
  const match = /^\/c\/([\w-]+)(?:\/(\d{1,15}))?\/?$/.exec(path);
  const admin = /^\/admin(?:\/(\w+))?\/?$/.exec(path);
  visits += 1;
  return {
    conversationId: match?.[1] ?? null,
    seq: match?.[2] ? Number(match[2]) : null,
    admin: admin ? (admin[1] ?? '') : null,
    visit: visits,
  };
}
