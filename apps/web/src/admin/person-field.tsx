import { ParleyError } from '@parley/client';
import type { Administration } from '@parley/client/admin';
import { Avatar } from '@parley/react';
import { X } from 'lucide-react';
import { type KeyboardEvent, useEffect, useId, useRef, useState } from 'react';
import { errorText } from '../error-text.ts';
import { useTexts } from '../texts/texts.tsx';
import { rememberNames } from './names.ts';

/** Somebody who can be chosen. */
export interface ChosenPerson {
  readonly id: string;
  readonly name: string;
  readonly avatarUrl: string | null;
}

interface PersonFieldProps {
  readonly admin: Administration;
  readonly label: string;
  readonly value: ChosenPerson | null;
  readonly onChange: (person: ChosenPerson | null) => void;
}

const PAUSE_MS = 150;
const MOST = 8;

/** Chooses one person among everybody: type, then take one with arrows or pointer. */
export function PersonField({ admin, label, value, onChange }: PersonFieldProps) {
  const texts = useTexts();
  const [text, setText] = useState('');
  const [found, setFound] = useState<readonly ChosenPerson[] | null>(null);
  const [active, setActive] = useState(0);
  const [problem, setProblem] = useState<string | null>(null);
  const input = useRef<HTMLInputElement>(null);
  const id = useId();
  const query = text.trim();

  useEffect(() => {
    if (query === '') {
      setFound(null);
      return;
    }
    const aborter = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const { items } = await admin.users({ query, limit: MOST, signal: aborter.signal });
        const people = items.map(({ user }) => user);
        rememberNames(people);
        setFound(people);
        setActive(0);
        setProblem(null);
      } catch (error) {
        if (!aborter.signal.aborted) setProblem(errorText(ParleyError.from(error), texts));
      }
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      aborter.abort();
    };
  }, [admin, query, texts]);

  const choose = (person: ChosenPerson) => {
    onChange(person);
    setText('');
    setFound(null);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const people = found ?? [];
    if (people.length === 0) return;
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      setActive((active + (event.key === 'ArrowDown' ? 1 : people.length - 1)) % people.length);
    } else if (event.key === 'Enter') {
      event.preventDefault();
      choose(people[active]!);
    } else if (event.key === 'Escape') setFound(null);
  };

  if (value) {
    return (
      <div className="min-w-0">
        <p className="text-tiny font-semibold text-soft">{label}</p>
        <div className="mt-1 flex min-h-[42px] items-center gap-2 rounded-xl border border-line bg-raised ps-2 pe-1">
          <Avatar name={value.name} id={value.id} src={value.avatarUrl} size={26} />
          <span className="min-w-0 flex-1 truncate" dir="auto">
            {value.name}
          </span>
          <button
            type="button"
            className="icon-button"
            aria-label={texts.takeOut(value.name)}
            onClick={() => {
              onChange(null);
              requestAnimationFrame(() => input.current?.focus());
            }}
          >
            <X size={17} />
          </button>
        </div>
      </div>
    );
  }
  const open = found !== null;
  return (
    <div className="relative min-w-0">
      <label htmlFor={id} className="block text-tiny font-semibold text-soft">
        {label}
      </label>
      <input
        ref={input}
        id={id}
        className="field mt-1"
        role="combobox"
        aria-autocomplete="list"
        aria-expanded={open && found.length > 0}
        aria-controls={`${id}-list`}
        aria-activedescendant={open && found[active] ? `${id}-${active}` : undefined}
        autoComplete="off"
        placeholder={texts.searchPeople}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKeyDown}
        onBlur={() => setFound(null)}
      />
      <div className="absolute inset-x-0 top-full z-10 mt-1 overflow-hidden rounded-xl border border-line bg-raised shadow-lg empty:hidden">
        {open && found.length === 0 && <p className="px-3 py-3 text-small text-soft">{texts.nobodyFound}</p>}
        {open && found.length > 0 && (
          <div id={`${id}-list`} role="listbox" aria-label={texts.results}>
            {found.map((person, index) => (
              // biome-ignore lint/a11y/useKeyWithClickEvents: the field above has the keyboard
              <div
                key={person.id}
                id={`${id}-${index}`}
                role="option"
                tabIndex={-1}
                aria-selected={index === active}
                className="flex min-h-11 items-center gap-3 px-3 hover:bg-hover aria-selected:bg-selected"
                onMouseDown={(event) => event.preventDefault()}
                onClick={() => choose(person)}
              >
                <Avatar name={person.name} id={person.id} src={person.avatarUrl} size={28} />
                <span className="min-w-0 flex-1 truncate text-small font-medium">{person.name}</span>
                <span className="max-w-[40%] truncate text-tiny text-soft">{person.id}</span>
              </div>
            ))}
          </div>
        )}
      </div>
      <p role="alert" className="mt-1 text-small text-danger empty:hidden">
        {problem}
      </p>
    </div>
  );
}
