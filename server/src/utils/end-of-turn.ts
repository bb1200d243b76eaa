/**
 * Resolves when this turn of the event loop has read what there was to read. Callbacks of sockets run one by one, and what
 * each began runs on before the next: only here has everything that came at the same moment been heard. No timer is
 * involved, so where nothing else came this is at once.
 */
export function endOfTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
