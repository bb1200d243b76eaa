import type { User } from '@parley/client';
import { Avatar, conversationTitle, faceOf, useConversations, useMe, useParleyClient } from '@parley/react';
import { Search } from 'lucide-react';
import { type KeyboardEvent, type ReactNode, useEffect, useId, useMemo, useState } from 'react';
import { reportError } from '../log.ts';
import { navigate, pathOf } from '../router.ts';
import { useTexts } from '../texts/texts.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { closeDialog } from './dialogs.ts';

interface Goal {
  readonly key: string;
  readonly label: string;
  readonly icon: ReactNode;
  readonly hint?: string | undefined;
  readonly go: () => void;
}

const MOST = 9;
const PAUSE_MS = 150;

/** Type a few letters, press Enter, be there: conversations first, then people to write to. */
export function JumpDialog() {
  const texts = useTexts();
  const client = useParleyClient();
  const me = useMe();
  const { conversations } = useConversations('all');
  const [query, setQuery] = useState('');
  const [active, setActive] = useState(0);
  const [people, setPeople] = useState<readonly User[]>([]);
  const id = useId();

  useEffect(() => {
    const wanted = query.trim();
    if (wanted === '') return setPeople([]);
    const aborter = new AbortController();
    const timer = setTimeout(() => {
      client.people({ query: wanted, limit: MOST, signal: aborter.signal }).then(
        ({ items }) => setPeople(items.filter((person) => person.id !== me?.id)),
        // The conversations can be jumped to all the same.
        (error: unknown) => !aborter.signal.aborted && reportError(error, 'jump'),
      );
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      aborter.abort();
    };
  }, [query, client, me]);

  const goals = useMemo(() => {
    const wanted = query.trim().toLocaleLowerCase();
    const close = (path: string) => {
      closeDialog();
      navigate(path);
    };
    const found = conversations.flatMap((state): Goal[] => {
      const label = conversationTitle(state, me?.id ?? null, texts);
      if (!label.toLocaleLowerCase().includes(wanted)) return [];
      const face = faceOf(state, me?.id ?? null);
      const unread = state.conversation.me?.unreadCount ?? 0;
      return [
        {
          key: state.id,
          label,
          icon: (
            <Avatar
              name={label}
              id={face.id}
              src={face.avatarUrl}
              size={32}
              square={state.conversation.type !== 'direct'}
            />
          ),
          hint: unread > 0 ? texts.unread(unread) : undefined,
          go: () => close(pathOf(state.id)),
        },
      ];
    });
    const known = new Set(
      conversations.flatMap((state) =>
        state.conversation.type === 'direct' ? [faceOf(state, me?.id ?? null).id] : [],
      ),
    );
    const others = people
      .filter((person) => !known.has(person.id))
      .map(
        (person): Goal => ({
          key: person.id,
          label: person.name,
          icon: <Avatar name={person.name} id={person.id} src={person.avatarUrl} size={32} />,
          hint: texts.writeTo,
          go: () => {
            client.createConversation({ type: 'direct', participantIds: [person.id] }).then(
              (conversation) => close(pathOf(conversation.id)),
              (error: unknown) => reportError(error, 'jump'),
            );
          },
        }),
      );
    return [...found, ...others].slice(0, MOST);
  }, [query, conversations, people, me, texts, client]);

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      if (goals.length > 0) setActive((active + (event.key === 'ArrowDown' ? 1 : goals.length - 1)) % goals.length);
    } else if (event.key === 'Enter') {
      event.preventDefault();
      goals[active]?.go();
    }
  };

  return (
    <Dialog title={texts.jumpTo} onClose={closeDialog} bare>
      <div className="flex items-center gap-3 border-b border-line px-5">
        <Search size={18} className="text-soft" aria-hidden="true" />
        <input
          className="min-h-14 flex-1 bg-transparent outline-none"
          data-autofocus
          role="combobox"
          aria-expanded={goals.length > 0}
          aria-controls={`${id}-list`}
          aria-activedescendant={goals[active] ? `${id}-${active}` : undefined}
          aria-label={texts.jumpTo}
          placeholder={texts.jumpPlaceholder}
          value={query}
          onChange={(event) => {
            setQuery(event.target.value);
            setActive(0);
          }}
          onKeyDown={onKeyDown}
        />
      </div>
      <div id={`${id}-list`} role="listbox" aria-label={texts.results} className="p-2">
        {goals.map((goal, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the field above has the keyboard
          <div
            key={goal.key}
            tabIndex={-1}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === active}
            className="flex min-h-12 items-center gap-3 rounded-xl px-3 hover:bg-hover aria-selected:bg-selected"
            onClick={goal.go}
          >
            {goal.icon}
            <span className="min-w-0 flex-1 truncate font-medium">{goal.label}</span>
            {goal.hint && <span className="text-small text-soft">{goal.hint}</span>}
          </div>
        ))}
      </div>
      {goals.length === 0 && <p className="px-5 pb-8 pt-4 text-center text-small text-soft">{texts.nothingFound}</p>}
    </Dialog>
  );
}
