import { F10, F12 } from './client.faults.ts';
import type { Fault } from './fault.ts';
import { F01, F02, F09, F13, F17, F18, F19 } from './node.faults.ts';
import { F03, F04, F11, F14, F15, F16 } from './postgres.faults.ts';
import { F05, F06, F07, F08, FX } from './redis.faults.ts';

/** All faults by their id. */
export const FAULTS: Readonly<Record<string, Fault>> = Object.fromEntries(
  [F01, F02, F03, F04, F05, F06, F07, F08, F09, F10, F11, F12, F13, F14, F15, F16, F17, F18, F19, FX].map((fault) => [
    fault.id,
    fault,
  ]),
);
