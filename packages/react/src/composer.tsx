import {
  type ClipboardEvent,
  type KeyboardEvent,
  type ReactNode,
  type Ref,
  useEffect,
  useId,
  useImperativeHandle,
  useLayoutEffect,
  useRef,
  useState,
} from 'react';
import { Icon } from './icon.tsx';
import type { Mentionable } from './markdown.ts';
import { useParleyTexts } from './provider.tsx';

/** One thing a completion offers. */
export interface Suggestion {
  readonly key: string;
  /** What takes the place of the typed word. */
  readonly insert: string;
  readonly label: string;
  readonly icon?: ReactNode;
  readonly hint?: string;
}

/** Offers completions for words that begin with a character, such as `@` or `:`. */
export interface Completion {
  readonly trigger: string;
  /** Letters that must follow before anything is offered. */
  readonly atLeast: number;
  find(word: string): readonly Suggestion[] | Promise<readonly Suggestion[]>;
}

/** What one can ask of a composer on the screen. */
export interface ComposerHandle {
  focus(): void;
  /** Puts text at the cursor. */
  insert(text: string): void;
}

/** What `Composer` takes. The text is the product's to keep (drafts). */
export interface ComposerProps {
  readonly value: string;
  readonly onChange: (value: string) => void;
  /** Called with the trimmed text when the person sends. */
  readonly onSend: (text: string) => void;
  readonly placeholder?: string;
  /** Why one may not write here; replaces the field. */
  readonly disabledReason?: ReactNode;
  /** In code points, as the server counts. */
  readonly maxLength?: number;
  readonly completions?: readonly Completion[];
  /** What the text answers or changes, above the field. */
  readonly context?: ReactNode;
  /** Ends what `context` shows (Escape). */
  readonly onCancel?: (() => void) | undefined;
  /** Arrow up in an empty field: change the last message. */
  readonly onEditLast?: (() => void) | undefined;
  readonly onPaste?: (event: ClipboardEvent<HTMLTextAreaElement>) => void;
  readonly onBlur?: () => void;
  /** Before and behind the field: attach, emoji. */
  readonly before?: ReactNode;
  readonly after?: ReactNode;
  /** There is something to send beside the text: files. */
  readonly carries?: boolean;
  /** One may write, but not send at this moment. */
  readonly holdSend?: boolean;
  /** An edit is saved, not sent. */
  readonly editing?: boolean;
  readonly ref?: Ref<ComposerHandle>;
}

/** The remaining length is told when this few characters are left. */
const NEAR_LIMIT = 500;

/**
 * The field messages are written in. Grows with its text; Enter sends, Shift+Enter breaks the line; offers completions; says
 * how much room is left near the limit. An IME's Enter sends nothing.
 */
