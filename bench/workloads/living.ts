import { Fleet } from '../load/fleet.ts';
import { RestLoad } from '../load/rest.ts';
import { seedConversations } from '../support/seed.ts';
import { quantile } from '../support/statistics.ts';
import { tokenOf } from '../support/tokens.ts';
import type { Target } from '../targets/target.ts';
import { membersOf, planOf } from './sending.ts';
import { type Figures, pause, type Scale, type Workload } from './workload.ts';

const SHAPE = { conversations: 50, people: 10, senders: 10 };
/** A second, of everybody together: what some thousands of people in a busy hour come to. */
const RATES = { sends: 100, acts: 200, visits: 5, reads: 25 };
const PREFIX = '/api/messaging/v1';

/** W6 of the docs: what people do all at once, at a fixed rate. */
export function mixedLife(scale: Scale): Workload {
  return {
    id: 'W6',
    title: `500 people: ${RATES.sends} sends/s, ${RATES.acts} other commands/s, ${RATES.reads} reads/s, ${RATES.visits} connects/s`,
    targets: ['product', 'embedded'],
    metrics: [
      { key: 'sends', title: 'sends/s, delivered to all' },
      { key: 'ackP50', title: 'ack p50, ms' },
      { key: 'ackP99', title: 'ack p99, ms' },
      { key: 'deliveryP99', title: 'all have it p99, ms' },
      { key: 'acts', title: 'other commands/s' },
      { key: 'readP99', title: 'read p99, ms' },
      { key: 'visits', title: 'connects/s' },
      { key: 'cpu', title: 'CPU ms / s' },
    ],
    chief: 'deliveryP99',
    lessIsBetter: true,
    seed: (database) => seedConversations(database, SHAPE.conversations, (nth) => membersOf(SHAPE, nth)),
    measure: async (target) => {
      const plan = await planOf(SHAPE);
      const fleet = await Fleet.connect(target, plan);
      const people = plan.conversations.flatMap(({ id, members }) => members.map((person) => ({ id, person })));
      const rest = new RestLoad(target.ports[0]!, await tokenOf(people[0]!.person.id), 8);
      const visits = every(RATES.visits, async (nth) => {
        const { id, person } = people[(nth * 13) % people.length]!;
        const visit = await Fleet.connect(target, { conversations: [{ id, members: [person] }] });
        visit.disconnect();
      });
      const pages = ['/conversations', `/conversations/${plan.conversations[0]!.id}/messages`, '/unread'];
      const reads = every(RATES.reads, (nth) => rest.text('GET', `${PREFIX}${pages[nth % pages.length]}`));
      try {
        fleet.startOpen(SHAPE.senders, RATES.sends);
        fleet.startLife(RATES.acts);
        const figures = await watch(target, fleet, scale, { visits, reads });
        await Promise.all([visits.stop(), reads.stop()]);
        await fleet.finish();
        return figures;
      } finally {
        await Promise.allSettled([visits.stop(), reads.stop()]);
        fleet.disconnect();
        rest.close();
      }
    },
  };
}

type Doing = ReturnType<typeof every>;

async function watch(
  target: Target,
  fleet: Fleet,
  scale: Scale,
  { visits, reads }: { visits: Doing; reads: Doing },
): Promise<Figures> {
  await pause(scale.warmUpMs);
  const before = target.cpuMs();
  visits.forget();
  reads.forget();
  const seen = await fleet.watch(() => pause(scale.measureMs));
  return {
    sends: seen.sends / seen.seconds,
    ackP50: quantile(seen.ackMs, 0.5),
    ackP99: quantile(seen.ackMs, 0.99),
    deliveryP99: quantile(seen.deliveryMs, 0.99),
    acts: seen.acts / seen.seconds,
    readP99: quantile(reads.times, 0.99),
    visits: visits.times.length / seen.seconds,
    cpu: (target.cpuMs() - before) / seen.seconds,
  };
}

/** Does something so often a second, whatever the one before is at. `stop` waits for all of it, and throws what failed. */
function every(perSecond: number, work: (nth: number) => Promise<unknown>) {
  const times: number[] = [];
  const running = new Set<Promise<void>>();
  let failure: unknown;
  let nth = 0;
  const timer = setInterval(() => {
    const start = performance.now();
    const done = work(nth++).then(
      () => {
        times.push(performance.now() - start);
      },
      (error: unknown) => {
        failure ??= error;
      },
    );
    running.add(done);
    void done.then(() => running.delete(done));
  }, 1_000 / perSecond);
  return {
    /** Milliseconds of each that is done, since `forget`. */
    times,
    forget: () => {
      times.length = 0;
    },
    stop: async () => {
      clearInterval(timer);
      await Promise.all(running);
      if (failure !== undefined) throw failure;
    },
  };
}
