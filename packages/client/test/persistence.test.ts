import { expect, test } from 'vitest';
import { memoryStorage } from '../src/index.ts';
import { createTestBed } from '../src/testing/index.ts';

test('a page that goes away keeps what it knows at once, and not a moment later', async () => {
  const bed = createTestBed();
  const id = bed.server.addConversation('group', ['ada', 'bob'], 'Tea');
  const storage = memoryStorage();
  let hide = () => {};
  const wake = {
    onWake: () => () => {},
    onHide(callback: () => void) {
      hide = callback;
      return () => {};
    },
  };
  const ada = bed.client('ada', { storage, wake });
  await ada.connect();
  const close = ada.conversation(id).open();
  await bed.settle(5_000);
  bed.server.act('bob', 'message:send', { conversationId: id, content: 'the last word' });
  await bed.clock.advance(100);
  expect(ada.snapshot.conversations[id]?.conversation.lastMessage?.content).toBe('the last word');
  const kept = async () => {
    const entries = await (await storage('parley:http://model.test:ada')).entries(`conversation/${id}`);
    return JSON.stringify(entries);
  };
  expect(await kept()).not.toContain('the last word');
  hide();
  expect(await kept()).toContain('the last word');
  close();
  await bed.close();
});
