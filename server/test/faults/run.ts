import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Verdict } from './checker/verdict.ts';
import type { Cluster } from './harness/cluster.ts';
import { fullPlan, SMOKE_SEED, smokePlan } from './harness/profiles.ts';
import { createRandom } from './harness/random.ts';
import { type ClusterKind, type RoundPlan, runRound, startClusterFor } from './harness/round.ts';
import { copyServer } from './harness/server-copy.ts';
import { readVersions, writeReport } from './report.ts';

/*
 * `npm run faults -- --profile=smoke|full [--seed=N] [--minutes=N] [--only=ROUND,…] [--keep=FOLDER] [--report]`: starts
 * PostgreSQL, Redis and nodes of its own, works and breaks them as the seed says, and has the checker read the histories.
 * Ends with the checker's exit code.
 */

const { values } = parseArgs({
  options: {
    profile: { type: 'string', default: 'smoke' },
    seed: { type: 'string' },
    minutes: { type: 'string', default: '40' },
    only: { type: 'string' },
    /** Leaves histories and verdict there instead of removing them. */
    keep: { type: 'string' },
    /** Writes docs/reliability.md. */
    report: { type: 'boolean', default: false },
    'least-acked': { type: 'string' },
  },
});

let versions: Awaited<ReturnType<typeof readVersions>> | null = null;
const minutes = Number(values.minutes);
const seed = Number(values.seed ?? (values.profile === 'smoke' ? SMOKE_SEED : Math.floor(Math.random() * 2 ** 31)));
const plans = choosePlans();
const folder = values.keep ? resolve(values.keep) : await mkdtemp(join(tmpdir(), 'parley-history-'));
await mkdir(folder, { recursive: true });
const startedAt = new Date();
say(`profile ${values.profile}, seed ${seed}, ${plans.length} rounds`);
const server = await copyServer();
const histories = await runAll().finally(server.remove);
const verdictFile = join(folder, 'verdict.json');
process.exitCode = await check();
if (values.report) {
  const verdict = JSON.parse(await readFile(verdictFile, 'utf8')) as Verdict;
  const command = `npm run faults -- --profile=${values.profile} --seed=${seed}${values.profile === 'full' ? ` --minutes=${minutes}` : ''}`;
  await writeReport({ verdict, plans, seed, command, startedAt, versions });
  say('docs/reliability.md is written');
}
if (!values.keep) await rm(folder, { recursive: true, force: true });
say(`seed ${seed}${values.keep ? `, histories in ${folder}` : ''}`);

function choosePlans(): RoundPlan[] {
  const all = values.profile === 'smoke' ? smokePlan() : values.profile === 'full' ? fullPlan(minutes) : null;
  if (!all) throw new Error('--profile is smoke or full');
  const only = values.only?.split(',');
  return only ? all.filter(({ name }) => only.includes(name)) : all;
}

/** Rounds of the same kind of system share one; another kind starts anew. */
async function runAll(): Promise<string[]> {
  const files: string[] = [];
  let running = null as { kind: ClusterKind; cluster: Cluster } | null;
  try {
    for (const [index, plan] of plans.entries()) {
      if (running?.kind !== plan.cluster) {
        await running?.cluster.stop();
        running = null;
        running = {
          kind: plan.cluster,
          cluster: await startClusterFor(plan.cluster, createRandom(seed).fork(plan.cluster), server.root),
        };
        versions ??= await readVersions(running.cluster);
      }
      say(`round ${plan.name}: ${plan.workloads.join(' + ')} under ${plan.faults.join(' ')}, ${plan.seconds} s`);
      const { history } = await runRound(plan, { cluster: running.cluster, seed, number: index + 1, folder });
      files.push(history);
    }
  } finally {
    await running?.cluster.stop();
  }
  return files;
}

/** The checker is a program of its own, which sees nothing but the files. */
async function check(): Promise<number> {
  const program = fileURLToPath(new URL('./check.ts', import.meta.url));
  const leastAcked = values['least-acked'] ?? (values.profile === 'smoke' ? '300' : String(minutes * 500));
  const args = ['--max-old-space-size=6144', program, `--least-acked=${leastAcked}`, `--verdict=${verdictFile}`];
  const child = spawn(process.execPath, [...args, ...histories], { stdio: 'inherit' });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
