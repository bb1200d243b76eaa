import type { Anomaly, Evidence } from './evidence.ts';

/**
 * I13 (DEL-2): each deletion, edit, removal and role change has its audit entry, the chain of a conversation has no hole,
 * and `verify` finds it whole.
 */
export function checkAudit(evidence: Evidence): Anomaly[] {
  const anomalies: Anomaly[] = [];
  const entriesOf = Map.groupBy(evidence.of('audit'), ({ conversationId }) => conversationId);
  for (const conversation of evidence.of('conversation')) {
    const entries = (entriesOf.get(conversation.id) ?? []).toSorted((a, b) => a.position - b.position);
    const bad = entries.findIndex(
      ({ position, previousHash }, index) =>
        position !== index + 1 || previousHash !== (entries[index - 1]?.hash ?? ''),
    );
    if (bad >= 0) {
      const text = `the chain of ${conversation.id} breaks at entry ${bad + 1}`;
      anomalies.push({
        invariant: 'I13',
        name: 'broken-chain',
        text,
        shown: entries.slice(Math.max(0, bad - 1), bad + 1),
      });
    }
    if (entries.length !== conversation.auditCount) {
      const text = `${conversation.id} has ${entries.length} entries and says ${conversation.auditCount}`;
      anomalies.push({ invariant: 'I13', name: 'missing-entry', text, shown: [conversation] });
    }
    const counts = new Map<string, number>();
    for (const { action, targetId } of entries) {
      const key = `${action} ${targetId}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    const expect = (action: string, targetId: string, expected: number, exactly: boolean, shown: Anomaly['shown']) => {
      const found = action.split('|').reduce((sum, one) => sum + (counts.get(`${one} ${targetId}`) ?? 0), 0);
      if (found === expected || (!exactly && found > expected)) return;
      const text = `${targetId}: ${expected} times ${action}, and ${found} audit entries`;
      anomalies.push({ invariant: 'I13', name: 'missing-entry', text, shown });
    };
    for (const row of evidence.messages.get(conversation.id) ?? []) {
      expect('message.deleted', row.id, row.deleted ? 1 : 0, true, [row]);
      if (!row.deleted) expect('message.edited', row.id, row.revisions, true, [row]);
    }
    for (const [key, marks] of evidence.memberships) {
      const [conversationId, userId = ''] = key.split(' ');
      if (conversationId !== conversation.id) continue;
      const left = marks.filter(({ present }) => !present);
      const shown = left.slice(-1).map(({ record }) => record);
      expect('participant.left|participant.removed', userId, left.length, false, shown);
    }
  }
  for (const verified of evidence.of('verify')) {
    const { body } = verified.answer as { body: { ok?: boolean } };
    if (body.ok === true) continue;
    const text = `verify finds the chain of ${verified.conversationId} broken`;
    anomalies.push({ invariant: 'I13', name: 'verify', text, shown: [verified] });
  }
  return anomalies;
}
