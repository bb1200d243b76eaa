import type { ClusterKind, RoundPlan } from './round.ts';

const NODE = ['F01', 'F02', 'F09', 'F13', 'F17', 'F18'];
const POSTGRES = ['F03', 'F04', 'F11', 'F15', 'F16'];
const REDIS = ['F05', 'F06', 'F07', 'F08'];
const ALL = [...NODE, ...POSTGRES, ...REDIS, 'F10'];

/** The seed of the short run, so that it is the same everywhere. */
export const SMOKE_SEED = 20_261_122;

/** A minute of log and membership under the six faults that have found most. */
export function smokePlan(): RoundPlan[] {
  const faults = ['F01', 'F03', 'F05', 'F07', 'F10', 'F11'];
  return [{ name: 'smoke', cluster: 'two', workloads: ['W1', 'W3'], faults, seconds: 45, mode: 'single', scale: 0.4 }];
}

/** All workloads under all faults, in about so many minutes. Rounds of one kind of system stand together. */
export function fullPlan(minutes: number): RoundPlan[] {
  const plan = (
    name: string,
    cluster: ClusterKind,
    workloads: string[],
    faults: string[],
    weight: number,
    mode: RoundPlan['mode'] = 'single',
  ): RoundPlan & { weight: number } => ({
    name,
    cluster,
    workloads,
    faults,
    mode,
    seconds: 0,
    scale: minutes < 20 ? 0.5 : 1,
    weight,
  });
  const plans = [
    plan('log-node', 'two', ['W1'], [...NODE, 'F10'], 4),
    plan('log-postgres', 'two', ['W1'], POSTGRES, 3),
    plan('log-redis', 'two', ['W1'], REDIS, 3),
    plan('hot', 'two', ['W2'], ALL, 4),
    plan('members', 'two', ['W3'], ALL, 4),
    plan('read-state', 'two', ['W4'], ALL, 3),
    plan('edits', 'two', ['W5', 'W6'], ALL, 4),
    plan('uploads', 'two', ['W7'], [...ALL, 'F19'], 3),
    plan('sparse', 'two', ['WX'], ['F05', 'F07', 'F08', 'FX'], 2),
    plan('stuck', 'two', ['W1'], ['F12'], 1),
    plan('pairs', 'two', ['W1', 'W3'], ['F01', 'F09', 'F03', 'F11', 'F05', 'F07', 'F08', 'F10'], 3, 'pairs'),
    plan('storm', 'two', ['W1', 'W5'], ['F01', 'F03', 'F11', 'F05', 'F06', 'F10'], 2, 'storm'),
    plan('three-nodes', 'three', ['W1', 'W3'], ['F01', 'F02', 'F05', 'F07', 'F09', 'F11'], 3),
    plan('rate', 'rate', ['W8'], ['F01', 'F03', 'F05', 'F06', 'F13'], 3),
    plan('embedded', 'embedded', ['W9'], ['F01', 'F02'], 2),
    plan('disk', 'disk', ['W1', 'W7'], ['F14'], 2),
  ];
  const weights = plans.reduce((sum, { weight }) => sum + weight, 0);
  // Starting and checking take their part.
  const seconds = minutes * 60 * 0.8;
  return plans.map(({ weight, ...round }) => ({ ...round, seconds: Math.round((seconds * weight) / weights) }));
}
