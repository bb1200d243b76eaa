import { Fleet, type FleetPlan } from '../load/fleet.ts';
import { conversationId, personId, seedConversations } from '../support/seed.ts';
import { quantile } from '../support/statistics.ts';
import { tokenOf } from '../support/tokens.ts';
import type { Target } from '../targets/target.ts';
import { type Figures, type Metric, pause, type Scale, type Workload } from './workload.ts';

/** Conversations of a size. */
export interface Shape {
  readonly conversations: number;
  readonly people: number;
  /** Of each conversation. */
  readonly senders: number;
}

/** W1 to W3 of the docs. */
const SHAPES: Readonly<Record<'W1' | 'W2' | 'W3', Shape & { title: string }>> = {
  W1: { conversations: 200, people: 2, senders: 1, title: '200 conversations of two, 200 sends in flight' },
  W2: { conversations: 50, people: 20, senders: 1, title: '50 conversations of twenty, 50 sends in flight' },
  W3: { conversations: 1, people: 1_000, senders: 20, title: 'one conversation of a thousand, 20 sends in flight' },
};

const METRICS: readonly Metric[] = [
  { key: 'sends', title: 'sends/s, delivered to all' },
  { key: 'deliveries', title: 'deliveries/s' },
  { key: 'ackP50', title: 'ack p50, ms' },
  { key: 'ackP99', title: 'ack p99, ms' },
  { key: 'deliveryP50', title: 'all have it p50, ms' },
  { key: 'deliveryP99', title: 'all have it p99, ms' },
  { key: 'cpu', title: 'CPU ms / 1,000 deliveries' },
  { key: 'outOfOrder', title: 'out of order, ‰' },
];

/** W0: one message at a time, of one person to another. What an acknowledgement takes when nothing else is done. */
export function oneInFlight(scale: Scale): Workload {
  const shape = { conversations: 1, people: 2, senders: 1 };
  return {
    id: 'W0',
    title: 'one conversation of two, one send in flight',
    targets: ['product', 'embedded', 'naive', 'insert', 'socketio'],
    metrics: METRICS,
    chief: 'ackP50',
    lessIsBetter: true,
    seed: (database) => seedConversations(database, shape.conversations, (nth) => membersOf(shape, nth)),
    measure: async (target) =>
      withFleet(target, shape, async (fleet) => {
        fleet.startClosed(shape.senders);
        return watch(target, fleet, scale);
      }),
  };
}

/** W7: W2 on two nodes, the members of each conversation on both; beside it one node. They share the measured core. */
export function twoNodes(scale: Scale): Workload {
  const { title, ...workload } = closedLoop('W2', scale);
  return { ...workload, id: 'W7', title: `${title}, members on two nodes`, targets: ['cluster', 'product'] };
}

/** Each sender sends again as soon as all have the message before: what the server can do at most. */
export function closedLoop(id: keyof typeof SHAPES, scale: Scale): Workload {
  const shape = SHAPES[id];
  return {
    id,
    title: shape.title,
    targets: ['product', 'embedded', 'naive', 'insert', 'socketio', 'ws'],
    metrics: METRICS,
    chief: 'sends',
    seed: (database) => seedConversations(database, shape.conversations, (nth) => membersOf(shape, nth)),
    measure: async (target) =>
      withFleet(target, shape, async (fleet) => {
        fleet.startClosed(shape.senders);
        return watch(target, fleet, scale);
      }),
  };
}

/**
 * Sends at half of what the product reached in the closed loop, on all targets that can; latency is what counts. The bare insert
 * tells what of it the disk takes.
 */