export function Composer(props: ComposerProps) {
  const { value, onChange, onSend, maxLength = 10_000, completions = NONE, editing = false } = props;
  const texts = useParleyTexts();
  const field = useRef<HTMLTextAreaElement>(null);
  const listId = useId();
  const hintId = useId();
  const [offer, setOffer] = useState<Offer | null>(null);
  const [cursor, setCursor] = useState<number | null>(null);
  const asked = useRef(0);

  const left = value.length > maxLength / 2 - NEAR_LIMIT ? maxLength - [...value.trim()].length : maxLength;
  const canSend = (value.trim() !== '' || props.carries === true) && left >= 0 && props.holdSend !== true;

  useImperativeHandle(
    props.ref,
    () => ({
      focus: () => field.current?.focus(),
      insert: (text) => {
        const element = field.current;
        const at = element?.selectionStart ?? value.length;
        const end = element?.selectionEnd ?? at;
        onChange(value.slice(0, at) + text + value.slice(end));
        setCursor(at + text.length);
        element?.focus();
      },
    }),
    [value, onChange],
  );

  // A changed value moves the browser's cursor to the end; put it where the person was.
  useLayoutEffect(() => {
    if (cursor === null) return;
    field.current?.setSelectionRange(cursor, cursor);
    setCursor(null);
  }, [cursor]);

  // Browsers without `field-sizing` grow by hand.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the height follows the value
  useEffect(() => {
    const element = field.current;
    if (!element || CSS.supports('field-sizing', 'content')) return;
    element.style.blockSize = 'auto';
    element.style.blockSize = `${element.scrollHeight}px`;
  }, [value]);

  const complete = async (text: string, at: number) => {
    asked.current += 1;
    const turn = asked.current;
    const word = wordBefore(text, at, completions);
    if (word === null) return setOffer(null);
    const suggestions = await word.completion.find(word.text);
    if (turn === asked.current)
      setOffer(suggestions.length === 0 ? null : { suggestions, from: word.from, to: at, active: 0 });
  };

  const accept = (suggestion: Suggestion, { from, to }: Offer) => {
    const inserted = `${suggestion.insert} `;
    onChange(value.slice(0, from) + inserted + value.slice(to));
    setCursor(from + inserted.length);
    setOffer(null);
    field.current?.focus();
  };

  const send = () => {
    if (!canSend) return;
    setOffer(null);
    onSend(value.trim());
  };

  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    if (event.nativeEvent.isComposing) return;
    if (offer && chooses(event, offer)) return event.preventDefault();
    if (event.key === 'Enter' && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      send();
    } else if (event.key === 'Escape' && props.onCancel) {
      event.preventDefault();
      props.onCancel();
    } else if (event.key === 'ArrowUp' && value === '' && props.onEditLast) {
      event.preventDefault();
      props.onEditLast();
    }
  };

  const chooses = (event: KeyboardEvent, now: Offer): boolean => {
    const { suggestions, active } = now;
    switch (event.key) {
      case 'ArrowDown':
      case 'ArrowUp': {
        const step = event.key === 'ArrowDown' ? 1 : suggestions.length - 1;
        setOffer({ ...now, active: (active + step) % suggestions.length });
        return true;
      }
      case 'Enter':
      case 'Tab':
        accept(suggestions[active]!, now);
        return true;
      case 'Escape':
        setOffer(null);
        return true;
      default:
        return false;
    }
  };

  if (props.disabledReason) {
    return (
      <div className="parley-composer">
        <p className="parley-composer-disabled">{props.disabledReason}</p>
      </div>
    );
  }

  return (
    <form
      className="parley-composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {offer && (
        <div className="parley-suggestions" id={listId} role="listbox" aria-label={texts.suggestions}>
          {offer.suggestions.map((suggestion, index) => (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the field has the keyboard
            <div
              tabIndex={-1}
              key={suggestion.key}
              id={`${listId}-${index}`}
              role="option"
              aria-selected={index === offer.active}
              // Pressing must not take the focus out of the field.
              onMouseDown={(event) => event.preventDefault()}
              onClick={() => accept(suggestion, offer)}
            >
              {suggestion.icon}
              <span>{suggestion.label}</span>
              {suggestion.hint && <small>{suggestion.hint}</small>}
            </div>
          ))}
        </div>
      )}
      <div className="parley-composer-box">
        {props.context}
        <div className="parley-composer-line">
          {props.before}
          <textarea
            ref={field}
            rows={1}
            value={value}
            aria-label={texts.message}
            aria-autocomplete={completions.length > 0 ? 'list' : undefined}
            aria-controls={offer ? listId : undefined}
            aria-activedescendant={offer ? `${listId}-${offer.active}` : undefined}
            aria-describedby={left <= NEAR_LIMIT ? hintId : undefined}
            aria-invalid={left < 0 || undefined}
            placeholder={props.placeholder ?? texts.placeholder}
            dir="auto"
            enterKeyHint="send"
            onChange={(event) => {
              onChange(event.target.value);
              void complete(event.target.value, event.target.selectionStart);
            }}
            onKeyDown={onKeyDown}
            onPaste={props.onPaste}
            onBlur={() => {
              setOffer(null);
              props.onBlur?.();
            }}
          />
          {props.after}
          <button
            type="submit"
            className="parley-send"
            aria-label={editing ? texts.save : texts.send}
            title={editing ? texts.save : texts.send}
            disabled={!canSend}
          >
            <Icon>
              {editing ? (
                <path d="M5 12.5 10 17.5 19 7" />
              ) : (
                <path d="M5 12h9M5 12 3.5 5.2a.6.6 0 0 1 .85-.67L20.4 11.4a.66.66 0 0 1 0 1.2L4.35 19.47a.6.6 0 0 1-.85-.67Z" />
              )}
            </Icon>
          </button>
        </div>
      </div>
      {left <= NEAR_LIMIT && (
        <p id={hintId} className="parley-composer-hint" data-over={left < 0 || undefined}>
          {texts.charactersLeft(left)}
        </p>
      )}
    </form>
  );
}

const NONE: readonly Completion[] = [];

interface Offer {
  readonly suggestions: readonly Suggestion[];
  readonly from: number;
  readonly to: number;
  readonly active: number;
}

function wordBefore(text: string, at: number, completions: readonly Completion[]) {
  for (const completion of completions) {
    const from = text.lastIndexOf(completion.trigger, at - 1);
    if (from < 0 || at - from > 40) continue;
    const word = text.slice(from + completion.trigger.length, at);
    const starts = from === 0 || /[\s(]/.test(text[from - 1]!);
    if (starts && word.length >= completion.atLeast && !/\s/.test(word)) return { completion, from, text: word };
  }
  return null;
}

/** Completes `@` with people. */
export function mentionCompletion(
  people: readonly Mentionable[],
  iconOf?: (person: Mentionable) => ReactNode,
): Completion {
  return {
    trigger: '@',
    atLeast: 0,
    find: (word) => {
      const wanted = word.toLocaleLowerCase();
      return people
        .filter(({ name }) =>
          name
            .toLocaleLowerCase()
            .split(/\s+/)
            .some((part) => part.startsWith(wanted)),
        )
        .slice(0, 6)
        .map((person) => ({ key: person.id, insert: `@${person.name}`, label: person.name, icon: iconOf?.(person) }));
    },
  };
}

/** Ids of the people whose `@name` stands in a text. */
export function mentionsIn(text: string, people: readonly Mentionable[]): string[] {
  return people.filter(({ name }) => name !== '' && text.includes(`@${name}`)).map(({ id }) => id);
}
