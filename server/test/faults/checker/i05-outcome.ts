import type { Anomaly, Evidence } from './evidence.ts';
import { sendKey } from './i02-once.ts';

/** I5 (SEND-2): a definite refusal leaves no row; an open outcome leaves one at most. Contents are unique in a history. */
export function checkOutcome({ operations, state }: Evidence): Anomaly[] {
  const anomalies: Anomaly[] = [];
  const rows = state.filter((record) => record.kind === 'message');
  const byKey = new Map(
    rows.map((row) => [sendKey(row.conversationId, row.senderId, row.clientMessageId ?? ''), row] as const),
  );
  const byContent = Map.groupBy(
    rows.filter((row) => row.content !== null && !row.edited),
    (row) => `${row.conversationId} ${row.senderId} ${row.content}`,
  );
  const sends = operations.filter(({ f }) => f === 'send');
  for (const [key, tries] of Map.groupBy(sends, ({ person, value }) => nameOf(person, value))) {
    const [first] = tries;
    const { conversationId, content, clientMessageId } = first!.value;
    const stored = byContent.get(`${conversationId} ${first!.person} ${content}`) ?? [];
    const shown = [...tries.flatMap(({ records }) => records).slice(-4), ...stored];
    if (stored.length > 1) {
      anomalies.push({ invariant: 'I5', name: 'stored-twice', text: `one send left ${stored.length} messages`, shown });
    }
    if (tries.some(({ phase }) => phase !== 'fail')) continue;
    const row = clientMessageId === null ? stored[0] : byKey.get(key);
    if (row) {
      const text = `the send ${key} was refused and is stored all the same`;
      anomalies.push({ invariant: 'I5', name: 'refused-but-stored', text, shown: [...shown, row] });
    }
  }
  return anomalies;
}

function nameOf(person: string, value: Readonly<Record<string, unknown>>): string {
  const { conversationId, clientMessageId, content } = value;
  const key = clientMessageId === null ? `without a key: ${content}` : String(clientMessageId);
  return sendKey(String(conversationId), person, key);
}
