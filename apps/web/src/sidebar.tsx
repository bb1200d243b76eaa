import type { ConversationFilter } from '@parley/client';
import {
  Avatar,
  ConversationList,
  conversationTitle,
  faceOf,
  useConversations,
  useMe,
  useParleyClient,
  usePresence,
  useSnapshot,
} from '@parley/react';
import {
  Archive,
  ArchiveRestore,
  Bell,
  BellOff,
  FileArchive,
  Hash,
  Keyboard,
  LogOut,
  MailOpen,
  MessageCircleDashed,
  Pin,
  PinOff,
  Search,
  Settings,
  ShieldCheck,
  SquarePen,
  TextSearch,
} from 'lucide-react';
import { type MouseEvent, useCallback, useMemo, useState } from 'react';
import { isMuted, muteChoices } from './commands.ts';
import { showDialog } from './dialogs/dialogs.ts';
import { draftsOf } from './drafts.ts';
import { navigate, pathOf, useRoute } from './router.ts';
import { session, signOut } from './session.ts';
import { openSearch } from './side-pane.ts';
import { useTexts } from './texts/texts.tsx';
import { Empty } from './ui/empty.tsx';
import { Menu, type MenuItem } from './ui/menu.tsx';
import { useValue } from './value.ts';

const FILTERS = ['all', 'unread', 'pinned', 'archived'] as const satisfies readonly ConversationFilter[];
const ICON = 17;
/** Of direct conversations, the last active ones: the others are far down. */
const MOST_WATCHED = 80;

type OpenMenu = { readonly kind: 'me' | 'mute' | 'conversation'; readonly id: string; readonly anchor: HTMLElement };

