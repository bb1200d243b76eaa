import { randomUUID } from 'node:crypto';
import { Fleet, type Person } from '../load/fleet.ts';
import { LoadSocket } from '../load/web-socket.ts';
import { conversationId, personId, seedConversations } from '../support/seed.ts';
import { quantile } from '../support/statistics.ts';
import { tokenOf } from '../support/tokens.ts';
import type { Target } from '../targets/target.ts';
import { membersOf, planOf } from './sending.ts';
import { pause, type Scale, type Workload } from './workload.ts';

const SHAPE = { conversations: 50, people: 10, senders: 10 };
const SENDS_PER_SECOND = 200;
/** The conversation of the bad neighbours. */
const APART = SHAPE.conversations;
const [READER, FLOODER, ...WRITERS] = Array.from({ length: 5 }, (_, nth) =>
  personId(SHAPE.conversations * SHAPE.people + nth),
);
/** Enough that what the kernel holds back for a reader is full within seconds. */
const LETTER = { content: 'as long as it may be '.repeat(470), everyMs: 60 };
const FLOOD = { atOnce: 50, everyMs: 10 };

/**
 * W9 of the docs: 500 people send at a fixed rate, first alone, then beside one who stops reading while much is written
 * to them, and one who pours out commands far beyond the limit of commands. Both have been at it for two seconds then: the first
 * 1,200 commands of a flood are within the limit and carried out.
 */
export function badNeighbours(scale: Scale): Workload {
  return {
    id: 'W9',
    title: `500 people, ${SENDS_PER_SECOND} sends/s, beside one who stops reading and one who floods`,
    targets: ['product', 'embedded'],
    metrics: [
      { key: 'ackP99', title: 'ack p99 alone, ms' },
      { key: 'ackP99Beside', title: 'beside them, ms' },
      { key: 'deliveryP99', title: 'all have it p99 alone, ms' },
      { key: 'deliveryP99Beside', title: 'beside them, ms' },
      { key: 'slower', title: 'beside : alone' },
      { key: 'flood', title: 'commands of the flood/s' },
    ],
    chief: 'slower',
    lessIsBetter: true,
    // The limit of commands is what keeps a flood out; that of messages stays out of the way.
    env: { RATE_LIMIT_FACTOR: '1' },
    seed: async (database) => {
      await seedConversations(database, SHAPE.conversations + 1, (nth) =>
        nth === APART ? [READER!, FLOODER!, ...WRITERS] : membersOf(SHAPE, nth),
      );
    },
    measure: async (target) => {
      const fleet = await Fleet.connect(target, await planOf(SHAPE));
      const [reader, flooder, ...writers] = await Promise.all(
        [READER!, FLOODER!, ...WRITERS].map((id) => enter(target, id)),
      );
      const endLetters = writeLetters(target, writers);
      let endFlood = (): number => 0;
      try {
        fleet.startOpen(SHAPE.senders, SENDS_PER_SECOND);
        await pause(scale.warmUpMs);
        const alone = await fleet.watch(() => pause(scale.measureMs));
        reader!.stopReading();
        endFlood = flood(target, flooder!);
        const floodedAt = performance.now();
        await pause(scale.warmUpMs);
        const beside = await fleet.watch(() => pause(scale.measureMs));
        const poured = endFlood();
        const floodMs = performance.now() - floodedAt;
        await fleet.finish();
        const [before, after] = [quantile(alone.deliveryMs, 0.99), quantile(beside.deliveryMs, 0.99)];
        return {
          ackP99: quantile(alone.ackMs, 0.99),
          ackP99Beside: quantile(beside.ackMs, 0.99),
          deliveryP99: before,
          deliveryP99Beside: after,
          slower: after / before,
          flood: (poured * 1_000) / floodMs,
        };
      } finally {
        endLetters();
        endFlood();
        fleet.disconnect();
        for (const socket of [reader, flooder, ...writers]) socket!.destroy();
      }
    },
  };
}

/** Connects somebody beside the fleet, who reads and says nothing. */
async function enter(target: Target, id: string): Promise<LoadSocket> {
  const person: Person = { id, token: await tokenOf(id) };
  const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
  const path = target.dialect.path({ conversationId: conversationId(APART) });
  const socket = await LoadSocket.open(target.ports[0]!, path, (text, from) => {
    const heard = target.dialect.read(text);
    if (heard.kind === 'ready') resolve();
    else if (heard.kind === 'reply') from.send(heard.text);
    else if (heard.kind === 'refused') reject(new Error(`refused: ${heard.text}`));
  });
  const greeting = target.dialect.greeting(person.token);
  if (greeting !== null) socket.send(greeting);
  await ready;
  return socket;
}

/** Long messages to the reader, below every limit. Answers how to end it. */
function writeLetters({ dialect }: Target, writers: readonly LoadSocket[]): () => void {
  const { content } = LETTER;
  let nth = 0;
  const timer = setInterval(() => {
    for (const writer of writers) {
      const clientMessageId = `letter-${randomUUID()}`;
      writer.send(dialect.send(nth++, { conversationId: conversationId(APART), content, clientMessageId }));
    }
  }, LETTER.everyMs);
  return () => clearInterval(timer);
}

/** Commands as fast as the rate says, whatever is answered. Answers how to end it, which tells how many there were. */
function flood({ dialect }: Target, flooder: LoadSocket): () => number {
  const input = { conversationId: conversationId(APART) };
  let nth = 0;
  const timer = setInterval(() => {
    for (let one = 0; one < FLOOD.atOnce; one += 1) flooder.send(dialect.command!(nth++, 'typing:start', input));
  }, FLOOD.everyMs);
  return () => {
    clearInterval(timer);
    return nth;
  };
}
