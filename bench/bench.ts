/**
 * `npm run bench`: the product beside a naive server and the bare parts, on one machine, in turn, in one run. What is
 * measured (server and PostgreSQL) has core 0, the load core 1. docs/performance.md says what the workloads are.
 *
 * --only=W1,W3        these workloads
 * --targets=product   these targets
 * --rounds=3
 * --quick             short rounds, fewer connections
 * --idle=10000        so many connections in W4, watched for as long as each takes to be pinged
 * --check             fails where a ratio is beyond its limit (limits.ts)
 * --write             puts tables and charts into docs/performance.md and docs/performance/
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startPostgres } from '../server/test/support/postgres.ts';
import { GOALS, type Goal } from './limits.ts';
import { barChart } from './support/chart.ts';
import { CORES, pin } from './support/machine.ts';
import { describeRun, postgresVersion, table, writeSection } from './support/performance-doc.ts';
import { format, formatSummary, type Summary, summarize } from './support/statistics.ts';
import { startTarget, type Target, type TargetName, TITLES } from './targets/target.ts';
import { allWorkloads } from './workloads/all.ts';
import { type Figures, FULL, QUICK, type Workload } from './workloads/workload.ts';

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string' },
    targets: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    quick: { type: 'boolean' },
    idle: { type: 'string' },
    check: { type: 'boolean' },
    write: { type: 'boolean' },
  },
});
const ROUNDS = Number(flags.rounds);
/** Engine.IO pings every 25 s. */
const PING_MS = 30_000;
const SCALE = {
  ...(flags.quick ? QUICK : FULL),
  ...(flags.idle && { idleConnections: Number(flags.idle), settleMs: PING_MS }),
};
const CHARTS = fileURLToPath(new URL('../docs/performance/', import.meta.url));

const WORKLOADS = allWorkloads(SCALE);

/** By workload and target, the figures of each round. */
const results = new Map<string, Map<TargetName, Figures[]>>();

pin(process.pid, CORES.load);
const postgres = await startPostgres({
  settings: { fsync: 'on', synchronous_commit: 'on', shared_buffers: '512MB', max_wal_size: '4GB' },
});
const folder = await mkdtemp(join(tmpdir(), 'parley-bench-'));
try {
  pin(postgres.pid, CORES.measured);
  const only = flags.only?.split(',');
  const sections: string[] = [];
  for (const workload of WORKLOADS) {
    if (only && !only.includes(workload.id)) continue;
    try {
      await run(workload);
    } catch (error) {
      // A breach fails the run; what the other workloads show is told all the same.
      console.error(`${workload.id} broke off:`, error);
      process.exitCode = 1;
      results.delete(workload.id);
      continue;
    }
    sections.push(await report(workload));
  }
  const goals = goalsTable();
  console.log(goals);
  const text = [await describeRun(await postgresVersion(postgres.url)), goals, ...sections].join('\n\n');
  if (flags.write) await writeSection('bench', text);
  if (flags.check) checkLimits();
} finally {
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
}

/** All rounds of one workload. In each round every target has its turn, in an order that turns about. */
async function run(workload: Workload): Promise<void> {
  const wanted = flags.targets?.split(',');
  const names = workload.targets.filter((name) => !wanted || wanted.includes(name));
  const running = new Map<TargetName, Target>();
  results.set(workload.id, new Map(names.map((name) => [name, []])));
  try {
    for (let round = 1; round <= ROUNDS; round += 1) {
      for (const name of round % 2 === 1 ? names : names.toReversed()) {
        const target =
          running.get(name) ?? (await startTarget(name, { postgres, folder, seed: workload.seed, env: workload.env }));
        running.set(name, target);
        const figures = await workload.measure(target, earlierMedian);
        results.get(workload.id)!.get(name)!.push(figures);
        const text = workload.metrics.map(({ key, title }) => `${title} ${format(figures[key]!)}`).join(' · ');
        console.log(`${workload.id} round ${round} ${name}: ${text}`);
        if (workload.freshProcesses) {
          await target.stop();
          running.delete(name);
        }
      }
    }
  } finally {
    for (const target of running.values()) await target.stop();
  }
}

function summaryOf(workload: Workload, name: TargetName, key: string): Summary {
  return summarize(
    results
      .get(workload.id)!
      .get(name)!
      .map((figures) => figures[key]!),
  );
}

