import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Anomaly, readEvidence } from './checker/evidence.ts';
import { judge } from './checker/verdict.ts';
import type { StateRecord } from './harness/dump.ts';
import { type HistoryRecord, readJsonLines } from './harness/history.ts';
import { SMOKE_SEED } from './harness/profiles.ts';
import { createRandom } from './harness/random.ts';
import { runRound, startClusterFor } from './harness/round.ts';
import { copyServer } from './harness/server-copy.ts';
import { applyPatch } from './mutants/patch.ts';
import { MUTANTS, type Mutant } from './mutants/table.ts';

/*
 * `npm run faults:mutants -- [--only=M1,M2] [--seed=N] [--keep=FOLDER] [--none]`: builds servers with one mistake each, in
 * temporary copies, and shows that the suite finds it. `--none` runs the same rounds on copies without the mistake, which
 * must all be found well. A mutant that lives means that the suite is at fault: exit code 1.
 */

/** Tries with other seeds before a mutant counts as alive: a mistake that needs a race does not show every time. */
const TRIES = 3;

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    seed: { type: 'string', default: String(SMOKE_SEED) },
    keep: { type: 'string' },
    none: { type: 'boolean', default: false },
  },
});

const only = values.only?.split(',');
const chosen = MUTANTS.filter(({ id }) => !only || only.includes(id));
const lines: string[] = [];
let failed = 0;
for (const mutant of chosen) {
  const { line, ok } = await tryMutant(mutant);
  if (!ok) failed += 1;
  lines.push(line);
  process.stdout.write(`${line}\n`);
}
process.stdout.write(`\n| mutant | mistake | found by | tries |\n| --- | --- | --- | ---: |\n${lines.join('\n')}\n\n`);
process.stdout.write(`${chosen.length - failed} of ${chosen.length} ${values.none ? 'well' : 'caught'}\n`);
if (failed > 0) process.exitCode = 1;

async function tryMutant(mutant: Mutant): Promise<{ line: string; ok: boolean }> {
  const title = mutant.adapted ? `${mutant.title} (${mutant.adapted})` : mutant.title;
  const tries = values.none ? 1 : TRIES;
  for (let made = 1; made <= tries; made++) {
    const anomalies = await runMutant(mutant, Number(values.seed) + made - 1);
    const counts = [...Map.groupBy(anomalies, ({ invariant, name }) => `${invariant} ${name}`)];
    const found = counts.map(([name, same]) => `${name} × ${same.length}`).join(', ');
    const caught = anomalies.some(({ invariant }) => mutant.breaks.includes(invariant));
    if (values.none) return { line: `| ${mutant.id} | none | ${found || 'nothing'} | 1 |`, ok: anomalies.length === 0 };
    if (caught) return { line: `| ${mutant.id} | ${title} | ${found} | ${made} |`, ok: true };
    if (found) process.stdout.write(`${mutant.id}: only ${found}\n`);
  }
  return { line: `| ${mutant.id} | ${title} | **nothing: it lives** | ${tries} |`, ok: false };
}

async function runMutant(mutant: Mutant, seed: number): Promise<Anomaly[]> {
  const folder = values.keep ?? (await mkdtemp(join(tmpdir(), 'parley-mutant-')));
  await mkdir(folder, { recursive: true });
  const { root, remove } = await copyServer();
  try {
    if (!values.none) for (const patch of mutant.patches) await applyPatch(root, patch);
    const cluster = await startClusterFor(mutant.round.cluster, createRandom(seed).fork(mutant.id), root);
    try {
      const plan = { ...mutant.round, name: mutant.id.toLowerCase() };
      const files = await runRound(plan, { cluster, seed, number: 1, folder });
      const evidence = readEvidence(
        await readJsonLines<HistoryRecord>(files.history),
        await readJsonLines<StateRecord>(files.state),
      );
      return [...judge(mutant.id, evidence).anomalies];
    } finally {
      await cluster.stop();
    }
  } finally {
    await remove();
    if (!values.keep) await rm(folder, { recursive: true, force: true });
  }
}
