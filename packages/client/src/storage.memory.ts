import type { ParleyStorage, StorageFactory } from './platform.types.ts';

/**
 * Storage that lasts as long as the factory: for servers, tests, and where nothing may be kept on the device. Two clients
 * with the same factory share it, as two tabs share a database.
 */
export function memoryStorage(): StorageFactory {
  const databases = new Map<string, Map<string, string>>();
  return async (name) => {
    const data = databases.get(name) ?? new Map<string, string>();
    databases.set(name, data);
    return memoryDatabase(data);
  };
}

function memoryDatabase(data: Map<string, string>): ParleyStorage {
  return {
    async entries(prefix) {
      const found = [...data].filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1));
      return found.map(([key, value]) => [key, JSON.parse(value)] as const);
    },
    async write(changes) {
      // Text, so that nobody shares an object with the store.
      const texts = changes.map(
        ([key, value]) => [key, value === undefined ? undefined : JSON.stringify(value)] as const,
      );
      for (const [key, text] of texts) {
        if (text === undefined) data.delete(key);
        else data.set(key, text);
      }
    },
    async clear() {
      data.clear();
    },
    close() {},
  };
}
