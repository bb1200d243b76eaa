import type { EventValue, Thing } from '../harness/history.ts';
import type { Anomaly, Evidence, Operation } from './evidence.ts';
import { applyThing, differ, emptyView, type FoldStep, foldDevice, stepOf, type View } from './reducer.ts';

/**
 * I6 (DLV-2): in the end every device's view, folded here from what it received, is what the database holds; every node
 * reads the same; and a fetch, the events after it and a later fetch agree.
 */
export function checkViews(evidence: Evidence): Anomaly[] {
  return [...unquiet(evidence), ...strayViews(evidence), ...strayReads(evidence), ...straySnapshots(evidence)];
}

function unquiet(evidence: Evidence): Anomaly[] {
  return evidence
    .of('quiet')
    .filter(({ reached }) => !reached)
    .map((quiet) => {
      const text = 'half a minute after the last fault some devices still did not know the present rev';
      return { invariant: 'I6', name: 'never-quiet', text, shown: [quiet] };
    });
}

/** The rows of a conversation as a view. */
function viewOfTables(evidence: Evidence, conversationId: string): View {
  const view = emptyView();
  view.title = evidence.of('conversation').find(({ id }) => id === conversationId)?.title;
  for (const row of evidence.messages.get(conversationId) ?? []) view.messages.set(row.id, { ...row, type: 'message' });
  for (const row of evidence.of('participant')) {
    if (row.conversationId === conversationId) view.participants.set(row.userId, { ...row, type: 'participant' });
  }
  return view;
}

/** Where two views of one conversation differ; the first difference is enough. */
function compare(seen: View, stored: View): string | null {
  for (const [id, message] of stored.messages) {
    const difference = differ(seen.messages.get(id), message);
    if (difference) return `message ${id} (seq ${message.seq}): ${difference}`;
  }
  for (const [id, message] of seen.messages) {
    if (!stored.messages.has(id)) return `message ${id} (seq ${message.seq}) is not in the database`;
  }
  for (const [userId, participant] of stored.participants) {
    const known = seen.participants.get(userId);
    if ((known?.present ?? false) !== participant.present) {
      return `${userId} is ${participant.present ? 'in' : 'out'} and seen ${known?.present ? 'in' : 'out'}`;
    }
    if (participant.present && known!.role !== participant.role) {
      return `${userId} is ${participant.role} and seen as ${known!.role}`;
    }
  }
  return seen.title !== undefined && seen.title !== stored.title ? `title ${seen.title} and ${stored.title}` : null;
}

function strayViews(evidence: Evidence): Anomaly[] {
  const anomalies: Anomaly[] = [];
  const steps = new Map<string, FoldStep[]>();
  const add = (device: string, step: FoldStep | null) => {
    if (!step) return;
    const list = steps.get(device);
    if (list) list.push(step);
    else steps.set(device, [step]);
  };
  for (const { device, events } of evidence.connections) {
    for (const { name, t, value } of events) add(device, stepOf(name, t, value));
  }
  for (const { f, phase, to, value, answer } of evidence.operations) {
    if (f !== 'changes' || phase !== 'ok' || value.device === undefined) continue;
    const things = (answer as { changes: Thing[] }).changes;
    add(String(value.device), { t: to, conversationId: String(value.conversationId), things, gone: false });
  }

  const tables = new Map<string, View>();
  const present = new Set(
    evidence.of('participant').flatMap((row) => (row.present ? [`${row.conversationId} ${row.userId}`] : [])),
  );
  for (const known of evidence.of('device')) {
    const { device, conversationId } = known;
    const person = device.slice(0, device.lastIndexOf('#'));
    if (!present.has(`${conversationId} ${person}`)) continue;
    const stored = tables.get(conversationId) ?? viewOfTables(evidence, conversationId);
    tables.set(conversationId, stored);
    const mine = (steps.get(device) ?? []).filter((step) => step.conversationId === conversationId);
    const seen = foldDevice(mine.sort((a, b) => a.t - b.t)).get(conversationId) ?? emptyView();
    const difference = compare(seen, stored);
    if (!difference) continue;
    const text = `${device} sees ${conversationId} otherwise than it is: ${difference}`;
    anomalies.push({
      invariant: 'I6',
      name: 'stray-view',
      text,
      shown: [known, ...recordsAbout(evidence, device, difference)],
    });
  }
  return anomalies;
}

