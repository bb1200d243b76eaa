import { createParleyClient, memoryStorage } from '@parley/client';
import { renderToString } from 'react-dom/server';
import { expect, it } from 'vitest';
import {
  Avatar,
  Composer,
  ConversationList,
  englishTexts,
  initialsOf,
  MessageView,
  ParleyProvider,
  TypingIndicator,
  useConnection,
  useConversations,
  useUnread,
} from '../src/index.ts';
import { messageOf } from './fixtures.ts';

function Everything() {
  const { conversations, state } = useConversations();
  const { state: connection } = useConnection();
  const unread = useUnread();
  return (
    <>
      <p>
        {state} {connection.status} {unread.messages}
      </p>
      <ConversationList
        conversations={conversations}
        userId="bob"
        users={{}}
        hrefOf={(id) => `/c/${id}`}
        onSelect={() => {}}
      />
      <MessageView
        message={messageOf(1, 1, 'ada', { content: 'Hello <b>**you**', editedAt: '2026-03-02T00:00:00.000Z' })}
        author={{ id: 'ada', name: 'Ada Lovelace', avatarUrl: null }}
        userId="bob"
        actions={{ onReply: () => {} }}
      />
      <TypingIndicator names={['Ada', 'Bob']} />
      <Composer value="" onChange={() => {}} onSend={() => {}} />
    </>
  );
}

it('renders on a server, where there is no window', () => {
  expect(typeof window).toBe('undefined');
  const client = createParleyClient({ url: 'http://127.0.0.1:9', token: () => null, storage: memoryStorage() });
  const html = renderToString(
    <ParleyProvider client={client} texts={englishTexts}>
      <Everything />
    </ParleyProvider>,
  );
  expect(html).toContain('Hello &lt;b&gt;<strong>you</strong>');
  expect(html).toContain('Ada and Bob are typing');
  expect(html).toContain('aria-label="Conversations"');
  expect(html).toContain('idle');
});

it('each component stands alone, without a provider', () => {
  expect(renderToString(<Avatar name="Ada Lovelace" />)).toContain('AL');
  expect(initialsOf('  ')).toBe('');
  expect(initialsOf('(ada) king  of LOVELACE')).toBe('AL');
});
