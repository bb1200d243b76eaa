import type { Anomaly, Evidence, Operation } from './evidence.ts';

/** I2 (SEND-2): one key stores at most one message, and every answer for it names that one. */
export function checkOnce({ operations, state }: Evidence): Anomaly[] {
  const anomalies: Anomaly[] = [];
  const rows = Map.groupBy(
    state.filter((record) => record.kind === 'message').filter((row) => row.clientMessageId !== null),
    (row) => sendKey(row.conversationId, row.senderId, row.clientMessageId!),
  );
  for (const [key, same] of rows) {
    if (same.length < 2) continue;
    const text = `${same.length} messages are stored under the key ${key}`;
    anomalies.push({ invariant: 'I2', name: 'stored-twice', text, shown: same });
  }

  const answered = Map.groupBy(
    operations.filter(({ f, phase, value }) => f === 'send' && phase === 'ok' && value.clientMessageId !== null),
    ({ person, value }) => sendKey(String(value.conversationId), person, String(value.clientMessageId)),
  );
  for (const [key, answers] of answered) {
    const [first] = answers.toSorted((a, b) => a.to - b.to);
    for (const other of answers) {
      const shown = [...first!.records, ...other.records];
      if (other.answer.id !== first!.answer.id || other.answer.seq !== first!.answer.seq) {
        const text = `two answers for the key ${key} name different messages`;
        anomalies.push({ invariant: 'I2', name: 'two-answers', text, shown });
      } else if (isLaterNews(first!, other)) {
        const text = `a repeat of ${key} was answered as if it were new`;
        anomalies.push({ invariant: 'I2', name: 'not-duplicate', text, shown });
      }
    }
  }
  return anomalies;
}

/** Begun after the first answer, and not said to be a repeat. */
function isLaterNews(first: Operation, other: Operation): boolean {
  return other !== first && other.from > first.to && other.answer.duplicate !== true;
}

export function sendKey(conversationId: string, sender: string, clientMessageId: string): string {
  return `${conversationId} ${sender} ${clientMessageId}`;
}
