import type { Anomaly, Evidence } from './evidence.ts';

/** After a node or its link to clients is well again. */
const RECOVERY_MS = 500;

/**
 * I15: no process ends but those that the run ends; no error goes uncaught; every call is answered with 2xx, 4xx or 503,
 * and in time, unless who should answer, or the way there, is gone. A node whose clock is off says that it is not ready.
 */
export function checkProcesses(evidence: Evidence): Anomaly[] {
  const anomalies: Anomaly[] = [];
  const report = (name: string, text: string, shown: Anomaly['shown']) =>
    anomalies.push({ invariant: 'I15', name, text, shown });
  for (const mark of evidence.marks) {
    if (mark.f === 'exit' && !(mark.value as { expected: boolean }).expected) {
      report('exit', `${mark.proc} ended by itself: ${JSON.stringify(mark.value)}`, [mark]);
    }
    if (mark.f === 'log') {
      const { level, msg } = mark.value as { level: string; msg: string };
      if (level === 'fatal' || /unhandled|uncaught/i.test(msg)) report('uncaught', `${mark.proc}: ${msg}`, [mark]);
    }
    if (mark.f === 'readiness') {
      const { jump, status } = mark.value as { jump: string; status: number | null };
      const expected = jump === 'back' ? 200 : 503;
      if (status !== null && status !== expected) {
        report('readiness', `with its clock at ${jump} the node answered ${status} when asked whether it is ready`, [
          mark,
        ]);
      }
    }
  }
  for (const operation of evidence.operations) {
    if (operation.phase !== 'info') continue;
    const why = String(operation.answer.why ?? '');
    if (/^5\d\d /.test(why) && !why.startsWith('503 '))
      report('answer', `${operation.f} was answered ${why}`, operation.records);
    if (why !== 'timeout' || isExcused(evidence, operation)) continue;
    report(
      'hung',
      `${operation.f} on ${operation.node} had no answer for ${Math.round(operation.to - operation.from)} ms`,
      operation.records,
    );
  }
  return anomalies;
}

function isExcused({ faults }: Evidence, { node, from, to }: Evidence['operations'][number]): boolean {
  return faults.some(
    (fault) =>
      fault.mute &&
      fault.from <= to &&
      fault.to + RECOVERY_MS >= from &&
      (fault.excuses.includes('*') || fault.excuses.includes(node ?? '')),
  );
}
