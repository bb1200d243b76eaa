import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { renderBalancer } from '../../../scripts/lib/balancer.ts';
import { endProgram, findFreePort, findProgram, startProgram } from './processes.ts';

/** The balancer of deploy/haproxy.cfg before these nodes, on a free port of the loopback interface. */
export interface TestBalancer {
  readonly url: string;
  /** Resolves once it gives out requests to so many nodes: it looks every second. */
  untilUp(nodes: number): Promise<void>;
  stop(): Promise<void>;
}

/** How often the balancer's own answer is looked at. */
const LOOK_EVERY_MS = 50;
const MOST_LOOKS = 600;

/** Starts it. @param nodes `host:port` each */
export async function startBalancer(nodes: readonly string[]): Promise<TestBalancer> {
  const program = findProgram(['haproxy'], ['/usr/sbin'], 'install HAProxy (Debian: apt-get install haproxy)');
  const folder = await mkdtemp(join(tmpdir(), 'parley-balancer-'));
  const [port, statusPort] = [await findFreePort(), await findFreePort()];
  const config = join(folder, 'haproxy.cfg');
  // Beside the deployed configuration: a page that says which nodes are up.
  const status = `\nfrontend status\n  bind 127.0.0.1:${statusPort}\n  stats enable\n  stats uri /\n`;
  await writeFile(config, renderBalancer({ bind: `127.0.0.1:${port}`, nodes }) + status);
  const balancer = await startProgram(program, ['-db', '-V', '-f', config], { ready: /Using \w+\(\) as the polling/ });
  return {
    url: `http://127.0.0.1:${port}`,
    untilUp: async (count) => {
      for (let looks = 0; looks < MOST_LOOKS; looks++) {
        if ((await countUp(statusPort)) === count) return;
        await sleep(LOOK_EVERY_MS);
      }
      throw new Error(`the balancer does not come to see ${count} nodes`);
    },
    stop: async () => {
      await endProgram(balancer, 'SIGTERM');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Nodes that both of its backends give requests to. */
async function countUp(statusPort: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${statusPort}/;csv`).catch(() => null);
  if (!response) return 0;
  const [head = '', ...lines] = (await response.text()).trim().split('\n');
  const names = head.replace('# ', '').split(',');
  const rows = lines.map((line) => line.split(','));
  const up = (backend: string) =>
    rows.filter(
      (row) =>
        row[names.indexOf('pxname')] === backend &&
        row[names.indexOf('svname')]?.startsWith('node') &&
        row[names.indexOf('status')] === 'UP',
    ).length;
  return Math.min(up('any_node'), up('same_node'));
}
