import { W1, W2, W9, WX } from './log.workloads.ts';
import { W3 } from './membership.workloads.ts';
import { W7, W8 } from './other.workloads.ts';
import type { Workload } from './stage.ts';
import { W4, W5, W6 } from './state.workloads.ts';

/** All workloads by their id. */
export const WORKLOADS: Readonly<Record<string, Workload>> = Object.fromEntries(
  [W1, W2, W3, W4, W5, W6, W7, W8, W9, WX].map((workload) => [workload.id, workload]),
);
