import { io } from 'socket.io-client';
import { pause } from '../harness/calls.ts';
import { openLink } from '../harness/proxy.ts';
import { type Fault, note, type Site } from './fault.ts';

export const F10: Fault = {
  id: 'F10',
  title: 'the link of clients: cut, reset, half open, slow, narrow, byte by byte',
  touches: 'clients',
  run: async ({ cluster, random, scale }, begin) => {
    const node = random.pick(cluster.nodes);
    begin({ target: `${node.name}:clients`, excuses: [node.name], mute: true });
    const link = node.clients;
    const hold = () => pause(random.whole(1_500, 3_000) * scale);
    for (const how of ['end', 'reset', 'half'] as const) {
      link.cut(how);
      await hold();
      link.set({ kind: 'open' });
    }
    link.set({ kind: 'delay', ms: 200, jitter: 100 });
    await hold();
    link.set({ kind: 'throttle', bytesPerSecond: 8_000 });
    await hold();
    link.set({ kind: 'bytewise', bytes: 200 });
    await hold();
    link.set({ kind: 'open' });
    link.cut('reset');
    await pause(500);
  },
};

/** Messages of the flood at once, how often, and their length: more than what kernels hold back comes together in
 * seconds, four bytes a character. */
const FLOOD = { atOnce: 8, everyMs: 200, length: 9_000 };
/** Each of the two halves of the comparison. */
const HALF_MS = 12_000;
const TOO_SLOW_WITHIN_MS = 15_000;

export const F12: Fault = {
  id: 'F12',
  title: 'a client stops reading while it is flooded',
  touches: 'load',
  run: async (site, begin) => {
    const { cluster, stage, random } = site;
    const node = random.pick(cluster.nodes);
    const [flooder = '', reader = ''] = await stage.people(`x${random.whole(0, 1_000_000)}-`, 2);
    const conversationId = await stage.conversation('group', [flooder, reader]);
    const link = await openLink({ name: 'stuck', target: Number(new URL(node.ownUrl).port), random: random.next });
    const socket = io(`http://127.0.0.1:${link.port}`, {
      auth: { token: await stage.caller.token(reader) },
      transports: ['websocket'],
      reconnection: false,
      forceNew: true,
    });
    await new Promise<void>((resolve) => {
      socket.once('ready', () => resolve());
      socket.once('connect_error', () => resolve());
    });

    const flood = async (until: () => boolean): Promise<void> => {
      while (!until()) {
        const batch = Array.from({ length: FLOOD.atOnce }, () =>
          stage.caller.call(
            {
              f: 'flood',
              person: flooder,
              rest: {
                method: 'POST',
                path: `/conversations/${conversationId}/messages`,
                body: { content: '𝄞'.repeat(FLOOD.length) },
              },
              value: { conversationId },
            },
            { door: 'rest', node },
          ),
        );
        await Promise.all([...batch, pause(FLOOD.everyMs)]);
      }
    };

    begin({ target: reader, excuses: [] });
    const half = HALF_MS * Math.max(0.5, site.scale);
    phase(site, 'reading');
    const end = performance.now() + half;
    await flood(() => performance.now() > end);
    phase(site, 'none');

    const before = await countTooSlow(node.ownUrl);
    link.set({ kind: 'blackhole' });
    phase(site, 'stuck');
    const start = performance.now();
    let endedAt: number | null = null;
    const watching = (async () => {
      while (endedAt === null && performance.now() - start < TOO_SLOW_WITHIN_MS + 5_000) {
        await pause(250);
        if ((await countTooSlow(node.ownUrl)) > before) endedAt = performance.now();
      }
    })();
    await flood(
      () => (endedAt !== null || performance.now() - start > TOO_SLOW_WITHIN_MS) && performance.now() - start > half,
    );
    phase(site, 'none');
    await watching;
    const endedAfterMs = endedAt === null ? null : Math.round(endedAt - start);
    note(site, 'stuck', { node: node.name, endedAfterMs, withinMs: TOO_SLOW_WITHIN_MS });
    socket.disconnect();
    await link.close();
  },
};

function phase(site: Site, name: 'reading' | 'stuck' | 'none'): void {
  note(site, 'phase', { fault: 'F12', phase: name });
}

/** How many sessions a node has ended because their clients were too slow. */
async function countTooSlow(url: string): Promise<number> {
  const response = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(3_000) }).catch(() => null);
  const text = (await response?.text()) ?? '';
  return Number(/^parley_sockets_ended_total\{code="too_slow"\} (\d+)/m.exec(text)?.[1] ?? 0);
}
