/** What went wrong, for those who run the server. Never a message's text. */
export interface ClientReport {
  readonly message: string;
  readonly stack?: string | undefined;
  readonly during: string;
}

type Reporter = (report: ClientReport) => void;

/** What broke before there was anybody to tell; more than this is the same again. */
const MOST_KEPT = 5;
/** A page that breaks over and over says so a few times. */
const MOST_TOLD = 20;
const LONGEST_MESSAGE = 300;
const LONGEST_STACK = 3_000;

let reporter: Reporter | null = null;
let kept: ClientReport[] = [];
let told = 0;

/**
 * Where reports go: to the server, while somebody is signed in. Null keeps a few until there is somewhere. The page itself says
 * nothing on the console.
 */
export function setReporter(next: Reporter | null): void {
  reporter = next;
  if (!next) return;
  const waiting = kept;
  kept = [];
  waiting.forEach(next);
}

/** Reports something that broke and that nobody waits for. */
export function reportError(error: unknown, during: string): void {
  if (isExpected(error) || told >= MOST_TOLD) return;
  told += 1;
  const known = error instanceof Error;
  const report: ClientReport = {
    message: withoutContent(known ? `${error.name}: ${error.message}` : String(error)).slice(0, LONGEST_MESSAGE),
    ...(known && error.stack && { stack: framesOf(error.stack).slice(0, LONGEST_STACK) }),
    during,
  };
  if (reporter) reporter(report);
  else kept = [...kept, report].slice(-MOST_KEPT);
}

/** No network, a refusal, a call that was taken back: the app says so where it matters. */
function isExpected(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && 'transient' in error;
}

/** Some errors quote what they stumbled over, which may be what somebody wrote. */
export function withoutContent(text: string): string {
  return text.replaceAll(/(["'`“„‘])[^\n]*?["'`”“’]/g, '$1…$1').replaceAll(/https?:\/\/\S+/g, '(address)');
}

/** The frames alone: the first lines of a stack repeat the message. */
function framesOf(stack: string): string {
  return stack
    .split('\n')
    .filter((line) => /^\s*at |@/.test(line))
    .map((line) => line.replaceAll(/\/c\/[\w-]+/g, '/c/…'))
    .join('\n');
}
