import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { memoryStorage, type ParleyClient } from '../src/index.ts';
import { createTabs, createTestBed, type TestBed } from '../src/testing/index.ts';

let bed: TestBed;
afterEach(() => bed.close());

const sent = (id: string) => bed.server.view('bob', id).messages.map((message) => message.content);
const outgoing = (client: ParleyClient) =>
  client.snapshot.outbox.map(
    ({ intent, status }) => `${status} ${intent.kind === 'send' ? intent.draft.content : intent.kind}`,
  );

async function online(client: ParleyClient) {
  await client.connect();
  await bed.settle(1000);
}

describe('the outbox', () => {
  test('SEND-2 an answer that was lost is asked for again over the other door, under the same key', async () => {
    bed = createTestBed();
    const id = bed.server.addConversation('group', ['ada', 'bob']);
    const ada = bed.client('ada');
    await online(ada);
    const doors: string[] = [];
    let lose = true;
    bed.network.script = ({ kind, name }) => {
      if (name === 'message:send' && kind === 'command') doors.push('socket');
      if (kind === 'request' && name.startsWith('POST') && name.endsWith('/messages')) doors.push('rest');
      // The event would settle it too: only the answers to the retry are left.
      if (kind === 'event') return { drop: true };
      if (kind !== 'acknowledgement' || !lose) return undefined;
      lose = false;
      return { drop: true };
    };
    const sending = ada.conversation(id).send({ content: 'once' });
    await bed.settle(10_600);
    const message = await sending;
    expect(doors).toEqual(['socket', 'rest']);
    expect(message).toMatchObject({ seq: 1, content: 'once' });
    expect(message).not.toHaveProperty('duplicate');
    expect(sent(id)).toEqual(['once']);
  });

  test.each(['event first', 'answer first'])('one message whichever comes first: %s', async (order) => {
    bed = createTestBed();
    const id = bed.server.addConversation('group', ['ada', 'bob']);
    const ada = bed.client('ada');
    await online(ada);
    ada.conversation(id).open();
    await bed.settle(1000);
    const late = order === 'event first' ? 'acknowledgement' : 'event';
    bed.network.script = ({ kind }) => (kind === late ? { delayMs: 1000 } : undefined);
    const seen: number[] = [];
    ada.store.select(
      (snapshot) => snapshot.conversations[id]?.timeline.length ?? 0,
      (length) => seen.push(length),
    );
    const sending = ada.conversation(id).send({ content: 'one' });
    await bed.settle(5000);
    expect((await sending).seq).toBe(1);
    expect(seen).toEqual([1]);
    expect(ada.snapshot.outbox).toEqual([]);
    expect(ada.snapshot.conversations[id]?.conversation.lastSeq).toBe(1);
  });

  test('one conversation that waits holds up no other, and order holds within each', async () => {
    bed = createTestBed();
    const [one, two] = [
      bed.server.addConversation('group', ['ada', 'bob']),
      bed.server.addConversation('group', ['ada', 'bob']),
    ];
    const ada = bed.client('ada');
    await online(ada);
    let failures = 3;
    bed.server.fault = ({ name }) =>
      (name.includes('send') || name.startsWith('POST')) && failures-- > 0
        ? { when: 'before', code: 'unavailable' }
        : undefined;
    for (const content of ['a', 'b', 'c']) ada.conversation(one).send({ content });
    await bed.clock.flush();
    ada.conversation(two).send({ content: 'other' });
    await bed.settle(60_000);
    expect(sent(one)).toEqual(['a', 'b', 'c']);
    expect(sent(two)).toEqual(['other']);
  });

  test('a request that always breaks the server lets the next one pass, and stays to be retried', async () => {
    bed = createTestBed();
    const id = bed.server.addConversation('group', ['ada', 'bob']);
    const ada = bed.client('ada');
    await online(ada);
    let breaks = true;
    bed.server.fault = ({ name }) =>
      breaks && (name.includes('send') || name.startsWith('POST conv'))
        ? { when: 'before', code: 'internal' }
        : undefined;
    const first = ada.conversation(id).send({ content: 'poison' });
    await bed.settle(200_000);
    expect(outgoing(ada)).toEqual(['failed poison']);
    breaks = false;
    ada.conversation(id).send({ content: 'next' });
    await bed.settle(1000);
    ada.conversation(id).retry(first.id);
    await bed.settle(1000);
    expect(sent(id)).toEqual(['next', 'poison']);
  });

  test('tabs share one outbox: each thing is sent once, both show it, and the second takes over', async () => {
    bed = createTestBed();
    const id = bed.server.addConversation('group', ['ada', 'bob']);
    const [storage, tabs] = [memoryStorage(), createTabs()];
    const tab = (name: string) => bed.client('ada', { storage, coordinator: tabs.coordinator, name });
    const [first, second] = [tab('tab-1'), tab('tab-2')];
    await online(first);
    await online(second);
    const sends: string[] = [];
    bed.network.script = ({ client, kind, name }) => {
      if (kind === 'command' && name === 'message:send') sends.push(client);
      return undefined;
    };
    first.conversation(id).send({ content: 'from the first' });
    const fromSecond = second.conversation(id).send({ content: 'from the second' });
    await bed.settle(1000);
    expect((await fromSecond).seq).toBe(2);
    expect(sends).toEqual(['tab-1', 'tab-1']);
    expect(outgoing(first)).toEqual([]);
    expect(outgoing(second)).toEqual([]);

    bed.network.cut('tab-1');
    second.conversation(id).send({ content: 'left behind' });
    await bed.settle(1000);
    expect(outgoing(first)).toEqual(outgoing(second));
    await first.close();
    await bed.settle(60_000);
    expect(sent(id)).toEqual(['from the first', 'from the second', 'left behind']);
    expect(outgoing(second)).toEqual([]);
  });

  test('tabs that cannot hear each other still send nothing twice', async () => {
    bed = createTestBed();
    const id = bed.server.addConversation('group', ['ada', 'bob']);
    const [storage, tabs] = [memoryStorage(), createTabs()];
    tabs.silent = true;
    const [first, second] = ['tab-1', 'tab-2'].map((name) =>
      bed.client('ada', { storage, coordinator: tabs.coordinator, name }),
    );
    await online(first!);
    await online(second!);
    second!.conversation(id).send({ content: 'nobody heard' });
    await bed.settle(5000);
    await first!.close();
    await bed.settle(5000);
    expect(sent(id)).toEqual(['nobody heard']);
  });

  test('property: reloads at any moment lose and double nothing', { timeout: 120_000 }, async () => {
    const moment = fc.record({ afterMs: fc.nat(400), reload: fc.boolean(), cut: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1 }),
        fc.array(moment, { minLength: 1, maxLength: 12 }),
        async (seed, moments) => {
          bed = createTestBed({ seed });
          const id = bed.server.addConversation('group', ['ada', 'bob']);
          const storage = memoryStorage();
          let ada = bed.client('ada', { storage });
          await ada.connect();
          bed.network.script = () => ({ delayMs: Math.floor(bed.random() * 300) });
          const expected: string[] = [];
          for (const { afterMs, reload, cut } of moments) {
            const content = `${expected.push(`${expected.length + 1}`)}`;
            ada.conversation(id).send({ content });
            if (cut) bed.network.cut('ada');
            // What was asked for in this very turn is kept only once storage had its turn.
            await bed.clock.advance(afterMs);
            if (reload) {
              await ada.close();
              ada = bed.client('ada', { storage });
              await ada.connect();
            }
            bed.network.restore('ada');
          }
          await bed.settle(120_000);
          expect(sent(id)).toEqual(expected);
          await bed.close();
        },
      ),
      { numRuns: 200 },
    );
  });
});
