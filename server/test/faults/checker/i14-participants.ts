import { type Anomaly, type Evidence, type MembershipMark, pairKey } from './evidence.ts';

/** What had no answer may take effect so much later. */
const OPEN_MS = 10_000;

/**
 * I14 (ACC-3): one row for each conversation and person; coming back neither raises nor lowers a role; a person whom a
 * moderator removed comes back only where somebody adds them.
 */
export function checkParticipants(evidence: Evidence): Anomaly[] {
  const anomalies: Anomaly[] = [];
  const rows = Map.groupBy(evidence.of('participant'), ({ conversationId, userId }) => pairKey(conversationId, userId));
  for (const [key, same] of rows) {
    if (same.length > 1) {
      anomalies.push({ invariant: 'I14', name: 'two-rows', text: `${key} has ${same.length} rows`, shown: same });
    }
  }
  const adds = Map.groupBy(
    evidence.operations.filter(({ f, phase }) => f === 'add' && phase !== 'fail'),
    ({ value }) => pairKey(String(value.conversationId), String(value.userId)),
  );
  const removals = Map.groupBy(
    evidence.operations.filter(
      ({ f, phase, person, value }) => f === 'remove' && phase === 'ok' && person !== value.userId,
    ),
    ({ value }) => pairKey(String(value.conversationId), String(value.userId)),
  );
  for (const [key, marks] of evidence.memberships) {
    for (const [index, mark] of marks.entries()) {
      const before = marks[index - 1];
      if (!before || before.present || !mark.present) continue;
      if (before.role !== mark.role && !mayHaveChanged(evidence, key, before, mark)) {
        const text = `${key} left as ${before.role} (rev ${before.rev}) and came back as ${mark.role} (rev ${mark.rev})`;
        anomalies.push({ invariant: 'I14', name: 'role-changed', text, shown: [before.record, mark.record] });
      }
      const removal = (removals.get(key) ?? []).findLast(
        ({ to, from }) => to <= mark.t && from <= before.t && before.t <= to + 2_000,
      );
      if (!removal) continue;
      const added = (adds.get(key) ?? []).some(({ from, to }) => from < mark.t && to > removal.from);
      if (added) continue;
      const text = `${key} was removed at rev ${before.rev} and is back at rev ${mark.rev}, and nobody added them`;
      anomalies.push({ invariant: 'I14', name: 'revived', text, shown: [...removal.records, mark.record] });
    }
    const row = rows.get(key)?.[0];
    const last = marks.at(-1);
    if (!row || !last || last.rev !== row.rev || (last.role === row.role && last.present === row.present)) continue;
    const text = `${key} is stored as ${row.role}, and was told as ${last.role} under the same rev`;
    anomalies.push({ invariant: 'I14', name: 'told-otherwise', text, shown: [last.record, row] });
  }
  return anomalies;
}

/** A role that somebody gave between the two, or may have given. */
function mayHaveChanged({ operations }: Evidence, key: string, before: MembershipMark, after: MembershipMark): boolean {
  return operations.some(({ f, phase, value, answer, from, to }) => {
    if (f !== 'role' || pairKey(String(value.conversationId), String(value.userId)) !== key) return false;
    if (phase === 'ok') return Number(answer.rev) > before.rev && Number(answer.rev) < after.rev;
    return phase === 'info' && from <= after.t && to >= before.t - OPEN_MS;
  });
}
