import { createParleyClient } from '../client.ts';
import type { ParleyClient, ParleyClientOptions } from '../client.types.ts';
import { alone } from '../coordinator.ts';
import { memoryStorage } from '../storage.memory.ts';
import { createManualClock, type ManualClock } from './manual-clock.ts';
import { ModelServer, type ModelServerOptions } from './model-server.ts';
import { seededRandom } from './random.ts';
import { createScriptedNetwork, type ScriptedNetwork } from './scripted-network.ts';

/** A server, a network and a clock, all in memory and all in the test's hand. */
export interface TestBed {
  readonly clock: ManualClock;
  readonly server: ModelServer;
  readonly network: ScriptedNetwork;
  readonly random: () => number;
  /** A client of this person, not yet connected. Its name on the network is `name`, by default the user's id. */
  client(userId: string, options?: Partial<ParleyClientOptions> & { readonly name?: string }): ParleyClient;
  /** Moves time on until everybody has caught up with everything (or `ms` are over). */
  settle(ms?: number): Promise<void>;
  /** Closes every client. */
  close(): Promise<void>;
}

/**
 * Makes a test bed. The same seed gives the same jitter, ids and delays.
 *
 * @example
 * const bed = createTestBed({ seed: 1 });
 * const id = bed.server.addConversation('group', ['ada', 'bob']);
 * const ada = bed.client('ada');
 * await ada.connect();
 * bed.network.cut('ada');
 * ada.conversation(id).send({ content: 'Kept until the network is back' });
 */
export function createTestBed({
  seed = 1,
  ...model
}: { seed?: number } & Partial<Omit<ModelServerOptions, 'clock' | 'random'>> = {}): TestBed {
  const random = seededRandom(seed);
  const clock = createManualClock();
  const server = new ModelServer({ clock, random, ...model });
  const network = createScriptedNetwork({ clock, server });
  const clients: ParleyClient[] = [];
  let ids = 0;

  return {
    clock,
    server,
    network,
    random,
    client(userId, { name = userId, ...options } = {}) {
      const client = createParleyClient({
        url: 'http://model.test',
        token: () => server.token(userId),
        storage: memoryStorage(),
        transport: network.transport(name),
        coordinator: alone,
        clock,
        random,
        createId: () => `key-${name}-${++ids}`,
        wake: { onWake: () => () => {} },
        ...options,
      });
      clients.push(client);
      return client;
    },
    settle: (ms = 120_000) => clock.advance(ms),
    async close() {
      await Promise.all(clients.map((client) => client.close()));
    },
  };
}
