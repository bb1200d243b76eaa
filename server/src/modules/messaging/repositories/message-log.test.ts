import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Database } from '../../../infrastructure/database.ts';
import { newId } from '../../../utils/ids.ts';
import { type AppendCommand, MessageLog } from './message-log.ts';

// When batches begin, on a clock that stands still. What they do in the database is for the tests of sending.

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});

afterEach(() => {
  vi.useRealTimers();
});

test('a lone send waits for nobody, however soon after another one', async () => {
  const { log, batches } = makeLog();
  await log.append(command());
  await log.append(command());
  await log.append(command());
  expect(batches).toEqual([1, 1, 1]);
});

test('after a batch of several the next one gathers, until its time has come', async () => {
  const { log, batches } = makeLog();
  await sendTogether(log, 2);
  const late = [log.append(command())];
  await turns();
  late.push(log.append(command()));
  await turns();
  expect(batches).toEqual([2]);

  vi.advanceTimersByTime(6);
  await Promise.all(late);
  expect(batches).toEqual([2, 2]);
});

test('what comes when the time is over has it no more', async () => {
  const { log, batches } = makeLog();
  await sendTogether(log, 2);
  await turns();
  vi.advanceTimersByTime(6);
  await turns();
  await log.append(command());
  await log.append(command());
  expect(batches).toEqual([2, 1, 1]);
});

test('enough that wait go at once', async () => {
  const { log, batches } = makeLog();
  await sendTogether(log, 2);
  await turns();
  await sendTogether(log, 32);
  expect(batches).toEqual([2, 32]);
});

test('what took longer to commit than it would gather is followed at once', async () => {
  const { log, batches } = makeLog(() => vi.advanceTimersByTime(6));
  await sendTogether(log, 2);
  await log.append(command());
  expect(batches).toEqual([2, 1]);
});

test('draining waits for those that gather', async () => {
  const { log, batches } = makeLog();
  await sendTogether(log, 2);
  await turns();
  const last = log.append(command());
  const drained = log.drain();
  vi.advanceTimersByTime(6);
  await drained;
  await last;
  expect(batches).toEqual([2, 1]);
});

/** A log whose database stores everything; `batches` has the size of each. */
function makeLog(onCommit: () => void = () => {}): { log: MessageLog; batches: number[] } {
  const batches: number[] = [];
  let seq = 0;
  const query: Database['query'] = async <Row>(_statement: unknown, values: readonly unknown[]) => {
    const size = String(values[1]).split(',').length;
    batches.push(size);
    onCommit();
    const numbers = Array.from({ length: size }, () => ++seq);
    return [{ answer: { at: 0, seqs: numbers, revs: numbers, behinds: numbers.map(() => false) } }] as Row[];
  };
  return { log: new MessageLog({ database: { query }, nodeId: 'node' }), batches };
}

async function sendTogether(log: MessageLog, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, () => log.append(command())));
}

/** Lets everything that waits for no time come to its end. */
async function turns(): Promise<void> {
  for (let count = 0; count < 5; count += 1) await new Promise((resolve) => setImmediate(resolve));
}

function command(): AppendCommand {
  return {
    id: newId(),
    conversationId: '01900000-0001-7000-8000-000000000001',
    senderId: 'ann',
    content: 'hello',
    sealed: null,
    sanitized: false,
    clientMessageId: null,
    requestDigest: null,
    replyToId: null,
    metadata: null,
    mentions: [],
    attachmentIds: [],
  };
}
