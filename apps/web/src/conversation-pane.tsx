import { type ConversationState, ParleyError } from '@parley/client';
import {
  Avatar,
  conversationTitle,
  faceOf,
  useConnection,
  useConversationHandle,
  useFormats,
  useParleyClient,
  usePresence,
  useSnapshot,
} from '@parley/react';
import { ArrowLeft, DoorOpen, Info, Lock, Search, SearchX } from 'lucide-react';
import { lazy, Suspense, useEffect, useState } from 'react';
import { ConversationThread } from './conversation-thread.tsx';
import { errorText } from './error-text.ts';
import { presenceText } from './presence-text.ts';
import { navigate } from './router.ts';
import { openSearch, sidePane } from './side-pane.ts';
import { useTexts } from './texts/texts.tsx';
import { Empty } from './ui/empty.tsx';
import { ErrorBoundary } from './ui/error-boundary.tsx';
import { useValue } from './value.ts';

const DetailsPane = lazy(async () => ({ default: (await import('./details-pane.tsx')).DetailsPane }));

/** One conversation: its head, its thread, its details. */
export function ConversationPane({ id, seq }: { readonly id: string; readonly seq: number | null }) {
  const state = useSnapshot((snapshot) => snapshot.conversations[id]);
  const hydrated = useSnapshot((snapshot) => snapshot.hydrated);
  const missing = useMissing(id, state === undefined && hydrated);
  const details = useValue(sidePane)?.kind === 'details';
  const setDetails = (open: boolean) => sidePane.set(open ? { kind: 'details' } : null);
  const removed = useRemoved(id);
  const texts = useTexts();
  const userId = useSnapshot((snapshot) => snapshot.userId);
  // Another conversation begins without the details of the one before.
  useEffect(() => {
    if (sidePane.get()?.kind === 'details') sidePane.set(null);
  }, []);

  if (removed || (state === undefined && missing)) return <Gone removed={removed} reason={missing} />;
  if (state === undefined) return <PaneSkeleton />;
  return (
    <>
      <section className="flex min-w-0 flex-1 flex-col">
        <h1 className="sr-only">{conversationTitle(state, userId, texts)}</h1>
        <Header state={state} details={details} onDetails={() => setDetails(!details)} />
        <ErrorBoundary name="thread">
          <ConversationThread state={state} seq={seq} />
        </ErrorBoundary>
      </section>
      {details && (
        <ErrorBoundary name="details">
          <Suspense>
            <DetailsPane state={state} onClose={() => setDetails(false)} />
          </Suspense>
        </ErrorBoundary>
      )}
    </>
  );
}

interface HeaderProps {
  readonly state: ConversationState;
  readonly details: boolean;
  readonly onDetails: () => void;
}

function Header({ state, details, onDetails }: HeaderProps) {
  const texts = useTexts();
  const userId = useSnapshot((snapshot) => snapshot.userId);
  const title = conversationTitle(state, userId, texts);
  const formats = useFormats();
  const face = faceOf(state, userId);
  const { type, participantCount, confidential } = state.conversation;
  const presence = usePresence(type === 'direct' ? [face.id] : [])[face.id];
  return (
    <header className="flex min-h-16 items-center gap-3 border-b border-line px-3 md:px-5">
      <button type="button" className="icon-button md:hidden" aria-label={texts.back} onClick={() => navigate('/')}>
        <ArrowLeft size={20} className="rtl:-scale-x-100" />
      </button>
      <button
        type="button"
        className="flex min-w-0 flex-1 items-center gap-3 rounded-xl py-1 text-start"
        onClick={onDetails}
        aria-expanded={details}
      >
        <Avatar
          name={title}
          id={face.id}
          src={face.avatarUrl}
          size={38}
          square={type !== 'direct'}
          presence={type === 'direct' ? presence?.status : undefined}
        />
        <span className="min-w-0">
          <span className="flex items-center gap-1.5 leading-tight">
            <span className="truncate font-semibold" dir="auto">
              {title}
            </span>
            {confidential && (
              <span className="inline-flex flex-none items-center gap-1 rounded-full bg-hover px-2 py-0.5 text-tiny font-semibold text-soft">
                <Lock size={12} aria-hidden="true" />
                {texts.confidential}
              </span>
            )}
          </span>
          <span className="block truncate text-small text-soft">
            {type === 'direct'
              ? (presenceText(presence, texts, formats) ?? texts.direct)
              : `${type === 'channel' ? texts.channel : texts.group} · ${texts.memberCount(participantCount)}`}
          </span>
        </span>
      </button>
      {/* What is confidential is not searched. */}
      {!confidential && (
        <button
          type="button"
          className="icon-button"
          aria-label={texts.searchHere}
          title={texts.searchHere}
          onClick={() => openSearch(state.id)}
        >
          <Search size={20} />
        </button>
      )}
      <button
        type="button"
        className="icon-button"
        aria-label={texts.details}
        title={texts.details}
        aria-pressed={details}
        onClick={onDetails}
      >
        <Info size={20} />
      </button>
    </header>
  );
}

