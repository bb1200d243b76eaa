import { ParleyError } from '@parley/client';
import { Avatar } from '@parley/react';
import { type FormEvent, useId, useState } from 'react';
import { errorText } from './error-text.ts';
import { reportError } from './log.ts';
import { isGuestsRefused, resume, type Session, signIn } from './session.ts';
import { useTexts } from './texts/texts.tsx';
import { Logo } from './ui/logo.tsx';

/** The first screen: a name, and one is in. */
export function SignIn({ last }: { readonly last: Session | null }) {
  const texts = useTexts();
  const [name, setName] = useState('');
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const problemId = useId();
  const nameId = useId();

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (name.trim() === '') return setProblem(texts.nameMissing);
    setBusy(true);
    setProblem(null);
    try {
      await signIn(name.trim());
    } catch (error) {
      reportError(error, 'sign in');
      setProblem(isGuestsRefused(error) ? texts.guestsRefused : errorText(ParleyError.from(error), texts));
      setBusy(false);
    }
  };

  return (
    <main className="scroll grid h-full place-items-center p-5">
      <div className="w-full max-w-sm">
        <div className="mb-7 flex flex-col items-center gap-4 text-center">
          <Logo size={56} />
          <div>
            <h1 className="text-2xl font-semibold tracking-tight">{texts.welcome}</h1>
            <p className="mt-1.5 text-soft">{texts.welcomeHint}</p>
          </div>
        </div>
        <form className="rounded-3xl border border-line bg-raised p-6" onSubmit={submit} noValidate>
          <label htmlFor={nameId} className="mb-1.5 block text-small font-semibold">
            {texts.yourName}
          </label>
          <input
            id={nameId}
            className="field"
            value={name}
            onChange={(event) => setName(event.target.value)}
            maxLength={100}
            autoComplete="nickname"
            // biome-ignore lint/a11y/noAutofocus: the only field of the first screen
            autoFocus
            aria-invalid={problem !== null || undefined}
            aria-describedby={problem ? problemId : undefined}
            placeholder={texts.namePlaceholder}
          />
          <p id={problemId} role="alert" className="mt-2 text-small text-danger empty:hidden">
            {problem}
          </p>
          <button type="submit" className="button button-primary mt-4 w-full" disabled={busy}>
            {texts.startChatting}
          </button>
        </form>
        {last && (
          <button
            type="button"
            className="mt-3 flex w-full items-center gap-3 rounded-2xl border border-line px-4 py-3 text-start hover:bg-hover"
            onClick={() => resume(last)}
          >
            <Avatar name={last.name} id={last.userId} size={36} />
            <span className="min-w-0 flex-1 truncate font-medium">{texts.continueAs(last.name)}</span>
          </button>
        )}
      </div>
    </main>
  );
}
