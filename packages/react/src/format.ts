import type { ParleyTexts } from './texts.ts';

const DAY_MS = 86_400_000;

/** Times and days as a person reads them. All take what `Date` takes. */
export interface Formats {
  /** The time of day: 14:05. */
  time(at: string | number): string;
  /** Today, Yesterday, a weekday of the last week, else a date. */
  day(at: string | number, now?: number): string;
  /** For lists: the time today, else the day in short. */
  brief(at: string | number, now?: number): string;
  /** Date and time in full, for tooltips. */
  full(at: string | number): string;
  number(value: number): string;
  /** The size of a file: 3.4 MB. */
  bytes(value: number): string;
  /** A length of time: 1:05. */
  duration(ms: number): string;
}

/** Formats of one language; `Intl` objects are dear, so they are made once. */
export function createFormats(locale: string, texts: Pick<ParleyTexts, 'today' | 'yesterday'>): Formats {
  const time = new Intl.DateTimeFormat(locale, { hour: 'numeric', minute: '2-digit' });
  const weekday = new Intl.DateTimeFormat(locale, { weekday: 'long' });
  const shortWeekday = new Intl.DateTimeFormat(locale, { weekday: 'short' });
  const date = new Intl.DateTimeFormat(locale, { weekday: 'long', day: 'numeric', month: 'long' });
  const dateWithYear = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'long', year: 'numeric' });
  const shortDate = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short' });
  const shortDateWithYear = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'numeric', year: '2-digit' });
  const full = new Intl.DateTimeFormat(locale, { dateStyle: 'full', timeStyle: 'short' });
  const number = new Intl.NumberFormat(locale);
  const sizes = (['byte', 'kilobyte', 'megabyte', 'gigabyte'] as const).map(
    (unit) =>
      new Intl.NumberFormat(locale, {
        style: 'unit',
        unit,
        unitDisplay: unit === 'byte' ? 'long' : 'short',
        maximumFractionDigits: 1,
      }),
  );
  const inYear = (at: Date, now: number) => at.getFullYear() === new Date(now).getFullYear();

  return {
    time: (at) => time.format(new Date(at)),
    day: (at, now = Date.now()) => {
      const days = daysBetween(at, now);
      if (days === 0) return texts.today;
      if (days === 1) return texts.yesterday;
      const moment = new Date(at);
      if (days > 1 && days < 7) return weekday.format(moment);
      return (inYear(moment, now) ? date : dateWithYear).format(moment);
    },
    brief: (at, now = Date.now()) => {
      const days = daysBetween(at, now);
      const moment = new Date(at);
      if (days <= 0) return time.format(moment);
      if (days === 1) return texts.yesterday;
      if (days < 7) return shortWeekday.format(moment);
      return (inYear(moment, now) ? shortDate : shortDateWithYear).format(moment);
    },
    full: (at) => full.format(new Date(at)),
    number: (value) => number.format(value),
    bytes: (value) => {
      const step = Math.min(sizes.length - 1, Math.floor(Math.log10(Math.max(1, value)) / 3));
      return sizes[step]!.format(value / 1000 ** step);
    },
    duration: (ms) => {
      const seconds = Math.round(ms / 1000);
      return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
    },
  };
}

/** Calendar days from `at` to `now` in the device's time zone; daylight saving makes some days 23 or 25 hours long. */
export function daysBetween(at: string | number, now: number): number {
  return Math.round((startOfDay(now) - startOfDay(at)) / DAY_MS);
}

/** The midnight that began the day, in the device's time zone. */
export function startOfDay(at: string | number): number {
  const day = new Date(at);
  day.setHours(0, 0, 0, 0);
  return day.getTime();
}
