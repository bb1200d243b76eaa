import { createValue } from './value.ts';

/** Languages the app speaks. */
export type Locale = 'en' | 'de';

/** What a person chose for this device. */
export interface Preferences {
  readonly theme: 'system' | 'light' | 'dark';
  /** Null follows the browser. */
  readonly locale: Locale | null;
  readonly direction: 'ltr' | 'rtl';
}

const KEY = 'parley.preferences';
const DEFAULTS: Preferences = { theme: 'system', locale: null, direction: 'ltr' };

/** The preferences, kept in this browser. */
export const preferences = createValue<Preferences>(read());

/** Changes some of them, on the page and in the browser's storage. */
export function setPreferences(change: Partial<Preferences>): void {
  const next = { ...preferences.get(), ...change };
  preferences.set(next);
  applyPreferences();
  try {
    localStorage.setItem(KEY, JSON.stringify(next));
  } catch {
    // Storage is full or forbidden: the choice holds for this visit.
  }
}

/** Puts theme, language and direction on the page. */
export function applyPreferences(): void {
  const { theme, direction } = preferences.get();
  const root = document.documentElement;
  root.style.colorScheme = theme === 'system' ? '' : theme;
  root.dir = direction;
  root.lang = localeOf(preferences.get());
}

/** The chosen language, else the first of the browser's that the app speaks. */
export function localeOf({ locale }: Preferences): Locale {
  if (locale) return locale;
  const spoken = navigator.languages.map((tag) => tag.slice(0, 2));
  return spoken.find((tag): tag is Locale => tag === 'en' || tag === 'de') ?? 'en';
}

function read(): Preferences {
  try {
    return { ...DEFAULTS, ...JSON.parse(localStorage.getItem(KEY) ?? '{}') };
  } catch {
    return DEFAULTS;
  }
}
