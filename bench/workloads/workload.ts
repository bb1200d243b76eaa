import type { Seeded } from '../support/seed.ts';
import type { Target, TargetName } from '../targets/target.ts';

/** One figure of a measurement. */
export interface Metric {
  readonly key: string;
  /** The head of its column, with the unit. */
  readonly title: string;
}

/** What one round on one target gave, by the keys of the metrics. */
export type Figures = Readonly<Record<string, number>>;

/** Something to do to a server, and what is read off it. */
export interface Workload {
  readonly id: string;
  readonly title: string;
  readonly targets: readonly TargetName[];
  readonly metrics: readonly Metric[];
  /** The figure that the chart shows and ratios are made of. More is better, unless `lessIsBetter`. */
  readonly chief: string;
  readonly lessIsBetter?: boolean;
  /** Fresh processes for each round, for what an earlier round would leave behind in memory. */
  readonly freshProcesses?: boolean;
  /** Settings of the server beside the usual ones. */
  readonly env?: Readonly<Record<string, string>>;
  seed(database: Seeded): Promise<void>;
  /** One round. Throws where the server breaks a promise. */
  measure(target: Target, earlier: EarlierRounds): Promise<Figures>;
}

/** The chief figure's median of what was measured so far, for workloads that build on another one. */
export type EarlierRounds = (workload: string, target: TargetName) => number | undefined;

/** How long and how big. */
export interface Scale {
  readonly warmUpMs: number;
  readonly measureMs: number;
  readonly idleConnections: number;
  /** Connections that are cut and come back together. */
  readonly storm: number;
  /** Of the person who reads. */
  readonly messages: number;
  /** Waited before memory is read, so that buffers of the connecting are gone. */
  readonly settleMs: number;
}

/** The scale of the figures in the docs. */
export const FULL: Scale = {
  warmUpMs: 2_000,
  measureMs: 6_000,
  idleConnections: 5_000,
  storm: 2_000,
  messages: 1_000_000,
  settleMs: 12_000,
};

/** For daily use. */
export const QUICK: Scale = {
  warmUpMs: 1_000,
  measureMs: 2_000,
  idleConnections: 1_000,
  storm: 500,
  messages: 50_000,
  settleMs: 3_000,
};

/** A pause that is part of the measurement itself. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