/** The list of conversations with its search, its filters and what can be begun. */
export function Sidebar() {
  const texts = useTexts();
  const me = useMe();
  const signedIn = useValue(session);
  // Known before the server has told it.
  const name = me?.name ?? (signedIn.status === 'in' ? signedIn.session.name : '');
  const userId = useSnapshot((snapshot) => snapshot.userId);
  const users = useSnapshot((snapshot) => snapshot.users);
  const hydrated = useSnapshot((snapshot) => snapshot.hydrated);
  const { conversationId } = useRoute();
  const [filter, setFilter] = useState<ConversationFilter>('all');
  const [query, setQuery] = useState('');
  const [menu, setMenu] = useState<OpenMenu | null>(null);
  const { conversations, state } = useConversations(filter);
  const drafts = useValue(useMemo(() => draftsOf(userId ?? ''), [userId]));
  const wanted = query.trim().toLocaleLowerCase();
  const shown = useMemo(
    () =>
      wanted === ''
        ? conversations
        : conversations.filter((conversation) =>
            conversationTitle(conversation, userId, texts).toLocaleLowerCase().includes(wanted),
          ),
    [conversations, wanted, userId, texts],
  );
  const presence = usePresence(
    useMemo(
      () =>
        conversations
          .filter(({ conversation }) => conversation.type === 'direct')
          .slice(0, MOST_WATCHED)
          .map((conversation) => faceOf(conversation, userId).id),
      [conversations, userId],
    ),
  );
  const loading = shown.length === 0 && (!hydrated || state === 'empty' || state === 'loading');

  const select = useCallback((id: string, event: MouseEvent) => {
    // A new tab or window is the browser's affair.
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    navigate(pathOf(id));
  }, []);
  const openMenu = useCallback((id: string, anchor: HTMLElement) => setMenu({ kind: 'conversation', id, anchor }), []);

  return (
    <div className="flex h-full flex-col">
      <h1 className="sr-only">{texts.conversations}</h1>
      <header className="flex items-center gap-1 px-4 pb-2 pt-3">
        <button
          type="button"
          className="flex min-w-0 flex-1 items-center gap-2.5 rounded-xl p-1 text-start hover:bg-hover"
          aria-haspopup="menu"
          onClick={(event) => setMenu({ kind: 'me', id: '', anchor: event.currentTarget })}
        >
          <Avatar name={name} id={me?.id ?? ''} src={me?.avatarUrl} size={34} />
          <span className="truncate font-semibold">
            <span className="sr-only">{texts.account}: </span>
            {name}
          </span>
        </button>
        <button
          type="button"
          className="icon-button"
          aria-label={texts.browseChannels}
          title={texts.browseChannels}
          onClick={() => showDialog({ kind: 'channels' })}
        >
          <Hash size={19} />
        </button>
        <button
          type="button"
          className="icon-button"
          aria-label={texts.newConversation}
          title={texts.newConversation}
          onClick={() => showDialog({ kind: 'new-conversation' })}
        >
          <SquarePen size={19} />
        </button>
      </header>
      <div className="relative mx-4 mb-2">
        <Search
          size={16}
          className="pointer-events-none absolute inset-y-0 start-3 my-auto text-soft"
          aria-hidden="true"
        />
        <input
          type="search"
          className="h-10 w-full rounded-xl bg-hover ps-9 pe-3 text-small placeholder:text-soft placeholder:opacity-100"
          aria-label={texts.searchList}
          placeholder={texts.searchList}
          value={query}
          onChange={(event) => setQuery(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === 'Escape') setQuery('');
            if (event.key === 'Enter' && shown[0]) navigate(pathOf(shown[0].id));
            else if (event.key === 'Enter' && wanted !== '') openSearch(null, query.trim());
          }}
        />
      </div>
      <fieldset className="mx-3 mb-1.5 flex gap-0.5">
        <legend className="sr-only">{texts.filter}</legend>
        {FILTERS.map((value) => (
          <button
            key={value}
            type="button"
            className="chip"
            aria-pressed={filter === value}
            onClick={() => setFilter(value)}
          >
            {texts.filters[value]}
          </button>
        ))}
      </fieldset>
      {wanted !== '' && (
        <button
          type="button"
          className="mx-3 mb-1.5 flex min-h-10 items-center gap-3 rounded-xl px-3 text-start text-small font-medium text-accent-ink hover:bg-hover"
          onClick={() => openSearch(null, query.trim())}
        >
          <TextSearch size={18} aria-hidden="true" className="flex-none" />
          <span className="truncate">{texts.searchMessagesFor(query.trim())}</span>
        </button>
      )}
      <div className="scroll flex flex-1 flex-col" aria-busy={loading}>
        {loading ? (
          <ListSkeleton />
        ) : (
          <>
            <ConversationList
              conversations={shown}
              userId={userId}
              users={users}
              activeId={conversationId}
              presence={presence}
              drafts={drafts}
              hrefOf={pathOf}
              onSelect={select}
              onMenu={openMenu}
            />
            {shown.length === 0 && <NothingHere filter={filter} searching={wanted !== ''} />}
          </>
        )}
      </div>
      {menu?.kind === 'me' && <AccountMenu anchor={menu.anchor} onClose={() => setMenu(null)} />}
      {menu?.kind === 'conversation' && (
        <ConversationMenu
          id={menu.id}
          anchor={menu.anchor}
          onClose={() => setMenu(null)}
          onMute={() => setMenu({ ...menu, kind: 'mute' })}
        />
      )}
      {menu?.kind === 'mute' && <MuteMenu id={menu.id} anchor={menu.anchor} onClose={() => setMenu(null)} />}
    </div>
  );
}

function NothingHere({ filter, searching }: { readonly filter: ConversationFilter; readonly searching: boolean }) {
  const texts = useTexts();
  if (searching) return <Empty icon={<Search size={24} />} title={texts.nothingFound} hint={texts.nothingFoundHint} />;
  if (filter !== 'all')
    return <p className="px-6 py-10 text-center text-small text-soft">{texts.emptyFilters[filter]}</p>;
  return (
    <Empty icon={<MessageCircleDashed size={26} />} title={texts.noConversations} hint={texts.noConversationsHint}>
      <button type="button" className="button button-primary" onClick={() => showDialog({ kind: 'new-conversation' })}>
        {texts.startOne}
      </button>
    </Empty>
  );
}

