import type { Anomaly, Evidence } from './evidence.ts';

/**
 * I1 (SEND-1): every acknowledged send is in the database at the end, with the same `seq` and content, and no message
 * points at a file that is not there.
 */
export function checkDurable({ operations, messageById }: Evidence): Anomaly[] {
  const anomalies: Anomaly[] = [];
  for (const operation of operations) {
    if (operation.f === 'file' && operation.phase === 'fail') {
      const text = `the file ${operation.value.attachmentId} of an acknowledged message was answered ${operation.answer.status}`;
      anomalies.push({ invariant: 'I1', name: 'missing-file', text, shown: operation.records });
    }
    if (operation.f !== 'send' || operation.phase !== 'ok') continue;
    const { id, seq, content, deleted } = operation.answer as {
      id: string;
      seq: number;
      content: string;
      deleted: boolean;
    };
    const row = messageById.get(id);
    const report = (name: string, text: string) =>
      anomalies.push({ invariant: 'I1', name, text, shown: [...operation.records, ...(row ? [row] : [])] });
    if (!row) report('lost', `message ${id} was acknowledged and is not in the database`);
    else if (row.seq !== seq) report('moved', `message ${id} was acknowledged as ${seq} and is stored as ${row.seq}`);
    else if (!row.deleted && !row.edited && row.content !== operation.value.content) {
      report('altered', `message ${id} is stored with another content than was sent`);
    } else if (!deleted && !row.deleted && !row.edited && content !== operation.value.content) {
      report('altered', `the answer for message ${id} has another content than was sent`);
    }
  }
  return anomalies;
}
