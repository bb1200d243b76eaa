import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openDatabase } from '../../../src/infrastructure/database.ts';
import { silentLogger } from '../../support/logger.ts';
import { type Fault, inflict, type Site } from '../nemesis/fault.ts';
import { FAULTS } from '../nemesis/index.ts';
import { WORKLOADS } from '../workloads/index.ts';
import { W8_LIMIT } from '../workloads/other.workloads.ts';
import { type Prepared, Stage } from '../workloads/stage.ts';
import { get, pause } from './calls.ts';
import { answers, type Cluster, startCluster } from './cluster.ts';
import { type Ask, awaitQuiet, headsByCalls, headsBySql, readFinals, readTables, type StateRecord } from './dump.ts';
import { type HistoryWriter, openHistory } from './history.ts';
import { createRandom, type Random } from './random.ts';

/** What kind of system a round needs; rounds of the same kind share one. */
export type ClusterKind = 'two' | 'three' | 'rate' | 'embedded' | 'disk';

/** One round: some workloads beside each other, and faults one after the other. */
export interface RoundPlan {
  readonly name: string;
  readonly cluster: ClusterKind;
  readonly workloads: readonly string[];
  /** Each at least once, in an order drawn by lot; then more of them until the time is up. */
  readonly faults: readonly string[];
  readonly seconds: number;
  /** `pairs`: two at once, of things that do not touch. `storm`: one of each kind at once. */
  readonly mode: 'single' | 'pairs' | 'storm';
  /** How long faults last; 1: as long as docs/reliability.md says. */
  readonly scale: number;
}

/** Where a round has left what the checker reads. */
export interface RoundFiles {
  readonly history: string;
  readonly state: string;
}

/** Starts the system for rounds of a kind. */
export function startClusterFor(kind: ClusterKind, random: Random, serverRoot?: string): Promise<Cluster> {
  const server = serverRoot === undefined ? {} : { serverRoot };
  switch (kind) {
    case 'two':
      return startCluster({ nodes: 2, random, ...server });
    case 'three':
      return startCluster({ nodes: 3, random, ...server });
    case 'rate': {
      const env = {
        MESSAGE_RATE_LIMIT: String(W8_LIMIT.messages),
        MESSAGE_RATE_WINDOW_SECONDS: String(W8_LIMIT.windowSeconds),
      };
      return startCluster({ nodes: 2, random, env, ...server });
    }
    case 'embedded':
      return startCluster({ nodes: 1, random, embedded: true, ...server });
    case 'disk':
      return startCluster({ nodes: 2, random, smallDiskMiB: 160, ...server });
  }
}

