import type { ReadableStore, Selector } from './client.types.ts';
import { type Action, INITIAL_STATE, reduce, type State } from './reducer.ts';
import type { Snapshot } from './snapshot.types.ts';

/** The store as the parts of the client use it. */
export interface Store extends ReadableStore {
  readonly state: State;
  /** Applies the actions as one step, then tells the listeners once. */
  dispatch(...actions: readonly Action[]): void;
}

/** Listeners see every state in order, also where one of them dispatches: what it does comes after the others were told. */
export function createStore(now: () => number, onThrow: (error: unknown) => void): Store {
  let state = INITIAL_STATE;
  let telling = false;
  const listeners = new Set<() => void>();

  function tell() {
    if (telling) return;
    telling = true;
    try {
      for (let told: State | null = null; told !== state; ) {
        told = state;
        for (const listener of [...listeners]) {
          if (!listeners.has(listener)) continue;
          try {
            listener();
          } catch (error) {
            onThrow(error);
          }
        }
      }
    } finally {
      telling = false;
    }
  }

  const subscribe = (listener: () => void) => {
    // Wrapped, so that the same function may listen twice and stop once.
    const own = () => listener();
    listeners.add(own);
    return () => {
      listeners.delete(own);
    };
  };

  return {
    get state() {
      return state;
    },
    dispatch(...actions) {
      const after = reduce(state, actions, now());
      if (after === state) return;
      state = after;
      tell();
    },
    getSnapshot: (): Snapshot => state,
    subscribe,
    select<T>(
      selector: Selector<T>,
      listener: (value: T, previous: T) => void,
      isEqual: (a: T, b: T) => boolean = Object.is,
    ) {
      let selected = selector(state);
      return subscribe(() => {
        const next = selector(state);
        if (isEqual(selected, next)) return;
        const previous = selected;
        selected = next;
        listener(next, previous);
      });
    },
  };
}
