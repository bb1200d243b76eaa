import type { Lock } from './uploads.types.ts';

/** Tabs of one browser: an upload is the affair of the tab that has its lock, and falls to another one when that is gone. */
export const webLock: Lock = (name, signal) => {
  if (typeof navigator === 'undefined' || navigator.locks === undefined) return Promise.resolve(() => {});
  return new Promise((resolve, reject) => {
    navigator.locks.request(name, { signal }, () => new Promise<void>((release) => resolve(release))).catch(reject);
  });
};