export function openLoop(id: keyof typeof SHAPES, scale: Scale): Workload {
  const shape = SHAPES[id];
  return {
    id: `${id}-open`,
    title: `${shape.title.replace(/, \d+ sends in flight/, '')}, sent at half of the product’s capacity`,
    // In a conversation of a thousand it would be sent many times what it can do.
    targets: id === 'W3' ? ['product', 'socketio'] : ['product', 'insert', 'socketio'],
    metrics: METRICS,
    chief: 'deliveryP99',
    lessIsBetter: true,
    seed: (database) => seedConversations(database, shape.conversations, (nth) => membersOf(shape, nth)),
    measure: async (target, earlier) => {
      const capacity = earlier(id, 'product');
      if (capacity === undefined) throw new Error(`${id} must be measured before ${id}-open`);
      return withFleet(target, shape, async (fleet) => {
        fleet.startOpen(shape.senders, capacity / 2);
        return watch(target, fleet, scale);
      });
    },
  };
}

async function withFleet(target: Target, shape: Shape, work: (fleet: Fleet) => Promise<Figures>): Promise<Figures> {
  const fleet = await Fleet.connect(target, await planOf(shape));
  try {
    const figures = await work(fleet);
    await fleet.finish();
    return figures;
  } finally {
    fleet.disconnect();
  }
}

async function watch(target: Target, fleet: Fleet, scale: Scale): Promise<Figures> {
  await pause(scale.warmUpMs);
  const before = target.cpuMs();
  const seen = await fleet.watch(() => pause(scale.measureMs));
  const used = target.cpuMs() - before;
  return {
    sends: seen.sends / seen.seconds,
    deliveries: seen.deliveries / seen.seconds,
    ackP50: quantile(seen.ackMs, 0.5),
    ackP99: quantile(seen.ackMs, 0.99),
    deliveryP50: quantile(seen.deliveryMs, 0.5),
    deliveryP99: quantile(seen.deliveryMs, 0.99),
    cpu: (used * 1_000) / seen.deliveries,
    outOfOrder: (seen.outOfOrder * 1_000) / seen.sends,
  };
}

/** Everybody of a shape, with tokens. */
export async function planOf(shape: Shape): Promise<FleetPlan> {
  const conversations = Array.from({ length: shape.conversations }, async (_, nth) => ({
    id: conversationId(nth),
    members: await Promise.all(membersOf(shape, nth).map(async (id) => ({ id, token: await tokenOf(id) }))),
  }));
  return { conversations: await Promise.all(conversations) };
}

/** The people of its nth conversation: nobody is in two. */
export function membersOf({ people }: Shape, nth: number): string[] {
  return Array.from({ length: people }, (_, member) => personId(nth * people + member));
}

/** Connections that do nothing: what each costs in memory, and how fast they come. */
export function idleConnections(scale: Scale): Workload {
  const shape = { conversations: scale.idleConnections / 2, people: 2, senders: 0 };
  return {
    id: 'W4',
    title: `${scale.idleConnections.toLocaleString('en-US')} idle connections`,
    targets: ['product', 'naive', 'socketio', 'ws'],
    metrics: [
      { key: 'memory', title: 'KiB for each connection' },
      { key: 'connects', title: 'connects/s' },
      { key: 'cpu', title: 'CPU ms / s while idle' },
    ],
    chief: 'memory',
    lessIsBetter: true,
    freshProcesses: true,
    seed: (database) => seedConversations(database, shape.conversations, (nth) => membersOf(shape, nth)),
    measure: async (target) => {
      const plan = await planOf(shape);
      await warmUp(target, plan);
      const before = target.proportionalSetKiB();
      const fleet = await Fleet.connect(target, plan);
      try {
        const [cpuBefore, start] = [target.cpuMs(), performance.now()];
        await pause(scale.settleMs);
        return {
          memory: (target.proportionalSetKiB() - before) / fleet.size,
          connects: fleet.size / fleet.connectSeconds,
          cpu: ((target.cpuMs() - cpuBefore) * 1_000) / (performance.now() - start),
        };
      } finally {
        fleet.disconnect();
      }
    },
  };
}

/** A few connections first, so that what the first of them loads is not counted as theirs. */
async function warmUp(target: Target, plan: FleetPlan): Promise<void> {
  const fleet = await Fleet.connect(target, { conversations: plan.conversations.slice(0, 50) });
  fleet.disconnect();
}
