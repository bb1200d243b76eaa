import type { Anomaly, Evidence } from './evidence.ts';

/** I4 (DLV-1, B-02): what one socket sends without waiting takes effect in the order in which it was sent. */
export function checkPipeline({ operations }: Evidence): Anomaly[] {
  const anomalies: Anomaly[] = [];
  const ordered = operations.filter(
    ({ f, door, phase, answer }) =>
      door === 'socket' && phase === 'ok' && (f === 'send' || f === 'edit') && answer.duplicate !== true,
  );
  const lines = Map.groupBy(ordered, ({ value }) => `${value.connection} ${value.conversationId}`);
  for (const sent of lines.values()) {
    for (const [index, operation] of sent.entries()) {
      const before = sent[index - 1];
      if (!before || Number(before.answer.rev) < Number(operation.answer.rev)) continue;
      const text = `sent first became rev ${before.answer.rev}, sent after it rev ${operation.answer.rev}`;
      anomalies.push({ invariant: 'I4', name: 'overtaken', text, shown: [...before.records, ...operation.records] });
    }
  }
  return anomalies;
}
