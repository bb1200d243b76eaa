import { readFile, writeFile } from 'node:fs/promises';
import { cpus, release, totalmem, type } from 'node:os';
import { Redis } from 'ioredis';
import type { Distribution } from './checker/statistics.ts';
import type { Verdict } from './checker/verdict.ts';
import type { Cluster } from './harness/cluster.ts';
import type { RoundPlan } from './harness/round.ts';
import { FAULTS } from './nemesis/index.ts';
import { WORKLOADS } from './workloads/index.ts';

const REPORT = new URL('../../../docs/reliability.md', import.meta.url);
const BEGIN = '<!-- faults:report -->';
const END = '<!-- /faults:report -->';

/** What a run was made with. */
export interface Versions {
  readonly node: string;
  readonly postgres: string | null;
  readonly redis: string | null;
}

export async function readVersions({ sql, redis }: Cluster): Promise<Versions> {
  const postgres = sql
    ? (await sql.query<{ server_version: string }>('SHOW server_version')).rows[0]!.server_version
    : null;
  if (!redis) return { node: process.version, postgres, redis: null };
  const client = new Redis(redis.url, { retryStrategy: () => null });
  client.on('error', () => {});
  try {
    const info = await client.info('server');
    return { node: process.version, postgres, redis: /redis_version:(\S+)/.exec(info)?.[1] ?? null };
  } finally {
    client.disconnect();
  }
}

/** Puts a run into docs/reliability.md, between its two marks. Everything around them is written by hand. */
export async function writeReport(run: {
  verdict: Verdict;
  plans: readonly RoundPlan[];
  seed: number;
  command: string;
  startedAt: Date;
  versions: Versions | null;
}): Promise<void> {
  const text = await readFile(REPORT, 'utf8');
  const [before, rest] = text.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error(`docs/reliability.md lacks ${BEGIN} … ${END}`);
  await writeFile(REPORT, `${before}${BEGIN}\n${render(run)}\n${END}${after}`);
}

function render({ verdict, plans, seed, command, startedAt, versions }: Parameters<typeof writeReport>[0]): string {
  const { calls, recovery, slow, staleness } = verdict;
  const faults = Object.entries(verdict.faults);
  const inflicted = faults.reduce((sum, [, count]) => sum + count, 0);
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'CPU'}, ${Math.round(totalmem() / 2 ** 30)} GiB · ${type()} ${release()}`;
  const software = `Node ${versions?.node.slice(1)}${versions?.postgres ? ` · PostgreSQL ${versions.postgres.split(' ')[0]}` : ''}${versions?.redis ? ` · Redis ${versions.redis}` : ''}`;
  const lines = [
    `${startedAt.toISOString().slice(0, 10)} · ${machine} · ${software}`,
    '',
    `Seed ${seed}. Repeat it with \`${command}\`.`,
    '',
    `**${verdict.result}**: ${number(verdict.acked)} acknowledged sends, ${number(calls.ok)} calls answered, ${number(calls.fail)} refused, ${number(calls.info)} with an open outcome; ${number(verdict.events)} events received; ${inflicted} faults; ${verdict.anomalies.length} anomalies.`,
    ...verdict.doubts.map((doubt) => `- unknown: ${doubt}`),
    '',
    '| round | workloads | acked | open | faults | anomalies | send p50 / p99, ms | staleness p50 / p99 / max, ms | quiet after, ms |',
    '| --- | --- | ---: | ---: | --- | ---: | ---: | ---: | ---: |',
    ...verdict.rounds.map((round, index) => {
      const counts = Object.entries(round.faults).map(([id, count]) => (count > 1 ? `${id} × ${count}` : id));
      return `| ${plans[index]?.name ?? round.round} | ${plans[index]?.workloads.join(' + ')} | ${number(round.acked)} | ${round.calls.info} | ${counts.join(', ')} | ${round.anomalies} | ${ms(round.send.p50)} / ${ms(round.send.p99)} | ${ms(round.staleness.p50)} / ${ms(round.staleness.p99)} / ${ms(round.staleness.max)} | ${round.quietMs} |`;
    }),
    '',
    '| recovery | samples | p50, ms | p99, ms | max, ms | goal |',
    '| --- | ---: | ---: | ---: | ---: | --- |',
    recoveryLine('node killed: client back and without gap', recovery.nodeMs, 'p50 ≤ 1 s, p99 ≤ 3 s'),
    recoveryLine('the same while something else is broken, or with no other node', recovery.nodeAmongMs, ''),
    recoveryLine('PostgreSQL accepts again: first acknowledgement', recovery.postgresMs, '≤ 2 s'),
    recoveryLine('Redis accepts again: pushed between nodes', recovery.redisMs, '≤ 3 s'),
    recoveryLine('the same while something else is broken', recovery.redisAmongMs, ''),
    recoveryLine('client that stopped reading is sent off', recovery.stuckMs, '≤ 15 s'),
    recoveryLine('staleness, links to the database whole', staleness, '≤ 5 s'),
    recoveryLine('sends of others while one client reads a flood', slow.reading, ''),
    recoveryLine('the same while it does not read', slow.stuck, 'p99 ≤ 1.5 × that'),
    '',
    '| fault | times | what |',
    '| --- | ---: | --- |',
    ...faults.map(([id, count]) => `| ${id} | ${count} | ${FAULTS[id]?.title ?? ''} |`),
    '',
    ...[...new Set(plans.flatMap(({ workloads }) => workloads))].sort().map((id) => `- ${id}: ${WORKLOADS[id]?.title}`),
  ];
  if (verdict.absent.length > 0) lines.push('', `Not there to be tested: ${verdict.absent.join(', ')}.`);
  if (verdict.unauditedJoins > 0) {
    lines.push('', `Joinings by a first message that left no audit entry: ${verdict.unauditedJoins} (see below).`);
  }
  for (const { round, invariant, name, text } of verdict.anomalies.slice(0, 20))
    lines.push('', `- ${invariant} ${name} (${round}): ${text}`);
  return lines.join('\n');
}

function recoveryLine(what: string, { count, p50, p99, max }: Distribution, goal: string): string {
  return `| ${what} | ${number(count)} | ${ms(p50)} | ${ms(p99)} | ${ms(max)} | ${goal} |`;
}

function ms(value: number | null): string {
  return value === null ? '–' : number(Math.round(value));
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}
