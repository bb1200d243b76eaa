// @vitest-environment jsdom
import type { Page, ParleyClient, SearchHit, SearchRequest } from '@parley/client';
import { createTestBed } from '@parley/client/testing';
import { act } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { usePresence } from '../src/hooks.ts';
import { ParleyProvider } from '../src/provider.tsx';
import { type Search, useSearch } from '../src/search.ts';
import { messageOf } from './fixtures.ts';

(globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;

let root: Root;
beforeEach(() => {
  vi.useFakeTimers();
  root = createRoot(document.createElement('div'));
});
afterEach(async () => {
  await act(async () => root.unmount());
  vi.useRealTimers();
});

function SearchProbe({ q, onSearch }: { readonly q: string; readonly onSearch: (search: Search) => void }) {
  onSearch(useSearch({ q, conversationId: 'c', hasFile: true, order: 'best' }));
  return null;
}

function PresenceProbe({ onStatus }: { readonly onStatus: (status: string | undefined) => void }) {
  onStatus(usePresence(['bob']).bob?.status);
  return null;
}

const hit = (seq: number): SearchHit => ({ ...messageOf(seq, seq), highlights: [] });

it('useSearch asks when one pauses, drops answers to what was asked before, and goes on page by page', async () => {
  const asked: (SearchRequest & { answer(page: Page<SearchHit>): void })[] = [];
  const messages = (request: SearchRequest) =>
    new Promise<Page<SearchHit>>((answer) => void asked.push({ ...request, answer }));
  const client = { search: { messages } } as unknown as ParleyClient;
  let search: Search | undefined;
  const show = (q: string) =>
    act(async () =>
      root.render(
        <ParleyProvider client={client}>
          <SearchProbe q={q} onSearch={(next) => (search = next)} />
        </ParleyProvider>,
      ),
    );
  const pass = (ms: number) => act(async () => void vi.advanceTimersByTime(ms));

  await show(' ');
  expect(search).toMatchObject({ status: 'idle', hits: [] });
  await show('li');
  await show('lig');
  await pass(1_000);
  expect(asked).toMatchObject([{ q: 'lig', conversationId: 'c', hasFile: true, order: 'best' }]);
  await show('light');
  await pass(1_000);
  expect(asked[0]!.signal!.aborted).toBe(true);
  await act(async () => asked[0]!.answer({ items: [hit(9)], nextCursor: null }));
  expect(search!.hits).toEqual([]);
  await act(async () => asked[1]!.answer({ items: [hit(2)], nextCursor: 'next' }));
  expect(search).toMatchObject({ status: 'done', more: true });
  await act(async () => search!.loadMore());
  expect(asked[2]).toMatchObject({ cursor: 'next' });
  await act(async () => asked[2]!.answer({ items: [hit(1)], nextCursor: null }));
  expect(search!.hits.map(({ seq }) => seq)).toEqual([2, 1]);
  expect(search!.more).toBe(false);
});

it('usePresence tells how people are while it is mounted', async () => {
  vi.useRealTimers();
  const bed = createTestBed();
  bed.server.addConversation('group', ['ada', 'bob']);
  const ada = bed.client('ada');
  await ada.connect();
  await bed.settle(1_000);
  const seen: (string | undefined)[] = [];
  await act(async () =>
    root.render(
      <ParleyProvider client={ada}>
        <PresenceProbe onStatus={(status) => seen.push(status)} />
      </ParleyProvider>,
    ),
  );
  await act(async () => void (await bed.settle(1_000)));
  await bed.client('bob').connect();
  await act(async () => void (await bed.settle(1_000)));
  expect([...new Set(seen)]).toEqual([undefined, 'offline', 'online']);
  await bed.close();
});
