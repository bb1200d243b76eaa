import type { Cluster } from '../harness/cluster.ts';
import type { HistoryWriter } from '../harness/history.ts';
import type { Random } from '../harness/random.ts';
import type { Stage } from '../workloads/stage.ts';

/** What a fault does to the system, for the checker. */
export interface Injury {
  readonly target: string;
  /** Nodes whose connections may learn late of changes meanwhile: their link to PostgreSQL or to clients, or they themselves, fail. `*`: all. */
  readonly excuses: readonly string[];
  /** Redis is away for somebody, or loses what it was given. */
  readonly redis?: boolean;
  /** Calls may go without any answer meanwhile: who should answer, or the way to them, is gone. */
  readonly mute?: boolean;
}

/** Where faults happen. */
export interface Site {
  readonly cluster: Cluster;
  readonly stage: Stage;
  readonly random: Random;
  readonly history: HistoryWriter;
  /** 1 for a full run; less where the time of a run is short. */
  readonly scale: number;
  /** Conversations of the round. */
  readonly conversations: readonly string[];
}

/** One kind of fault. `run` injects it, holds it, heals it, and resolves when the system is whole again. */
export interface Fault {
  readonly id: string;
  readonly title: string;
  /** What it breaks; two faults at once break different things. */
  readonly touches: 'node' | 'postgres' | 'redis' | 'clients' | 'load';
  run(site: Site, begin: (injury: Injury) => void): Promise<void>;
}

/** Runs a fault and writes its beginning and its end into the history. */
export async function inflict(fault: Fault, site: Site, number: number): Promise<void> {
  const line = { proc: 'nemesis', node: null, door: null, f: fault.id, key: `fault${number}` } as const;
  let begun = false;
  await fault.run(site, (injury) => {
    begun = true;
    site.history.write({ ...line, phase: 'invoke', value: { title: fault.title, ...injury } });
  });
  if (begun) site.history.write({ ...line, phase: 'ok', value: {} });
}

/** A note in the history. */
export function note(site: Pick<Site, 'history'>, f: string, value: unknown): void {
  site.history.write({ proc: 'nemesis', node: null, door: null, f, phase: 'mark', key: '', value });
}
