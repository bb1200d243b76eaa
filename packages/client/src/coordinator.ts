import type { CoordinatorFactory } from './platform.types.ts';

/** For a client that shares its storage with nobody: it leads from the start. */
export const alone: CoordinatorFactory = () => ({
  start: ({ onLead }) => onLead(),
  post() {},
  stop() {},
});

/**
 * Tabs of one browser: whoever holds the Web Lock leads, BroadcastChannel carries the news. A tab that becomes visible takes
 * the lead over, so that what a person does is sent by the tab they look at, whose timers run. Without Web Locks every tab
 * leads: the server stores a message once whoever repeats it (SEND-2).
 */
export const webCoordinator: CoordinatorFactory = (name) => {
  if (typeof navigator === 'undefined' || navigator.locks === undefined || typeof BroadcastChannel === 'undefined') {
    return alone(name);
  }
  const channel = new BroadcastChannel(name);
  const stopped = new AbortController();
  let release: (() => void) | null = null;

  return {
    start({ onLead, onLost, onMessage }) {
      const hold = () =>
        new Promise<void>((resolve) => {
          release = resolve;
          onLead();
        });
      const request = (steal: boolean) => {
        navigator.locks.request(name, steal ? { steal: true } : { signal: stopped.signal }, hold).catch(() => {
          // Either stopped, or another tab took the lead: stand in line again.
          if (release !== null) {
            release = null;
            onLost();
          }
          if (!stopped.signal.aborted) request(false);
        });
      };
      channel.onmessage = (event: MessageEvent<unknown>) => onMessage(event.data);
      request(false);
      if (typeof document === 'undefined') return;
      document.addEventListener(
        'visibilitychange',
        () => {
          if (document.visibilityState === 'visible' && release === null) request(true);
        },
        { signal: stopped.signal },
      );
    },
    post(message) {
      if (!stopped.signal.aborted) channel.postMessage(message);
    },
    stop() {
      stopped.abort();
      release?.();
      release = null;
      channel.close();
    },
  };
};
