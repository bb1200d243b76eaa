import { conversationTitle, useConversations, useParleyClient, useSnapshot } from '@parley/react';
import { MessagesSquare } from 'lucide-react';
import { lazy, Suspense, useEffect } from 'react';
import { Announcer } from './announcer.tsx';
import { useBadge } from './badge.ts';
import { ConnectionBar } from './connection-bar.tsx';
import { ConversationPane } from './conversation-pane.tsx';
import { DialogHost, preloadDialogs } from './dialogs/dialog-host.tsx';
import { openDialog, showDialog } from './dialogs/dialogs.ts';
import { errorText } from './error-text.ts';
import { useMedia } from './media.ts';
import { currentRoute, navigate, pathOf, useRoute } from './router.ts';
import { leaveEndedSession } from './session.ts';
import { openSearch, sidePane } from './side-pane.ts';
import { Sidebar } from './sidebar.tsx';
import { useTexts } from './texts/texts.tsx';
import { Empty } from './ui/empty.tsx';
import { ErrorBoundary } from './ui/error-boundary.tsx';
import { Logo } from './ui/logo.tsx';
import { showToast, Toasts } from './ui/toast.tsx';
import { useValue } from './value.ts';

const SearchPane = lazy(async () => ({ default: (await import('./search/search-pane.tsx')).SearchPane }));
const AdminScreen = lazy(async () => ({ default: (await import('./admin/admin-screen.tsx')).AdminScreen }));

/** Everything after signing in: list and conversation side by side, one after the other on a phone. */
export function Workspace() {
  const texts = useTexts();
  const client = useParleyClient();
  const { conversationId, seq, admin } = useRoute();
  const pane = useValue(sidePane);
  const connection = useSnapshot((snapshot) => snapshot.connection);
  const userId = useSnapshot((snapshot) => snapshot.userId);
  const state = useSnapshot((snapshot) => (conversationId ? snapshot.conversations[conversationId] : undefined));
  useBadge(state ? conversationTitle(state, userId, texts) : null);
  useKeys();
  const wide = useMedia('(min-width: 48rem)');
  // On a phone the list is all there is.
  const ListPane = wide ? 'aside' : 'main';

  useEffect(() => {
    const timer = setTimeout(preloadDialogs, 1_500);
    return () => clearTimeout(timer);
  }, []);

  useEffect(
    () =>
      client.on('refused', ({ item, error }) => {
        // A refused send stays in its thread with what can be done about it.
        if (item.intent.kind !== 'send') showToast({ text: errorText(error, texts), tone: 'danger' });
      }),
    [client, texts],
  );

  if (connection.status === 'ended') {
    const shut = connection.error.code === 'forbidden';
    return <Ended text={shut ? texts.banned : errorText(connection.error, texts)} />;
  }

  if (admin !== null) {
    return (
      <div className="flex h-full flex-col">
        <ConnectionBar />
        <ErrorBoundary name="administration">
          <Suspense>
            <AdminScreen tab={admin} />
          </Suspense>
        </ErrorBoundary>
        <Toasts />
        <DialogHost />
      </div>
    );
  }

  return (
    <div className="flex h-full flex-col">
      <ConnectionBar />
      <div className="flex min-h-0 flex-1">
        {(wide || !conversationId) && (
          <ListPane
            className="w-full flex-none border-line bg-surface md:w-[19rem] md:border-e lg:w-[22rem]"
            aria-label={wide ? texts.sidebar : undefined}
          >
            <ErrorBoundary name="list">
              <Sidebar />
            </ErrorBoundary>
          </ListPane>
        )}
        {(wide || conversationId) && (
          <main className="flex min-w-0 flex-1 bg-page">
            {conversationId ? (
              <ErrorBoundary name="conversation" key={conversationId}>
                <ConversationPane id={conversationId} seq={seq} />
              </ErrorBoundary>
            ) : (
              <Empty
                icon={<MessagesSquare size={26} />}
                title={texts.chooseConversation}
                hint={texts.chooseConversationHint}
              />
            )}
          </main>
        )}
        {pane?.kind === 'search' && (
          <ErrorBoundary name="search">
            <Suspense>
              <SearchPane pane={pane} onClose={closeSearch} />
            </Suspense>
          </ErrorBoundary>
        )}
      </div>
      <Toasts />
      <Announcer />
      <DialogHost />
    </div>
  );
}

function Ended({ text }: { readonly text: string }) {
  const texts = useTexts();
  return (
    <main className="grid h-full place-items-center p-6">
      <div className="flex max-w-sm flex-col items-center gap-3 text-center">
        <Logo size={48} />
        <h1 className="mt-2 text-xl font-semibold tracking-tight">{texts.sessionEnded}</h1>
        <p className="text-soft">{text}</p>
        <button type="button" className="button button-primary mt-2" onClick={() => void leaveEndedSession()}>
          {texts.signInAgain}
        </button>
      </div>
    </main>
  );
}

/** Keys that work everywhere. */
function useKeys(): void {
  const { conversations } = useConversations('all');
  useEffect(() => {
    const step = (by: number) => {
      const at = conversations.findIndex(({ id }) => id === currentRoute().conversationId);
      const next = conversations[at < 0 ? 0 : at + by];
      if (next) navigate(pathOf(next.id));
    };
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || openDialog.get() !== null) return;
      const command = event.ctrlKey || event.metaKey;
      const typing = event.target instanceof Element && event.target.matches('input, textarea, [contenteditable]');
      if (currentRoute().admin !== null) return;
      if (command && event.key.toLowerCase() === 'k') showDialog({ kind: 'jump' });
      // Through what is on the screen the browser's own search would look, and find little of it.
      else if (command && event.key.toLowerCase() === 'f')
        openSearch(event.shiftKey ? null : currentRoute().conversationId);
      else if (event.altKey && event.key === 'ArrowDown') step(1);
      else if (event.altKey && event.key === 'ArrowUp') step(-1);
      else if (event.altKey && event.code === 'KeyN') showDialog({ kind: 'new-conversation' });
      else if (event.key === '?' && !typing && !command) showDialog({ kind: 'shortcuts' });
      else if (event.key === 'F6') nextPane(event.shiftKey);
      else return;
      event.preventDefault();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [conversations]);
}

/** Closes the search and gives the focus back to what one was at. */
function closeSearch(): void {
  sidePane.set(null);
  document.querySelector<HTMLElement>('.parley-composer textarea, .parley-conversations a')?.focus();
}

const PANES = [
  '.parley-conversations a[aria-current], .parley-conversations a',
  '[role="log"] article[tabindex="0"]',
  '.parley-composer textarea',
];

/** Moves the focus from list to thread to composer, or back. */
function nextPane(backwards: boolean): void {
  const stops = PANES.flatMap((selector) => document.querySelector<HTMLElement>(selector) ?? []);
  const at = stops.findIndex((stop) =>
    stop.closest('.parley-conversations, [role="log"], .parley-composer')?.contains(document.activeElement),
  );
  stops[(at + (backwards ? stops.length - 1 : 1) + stops.length) % stops.length]?.focus();
}
