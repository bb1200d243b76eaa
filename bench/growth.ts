/**
 * `npm run bench:growth`: what reads cost as a deployment grows. One person's reads (W5) over 10,000 messages and more,
 * ten times as many each time, in 500 conversations; then their list with 10 conversations and more. The server and its
 * PostgreSQL have core 0, the load core 1.
 *
 * --most=1000000    the most messages; 10000000 takes a quarter of an hour to make
 * --write           puts the tables into docs/performance.md
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startPostgres } from '../server/test/support/postgres.ts';
import { RestLoad } from './load/rest.ts';
import { CORES, pin } from './support/machine.ts';
import { describeRun, postgresVersion, table, writeSection } from './support/performance-doc.ts';
import { READER, type Seeded, seedHistory } from './support/seed.ts';
import { format } from './support/statistics.ts';
import { tokenOf } from './support/tokens.ts';
import { startTarget, type Target } from './targets/target.ts';
import { measureRate, measureReads, reading } from './workloads/reading.ts';
import { type Figures, FULL } from './workloads/workload.ts';

const { values: flags } = parseArgs({
  options: { most: { type: 'string', default: '1000000' }, write: { type: 'boolean' } },
});
const MESSAGES = [10_000, 100_000, 1_000_000, 10_000_000].filter((count) => count <= Number(flags.most));
const CONVERSATIONS = [10, 100, 1_000, 10_000];
const MEASURE_MS = 3_000;
const SCALE = { ...FULL, measureMs: 2 * MEASURE_MS };

pin(process.pid, CORES.load);
const postgres = await startPostgres({
  settings: { fsync: 'on', synchronous_commit: 'on', shared_buffers: '512MB', max_wal_size: '8GB' },
});
const folder = await mkdtemp(join(tmpdir(), 'parley-growth-'));
try {
  pin(postgres.pid, CORES.measured);
  const byMessages = await inTurn(MESSAGES, (messages) => {
    const scale = { ...SCALE, messages };
    return withTarget(reading(scale).seed, (target) => withReader(target, (rest) => measureReads(target, rest, scale)));
  });
  const byConversations = await inTurn(CONVERSATIONS, (conversations) =>
    withTarget((database) => seedHistory(database, { conversations, messages: 20_000 }), measureList),
  );
  const text = [
    await describeRun(await postgresVersion(postgres.url)),
    table([
      ['messages, in 500 conversations', 'list, requests/s', 'list p99, ms', 'newest 50', '50 deep', 'sync of 500'],
      ...byMessages.map(([count, { list, listP99, newest, deep, sync }]) =>
        [count, list!, listP99!, newest!, deep!, sync!].map(format),
      ),
    ]),
    table([
      ['conversations of one person', 'list, requests/s', 'list p99, ms', 'badge, requests/s'],
      ...byConversations.map(([count, { list, listP99, badge }]) => [count, list!, listP99!, badge!].map(format)),
    ]),
  ].join('\n\n');
  console.log(`\n${text}`);
  if (flags.write) await writeSection('bench:growth', text);
} finally {
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
}

async function inTurn(
  counts: readonly number[],
  measure: (count: number) => Promise<Figures>,
): Promise<(readonly [number, Figures])[]> {
  const rows: (readonly [number, Figures])[] = [];
  for (const count of counts) {
    const figures = await measure(count);
    console.log(
      format(count),
      Object.entries(figures)
        .map(([key, value]) => `${key} ${format(value)}`)
        .join(' · '),
    );
    rows.push([count, figures]);
  }
  return rows;
}

async function withTarget(
  seed: (database: Seeded) => Promise<void>,
  measure: (target: Target) => Promise<Figures>,
): Promise<Figures> {
  const target = await startTarget('product', { postgres, folder, seed });
  return measure(target).finally(() => target.stop());
}

async function measureList(target: Target): Promise<Figures> {
  return withReader(target, async (rest) => {
    const list = await measureRate(MEASURE_MS, () => rest.text('GET', '/api/messaging/v1/conversations'));
    const badge = await measureRate(MEASURE_MS, () => rest.text('GET', '/api/messaging/v1/unread'));
    return { list: list.perSecond, listP99: list.p99, badge: badge.perSecond };
  });
}

async function withReader(target: Target, measure: (rest: RestLoad) => Promise<Figures>): Promise<Figures> {
  const rest = new RestLoad(target.ports[0]!, await tokenOf(READER), 8);
  try {
    return await measure(rest);
  } finally {
    rest.close();
  }
}
