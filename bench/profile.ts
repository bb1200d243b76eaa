/**
 * `npm run profile`: the server under a workload, as a flame graph. Writes bench/profiles/W1.cpuprofile (for speedscope or
 * the tools of a browser) and W1.svg, and prints which parts the time went to.
 *
 * --only=W8          another workload
 * --target=embedded  the server on the embedded database, or the naive one
 * --seconds=10
 */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startPostgres } from '../server/test/support/postgres.ts';
import { type CpuProfile, flameGraph, lastOf, shares } from './support/flame-graph.ts';
import { CORES, pin } from './support/machine.ts';
import { format } from './support/statistics.ts';
import { startTarget, type TargetName, TITLES } from './targets/target.ts';
import { allWorkloads } from './workloads/all.ts';
import { FULL } from './workloads/workload.ts';

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string', default: 'W1' },
    target: { type: 'string', default: 'product' },
    seconds: { type: 'string', default: '10' },
  },
});
const PROFILES = fileURLToPath(new URL('./profiles/', import.meta.url));
const name = (['product', 'embedded', 'naive'] satisfies TargetName[]).find((one) => one === flags.target);
const workload = allWorkloads({ ...FULL, measureMs: Number(flags.seconds) * 1_000 }).find(
  ({ id }) => id === flags.only,
);
if (!workload || !name) throw new Error('--only is a workload such as W1; --target is product, embedded or naive');
const file = join(PROFILES, `${workload.id}-${name}`);

pin(process.pid, CORES.load);
const postgres = await startPostgres({ settings: { fsync: 'on', synchronous_commit: 'on', shared_buffers: '512MB' } });
const folder = await mkdtemp(join(tmpdir(), 'parley-profile-'));
try {
  pin(postgres.pid, CORES.measured);
  const nodeArgs = ['--cpu-prof', `--cpu-prof-dir=${folder}`];
  const target = await startTarget(name, { postgres, folder, seed: workload.seed, nodeArgs });
  // The profile is written as the server ends.
  const figures = await workload.measure(target, () => undefined).finally(() => target.stop());

  const written = (await readdir(folder)).find((one) => one.endsWith('.cpuprofile'));
  if (written === undefined) throw new Error('the server left no profile');
  const text = await readFile(join(folder, written), 'utf8');
  // The server ends as soon as the workload does.
  const profile = lastOf(JSON.parse(text) as CpuProfile, Number(flags.seconds));
  await mkdir(PROFILES, { recursive: true });
  await writeFile(`${file}.cpuprofile`, text);
  await writeFile(`${file}.svg`, flameGraph(profile, `${workload.id}, ${TITLES[name]}: ${workload.title}`));
  const told = workload.metrics.map(({ key, title }) => `${title} ${format(figures[key]!)}`);
  console.log(`${told.join(' · ')}\n${file}.{svg,cpuprofile}\n`);
  for (const { part, share } of shares(profile).slice(0, 25)) {
    console.log(`${(100 * share).toFixed(1).padStart(5)} %  ${part}`);
  }
} finally {
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
}
