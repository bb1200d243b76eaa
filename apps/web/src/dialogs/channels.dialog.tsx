import { type Conversation, ParleyError } from '@parley/client';
import { Avatar, useParleyClient, useSnapshot } from '@parley/react';
import { useEffect, useState } from 'react';
import { errorText } from '../error-text.ts';
import { navigate, pathOf } from '../router.ts';
import { useTexts } from '../texts/texts.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { closeDialog, showDialog } from './dialogs.ts';

const PAUSE_MS = 150;

/** The channels that are open to all. */
export function ChannelsDialog() {
  const texts = useTexts();
  const client = useParleyClient();
  const mine = useSnapshot((snapshot) => snapshot.conversations);
  const [query, setQuery] = useState('');
  const [channels, setChannels] = useState<readonly Conversation[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  useEffect(() => {
    const aborter = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const wanted = query.trim();
        const page = await client.channels({ ...(wanted && { query: wanted }), limit: 100, signal: aborter.signal });
        setChannels(page.items);
        setProblem(null);
      } catch (error) {
        if (!aborter.signal.aborted) setProblem(errorText(ParleyError.from(error), texts));
      }
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      aborter.abort();
    };
  }, [query, client, texts]);

  const open = async (channel: Conversation) => {
    try {
      if (!mine[channel.id]?.conversation.me) await client.conversation(channel.id).join();
      closeDialog();
      navigate(pathOf(channel.id));
    } catch (error) {
      setProblem(errorText(ParleyError.from(error), texts));
    }
  };

  return (
    <Dialog
      title={texts.browseChannels}
      onClose={closeDialog}
      footer={
        <button type="button" className="button button-quiet" onClick={() => showDialog({ kind: 'new-conversation' })}>
          {texts.newChannel}
        </button>
      }
    >
      <input
        className="field"
        data-autofocus
        type="search"
        aria-label={texts.searchChannels}
        placeholder={texts.searchChannels}
        value={query}
        onChange={(event) => setQuery(event.target.value)}
      />
      <p role="alert" className="mt-2 text-small text-danger empty:hidden">
        {problem}
      </p>
      <ul className="scroll -mx-2 mt-2 h-80">
        {channels?.map((channel) => (
          <li key={channel.id} className="flex items-center gap-3 rounded-xl px-2 py-2">
            <Avatar name={channel.title ?? ''} id={channel.id} src={channel.avatarUrl} size={40} square />
            <div className="min-w-0 flex-1">
              <p className="truncate font-medium">{channel.title ?? texts.untitled}</p>
              <p className="text-small text-soft">{texts.memberCount(channel.participantCount)}</p>
            </div>
            <button type="button" className="button button-quiet" onClick={() => open(channel)}>
              {mine[channel.id]?.conversation.me ? texts.open : texts.join}
            </button>
          </li>
        ))}
        {channels?.length === 0 && <li className="px-2 py-8 text-center text-small text-soft">{texts.noChannels}</li>}
      </ul>
    </Dialog>
  );
}
