import { writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { readEvidence } from './checker/evidence.ts';
import { distribution } from './checker/statistics.ts';
import { judge, type RoundVerdict, totals, type Verdict } from './checker/verdict.ts';
import type { StateRecord } from './harness/dump.ts';
import { type HistoryRecord, readJsonLines } from './harness/history.ts';

/*
 * `node server/test/faults/check.ts [--least-acked=N] [--verdict=FILE] HISTORY…`: reads histories, with the state file
 * beside each, and says whether the invariants held. Exit code 0: they did. 1: an anomaly. 2: the run tested too little.
 */

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'least-acked': { type: 'string', default: '1000' },
    verdict: { type: 'string' },
    /** Anomalies shown with their lines; all are counted. */
    show: { type: 'string', default: '10' },
  },
});
if (positionals.length === 0) {
  process.stderr.write('usage: check.ts [--least-acked=N] [--verdict=FILE] HISTORY…\n');
  process.exit(2);
}

const rounds: RoundVerdict[] = [];
for (const file of positionals) {
  const state = file.replace(/\.history\.jsonl$/, '.state.jsonl');
  const evidence = readEvidence(await readJsonLines<HistoryRecord>(file), await readJsonLines<StateRecord>(state));
  rounds.push(judge(basename(file, '.history.jsonl'), evidence));
}

const anomalies = rounds.flatMap(({ round, anomalies }) => anomalies.map((anomaly) => ({ round, ...anomaly })));
const doubts = doubtsOf(rounds, Number(values['least-acked']));
const result = anomalies.length > 0 ? 'anomalies' : doubts.length > 0 ? 'unknown' : 'valid';

for (const { round, invariant, name, text, shown } of anomalies.slice(0, Number(values.show))) {
  process.stdout.write(`\n${invariant} ${name} (${round}): ${text}\n`);
  for (const line of shown) process.stdout.write(`    ${JSON.stringify(line).slice(0, 600)}\n`);
}
if (anomalies.length > Number(values.show))
  process.stdout.write(`\n… and ${anomalies.length - Number(values.show)} more\n`);
for (const doubt of doubts) process.stdout.write(`unknown: ${doubt}\n`);
for (const verdict of rounds) process.stdout.write(`${summary(verdict)}\n`);
process.stdout.write(`${result}: ${anomalies.length} anomalies\n`);

if (values.verdict !== undefined) {
  const verdict: Verdict = { result, doubts, anomalies, ...totals(rounds) };
  await writeFile(values.verdict, JSON.stringify(verdict, null, 1));
}
process.exitCode = { valid: 0, anomalies: 1, unknown: 2 }[result];

/** Why a run without anomalies proves nothing. */
function doubtsOf(verdicts: readonly RoundVerdict[], leastAcked: number): string[] {
  const doubts: string[] = [];
  const acked = verdicts.reduce((sum, verdict) => sum + verdict.acked, 0);
  if (acked < leastAcked) doubts.push(`only ${acked} sends were acknowledged; ${leastAcked} are asked for`);
  for (const { round, faults } of verdicts) {
    for (const { id, overlapped } of faults) if (overlapped === 0) doubts.push(`${id} in ${round} met no operation`);
  }
  if (verdicts.every(({ calls }) => calls.info === 0))
    doubts.push('no outcome was ever open: no fault has hit anything');
  return doubts;
}

function summary({ round, calls, acked, events, faults, sendMs, stalenessMs, anomalies: found }: RoundVerdict): string {
  const send = distribution(sendMs);
  const stale = distribution(stalenessMs);
  return `${round}: ${acked} acked, ${calls.ok} ok, ${calls.fail} refused, ${calls.info} open, ${events} events, ${faults.length} faults; send p50 ${send.p50} p99 ${send.p99} ms; staleness p50 ${stale.p50} p99 ${stale.p99} max ${stale.max} ms; ${found.length} anomalies`;
}
