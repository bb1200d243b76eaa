import type { Coordinator, CoordinatorFactory } from '../platform.types.ts';

/** Tabs of one browser, played by clients in one process: the first one that starts leads, news reach the others. */
export interface Tabs {
  readonly coordinator: CoordinatorFactory;
  /** News between tabs from now on are lost. */
  silent: boolean;
}

/** Give the same `tabs.coordinator` and the same storage to each client that shall be a tab of one browser. */
export function createTabs(): Tabs {
  const groups = new Map<string, Member[]>();
  const tabs: Tabs = {
    silent: false,
    coordinator(name) {
      const members = groups.get(name) ?? [];
      groups.set(name, members);
      let self: Member | null = null;
      const coordinator: Coordinator = {
        start(handlers) {
          self = handlers;
          members.push(handlers);
          if (members[0] === handlers) handlers.onLead();
        },
        post(message) {
          if (self === null || tabs.silent) return;
          // A copy, as between real tabs; told in order, a moment later.
          const text = JSON.stringify(message);
          for (const other of [...members]) {
            if (other !== self) queueMicrotask(() => members.includes(other) && other.onMessage(JSON.parse(text)));
          }
        },
        stop() {
          const led = members[0] === self;
          const index = self === null ? -1 : members.indexOf(self);
          if (index >= 0) members.splice(index, 1);
          self = null;
          if (led) members[0]?.onLead();
        },
      };
      return coordinator;
    },
  };
  return tabs;
}

type Member = Parameters<Coordinator['start']>[0];
