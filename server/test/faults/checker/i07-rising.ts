import type { Anomaly, Evidence, Received } from './evidence.ts';

/** I7 (DLV-1): on one connection each `rev` of a conversation comes at most once, and in rising order. */
export function checkRising({ connections }: Evidence): Anomaly[] {
  const anomalies: Anomaly[] = [];
  for (const { id, events } of connections) {
    const last = new Map<string, Received>();
    for (const event of events) {
      const { conversationId, thing } = event.value;
      if (event.name === 'conversation:removed') last.delete(conversationId!);
      if (!thing || conversationId === undefined) continue;
      const before = last.get(conversationId);
      if (before && before.value.rev! >= thing.rev) {
        const name = before.value.rev === thing.rev ? 'told-twice' : 'out-of-order';
        const text = `${id} got rev ${thing.rev} of ${conversationId} after rev ${before.value.rev}`;
        anomalies.push({ invariant: 'I7', name, text, shown: [before.record, event.record] });
      }
      last.set(conversationId, event);
    }
  }
  return anomalies;
}
