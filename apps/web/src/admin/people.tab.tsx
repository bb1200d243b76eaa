import type { Administration, ModeratedUser } from '@parley/client/admin';
import { Avatar, useFormats, useSnapshot } from '@parley/react';
import { Ellipsis, Search, Users } from 'lucide-react';
import { useCallback, useEffect, useState } from 'react';
import { showDialog } from '../dialogs/dialogs.ts';
import { useTexts } from '../texts/texts.tsx';
import { Menu, type MenuItem } from '../ui/menu.tsx';
import { rememberNames } from './names.ts';
import { usePages } from './pages.ts';
import { attempt, Chips, ListOf, Tag } from './parts.tsx';

const HOUR_MS = 3_600_000;
const PAUSE_MS = 200;

/** Everybody whom the server knows: silence, ban, and lift either. */
export function PeopleTab({ admin }: { readonly admin: Administration }) {
  const texts = useTexts();
  const [typed, setTyped] = useState('');
  const [query, setQuery] = useState('');
  const [which, setWhich] = useState<'all' | 'restricted'>('all');
  useEffect(() => {
    const timer = setTimeout(() => setQuery(typed.trim()), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  const pages = usePages(
    useCallback(
      async (cursor, signal) => {
        const page = await admin.users({ query, restricted: which === 'restricted', cursor, signal });
        rememberNames(page.items.map(({ user }) => user));
        return page;
      },
      [admin, query, which],
    ),
  );
  type Change = Parameters<Administration['restrict']>[1];
  const restrict = async (person: ModeratedUser, change: Change) => {
    await attempt(texts, async () => {
      const { silencedUntil, bannedAt, reason } = await admin.restrict(person.user.id, change);
      pages.replace(person, { ...person, silencedUntil, bannedAt, reason });
    });
  };
  return (
    <>
      <div className="mb-4 flex flex-wrap items-center gap-2">
        <div className="relative min-w-52 flex-1">
          <Search
            size={16}
            className="pointer-events-none absolute inset-y-0 start-3 my-auto text-soft"
            aria-hidden="true"
          />
          <input
            type="search"
            className="h-10 w-full rounded-xl bg-hover ps-9 pe-3 placeholder:text-soft placeholder:opacity-100"
            aria-label={texts.searchPeople}
            placeholder={texts.searchPeople}
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
          />
        </div>
        <Chips
          legend={texts.filter}
          value={which}
          onChange={setWhich}
          options={[
            { value: 'all', label: texts.filters.all },
            { value: 'restricted', label: texts.restrictedOnes },
          ]}
        />
      </div>
      <ListOf
        pages={pages}
        label={texts.adminTabs.people}
        empty={{ icon: <Users size={24} />, title: texts.nobodyFound }}
        keyOf={({ user }) => user.id}
        render={(person) => <PersonRow person={person} onRestrict={(change) => void restrict(person, change)} />}
      />
    </>
  );
}

interface PersonRowProps {
  readonly person: ModeratedUser;
  readonly onRestrict: (change: {
    readonly silencedUntil?: string | null;
    readonly banned?: boolean;
    readonly reason?: string;
  }) => void;
}

function PersonRow({ person, onRestrict }: PersonRowProps) {
  const texts = useTexts();
  const formats = useFormats();
  const userId = useSnapshot((snapshot) => snapshot.userId);
  const [menu, setMenu] = useState<HTMLElement | null>(null);
  const { user, silencedUntil, bannedAt, lastSeenAt, reason } = person;
  const silenced = silencedUntil !== null && Date.parse(silencedUntil) > Date.now();
  const silence = (hours: number) => () =>
    onRestrict({ silencedUntil: new Date(Date.now() + hours * HOUR_MS).toISOString() });
  const items: MenuItem[] = [
    ...(silenced
      ? [{ label: texts.endSilence, onSelect: () => onRestrict({ silencedUntil: null }) }]
      : [
          { label: texts.silenceHour, onSelect: silence(1) },
          { label: texts.silenceDay, onSelect: silence(24) },
          { label: texts.silenceWeek, onSelect: silence(24 * 7) },
        ]),
    bannedAt === null
      ? {
          label: texts.ban,
          danger: true,
          separated: true,
          onSelect: () =>
            showDialog({
              kind: 'confirm',
              title: texts.banPerson(user.name),
              text: texts.banHint,
              action: texts.ban,
              run: () => onRestrict({ banned: true }),
            }),
        }
      : { label: texts.liftBan, separated: true, onSelect: () => onRestrict({ banned: false }) },
  ];
  return (
    <div className="flex items-center gap-3 p-3">
      <Avatar name={user.name} id={user.id} src={user.avatarUrl} size={38} />
      <div className="min-w-0 flex-1">
        <p className="flex flex-wrap items-center gap-2">
          <span className="font-semibold">{user.name}</span>
          {silenced && <Tag tone="warn">{texts.silencedTag(formats.full(silencedUntil))}</Tag>}
          {bannedAt !== null && <Tag tone="danger">{texts.bannedSince(formats.day(bannedAt))}</Tag>}
        </p>
        <p className="truncate text-tiny text-soft">
          {user.id}
          {lastSeenAt !== null && ` · ${texts.lastSeen(formats.brief(lastSeenAt))}`}
          {reason !== null && ` · “${reason}”`}
        </p>
      </div>
      {user.id !== userId && (
        <button
          type="button"
          className="icon-button"
          aria-label={texts.manage(user.name)}
          aria-haspopup="menu"
          onClick={(event) => setMenu(event.currentTarget)}
        >
          <Ellipsis size={19} />
        </button>
      )}
      {menu && <Menu label={texts.manage(user.name)} anchor={menu} items={items} onClose={() => setMenu(null)} />}
    </div>
  );
}
