/** Time, handed in so that tests move it by hand. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Calls back once after `ms`; the answer cancels it. */
  after(ms: number, callback: () => void): () => void;
}

/**
 * Where outbox and history are kept. Values are plain data (structured clone, or JSON). Everything but the outbox is a
 * cache: losing it costs a fetch.
 */
export interface ParleyStorage {
  /** All entries whose key starts with `prefix`, in order of key. */
  entries(prefix: string): Promise<readonly (readonly [key: string, value: unknown])[]>;
  /** Applies all changes or none; `undefined` deletes. Resolves when they are kept. */
  write(changes: readonly (readonly [key: string, value: unknown])[]): Promise<void>;
  /** Forgets everything. */
  clear(): Promise<void>;
  close(): void;
}

/** Opens the storage of one user on one server; the same name gives the same storage, in every tab. */
export type StorageFactory = (name: string) => Promise<ParleyStorage>;

/** Which of several clients on one storage sends (tabs of a browser), and how they tell each other. */
export interface Coordinator {
  /** Calls `onLead` when this one leads and `onLost` when it no longer does. */
  start(handlers: { onLead(): void; onLost(): void; onMessage(message: unknown): void }): void;
  /** Tells the others; never oneself. Delivery is best effort. */
  post(message: unknown): void;
  stop(): void;
}

/** Makes the coordinator for the storage of that name. */
export type CoordinatorFactory = (name: string) => Coordinator;

/** The device's signals: each makes the client try at once rather than wait. */
export interface Wake {
  /** Calls back on `online`, when the page becomes visible and on page show; the answer stops it. */
  onWake(callback: () => void): () => void;
  /** Calls back when the page goes away, perhaps for good; the answer stops it. */
  onHide?(callback: () => void): () => void;
}
