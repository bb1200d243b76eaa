import { Fleet } from '../load/fleet.ts';
import { seedConversations } from '../support/seed.ts';
import { membersOf, planOf } from './sending.ts';
import { type Figures, pause, type Scale, type Workload } from './workload.ts';

/** W8 of the docs: everybody is cut off at once and comes back at once, while others have gone on writing. */
export function reconnectStorm(scale: Scale): Workload {
  const shape = { conversations: scale.storm / 2, people: 2, senders: 1 };
  return {
    id: 'W8',
    title: `${scale.storm.toLocaleString('en-US')} people cut off at once`,
    targets: ['product', 'naive', 'socketio'],
    metrics: [
      { key: 'back', title: 'all back, s' },
      { key: 'refusals', title: 'refusals / connection' },
      { key: 'cpu', title: 'CPU ms / connection' },
      { key: 'sends', title: 'sends/s, 1 s later' },
    ],
    chief: 'back',
    lessIsBetter: true,
    seed: (database) => seedConversations(database, shape.conversations, (nth) => membersOf(shape, nth)),
    measure: async (target): Promise<Figures> => {
      const plan = await planOf(shape);
      const before = await Fleet.connect(target, plan);
      before.disconnect();
      const cpuBefore = target.cpuMs();
      const fleet = await Fleet.connect(target, plan, scale.storm);
      try {
        const cpu = (target.cpuMs() - cpuBefore) / fleet.size;
        // That they are really back is seen by what they get: each send must reach all, once and in order.
        fleet.startClosed(shape.senders);
        await pause(1_000);
        const seen = await fleet.watch(() => pause(1_000));
        await fleet.finish();
        const refusals = fleet.refusals / fleet.size;
        return { back: fleet.connectSeconds, refusals, cpu, sends: seen.sends / seen.seconds };
      } finally {
        fleet.disconnect();
      }
    },
  };
}
