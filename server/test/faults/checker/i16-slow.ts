import type { Anomaly, Evidence } from './evidence.ts';
import { percentile } from './statistics.ts';

const MOST = 1.5;
/** What two runs of the same differ by on a shared machine, in milliseconds. */
const NOISE_MS = 60;
const LEAST_SAMPLES = 50;

/** I16 (DLV-5): one client that does not read slows nobody: the others' p99 is at most 1.5 times what it was, and it is sent off. */
export function checkSlow(evidence: Evidence): Anomaly[] {
  const anomalies: Anomaly[] = [];
  for (const mark of evidence.marks.filter(({ f }) => f === 'stuck')) {
    const { endedAfterMs, withinMs } = mark.value as { endedAfterMs: number | null; withinMs: number };
    if (endedAfterMs !== null && endedAfterMs <= withinMs) continue;
    const text = `a client that stopped reading was ${endedAfterMs === null ? 'not sent off' : `sent off after ${endedAfterMs} ms`}`;
    anomalies.push({ invariant: 'I16', name: 'not-sent-off', text, shown: [mark] });
  }
  const { reading, stuck } = measureOthers(evidence);
  if (reading.length < LEAST_SAMPLES || stuck.length < LEAST_SAMPLES) return anomalies;
  const [before, during] = [percentile(reading, 99), percentile(stuck, 99)];
  if (!isSlower(before, during)) return anomalies;
  // One hiccup of the machine makes a p99; who is slowed is slowed in the tenth of the calls beneath it, too.
  if (!isSlower(percentile(reading, 90), percentile(stuck, 90))) return anomalies;
  const text = `with a stuck client the p99 of the others was ${Math.round(during)} ms, without it ${Math.round(before)} ms`;
  const shown = evidence.marks.filter(({ f }) => f === 'phase');
  anomalies.push({ invariant: 'I16', name: 'slowed', text, shown });
  return anomalies;
}

function isSlower(before: number, during: number): boolean {
  return during > before * MOST && during - before > NOISE_MS;
}

/** Milliseconds of the sends of everybody else while the client read, and while it did not. */
export function measureOthers({ marks, operations }: Evidence): { reading: number[]; stuck: number[] } {
  const phases = marks
    .filter(({ f }) => f === 'phase')
    .map(({ t, value }) => ({ t, phase: (value as { phase: string }).phase }));
  const samples = { reading: [] as number[], stuck: [] as number[] };
  for (const { f, phase, from, to } of operations) {
    if (f !== 'send' || phase !== 'ok') continue;
    const during = phases.findLast(({ t }) => t <= from)?.phase;
    if (during === 'reading' || during === 'stuck') samples[during].push(to - from);
  }
  return samples;
}
