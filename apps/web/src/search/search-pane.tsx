import type { ConversationState, SearchHit } from '@parley/client';
import { Avatar, briefOf, conversationTitle, faceOf, useFormats, useSnapshot } from '@parley/react';
import { stretchesOf, useSearch } from '@parley/react/search';
import { Search as SearchIcon, X } from 'lucide-react';
import { type KeyboardEvent, useEffect, useId, useRef, useState } from 'react';
import { errorText } from '../error-text.ts';
import { useMedia } from '../media.ts';
import { currentRoute, navigate, pathOf } from '../router.ts';
import type { SidePane } from '../side-pane.ts';
import { useTexts } from '../texts/texts.tsx';

type Scope = 'here' | 'everywhere';

interface SearchPaneProps {
  readonly pane: Extract<SidePane, { kind: 'search' }>;
  readonly onClose: () => void;
}

/**
 * Looks through messages. The field keeps the focus: the arrow keys choose a hit, Enter shows it in its conversation, and the
 * pane stays for the next one.
 */
export function SearchPane({ pane, onClose }: SearchPaneProps) {
  const texts = useTexts();
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const conversations = useSnapshot((snapshot) => snapshot.conversations);
  const users = useSnapshot((snapshot) => snapshot.users);
  const [query, setQuery] = useState(pane.query);
  const [scope, setScope] = useState<Scope>(pane.conversationId === null ? 'everywhere' : 'here');
  const [senderId, setSenderId] = useState('');
  const [withFile, setWithFile] = useState(false);
  const [best, setBest] = useState(false);
  const [active, setActive] = useState(0);
  const here = pane.conversationId === null ? undefined : conversations[pane.conversationId];
  const inHere = scope === 'here' && pane.conversationId !== null;
  const search = useSearch({
    q: query,
    ...(inHere && pane.conversationId !== null && { conversationId: pane.conversationId }),
    ...(senderId !== '' && { senderId }),
    ...(withFile && { hasFile: true }),
    ...(best && { order: 'best' }),
  });
  const { hits, status, error, more } = search;

  // Asked for again while it is open: as if it was opened anew.
  useEffect(() => {
    setScope(pane.conversationId === null ? 'everywhere' : 'here');
    setSenderId('');
    if (pane.query !== '') setQuery(pane.query);
    field.current?.focus();
    field.current?.select();
  }, [pane]);
  useEffect(() => {
    list.current?.querySelector(`[data-index="${active}"]`)?.scrollIntoView({ block: 'nearest' });
    if (active >= hits.length - 3 && more) search.loadMore();
  }, [active, hits.length, more, search.loadMore]);

  const beside = useMedia('(min-width: 80rem)');
  const show = (hit: SearchHit) => {
    navigate(pathOf(hit.conversationId, hit.seq), { replace: currentRoute().seq !== null });
    // Where the pane covers the conversation, nobody would see the hit.
    if (!beside) onClose();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      setActive(Math.max(0, Math.min(hits.length - 1, active + (event.key === 'ArrowDown' ? 1 : -1))));
    } else if (event.key === 'Enter') {
      event.preventDefault();
      const hit = hits[active];
      if (hit) show(hit);
    }
  };
  const people = here ? Object.values(here.participants).filter(({ leftAt }) => leftAt === null) : [];
  const chosen = hits[active];

  return (
    <aside
      className="fixed inset-0 z-20 flex flex-col bg-page md:start-auto md:w-88 md:border-s md:border-line md:shadow-xl xl:static xl:flex-none xl:shadow-none"
      aria-label={texts.searchMessages}
      onKeyDown={(event) => {
        if (event.key !== 'Escape') return;
        event.preventDefault();
        onClose();
      }}
    >
      <header className="flex min-h-16 items-center gap-2 ps-4 pe-3">
        <div className="relative flex-1">
          <SearchIcon
            size={16}
            className="pointer-events-none absolute inset-y-0 start-3 my-auto text-soft"
            aria-hidden="true"
          />
          <input
            ref={field}
            type="search"
            role="combobox"
            aria-label={texts.searchMessages}
            aria-expanded={hits.length > 0}
            aria-controls={`${id}-list`}
            aria-activedescendant={chosen ? `${id}-${active}` : undefined}
            className="h-10 w-full rounded-xl bg-hover ps-9 pe-3 placeholder:text-soft placeholder:opacity-100"
            placeholder={texts.searchMessages}
            value={query}
            maxLength={200}
            onChange={(event) => {
              setQuery(event.target.value);
              setActive(0);
            }}
            onKeyDown={onKeyDown}
          />
        </div>
        <button type="button" className="icon-button" aria-label={texts.close} onClick={onClose}>
          <X size={19} />
        </button>
      </header>
      <div className="flex flex-wrap items-center gap-1 px-4 pb-2">
        {pane.conversationId !== null && (
          <fieldset className="flex gap-0.5">
            <legend className="sr-only">{texts.searchWhere}</legend>
            {(['here', 'everywhere'] as const).map((value) => (
              <button
                key={value}
                type="button"
                className="chip"
                aria-pressed={scope === value}
                onClick={() => setScope(value)}
              >
                {value === 'here' ? texts.searchHere : texts.searchEverywhere}
              </button>
            ))}
          </fieldset>
        )}
        <button
          type="button"
          className="chip border border-line"
          aria-pressed={withFile}
          onClick={() => setWithFile(!withFile)}
        >
          {texts.withFile}
        </button>
        <button
          type="button"
          className="chip border border-line"
          aria-pressed={best}
          title={texts.bestFirstHint}
          onClick={() => {
            setBest(!best);
            setActive(0);
          }}
        >
          {texts.bestFirst}
        </button>
        {inHere && people.length > 0 && (
          <select
            className="chip max-w-40 border border-line bg-page"
            aria-label={texts.searchFrom}
            value={senderId}
            onChange={(event) => setSenderId(event.target.value)}
          >
            <option value="">{texts.fromAnybody}</option>
            {people.map(({ user }) => (
              <option key={user.id} value={user.id}>
                {user.name}
              </option>
            ))}
          </select>
        )}
      </div>
      <p role="status" className="sr-only">
        {status === 'done' && texts.hits(hits.length, more)}
      </p>
      <div
        ref={list}
        className="scroll flex flex-1 flex-col px-2 pb-3"
        onScroll={({ currentTarget: box }) => {
          if (box.scrollHeight - box.scrollTop - box.clientHeight < 400) search.loadMore();
        }}
      >
        <div
          id={`${id}-list`}
          role="listbox"
          aria-label={texts.results}
          aria-busy={status === 'loading'}
          className={hits.length === 0 ? 'hidden' : undefined}
        >
          {hits.map((hit, index) => (
            <Hit
              key={hit.id}
              id={`${id}-${index}`}
              index={index}
              hit={hit}
              active={index === active}
              author={users[hit.senderId]?.name ?? texts.unknownPerson}
              conversation={inHere ? undefined : conversations[hit.conversationId]}
              onPress={() => {
                setActive(index);
                show(hit);
              }}
            />
          ))}
        </div>
        {hits.length === 0 && status === 'loading' && <HitSkeleton />}
        {hits.length === 0 && status === 'done' && (
          <p className="px-6 py-12 text-center text-small text-soft">{texts.nothingFoundFor(query.trim())}</p>
        )}
        {status === 'idle' && <p className="px-6 py-12 text-center text-small text-soft">{texts.searchHint}</p>}
        {status === 'failed' && error && (
          <p role="alert" className="flex flex-col items-center gap-3 px-6 py-8 text-center text-small text-danger">
            {errorText(error, texts)}
            <button type="button" className="button button-quiet" onClick={search.retry}>
              {texts.tryAgain}
            </button>
          </p>
        )}
      </div>
    </aside>
  );
}

