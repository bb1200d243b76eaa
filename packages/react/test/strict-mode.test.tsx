// @vitest-environment jsdom
import { createTestBed } from '@parley/client/testing';
import { act, StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  ParleyProvider,
  useConnection,
  useConversations,
  useMessages,
  useSend,
  useTyping,
  useUnread,
} from '../src/index.ts';

let bed: ReturnType<typeof createTestBed>;

beforeEach(() => {
  Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });
  bed = createTestBed({ seed: 7 });
});
afterEach(() => bed.close());

function Room({ id, renders }: { readonly id: string; readonly renders: { count: number } }) {
  const { conversations } = useConversations();
  const { timeline, atOldest, loadOlder } = useMessages(id);
  const { send } = useSend(id);
  const { people } = useTyping(id);
  const { live, waiting } = useConnection();
  const unread = useUnread();
  renders.count += 1;
  return (
    <>
      <p id="state">
        {conversations.length} {String(live)} {waiting} {unread.messages} {String(atOldest)}{' '}
        {people.map(({ name }) => name).join()}
      </p>
      <ol>
        {timeline.map((item) => (
          <li key={item.key}>
            {item.kind === 'message'
              ? item.message.content
              : item.kind === 'outgoing'
                ? `${item.item.intent.draft.content}…`
                : 'gap'}
          </li>
        ))}
      </ol>
      <button type="button" onClick={() => send({ content: 'from here' })}>
        send
      </button>
      <button type="button" onClick={loadOlder}>
        older
      </button>
    </>
  );
}

it('hooks follow the store under StrictMode, from pending to stored, and stop when unmounted', async () => {
  const id = bed.server.addConversation('group', ['ada', 'bob']);
  const [ada, bob] = [bed.client('ada'), bed.client('bob')];
  await Promise.all([ada.connect(), bob.connect()]);
  await bed.settle();

  const box = document.body.appendChild(document.createElement('div'));
  const root = createRoot(box);
  const renders = { count: 0 };
  await act(async () => {
    root.render(
      <StrictMode>
        <ParleyProvider client={ada}>
          <Room id={id} renders={renders} />
        </ParleyProvider>
      </StrictMode>,
    );
  });
  await act(() => bed.settle());
  expect(box.querySelector('#state')?.textContent).toMatch(/^1 true 0 0 true/);

  bed.network.cut('ada');
  await act(async () => box.querySelector('button')?.click());
  expect(box.querySelector('ol')?.textContent).toBe('from here…');
  bed.network.restore('ada');
  await act(() => bed.settle());
  expect(box.querySelector('ol')?.textContent).toBe('from here');

  await act(async () => {
    void bob.conversation(id).send({ content: 'an answer' });
    await bed.settle();
  });
  expect([...box.querySelectorAll('li')].map((line) => line.textContent)).toEqual(['from here', 'an answer']);

  await act(async () => root.unmount());
  const { count } = renders;
  void bob.conversation(id).send({ content: 'nobody looks' });
  await bed.settle();
  expect(renders.count).toBe(count);
});
