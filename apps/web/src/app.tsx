import { ParleyProvider } from '@parley/react';
import { useEffect, useState } from 'react';
import { applyPreferences, localeOf, preferences } from './preferences.ts';
import { session } from './session.ts';
import { SignIn } from './sign-in.tsx';
import { english } from './texts/texts.en.ts';
import { loadTexts, TextsProvider } from './texts/texts.tsx';
import { useValue } from './value.ts';
import { Workspace } from './workspace.tsx';

/** The whole app: signed out or in, in the chosen language. */
export function App() {
  const state = useValue(session);
  const locale = localeOf(useValue(preferences));
  const [texts, setTexts] = useState({ locale: 'en', words: english });

  useEffect(() => {
    applyPreferences();
    let current = true;
    loadTexts(locale).then(
      (words) => current && setTexts({ locale, words }),
      // Without a network the words that are there do.
      () => {},
    );
    return () => {
      current = false;
    };
  }, [locale]);

  return (
    <TextsProvider texts={texts.words}>
      {state.status === 'in' ? (
        <ParleyProvider client={state.client} locale={texts.locale} texts={texts.words} key={state.session.userId}>
          <Workspace />
        </ParleyProvider>
      ) : (
        <SignIn last={state.last} />
      )}
    </TextsProvider>
  );
}
