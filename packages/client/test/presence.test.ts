import { expect, test } from 'vitest';
import { createTestBed } from '../src/testing/index.ts';

test('who is watched is known, live, and again after a new connection', async () => {
  const bed = createTestBed();
  bed.server.addConversation('group', ['ada', 'bob', 'cyd']);
  const ada = bed.client('ada');
  const bob = bed.client('bob');
  await ada.connect();
  const stop = ada.watchPresence(['bob', 'cyd']);
  await bed.settle(2_000);
  expect(ada.snapshot.presence).toMatchObject({ bob: { status: 'offline' }, cyd: { status: 'offline' } });

  await bob.connect();
  await bed.settle(2_000);
  expect(ada.snapshot.presence.bob).toMatchObject({ status: 'online' });

  bed.network.cut('ada');
  await bed.settle(2_000);
  expect(ada.snapshot.presence).toEqual({});
  await bob.close();
  bed.network.restore('ada');
  await bed.settle(60_000);
  expect(ada.snapshot.presence.bob).toMatchObject({ status: 'offline' });
  stop();
  await bed.close();
});

test('the same person asked for twice is watched until both let go', async () => {
  const bed = createTestBed();
  bed.server.addConversation('group', ['ada', 'bob', 'cyd']);
  const ada = bed.client('ada');
  await ada.connect();
  const first = ada.watchPresence(['bob']);
  const second = ada.watchPresence(['bob', 'bob']);
  first();
  ada.watchPresence(['cyd']);
  await bed.settle(2_000);
  await bed.client('bob').connect();
  await bed.settle(2_000);
  expect(ada.snapshot.presence.bob).toMatchObject({ status: 'online' });
  second();
  await bed.close();
});