/** Runs a round and writes its two files into `folder`. The system is whole again afterwards, and goes on running. */
export async function runRound(
  plan: RoundPlan,
  options: { cluster: Cluster; seed: number; number: number; folder: string },
): Promise<RoundFiles> {
  const { cluster, seed, number, folder } = options;
  const base = join(folder, `${String(number).padStart(2, '0')}-${plan.name}`);
  const files = { history: `${base}.history.jsonl`, state: `${base}.state.jsonl` };
  const random = createRandom(seed).fork(`round ${number}`);
  const history = openHistory(files.history);
  cluster.record(history);
  note(history, 'meta', {
    plan,
    seed,
    round: number,
    nodes: cluster.nodes.map(({ name }) => name),
    embedded: plan.cluster === 'embedded',
    limit: plan.cluster === 'rate' ? W8_LIMIT : null,
    startedAt: new Date().toISOString(),
  });
  const stopWatching = watchOwnLag(history);
  let over = false;
  const prefix = `${plan.name}-${number}`.toLowerCase();
  const stage = new Stage({ cluster, history, random: random.fork('work'), prefix, isOver: () => over });
  const prepared: Prepared[] = [];
  for (const id of plan.workloads) prepared.push(await workloadOf(id).prepare(stage));
  const conversations = prepared.flatMap((one) => one.conversations);
  const devices = prepared.flatMap((one) => one.devices);
  await stage.caller.call(get(stage.caller.idOf('auditor'), '/me', 'me'), { door: 'rest', node: cluster.nodes[0]! });

  try {
    note(history, 'begin', {});
    const working = Promise.all(prepared.map((one) => one.run()));
    const site: Site = { cluster, stage, random: random.fork('faults'), history, scale: plan.scale, conversations };
    await Promise.race([inflictAll(plan, site), working.then(() => {})]);
    over = true;
    await working;
    await awaitWhole(cluster);
    note(history, 'healed', {});
    for (const one of prepared) await one.after?.();

    const embedded = plan.cluster === 'embedded';
    const ask: Ask | null = embedded ? null : askPool(cluster);
    const heads = ask ? headsBySql(ask, conversations) : headsByCalls(stage.caller, devices);
    const quiet = await awaitQuiet(heads, devices);
    note(history, 'quiet', quiet);
    // From the last answer to the last event on a healthy system: whatever comes late comes now.
    await pause(300);
    const members = ask ? await membersBySql(ask, conversations) : membersOf(prepared);
    const finals = await readFinals({ cluster, caller: stage.caller, conversations, members, devices });
    await Promise.all(devices.map((device) => device.close()));
    const tables = ask ? await readTables(ask, conversations) : await readEmbedded(cluster, conversations);
    const records: StateRecord[] = [{ kind: 'quiet', ...quiet }, ...tables, ...finals];
    await writeFile(files.state, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
  } finally {
    over = true;
    await Promise.all(devices.map((device) => device.close()));
    stopWatching();
    await history.close();
  }
  return files;
}

function workloadOf(id: string) {
  const workload = WORKLOADS[id];
  if (!workload) throw new Error(`there is no workload ${id}`);
  return workload;
}

async function inflictAll(plan: RoundPlan, site: Site): Promise<void> {
  const end = performance.now() + plan.seconds * 1_000;
  const faults = plan.faults.map((id) => {
    const fault = FAULTS[id];
    if (!fault) throw new Error(`there is no fault ${id}`);
    return fault;
  });
  let number = 0;
  const one = async (fault: Fault): Promise<void> => {
    number += 1;
    await inflict(fault, site, number);
  };
  await pause(1_000);
  if (faults.length === 0) return pause(Math.max(0, end - performance.now()));
  let queue = site.random.shuffle(faults);
  for (let once = false; !once || performance.now() < end; ) {
    const next = takeNext(queue, plan.mode);
    queue = queue.filter((fault) => !next.includes(fault));
    await Promise.all(next.map(one));
    await awaitWhole(site.cluster);
    await pause(site.random.whole(500, 1_500));
    if (queue.length > 0) continue;
    once = true;
    queue = site.random.shuffle(faults);
  }
}

/** The next fault, and in `pairs` and `storm` others that touch something else. */
function takeNext(queue: readonly Fault[], mode: RoundPlan['mode']): Fault[] {
  const most = { single: 1, pairs: 2, storm: 4 }[mode];
  const next: Fault[] = [];
  for (const fault of queue) {
    if (next.length < most && next.every(({ touches }) => touches !== fault.touches)) next.push(fault);
  }
  return next;
}

/** Every node answers, and says that it is well. */
async function awaitWhole(cluster: Cluster): Promise<void> {
  for (const node of cluster.nodes) await answers(`${node.ownUrl}/health/ready`, () => true);
}

function askPool(cluster: Cluster): Ask {
  return async <Row>(sql: string, values: readonly unknown[]) => {
    const { rows } = await cluster.sql!.query<{ row: Row }>(sql, [...values]);
    return rows.map(({ row }) => row);
  };
}

/** Of the embedded database only one process may know: the node ends first, and is started again afterwards. */
async function readEmbedded(cluster: Cluster, conversations: readonly string[]): Promise<StateRecord[]> {
  const [node] = cluster.nodes;
  await node!.stop('SIGTERM');
  const database = await openDatabase({
    databaseUrl: undefined,
    dataDir: join(cluster.dataDir, 'embedded'),
    logger: silentLogger,
  });
  try {
    const ask: Ask = async <Row>(sql: string, values: readonly unknown[]) => {
      const rows = await database.prisma.$queryRawUnsafe<{ row: Row }[]>(sql, ...values);
      return rows.map(({ row }) => row);
    };
    return await readTables(ask, conversations);
  } finally {
    await database.close();
    await node!.start();
  }
}

async function membersBySql(ask: Ask, conversations: readonly string[]): Promise<Map<string, string[]>> {
  const rows = await ask<{ id: string; people: string[] }>(
    `SELECT jsonb_build_object('id', "conversationId", 'people', jsonb_agg("userId" ORDER BY "userId")) AS row
     FROM "ConversationParticipant" WHERE "conversationId" = ANY($1::uuid[]) AND "leftAt" IS NULL
     GROUP BY "conversationId"`,
    [conversations],
  );
  return new Map(rows.map(({ id, people }) => [id, people]));
}

/** As the devices know it, where the tables cannot be read yet. */
function membersOf(prepared: readonly Prepared[]): Map<string, string[]> {
  const members = new Map<string, string[]>();
  for (const { devices } of prepared) {
    for (const { person, known } of devices) {
      for (const id of known.keys()) members.set(id, [...new Set([...(members.get(id) ?? []), person])]);
    }
  }
  return members;
}

const LAG_EVERY_MS = 50;

/** Notes when this process itself was late: what it received then it received late through no fault of a node. */
function watchOwnLag(history: HistoryWriter): () => void {
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    const late = now - last - LAG_EVERY_MS;
    if (late > 50) note(history, 'lag', { ms: Math.round(late) });
    last = now;
  }, LAG_EVERY_MS);
  return () => clearInterval(timer);
}

function note(history: HistoryWriter, f: string, value: unknown): void {
  history.write({ proc: 'run', node: null, door: null, f, phase: 'mark', key: '', value });
}
