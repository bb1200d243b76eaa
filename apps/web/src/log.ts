/** What went wrong, for those who run the server. Never a message's text. */
export interface ClientReport {
  readonly message: string;
  readonly stack?: string | undefined;
  readonly during: string;
}

type Reporter = (report: ClientReport) => void;

let reporter: Reporter = () => {};

/**
 * Where reports go. Nowhere until this is called: the page itself says nothing on the console.
 *
 * @public for a host product that collects them.
 */
export function setReporter(next: Reporter): void {
  reporter = next;
}

/** Reports something that broke and that nobody waits for. */
export function reportError(error: unknown, during: string): void {
  const known = error instanceof Error;
  reporter({ message: known ? error.message : String(error), stack: known ? error.stack : undefined, during });
}
