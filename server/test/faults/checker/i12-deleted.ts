import type { HistoryRecord } from '../harness/history.ts';
import type { Anomaly, Evidence, Operation } from './evidence.ts';

const CANARY = /canary-[0-9a-f-]{36}/g;

/**
 * I12 (DEL-1): after a deletion was acknowledged no answer, event, cache entry or log line carries the content. Contents
 * that are to be deleted carry a canary, so that they can be found anywhere. An event from before the deletion may still
 * be on its way.
 */
export function checkDeleted(evidence: Evidence): Anomaly[] {
  const deletions = new Map<string, Operation>();
  for (const operation of evidence.operations) {
    if (operation.f !== 'delete' || operation.phase !== 'ok') continue;
    for (const [canary] of String(operation.value.canary).matchAll(CANARY)) {
      const known = deletions.get(canary);
      if (!known || operation.to < known.to) deletions.set(canary, operation);
    }
  }
  if (deletions.size === 0) return [];
  const anomalies: Anomaly[] = [];
  const find = (
    text: string,
    where: string,
    leaks: (deletion: Operation) => boolean,
    shown: readonly (HistoryRecord | Evidence['state'][number])[],
  ): void => {
    for (const [canary] of text.matchAll(CANARY)) {
      const deletion = deletions.get(canary);
      if (!deletion || !leaks(deletion)) continue;
      const about = `${where} carries ${canary} after it was deleted`;
      anomalies.push({ invariant: 'I12', name: 'leak', text: about, shown: [...deletion.records, ...shown] });
    }
  };

  for (const { events, id } of evidence.connections) {
    for (const { name, value, record } of events) {
      if (!value.thing) continue;
      const { rev } = value.thing;
      const leaks = (deletion: Operation): boolean =>
        name === 'message:deleted' ||
        (deletion.value.conversationId === value.conversationId && rev >= Number(deletion.answer.rev));
      find(JSON.stringify(value.thing), `${name} to ${id}`, leaks, [record]);
    }
  }
  for (const { f, phase, from, answer, records } of evidence.operations) {
    if (phase !== 'ok') continue;
    find(JSON.stringify(answer), `the answer to ${f}`, (deletion) => from > deletion.to, records);
  }
  for (const record of evidence.state) {
    if (record.kind === 'text') find(record.text, record.where, () => true, [{ ...record, text: '' }]);
    if (record.kind === 'message' && record.content !== null) find(record.content, 'the table', () => true, [record]);
    if (record.kind === 'read') find(JSON.stringify(record.things), `a read of ${record.node}`, () => true, []);
  }
  for (const mark of evidence.marks) {
    if (mark.f === 'log') find(JSON.stringify(mark.value), `the log of ${mark.proc}`, () => true, [mark]);
  }
  return anomalies;
}
