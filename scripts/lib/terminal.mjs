// Progress for people: one moving line on a terminal, plain lines in a pipe or a log.
// It goes to standard error, so that standard output belongs to what is run.

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME_MS = 100;
const PLAIN_REPORT_MS = 15_000;

const out = process.stderr;
const moving = Boolean(out.isTTY) && process.env.TERM !== 'dumb' && !process.env.CI;
const coloured = Boolean(out.isTTY) && !process.env.NO_COLOR;

/** @param {number} code @param {string} text */
const paint = (code, text) => (coloured ? `\u001b[${code}m${text}\u001b[0m` : text);
/** @param {string} text */
export const dim = (text) => paint(2, text);
/** @param {string} text */
export const red = (text) => paint(31, text);
/** @param {string} text */
export const green = (text) => paint(32, text);
/** @param {string} text */
export const bold = (text) => paint(1, text);

/** Prints a line to standard error. @param {string} [text] */
export function say(text = '') {
  out.write(`${text}\n`);
}

/** A time that a person can read at a glance: `0.4 s`, `12 s`, `2 min 5 s`. @param {number} ms */
export function duration(ms) {
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/**
 * Shows one step while it is under way and how long it took.
 * @template T
 * @param {string} title what happens, in the words of a person: `Installing packages`
 * @param {(detail: (text: string) => void) => Promise<T>} work may tell how far it is by calling `detail`
 * @returns {Promise<T>} what `work` returned; its error is thrown on after the step is shown as failed
 */
export async function step(title, work) {
  const started = Date.now();
  let detail = '';
  let frame = 0;
  const line = () => [title, detail, dim(duration(Date.now() - started))].filter(Boolean).join('  ');
  const draw = () => {
    frame += 1;
    out.write(`\r\u001b[2K${FRAMES[frame % FRAMES.length]} ${line().slice(0, (out.columns || 80) + 6)}`);
  };
  if (!moving) say(`… ${title}`);
  const timer = moving ? setInterval(draw, FRAME_MS) : setInterval(() => say(`… ${line()}`), PLAIN_REPORT_MS);
  const finish = (/** @type {string} */ mark) => {
    clearInterval(timer);
    detail = '';
    out.write(`${moving ? '\r\u001b[2K' : ''}${mark} ${line()}\n`);
  };
  try {
    const result = await work((text) => {
      detail = text;
    });
    finish(green('✓'));
    return result;
  } catch (error) {
    finish(red('✗'));
    throw error;
  }
}
