import { createContext, type ReactNode, useContext } from 'react';
import type { Locale } from '../preferences.ts';
import type { AppTexts } from './app-texts.ts';
import { english } from './texts.en.ts';

const Context = createContext<AppTexts>(english);

/** Hands the words of the chosen language to everything below it. */
export function TextsProvider({ texts, children }: { readonly texts: AppTexts; readonly children: ReactNode }) {
  return <Context value={texts}>{children}</Context>;
}

/** The words of the chosen language. */
export function useTexts(): AppTexts {
  return useContext(Context);
}

/** The words of a language; English is always there, others are fetched. */
export async function loadTexts(locale: Locale): Promise<AppTexts> {
  return locale === 'de' ? (await import('./texts.de.ts')).german : english;
}