function Gone({ removed, reason }: { readonly removed: boolean; readonly reason: ParleyError | null }) {
  const texts = useTexts();
  const refused = reason?.code === 'not_a_participant';
  return (
    <Empty
      icon={removed || refused ? <DoorOpen size={26} /> : <SearchX size={26} />}
      title={removed ? texts.removed : refused ? texts.notYours : reason?.transient ? texts.loadFailed : texts.notFound}
      hint={
        removed
          ? texts.removedHint
          : reason && !refused && reason.code !== 'not_found'
            ? errorText(reason, texts)
            : texts.notFoundHint
      }
    >
      <button type="button" className="button button-quiet" onClick={() => navigate('/')}>
        {texts.backToList}
      </button>
    </Empty>
  );
}

function PaneSkeleton() {
  return (
    <div className="flex flex-1 flex-col" aria-hidden="true">
      <div className="flex min-h-16 items-center gap-3 border-b border-line px-5">
        <div className="skeleton size-10 rounded-full" />
        <div className="skeleton h-4 w-40" />
      </div>
      <ThreadSkeleton />
    </div>
  );
}

/** Where messages will be. */
export function ThreadSkeleton() {
  return (
    <div className="mx-auto flex w-full max-w-[52rem] flex-1 flex-col justify-end gap-3 p-5" aria-hidden="true">
      {[
        ['start', 48],
        ['start', 34],
        ['end', 40],
        ['start', 56],
        ['end', 28],
        ['end', 44],
      ].map(([side, width]) => (
        <div
          key={String(width)}
          className={`skeleton h-10 rounded-2xl ${side === 'end' ? 'self-end' : 'self-start'}`}
          style={{ width: `${width}%` }}
        />
      ))}
    </div>
  );
}

/** A conversation that is not in the list may still be one that may be read: asks for it. */
function useMissing(id: string, unknown: boolean): ParleyError | null {
  const handle = useConversationHandle(id);
  const { live } = useConnection();
  const [error, setError] = useState<ParleyError | null>(null);
  // Asked again when the connection is back.
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  useEffect(() => {
    setError(null);
    if (!unknown) return;
    const aborter = new AbortController();
    handle.refresh({ signal: aborter.signal }).catch((reason: unknown) => {
      if (!aborter.signal.aborted) setError(ParleyError.from(reason));
    });
    return () => aborter.abort();
  }, [handle, unknown, live]);
  return error;
}

/** Whether one was taken out of it while it was on the screen. */
function useRemoved(id: string): boolean {
  const client = useParleyClient();
  const [removed, setRemoved] = useState(false);
  useEffect(() => {
    const stopRemoved = client.on('removed', ({ conversationId }) => conversationId === id && setRemoved(true));
    const stopAdded = client.on('added', ({ conversation }) => conversation.id === id && setRemoved(false));
    return () => {
      stopRemoved();
      stopAdded();
    };
  }, [client, id]);
  return removed;
}
