import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import { describe, expect, it } from 'vitest';
import { createTestDatabase } from '../support/database.ts';
import { startNode } from '../support/node-process.ts';
import { findFreePort } from '../support/processes.ts';

/** Connections that are ended at once, then ones that are ended in the middle of the first answer. */
const REFUSED = 2;
const CUT = 3;

/** A way to a database that does not let the first connections through. Answers how many there were. */
async function openWay(port: number, to: URL): Promise<{ way: Server; connections: () => number }> {
  let connections = 0;
  const way = createServer((client) => {
    connections += 1;
    client.on('error', () => {});
    if (connections <= REFUSED) {
      client.destroy();
      return;
    }
    const isCut = connections <= REFUSED + CUT;
    const server = connect(Number(to.port), to.hostname).on('error', () => {});
    server.once('data', () => {
      if (isCut) client.destroy();
    });
    client.pipe(server).pipe(client);
    client.once('close', () => server.destroy());
    server.once('close', () => client.destroy());
  });
  way.listen(port, '127.0.0.1');
  await once(way, 'listening');
  return { way, connections: () => connections };
}

describe('a node that is started before its database', () => {
  it('waits for it, and for one that goes away again at once', async () => {
    const database = await createTestDatabase('postgres');
    const to = new URL(database.databaseUrl!);
    const port = await findFreePort();
    const url = new URL(to);
    url.host = `127.0.0.1:${port}`;
    const { way, connections } = await openWay(port, to);
    try {
      const node = await startNode({ DATABASE_URL: url.href, DATA_DIR: database.dataDir });
      expect(connections()).toBeGreaterThan(REFUSED + CUT);
      expect((await fetch(`${node.url}/health/ready`)).status).toBe(200);
      expect(await node.end('SIGTERM')).toBe(0);
    } finally {
      way.close();
      await database.drop();
    }
  }, 60_000);
});