function ListSkeleton() {
  return (
    <div className="px-2" aria-hidden="true">
      {[60, 45, 70, 52, 64, 40].map((width) => (
        <div key={width} className="flex items-center gap-3 p-2.5">
          <div className="skeleton size-11 flex-none rounded-full" />
          <div className="grid flex-1 gap-2">
            <div className="skeleton h-3.5" style={{ width: `${width}%` }} />
            <div className="skeleton h-3" style={{ width: `${width + 22}%` }} />
          </div>
        </div>
      ))}
    </div>
  );
}

interface MenuAt {
  readonly anchor: HTMLElement;
  readonly onClose: () => void;
}

function AccountMenu({ anchor, onClose }: MenuAt) {
  const texts = useTexts();
  const me = useMe();
  const items: MenuItem[] = [
    { label: texts.searchMessages, icon: <TextSearch size={ICON} />, onSelect: () => openSearch(null) },
    ...(me?.roles?.includes('admin')
      ? [{ label: texts.administration, icon: <ShieldCheck size={ICON} />, onSelect: () => navigate('/admin') }]
      : []),
    { label: texts.preferences, icon: <Settings size={ICON} />, onSelect: () => showDialog({ kind: 'preferences' }) },
    ...(me
      ? [
          {
            label: texts.myData,
            icon: <FileArchive size={ICON} />,
            onSelect: () => showDialog({ kind: 'my-data', userId: me.id }),
          },
        ]
      : []),
    {
      label: texts.shortcuts,
      icon: <Keyboard size={ICON} />,
      shortcut: '?',
      onSelect: () => showDialog({ kind: 'shortcuts' }),
    },
    {
      label: texts.signOut,
      icon: <LogOut size={ICON} />,
      separated: true,
      onSelect: () =>
        showDialog({
          kind: 'confirm',
          title: texts.signOut,
          text: texts.signOutHint,
          action: texts.signOut,
          run: signOut,
        }),
    },
  ];
  return <Menu label={texts.account} anchor={anchor} items={items} onClose={onClose} />;
}

function ConversationMenu({
  id,
  anchor,
  onClose,
  onMute,
}: MenuAt & { readonly id: string; readonly onMute: () => void }) {
  const texts = useTexts();
  const client = useParleyClient();
  const state = useSnapshot((snapshot) => snapshot.conversations[id]);
  const me = state?.conversation.me;
  if (!state || !me) return null;
  const handle = client.conversation(id);
  const { lastSeq } = state.conversation;
  const items: MenuItem[] = [
    me.unreadCount > 0
      ? { label: texts.markRead, icon: <MailOpen size={ICON} />, onSelect: () => handle.markRead(lastSeq) }
      : {
          label: texts.markUnread,
          icon: <MailOpen size={ICON} />,
          onSelect: () => void (lastSeq > 0 && handle.markUnread(lastSeq)),
        },
    me.pinnedAt
      ? { label: texts.unpin, icon: <PinOff size={ICON} />, onSelect: () => void handle.settings({ pinned: false }) }
      : { label: texts.pin, icon: <Pin size={ICON} />, onSelect: () => void handle.settings({ pinned: true }) },
    isMuted(state)
      ? { label: texts.unmute, icon: <Bell size={ICON} />, onSelect: () => void handle.settings({ mutedUntil: null }) }
      : { label: texts.mute, icon: <BellOff size={ICON} />, onSelect: onMute },
    me.archivedAt
      ? {
          label: texts.unarchive,
          icon: <ArchiveRestore size={ICON} />,
          onSelect: () => void handle.settings({ archived: false }),
        }
      : {
          label: texts.archive,
          icon: <Archive size={ICON} />,
          onSelect: () => void handle.settings({ archived: true }),
        },
  ];
  return <Menu label={texts.conversationMenu} anchor={anchor} items={items} onClose={onClose} />;
}

/** How long to mute for. */
export function MuteMenu({ id, anchor, onClose }: MenuAt & { readonly id: string }) {
  const texts = useTexts();
  const client = useParleyClient();
  return (
    <Menu label={texts.mute} anchor={anchor} items={muteChoices(client.conversation(id), texts)} onClose={onClose} />
  );
}
