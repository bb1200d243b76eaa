import type { ParleyStorage, StorageFactory } from './platform.types.ts';

const STORE = 'entries';

/**
 * Storage in IndexedDB, one database for each user and server.
 * Opening rejects where the browser refuses it (some private modes); the client then goes on in memory.
 */
export function indexedDbStorage(): StorageFactory {
  return async (name) => openDatabase(await open(name), name);
}

function open(name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error('The database is held open by an older page.'));
  });
}

function openDatabase(first: IDBDatabase, name: string): ParleyStorage {
  let database: IDBDatabase | null = first;
  let closed = false;
  const watch = (opened: IDBDatabase) => {
    // Another tab wants to delete it, or the browser closed it under us: let go, and open again at the next use.
    opened.onversionchange = () => opened.close();
    opened.onclose = () => {
      database = null;
    };
  };
  watch(first);

  async function transaction<T>(
    mode: IDBTransactionMode,
    work: (store: IDBObjectStore) => IDBRequest<T> | undefined,
  ): Promise<T | undefined> {
    if (closed) throw new Error('The storage is closed.');
    if (database === null) {
      database = await open(name);
      watch(database);
    }
    let running: IDBTransaction;
    try {
      running = database.transaction(STORE, mode);
    } catch {
      database = await open(name);
      watch(database);
      running = database.transaction(STORE, mode);
    }
    return await new Promise((resolve, reject) => {
      const request = work(running.objectStore(STORE));
      running.oncomplete = () => resolve(request?.result);
      running.onerror = () => reject(running.error);
      running.onabort = () => reject(running.error ?? new Error('The transaction was aborted.'));
    });
  }

  return {
    async entries(prefix) {
      const range = IDBKeyRange.bound(prefix, `${prefix}\uffff`);
      const found: [string, unknown][] = [];
      await transaction('readonly', (store) => {
        const request = store.openCursor(range);
        request.onsuccess = () => {
          const cursor = request.result;
          if (cursor === null) return;
          found.push([String(cursor.key), cursor.value]);
          cursor.continue();
        };
        return undefined;
      });
      return found;
    },
    async write(changes) {
      if (changes.length === 0) return;
      await transaction('readwrite', (store) => {
        for (const [key, value] of changes) {
          if (value === undefined) store.delete(key);
          else store.put(value, key);
        }
        return undefined;
      });
    },
    async clear() {
      await transaction('readwrite', (store) => store.clear());
    },
    close() {
      closed = true;
      database?.close();
    },
  };
}
