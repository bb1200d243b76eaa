import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pause } from '../harness/calls.ts';
import { processesOf } from '../harness/cluster.ts';
import type { Filter } from '../harness/proxy.ts';
import { splitPostgres } from '../harness/wire.ts';
import { type Fault, note, type Site } from './fault.ts';

export const F03: Fault = {
  id: 'F03',
  title: 'kill -9 of PostgreSQL, and its return',
  touches: 'postgres',
  run: async (site, begin) => {
    begin({ target: 'postgres', excuses: ['*'] });
    const { pid } = site.cluster.postgres!;
    const all = await processesOf(pid);
    // Its children too, at once: none of them gets to write what another one left behind.
    for (const id of all) killQuietly(id, 'SIGKILL');
    await site.cluster.postgres!.kill9();
    await pause(site.random.whole(200, 1_500) * site.scale);
    await site.cluster.postgres!.restart();
    note(site, 'accepts', { what: 'postgres' });
    await pause(1_500);
  },
};

export const F04: Fault = {
  id: 'F04',
  title: 'PostgreSQL stands still (SIGSTOP) and goes on',
  touches: 'postgres',
  run: async ({ cluster, random, scale }, begin) => {
    begin({ target: 'postgres', excuses: ['*'] });
    const all = await processesOf(cluster.postgres!.pid);
    for (const id of all) killQuietly(id, 'SIGSTOP');
    await pause(random.whole(1_000, 8_000) * scale);
    for (const id of all) killQuietly(id, 'SIGCONT');
    await pause(1_000);
  },
};

function killQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself meanwhile.
  }
}

/** Drops the answer to a commit and cuts: the database has it, the node does not know. */
function cutAtCommit(state: { left: number }): () => Filter {
  return () => {
    let rest: Buffer = Buffer.alloc(0);
    let armed = false;
    let held: Buffer[] = [];
    return (chunk) => {
      const split = splitPostgres(Buffer.concat([rest, chunk]));
      rest = Buffer.from(split.rest);
      for (const { type, bytes } of split.messages) {
        // `C`: a transaction's COMMIT. `D`: the answer of the statement that stores sends, which is a transaction of its own.
        const commits = (type === 'C' && bytes.includes('COMMIT')) || (type === 'D' && bytes.includes('"results"'));
        if (commits && state.left > 0) armed = true;
        held.push(bytes);
        // `Z`: ready for the next query. Only now is it committed for certain.
        if (armed && type === 'Z' && state.left > 0) {
          state.left -= 1;
          return { pass: Buffer.alloc(0), cut: true };
        }
      }
      if (armed) return { pass: Buffer.alloc(0) };
      const pass = Buffer.concat(held);
      held = [];
      return { pass };
    };
  };
}

export const F11: Fault = {
  id: 'F11',
  title: 'the link of a node to PostgreSQL is cut exactly at COMMIT',
  touches: 'postgres',
  run: async ({ cluster, random, scale }, begin) => {
    const node = random.pick(cluster.nodes);
    begin({ target: `${node.name}:postgres`, excuses: [node.name] });
    const link = node.postgres!;
    const state = { left: 0 };
    link.filter(cutAtCommit(state));
    // New connections come first, then every few of their commits are cut.
    for (let round = 0; round < Math.ceil(8 * scale); round++) {
      await pause(random.whole(300, 700));
      state.left = random.whole(1, 3);
    }
    state.left = 0;
    link.filter(null);
    // Once more without waiting for the commit: whether it came through nobody can say.
    link.cut('reset');
    await pause(500);
    link.cut('half');
    await pause(500);
    link.set({ kind: 'open' });
    await pause(500);
  },
};

export const F15: Fault = {
  id: 'F15',
  title: 'the pool is exhausted: every connection waits',
  touches: 'postgres',
  run: async ({ cluster, scale }, begin) => {
    begin({ target: 'postgres', excuses: ['*'] });
    await holdTable(cluster.sql!, 5 * scale);
    await pause(1_000);
  },
};

async function holdTable(sql: NonNullable<Site['cluster']['sql']>, seconds: number): Promise<void> {
  const client = await sql.connect();
  try {
    await client.query('BEGIN');
    await client.query('LOCK TABLE "ConversationParticipant" IN ACCESS EXCLUSIVE MODE');
    await client.query('SELECT pg_sleep($1)', [seconds]);
  } finally {
    await client.query('ROLLBACK').catch(() => {});
    client.release();
  }
}

export const F16: Fault = {
  id: 'F16',
  title: 'deadlocks: two sessions lock conversations crosswise',
  touches: 'postgres',
  run: async ({ cluster, conversations, random, scale }, begin) => {
    begin({ target: 'postgres', excuses: ['*'] });
    const end = performance.now() + 6_000 * scale;
    const cross = async (order: readonly string[]): Promise<void> => {
      while (performance.now() < end) {
        const client = await cluster.sql!.connect();
        try {
          await client.query('BEGIN');
          for (const id of order) {
            await client.query('SELECT 1 FROM "Conversation" WHERE id = $1 FOR UPDATE', [id]);
            await pause(random.whole(5, 60));
          }
        } catch {
          // The victim of a deadlock: the other one goes on.
        } finally {
          await client.query('ROLLBACK').catch(() => {});
          client.release();
        }
      }
    };
    await Promise.all([cross(conversations), cross([...conversations].reverse())]);
  },
};

export const F14: Fault = {
  id: 'F14',
  title: 'the disk of PostgreSQL or that of the files is full',
  touches: 'postgres',
  run: async (site, begin) => {
    const { cluster, random, scale } = site;
    const { smallDisk, smallFiles } = cluster;
    if (smallDisk === null || smallFiles === null)
      return note(site, 'absent', { what: 'a small disk (mount is not allowed here, or not asked for)' });
    const isFiles = random.next() < 0.5;
    // Sends need no room for files: there is nothing to excuse them from.
    if (isFiles) begin({ target: 'files', excuses: [] });
    else begin({ target: 'postgres', excuses: ['*'] });
    const filler = join(isFiles ? smallFiles : smallDisk, 'filler');
    const file = await open(filler, 'w');
    const block = Buffer.alloc(256 * 1024);
    try {
      for (;;) await file.write(block);
    } catch {
      // Full.
    }
    await file.close();
    await pause(random.whole(3_000, 6_000) * scale);
    await rm(filler);
    if (cluster.postgres!.hasEnded()) await cluster.postgres!.restart();
    await pause(2_000);
  },
};