/** What the device received of the message that differs. */
function recordsAbout(evidence: Evidence, device: string, difference: string) {
  const id = /message (\S+)/.exec(difference)?.[1];
  if (id === undefined) return [];
  return evidence.connections
    .filter((connection) => connection.device === device)
    .flatMap(({ events }) => events)
    .filter(({ value }) => aboutMessage(value, id))
    .slice(-3)
    .map(({ record }) => record);
}

function aboutMessage({ thing }: EventValue, id: string): boolean {
  return thing?.type === 'message' ? thing.id === id : thing?.type === 'reaction' && thing.messageId === id;
}

/** Final reads of every node against the tables. */
function strayReads(evidence: Evidence): Anomaly[] {
  const anomalies: Anomaly[] = [];
  const revs = new Map(evidence.of('conversation').map(({ id, rev }) => [id, rev]));
  for (const read of evidence.of('read')) {
    const seen = emptyView();
    for (const thing of read.things) applyThing(seen, thing);
    const difference =
      read.rev === revs.get(read.conversationId)
        ? compare(seen, viewOfTables(evidence, read.conversationId))
        : `rev ${read.rev} and ${revs.get(read.conversationId)}`;
    if (!difference) continue;
    const text = `${read.node} reads ${read.conversationId} otherwise than it is: ${difference}`;
    anomalies.push({ invariant: 'I6', name: 'inconsistent-read', text, shown: [{ ...read, things: [] }] });
  }
  return anomalies;
}

/** A fetch before, the events in between and a fetch after, where no event in between is missing. */
function straySnapshots(evidence: Evidence): Anomaly[] {
  const anomalies: Anomaly[] = [];
  const taken = evidence.operations.filter(
    ({ f, phase, answer }) => f === 'snapshot' && phase === 'ok' && !answer.hasMore,
  );
  if (taken.length === 0) return [];
  const told = new Map<string, Map<number, Thing>>();
  for (const { device, events } of evidence.connections) {
    for (const { value } of events) {
      if (!value.thing) continue;
      const key = `${device} ${value.conversationId}`;
      const things = told.get(key) ?? new Map<number, Thing>();
      told.set(key, things);
      things.set(value.thing.rev, value.thing);
    }
  }
  for (const [key, fetches] of Map.groupBy(taken, ({ value }) => `${value.device} ${value.conversationId}`)) {
    const ordered = fetches.toSorted((a, b) => revOf(a) - revOf(b));
    for (const [index, after] of ordered.entries()) {
      const before = ordered[index - 1];
      const between = before && thingsBetween(told.get(key) ?? new Map(), revOf(before), revOf(after));
      if (!before || !between) continue;
      const seen = messagesOf(before);
      for (const thing of between) applyThing(seen, thing);
      const later = messagesOf(after);
      const bad = [...new Set([...seen.messages.keys(), ...later.messages.keys()])].find((id) =>
        differ(seen.messages.get(id), later.messages.get(id)),
      );
      if (bad === undefined) continue;
      const text = `${key}: fetch and events give another message ${bad} than the later fetch: ${differ(seen.messages.get(bad), later.messages.get(bad))}`;
      anomalies.push({ invariant: 'I6', name: 'snapshot-race', text, shown: [before.records[0]!, after.records[0]!] });
    }
  }
  return anomalies;
}

function revOf({ answer }: Operation): number {
  return Number(answer.rev);
}

function messagesOf({ answer }: Operation): View {
  const view = emptyView();
  for (const thing of answer.changes as Thing[]) applyThing(view, thing);
  return view;
}

function thingsBetween(things: ReadonlyMap<number, Thing>, after: number, upTo: number): Thing[] | null {
  const between: Thing[] = [];
  for (let rev = after + 1; rev <= upTo; rev++) {
    const thing = things.get(rev);
    if (!thing) return null;
    between.push(thing);
  }
  return between;
}
