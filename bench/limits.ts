import type { TargetName } from './targets/target.ts';

/** A ratio of the product's chief figure to another target's, that `--check` holds a run to. */
export interface RatioLimit {
  readonly workload: string;
  readonly beside: TargetName;
  readonly least?: number;
  readonly most?: number;
}

/**
 * Half of what is aimed at (docs/performance.md), so that a noisy machine passes and a real loss does not. Ratios and no
 * absolute numbers: what they stand beside ran on the same machine a moment before.
 */
export const RATIO_LIMITS: readonly RatioLimit[] = [
  { workload: 'W0', beside: 'insert', most: 3 },
  { workload: 'W1', beside: 'naive', least: 15 },
  { workload: 'W1', beside: 'socketio', least: 0.25 },
  { workload: 'W2', beside: 'naive', least: 10 },
  { workload: 'W2', beside: 'socketio', least: 0.5 },
  { workload: 'W3', beside: 'naive', least: 6 },
  { workload: 'W3', beside: 'ws', least: 1.5 },
  { workload: 'W4', beside: 'socketio', most: 1.8 },
  { workload: 'W5', beside: 'naive', least: 20 },
  { workload: 'W8', beside: 'socketio', most: 6 },
];