function earlierMedian(id: string, name: TargetName): number | undefined {
  const workload = WORKLOADS.find((one) => one.id === id);
  return workload && results.get(id)?.get(name)?.length ? summaryOf(workload, name, workload.chief).median : undefined;
}

/** A table, and a chart beside it. */
async function report(workload: Workload): Promise<string> {
  const names = [...results.get(workload.id)!.keys()];
  const rows = names.map((name) => [
    TITLES[name],
    ...workload.metrics.map(({ key }) => formatSummary(summaryOf(workload, name, key))),
  ]);
  const text = table([['', ...workload.metrics.map(({ title }) => title)], ...rows]);
  console.log(`\n${workload.id}: ${workload.title}\n${text}\n${ratios(workload, names)}\n`);
  if (flags.write) {
    const unit = workload.metrics.find(({ key }) => key === workload.chief)!.title;
    const bars = names.map((name) => ({ label: TITLES[name], value: summaryOf(workload, name, workload.chief) }));
    await mkdir(CHARTS, { recursive: true });
    await writeFile(join(CHARTS, `${workload.id}.svg`), barChart(`${workload.id}: ${workload.title}`, unit, bars));
  }
  return [
    `### ${workload.id}: ${workload.title}`,
    `![${workload.id}](performance/${workload.id}.svg)`,
    text,
    ratios(workload, names),
  ].join('\n\n');
}

/** The product beside each of the others. */
function ratios(workload: Workload, names: readonly TargetName[]): string {
  if (!names.includes('product')) return '';
  const own = summaryOf(workload, 'product', workload.chief).median;
  const others = names.filter((name) => name !== 'product');
  return others
    .map((name) => `${format(own / summaryOf(workload, name, workload.chief).median)} × ${TITLES[name]}`)
    .join(' · ');
}

/** A goal and what was reached: the medians of the rounds beside each other, and the same of each round by itself. */
interface Judged {
  readonly goal: Goal;
  readonly reached: number;
  readonly rounds: readonly number[];
}

/** The goals that this run can tell of. */
function judgeGoals(): Judged[] {
  return GOALS.flatMap((goal) => {
    const workload = WORKLOADS.find(({ id }) => id === goal.workload)!;
    const measured = results.get(goal.workload);
    const of = goal.of ?? 'product';
    if (!measured?.has(of) || (goal.beside && !measured.has(goal.beside))) return [];
    const own = summaryOf(workload, of, goal.metric);
    if (!goal.beside) return [{ goal, reached: own.median, rounds: own.rounds }];
    const other = summaryOf(workload, goal.beside, goal.metric);
    const rounds = own.rounds.map((figure, round) => figure / other.rounds[round]!);
    return [{ goal, reached: own.median / other.median, rounds }];
  });
}

function goalsTable(): string {
  const rows = judgeGoals().map(({ goal, reached, rounds }) => {
    const { metrics } = WORKLOADS.find(({ id }) => id === goal.workload)!;
    const what = metrics.find(({ key }) => key === goal.metric)!.title;
    const unit = goal.beside ? ` × ${TITLES[goal.beside]}` : '';
    const aim = goal.atLeast === undefined ? `≤ ${format(goal.atMost!)}` : `≥ ${format(goal.atLeast)}`;
    const isReached = reached >= (goal.atLeast ?? 0) && reached <= (goal.atMost ?? Number.POSITIVE_INFINITY);
    const title = `${goal.workload}: ${what}${goal.of ? `, ${TITLES[goal.of]}` : ''}`;
    return [title, `${aim}${unit}`, formatSummary({ ...summarize(rounds), median: reached }), isReached ? 'yes' : 'no'];
  });
  return table([['', 'goal', 'reached', ''], ...rows]);
}

/** Says where a run stays behind its guards; workloads that were not run are passed over. */
function checkLimits(): void {
  for (const { goal, reached } of judgeGoals()) {
    const { workload, metric, atLeast, atMost } = goal;
    const limit = goal.guard ?? (atLeast === undefined ? atMost! * 2 : atLeast / 2);
    const holds = atLeast === undefined ? reached <= limit : reached >= limit;
    const beside = goal.beside ? ` × ${TITLES[goal.beside]}` : '';
    const bound = `at ${atLeast === undefined ? 'most' : 'least'} ${format(limit)}`;
    console.log(`${holds ? 'holds' : 'BROKEN'}: ${workload} ${metric} ${format(reached)}${beside}, ${bound}`);
    if (!holds) process.exitCode = 1;
  }
}
