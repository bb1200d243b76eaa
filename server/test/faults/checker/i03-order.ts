import type { HistoryRecord } from '../harness/history.ts';
import type { Anomaly, Evidence, Operation } from './evidence.ts';

/**
 * I3 (ORD-1, ORD-2): in a conversation `seq` is 1 … n without hole or repeat, each `rev` tells one thing to everybody, and
 * what was acknowledged before something else began comes before it.
 */
export function checkOrder(evidence: Evidence): Anomaly[] {
  return [...holes(evidence), ...reusedRevs(evidence), ...inversions(evidence)];
}

function holes(evidence: Evidence): Anomaly[] {
  const anomalies: Anomaly[] = [];
  for (const conversation of evidence.of('conversation')) {
    const rows = evidence.messages.get(conversation.id) ?? [];
    const bad = rows.findIndex((row, index) => row.seq !== index + 1);
    if (bad >= 0) {
      const text = `in ${conversation.id} the message after ${bad} has seq ${rows[bad]!.seq}`;
      const shown = rows.slice(Math.max(0, bad - 1), bad + 1);
      anomalies.push({ invariant: 'I3', name: rows[bad]!.seq > bad + 1 ? 'hole' : 'repeat', text, shown });
    } else if (rows.length !== conversation.lastSeq) {
      const text = `${conversation.id} has ${rows.length} messages and says lastSeq ${conversation.lastSeq}`;
      anomalies.push({ invariant: 'I3', name: 'hole', text, shown: [conversation, ...rows.slice(-1)] });
    }
    const revs = new Map<number, (typeof rows)[number]>();
    for (const row of rows) {
      const other = revs.get(row.rev);
      if (other) {
        const text = `two messages of ${conversation.id} have rev ${row.rev}`;
        anomalies.push({ invariant: 'I3', name: 'rev-repeat', text, shown: [other, row] });
      }
      if (row.rev > conversation.rev) {
        const text = `a message of ${conversation.id} has rev ${row.rev}, above the conversation's ${conversation.rev}`;
        anomalies.push({ invariant: 'I3', name: 'rev-beyond', text, shown: [conversation, row] });
      }
      revs.set(row.rev, row);
    }
  }
  return anomalies;
}

/** The same `rev` told as two different things. */
function reusedRevs({ connections }: Evidence): Anomaly[] {
  const anomalies: Anomaly[] = [];
  const told = new Map<string, { what: string; record: HistoryRecord }>();
  for (const { events } of connections) {
    for (const { value, record } of events) {
      const { conversationId, thing } = value;
      if (!thing) continue;
      const what =
        thing.type === 'message'
          ? `message ${thing.id}`
          : thing.type === 'reaction'
            ? `message ${thing.messageId}`
            : thing.type === 'participant'
              ? `participant ${thing.userId}`
              : 'conversation';
      const key = `${conversationId} ${thing.rev}`;
      const known = told.get(key);
      if (!known) told.set(key, { what, record });
      else if (known.what !== what) {
        const text = `rev ${thing.rev} of ${conversationId} was told as ${known.what} and as ${what}`;
        anomalies.push({ invariant: 'I3', name: 'rev-reused', text, shown: [known.record, record] });
      }
    }
  }
  return anomalies;
}

/** A sweep in order of time: the highest `seq` answered so far must be below that of whatever begins now. */
function inversions({ operations }: Evidence): Anomaly[] {
  const anomalies: Anomaly[] = [];
  const stored = operations.filter(
    ({ f, phase, answer }) => f === 'send' && phase === 'ok' && answer.duplicate === false,
  );
  for (const sends of Map.groupBy(stored, ({ value }) => String(value.conversationId)).values()) {
    const ended = sends.toSorted((a, b) => a.to - b.to);
    let next = 0;
    let highest: Operation | null = null;
    for (const send of sends) {
      for (; next < ended.length && ended[next]!.to < send.from; next++) {
        if (!highest || seqOf(ended[next]!) > seqOf(highest)) highest = ended[next]!;
      }
      if (!highest || seqOf(highest) < seqOf(send)) continue;
      const text = `${seqOf(highest)} was acknowledged before ${seqOf(send)} was sent`;
      anomalies.push({ invariant: 'I3', name: 'inversion', text, shown: [...highest.records, ...send.records] });
    }
  }
  return anomalies;
}

function seqOf({ answer }: Operation): number {
  return Number(answer.seq);
}
