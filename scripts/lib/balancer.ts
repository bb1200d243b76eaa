// The balancer of deploy/haproxy.cfg, with other addresses.

import { readFileSync } from 'node:fs';

/** Where the balancer listens, and the nodes behind it, each `host:port`. */
export interface BalancerPlaces {
  readonly bind: string;
  readonly nodes: readonly string[];
}

/** The text of deploy/haproxy.cfg with these addresses in place of its own. */
export function renderBalancer({ bind, nodes }: BalancerPlaces): string {
  const config = readFileSync(new URL('../../deploy/haproxy.cfg', import.meta.url), 'utf8');
  const lines = config.split('\n').flatMap((line) => {
    if (line.startsWith('  bind ')) return [`  bind ${bind}`];
    const server = /^ {2}server node(\d+) \S+(?: cookie (node\d+))?$/.exec(line);
    if (!server) return [line];
    // All take the place of the first one.
    if (server[1] !== '1') return [];
    return nodes.map((node, index) => {
      const name = `node${index + 1}`;
      return `  server ${name} ${node}${server[2] ? ` cookie ${name}` : ''}`;
    });
  });
  return lines.join('\n');
}
