import type { Anomaly, Evidence } from './evidence.ts';

/** A send whose outcome nobody knows holds its place for a window and half a minute. */
const OPEN_MS = 35_000;
/** Between the database's clock and that of the limiter, and on the way. */
const SLACK_MS = 1_000;

/**
 * I11 (RATE-1, RATE-3): no window of any place in time holds more stored messages of a person than the limit, or than the
 * limit for each node where Redis was away; and nobody is refused who is below it.
 */
export function checkRate(evidence: Evidence): Anomaly[] {
  const { limit, nodes, startedAt, t: startedT } = evidence.meta;
  if (!limit) return [];
  const windowMs = limit.windowSeconds * 1_000;
  const toClock = (createdAt: number): number => createdAt - startedAt + startedT;
  const wasAway = (from: number, to: number): boolean =>
    evidence.faults.some((fault) => fault.from <= to && fault.to + 2 * windowMs + OPEN_MS >= from);
  const anomalies: Anomaly[] = [];
  const rows = evidence.of('message');
  const bySender = Map.groupBy(rows, ({ senderId }) => senderId);
  for (const [sender, sent] of bySender) {
    sent.sort((a, b) => a.createdAt - b.createdAt);
    for (let first = 0; first < sent.length; first++) {
      // Strictly within: two that are a whole window apart do not share one.
      let last = first;
      while (sent[last + 1] && sent[last + 1]!.createdAt - sent[first]!.createdAt < windowMs) last++;
      const count = last - first + 1;
      const from = toClock(sent[first]!.createdAt);
      const most = wasAway(from, from + windowMs) ? limit.messages * nodes.length : limit.messages;
      if (count <= most) continue;
      const text = `${sender} stored ${count} messages within ${limit.windowSeconds} s; the limit is ${most}`;
      anomalies.push({ invariant: 'I11', name: 'too-many', text, shown: [sent[first]!, sent[last]!] });
      break;
    }
  }

  for (const [person, own] of Map.groupBy(evidence.operations, (operation) => operation.person)) {
    const sends = own.filter(({ f }) => f === 'send');
    const times = (bySender.get(person) ?? []).map(({ createdAt }) => toClock(createdAt));
    for (const refused of sends) {
      if (refused.phase !== 'fail' || refused.answer.code !== 'rate_limited') continue;
      const from = refused.from - windowMs - SLACK_MS;
      if (sends.some(({ phase, from: began }) => phase === 'info' && began > from - OPEN_MS && began < refused.to))
        continue;
      const count = times.filter((time) => time > from && time < refused.to + SLACK_MS).length;
      const share = wasAway(from, refused.to) ? Math.ceil(limit.messages / nodes.length) : limit.messages;
      if (count >= share) continue;
      const text = `${person} was refused with ${count} stored messages in the window; the limit is ${share}`;
      anomalies.push({ invariant: 'I11', name: 'refused-below', text, shown: refused.records });
      break;
    }
  }
  return anomalies;
}
