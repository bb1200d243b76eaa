import { mixedLife } from './living.ts';
import { badNeighbours } from './neighbours.ts';
import { reading } from './reading.ts';
import { reconnectStorm } from './reconnecting.ts';
import { closedLoop, idleConnections, oneInFlight, openLoop, twoNodes } from './sending.ts';
import type { Scale, Workload } from './workload.ts';

/** Every workload, in the order of a run. */
export function allWorkloads(scale: Scale): readonly Workload[] {
  return [
    oneInFlight(scale),
    closedLoop('W1', scale),
    openLoop('W1', scale),
    closedLoop('W2', scale),
    openLoop('W2', scale),
    closedLoop('W3', scale),
    openLoop('W3', scale),
    idleConnections(scale),
    reading(scale),
    mixedLife(scale),
    twoNodes(scale),
    reconnectStorm(scale),
    badNeighbours(scale),
  ];
}
