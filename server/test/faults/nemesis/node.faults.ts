import { connect, type Socket } from 'node:net';
import { pause } from '../harness/calls.ts';
import { type Node, processesOf } from '../harness/cluster.ts';
import { type Fault, note } from './fault.ts';

export const F01: Fault = {
  id: 'F01',
  title: 'kill -9 of a node, and its return',
  touches: 'node',
  run: async ({ cluster, random, scale }, begin) => {
    const node = random.pick(cluster.nodes);
    begin({ target: node.name, excuses: [node.name], mute: true });
    await node.stop('SIGKILL');
    await pause(random.whole(200, 2_000) * scale);
    await node.start();
  },
};

export const F02: Fault = {
  id: 'F02',
  title: 'rolling restart by SIGTERM',
  touches: 'node',
  run: async ({ cluster }, begin) => {
    begin({ target: '*', excuses: ['*'], mute: true });
    for (const node of cluster.nodes) {
      await node.stop('SIGTERM');
      await node.start();
    }
  },
};

export const F09: Fault = {
  id: 'F09',
  title: 'a node stands still (SIGSTOP) and goes on',
  touches: 'node',
  run: async ({ cluster, random, scale }, begin) => {
    const node = random.pick(cluster.nodes);
    begin({ target: node.name, excuses: [node.name], mute: true });
    node.signal('SIGSTOP');
    await pause(random.pick([1_000, 5_000, scale < 1 ? 5_000 : 30_000]));
    node.signal('SIGCONT');
    await pause(500);
  },
};

/** How long the wall clock stays at each of the steps of shims/clock.ts. */
const CLOCK_STAYS_MS = 2_500;

export const F13: Fault = {
  id: 'F13',
  title: 'the wall clock of a node jumps by + 1 h, − 1 h, + 40 s',
  touches: 'node',
  run: async (site, begin) => {
    const node = site.random.pick(site.cluster.nodes);
    begin({ target: node.name, excuses: [] });
    for (const jump of ['+1h', '-1h', '+40s', 'back']) {
      node.signal('SIGUSR2');
      await pause(CLOCK_STAYS_MS);
      const response = await fetch(`${node.ownUrl}/health/ready`, { signal: AbortSignal.timeout(3_000) }).catch(
        () => null,
      );
      await response?.body?.cancel();
      note(site, 'readiness', { fault: 'F13', node: node.name, jump, status: response?.status ?? null });
    }
  },
};

export const F17: Fault = {
  id: 'F17',
  title: 'the event loop of a node is blocked for 500 ms and for 3 s',
  touches: 'node',
  run: async ({ cluster, random }, begin) => {
    const node = random.pick(cluster.nodes);
    begin({ target: node.name, excuses: [node.name] });
    node.signal('SIGWINCH');
    await pause(2_000);
    node.signal('SIGWINCH');
    await pause(4_500);
  },
};

/** Descriptors of the node while the fault lasts. */
const DESCRIPTORS = 256;

export const F18: Fault = {
  id: 'F18',
  title: 'a node runs out of file descriptors (ulimit -n 256)',
  touches: 'node',
  run: async ({ cluster, random }, begin) => {
    const node = random.pick(cluster.nodes);
    begin({ target: node.name, excuses: [node.name], mute: true });
    await node.stop('SIGTERM');
    await node.start({ shell: `ulimit -n ${DESCRIPTORS}` });
    const sockets = await fillUp(node);
    await pause(3_000);
    for (const socket of sockets) socket.destroy();
    await pause(500);
    await node.stop('SIGTERM');
    await node.start();
  },
};

/** More connections than it can have. */
async function fillUp(node: Node): Promise<Socket[]> {
  const { hostname, port } = new URL(node.ownUrl);
  const sockets: Socket[] = [];
  for (let opened = 0; opened < DESCRIPTORS + 50; opened++) {
    const socket = connect(Number(port), hostname);
    socket.on('error', () => {});
    sockets.push(socket);
  }
  return sockets;
}

export const F19: Fault = {
  id: 'F19',
  title: 'SIGKILL of a worker process',
  touches: 'node',
  run: async (site, begin) => {
    const node = site.random.pick(site.cluster.nodes);
    const [, ...workers] = node.pid === null ? [] : await processesOf(node.pid);
    // It has one once it was given a file.
    if (workers.length === 0) return;
    begin({ target: node.name, excuses: [] });
    for (const worker of workers) process.kill(worker, 'SIGKILL');
    // For the files that come next, which need another one.
    await pause(500);
  },
};
