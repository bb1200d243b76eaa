import { RestLoad } from '../load/rest.ts';
import { conversationId, READER, seedHistory } from '../support/seed.ts';
import { quantile } from '../support/statistics.ts';
import { tokenOf } from '../support/tokens.ts';
import type { Target } from '../targets/target.ts';
import type { Figures, Scale, Workload } from './workload.ts';

const CONVERSATIONS = 500;
const AT_ONCE = 8;
const PRODUCT = '/api/messaging/v1';

/** W5 of the docs: what a person reads who has written for years. */
export function reading(scale: Scale): Workload {
  const each = Math.floor(scale.messages / CONVERSATIONS);
  return {
    id: 'W5',
    title: `reads of one person with 500 conversations and ${scale.messages.toLocaleString('en-US')} messages`,
    targets: ['product', 'naive', 'read'],
    metrics: [
      { key: 'list', title: 'list of 50 with unread, requests/s' },
      { key: 'listP99', title: 'list p99, ms' },
      { key: 'newest', title: 'newest 50, requests/s' },
      { key: 'hot', title: 'newest 50 of one that all open, requests/s' },
      { key: 'deep', title: '50 deep in the history, requests/s' },
      { key: 'sync', title: 'sync of 500, requests/s' },
      { key: 'back', title: 'back after a year, s' },
      { key: 'catchUp', title: 'all that ever changed, s' },
    ],
    chief: 'list',
    seed: (database) => seedHistory(database, { conversations: CONVERSATIONS, messages: scale.messages }),
    measure: async (target) => {
      const rest = new RestLoad(target.ports[0]!, await tokenOf(READER), AT_ONCE);
      try {
        const figures = await measureReads(target, rest, scale);
        if (target.name !== 'product') return { ...figures, back: Number.NaN, catchUp: Number.NaN };
        return { ...figures, back: await comeBack(rest, cursorsOf()), catchUp: await catchUp(rest, each) };
      } finally {
        rest.close();
      }
    },
  };
}

/** Reads of the list, of pages and, where there is such a thing, of `sync`. */
export async function measureReads(target: Target, rest: RestLoad, scale: Scale): Promise<Figures> {
  const each = Math.floor(scale.messages / CONVERSATIONS);
  const isProduct = target.name === 'product';
  const prefix = isProduct ? PRODUCT : '';
  const messages = (nth: number) => `${prefix}/conversations/${conversationId(nth % CONVERSATIONS)}/messages`;
  const rate = (path: (count: number) => string) =>
    measureRate(scale.measureMs / 2, (count) => rest.text('GET', path(count)));

  const { items } = await rest.get<{ items: { unreadCount?: number; me?: { unreadCount: number } }[] }>(
    `${prefix}/conversations`,
  );
  if (items.length !== 50) throw new Error(`the list has ${items.length} conversations`);
  const list = await rate(() => `${prefix}/conversations`);
  const newest = await rate((count) => messages(count));
  const hot = await rate(() => messages(0));
  const deep = await rate((count) => `${messages(count)}?before=${Math.floor(each / 2) + (count % 50)}`);
  const figures = {
    list: list.perSecond,
    listP99: list.p99,
    newest: newest.perSecond,
    hot: hot.perSecond,
    deep: deep.perSecond,
  };
  if (!isProduct) return { ...figures, sync: Number.NaN };

  const cursors = cursorsOf();
  const sync = await measureRate(scale.measureMs / 2, () => rest.text('POST', `${PRODUCT}/sync`, { cursors }));
  return { ...figures, sync: sync.perSecond };
}

/** Of somebody who has seen nothing but that the conversations are there. */
function cursorsOf(): Readonly<Record<string, number>> {
  return Object.fromEntries(Array.from({ length: CONVERSATIONS }, (_, nth) => [conversationId(nth), 1]));
}

/** Calls one after the other on each of a few connections, for so long. */
export async function measureRate(
  durationMs: number,
  call: (count: number) => Promise<unknown>,
): Promise<{ perSecond: number; p99: number }> {
  for (let count = 0; count < 20; count += 1) await call(count);
  const start = performance.now();
  const times: number[] = [];
  let count = 0;
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (performance.now() - start < durationMs) {
        const began = performance.now();
        await call(count++);
        times.push(performance.now() - began);
      }
    }),
  );
  return { perSecond: (times.length * 1_000) / (performance.now() - start), p99: quantile(times, 0.99) };
}

interface ChangesPage {
  readonly changes: readonly { readonly rev: number }[];
  readonly hasMore: boolean;
}

interface Listed {
  readonly items: readonly { readonly id: string; readonly rev: number }[];
  readonly nextCursor: string | null;
}

/**
 * Seconds until somebody who was away for a year has the present state, the way of our client (packages/client): `sync`
 * says what is behind; what is too far behind, here everything, begins anew with the list, which is read whole; then the newest
 * messages of what is on the screen are read.
 */
async function comeBack(rest: RestLoad, cursors: Readonly<Record<string, number>>): Promise<number> {
  const start = performance.now();
  const { behind } = JSON.parse(await rest.text('POST', `${PRODUCT}/sync`, { cursors })) as {
    behind: { conversationId: string; rev: number }[];
  };
  const revs = new Map(behind.map(({ conversationId: id, rev }) => [id, rev]));
  const seen = new Set<string>();
  for (let cursor: string | null = ''; cursor !== null; ) {
    const after: string = cursor && `&cursor=${cursor}`;
    const page: Listed = await rest.get<Listed>(`${PRODUCT}/conversations?limit=200${after}`);
    for (const { id, rev } of page.items) {
      if (rev < revs.get(id)!) throw new Error(`${id} is older than sync said`);
      seen.add(id);
    }
    cursor = page.nextCursor;
  }
  await rest.get(`${PRODUCT}/conversations/${conversationId(0)}/messages`);
  if (behind.length !== CONVERSATIONS || seen.size !== CONVERSATIONS) throw new Error(`${seen.size} were listed`);
  return (performance.now() - start) / 1_000;
}

/** Seconds until everything that ever changed in all conversations is read, as a client that was never there would. */
async function catchUp(rest: RestLoad, each: number): Promise<number> {
  const start = performance.now();
  const queue = Array.from({ length: CONVERSATIONS }, (_, nth) => conversationId(nth)).values();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const id of queue) {
        let after = 1;
        let seen = 0;
        for (let hasMore = true; hasMore; ) {
          const page = await rest.get<ChangesPage>(`${PRODUCT}/conversations/${id}/changes?after=${after}&limit=1000`);
          seen += page.changes.length;
          after = page.changes.at(-1)?.rev ?? after;
          hasMore = page.hasMore;
        }
        if (seen !== each) throw new Error(`${seen} changes of ${each} were told`);
      }
    }),
  );
  return (performance.now() - start) / 1_000;
}
