import type { ParleyClient } from '@parley/client';
import { createContext, type ReactNode, useContext, useMemo } from 'react';
import { createFormats, type Formats } from './format.ts';
import { englishTexts, type ParleyTexts } from './texts.ts';

interface ParleyContext {
  readonly client: ParleyClient | null;
  readonly texts: ParleyTexts;
  readonly formats: Formats;
}

const Context = createContext<ParleyContext>({
  client: null,
  texts: englishTexts,
  formats: createFormats('en', englishTexts),
});

/** What `ParleyProvider` takes. */
export interface ParleyProviderProps {
  /** The client of the signed-in person. Components take plain props and work without one; hooks need it. */
  readonly client?: ParleyClient;
  /** BCP 47, for dates and numbers. */
  readonly locale?: string;
  readonly texts?: ParleyTexts;
  readonly children: ReactNode;
}

/**
 * Hands client, language and texts to everything below it.
 *
 * @example
 * <ParleyProvider client={client}><Conversations /></ParleyProvider>
 */
export function ParleyProvider({ client, locale = 'en', texts = englishTexts, children }: ParleyProviderProps) {
  const value = useMemo(
    () => ({ client: client ?? null, texts, formats: createFormats(locale, texts) }),
    [client, locale, texts],
  );
  return <Context value={value}>{children}</Context>;
}

/** The client of the nearest provider. @throws Error where there is none */
export function useParleyClient(): ParleyClient {
  const { client } = useContext(Context);
  if (client === null) throw new Error('No client: put a <ParleyProvider client={client}> above this component.');
  return client;
}

/** The client of the nearest provider, null where there is none. */
export function useOptionalClient(): ParleyClient | null {
  return useContext(Context).client;
}

/** The words of the nearest provider, English without one. */
export function useParleyTexts(): ParleyTexts {
  return useContext(Context).texts;
}

/** Dates and times in the provider's language. */
export function useFormats(): Formats {
  return useContext(Context).formats;
}