interface HitProps {
  readonly id: string;
  readonly index: number;
  readonly hit: SearchHit;
  readonly active: boolean;
  readonly author: string;
  /** Told where the hits are of several. */
  readonly conversation: ConversationState | undefined;
  readonly onPress: () => void;
}

function Hit({ id, index, hit, active, author, conversation, onPress }: HitProps) {
  const texts = useTexts();
  const formats = useFormats();
  const userId = useSnapshot((snapshot) => snapshot.userId);
  const title = conversation && conversationTitle(conversation, userId, texts);
  const face = conversation && faceOf(conversation, userId);
  const stretches = stretchesOf(hit);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the field above has the keyboard
    <div
      id={id}
      data-index={index}
      role="option"
      tabIndex={-1}
      aria-selected={active}
      className="flex gap-3 rounded-xl px-2.5 py-2.5 hover:bg-hover aria-selected:bg-selected"
      onClick={onPress}
    >
      {face && title && (
        <Avatar
          name={title}
          id={face.id}
          src={face.avatarUrl}
          size={36}
          square={conversation.conversation.type !== 'direct'}
        />
      )}
      <div className="min-w-0 flex-1">
        <div className="flex items-baseline gap-2">
          <span className="min-w-0 flex-1 truncate text-small font-semibold" dir="auto">
            {title ?? author}
          </span>
          <time className="flex-none text-tiny text-soft" dateTime={hit.createdAt}>
            {formats.brief(hit.createdAt)}
          </time>
        </div>
        <p className="line-clamp-2 text-small text-soft" dir="auto">
          {title && conversation?.conversation.type !== 'direct' && <span>{author}: </span>}
          {stretches.length === 0
            ? briefOf(hit, texts)
            : stretches.map(({ text, found }, at) =>
                found ? (
                  // biome-ignore lint/suspicious/noArrayIndexKey: a stretch is its place
                  <mark key={at} className="rounded-sm bg-warn-soft px-px font-semibold text-warn">
                    {text}
                  </mark>
                ) : (
                  text
                ),
              )}
        </p>
        {hit.attachments.length > 0 && (
          <p className="truncate text-tiny text-soft" dir="auto">
            {hit.attachments.map(({ fileName }) => fileName).join(', ')}
          </p>
        )}
      </div>
    </div>
  );
}

function HitSkeleton() {
  return (
    <div className="grid gap-4 px-2.5 pt-3" aria-hidden="true">
      {[70, 52, 84, 60].map((width) => (
        <div key={width} className="grid gap-2">
          <div className="skeleton h-3.5 w-1/3" />
          <div className="skeleton h-3" style={{ width: `${width}%` }} />
        </div>
      ))}
    </div>
  );
}
