import { ParleyError, type User } from '@parley/client';
import { Avatar, useParleyClient } from '@parley/react';
import { X } from 'lucide-react';
import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef, useState } from 'react';
import { errorText } from '../error-text.ts';
import { useTexts } from '../texts/texts.tsx';

/** What `usePeopleField` answers. */
export interface PeopleField {
  readonly chosen: readonly User[];
  readonly empty: boolean;
  readonly field: ReactNode;
  /** The chosen people and those whose names stand in the field; null when a name fits nobody (the field says so). */
  readonly resolve: () => Promise<readonly User[] | null>;
}

const PAUSE_MS = 150;

/** A field to choose people by name: type, choose with arrows or pointer; several names may be separated by commas. */
export function usePeopleField({
  exclude,
  onSubmit,
}: {
  readonly exclude: readonly string[];
  readonly onSubmit: () => void;
}): PeopleField {
  const texts = useTexts();
  const client = useParleyClient();
  const [chosen, setChosen] = useState<readonly User[]>([]);
  const [text, setText] = useState('');
  const [found, setFound] = useState<readonly User[] | null>(null);
  const [active, setActive] = useState(0);
  const [problem, setProblem] = useState<string | null>(null);
  const input = useRef<HTMLInputElement>(null);
  const id = useId();
  const wanted = text.split(',').at(-1)!.trim().toLocaleLowerCase();
  // What was found for the letters before these still holds as far as it fits.
  const people = (found ?? []).filter((person) => person.name.toLocaleLowerCase().includes(wanted));
  const taken = new Set([...exclude, ...chosen.map((person) => person.id)]);
  const takenKey = [...taken].join(' ');

  // biome-ignore lint/correctness/useExhaustiveDependencies: `takenKey` stands for `taken`
  useEffect(() => {
    const aborter = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const query = text.split(',').at(-1)!.trim();
        const page = await client.people({ ...(query && { query }), limit: 20, signal: aborter.signal });
        setFound(page.items.filter((person) => !taken.has(person.id)));
        setActive(0);
      } catch (error) {
        const known = ParleyError.from(error);
        if (!aborter.signal.aborted) setProblem(errorText(known, texts));
      }
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      aborter.abort();
    };
  }, [text, takenKey, client, texts]);

  const choose = (person: User) => {
    setChosen((before) => [...before, person]);
    setText((before) => before.split(',').slice(0, -1).join(','));
    setProblem(null);
    input.current?.focus();
  };

  const resolve = async (): Promise<readonly User[] | null> => {
    const names = text
      .split(',')
      .map((name) => name.trim())
      .filter(Boolean);
    const more: User[] = [];
    for (const name of names) {
      const { items } = await client.people({ query: name, limit: 20 });
      const free = items.filter((person) => !taken.has(person.id) && !more.includes(person));
      const same = free.find((person) => person.name.toLocaleLowerCase() === name.toLocaleLowerCase());
      const match = same ?? (free.length === 1 ? free[0] : undefined);
      if (!match) {
        setProblem(free.length > 1 ? texts.severalPeople(name) : texts.nobodyCalled(name));
        return null;
      }
      more.push(match);
    }
    return [...chosen, ...more];
  };

  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>) => {
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      if (people.length > 0) setActive((active + (event.key === 'ArrowDown' ? 1 : people.length - 1)) % people.length);
    } else if (event.key === 'Enter') {
      event.preventDefault();
      const person = text.trim() === '' ? undefined : people[active];
      if (person) choose(person);
      else if (event.currentTarget.value.trim() === '' || found !== null) onSubmit();
    } else if (event.key === 'Backspace' && text === '') setChosen((before) => before.slice(0, -1));
  };

  const field = (
    <div>
      <label htmlFor={id} className="mb-1.5 block text-small font-semibold">
        {texts.people}
      </label>
      {chosen.length > 0 && (
        <ul className="mb-2 flex flex-wrap gap-1.5">
          {chosen.map((person) => (
            <li
              key={person.id}
              className="flex items-center gap-1.5 rounded-full bg-selected py-1 ps-1 pe-1 text-small font-medium"
            >
              <Avatar name={person.name} id={person.id} src={person.avatarUrl} size={24} />
              {person.name}
              <button
                type="button"
                className="inline-flex size-6 items-center justify-center rounded-full hover:bg-hover"
                aria-label={texts.takeOut(person.name)}
                onClick={() => setChosen((before) => before.filter(({ id }) => id !== person.id))}
              >
                <X size={14} aria-hidden="true" />
              </button>
            </li>
          ))}
        </ul>
      )}
      <input
        ref={input}
        id={id}
        className="field"
        data-autofocus
        value={text}
        placeholder={texts.peoplePlaceholder}
        autoComplete="off"
        aria-autocomplete="list"
        aria-controls={people.length > 0 ? `${id}-list` : undefined}
        aria-activedescendant={people[active] && text !== '' ? `${id}-${active}` : undefined}
        aria-invalid={problem !== null || undefined}
        aria-describedby={problem ? `${id}-problem` : undefined}
        onChange={(event) => {
          setText(event.target.value);
          setProblem(null);
        }}
        onKeyDown={onKeyDown}
      />
      <p id={`${id}-problem`} role="alert" className="mt-1.5 text-small text-danger empty:hidden">
        {problem}
      </p>
      <div className="scroll -mx-2 mt-2 h-56">
        {people.length > 0 ? (
          <div id={`${id}-list`} role="listbox" aria-label={texts.results} className="py-1">
            {people.map((person, index) => (
              // biome-ignore lint/a11y/useKeyWithClickEvents: the field above has the keyboard
              <div
                tabIndex={-1}
                key={person.id}
                id={`${id}-${index}`}
                role="option"
                aria-selected={index === active && text !== ''}
                className="flex items-center gap-3 rounded-xl px-2 py-1.5 hover:bg-hover aria-selected:bg-selected"
                onMouseDown={(event) => event.preventDefault()}
                onClick={() => choose(person)}
              >
                <Avatar name={person.name} id={person.id} src={person.avatarUrl} size={36} />
                <span className="min-w-0 flex-1 truncate font-medium">{person.name}</span>
              </div>
            ))}
          </div>
        ) : (
          found !== null && (
            <p className="px-2 py-6 text-center text-small text-soft">
              {text.trim() ? texts.nobodyFound : texts.nobodyYet}
            </p>
          )
        )}
      </div>
    </div>
  );

  return { chosen, empty: chosen.length === 0 && text.trim() === '', field, resolve };
}
