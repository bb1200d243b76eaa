/**
 * `@parley/client/testing`: a server in memory, a network by script and a clock by hand, for tests of what is built on
 * `@parley/client`. The SDK's own tests use the same.
 *
 * @packageDocumentation
 */
export { createManualClock, type ManualClock } from './manual-clock.ts';
export { type Fault, ModelServer, type ModelServerOptions } from './model-server.ts';
export { seededRandom } from './random.ts';
export {
  createScriptedNetwork,
  type Fate,
  type NetworkServer,
  type Packet,
  type Script,
  type ScriptedNetwork,
  type ServerSession,
} from './scripted-network.ts';
export { createTabs, type Tabs } from './tabs.ts';
export { createTestBed, type TestBed } from './test-bed.ts';
