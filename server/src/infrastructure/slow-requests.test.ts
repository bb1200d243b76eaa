import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { endSlowRequests, type SlowRequests } from './slow-requests.ts';

const MINUTE_OF_BYTES = 60 * 1024;

let stop = (): void => {};
afterEach(() => stop());

/** A server that reads a body when it is told to, and a client that sends one piece after the other. */
async function start({ reads }: { reads: boolean }) {
  const server = createServer({ requestTimeout: 0 });
  const guard: SlowRequests = endSlowRequests(server);
  let arrived = 0;
  let onArrival = (): void => {};
  let goOn = (): void => {};
  server.on('request', (incoming, answer) => {
    incoming.on('error', () => {});
    goOn = () => {
      incoming.on('data', (data: Buffer) => {
        arrived += data.length;
        onArrival();
      });
      incoming.on('end', () => answer.end('thanks'));
    };
    if (reads) goOn();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const call = request({ port: (server.address() as AddressInfo).port, method: 'POST' });
  const outcome = new Promise<string>((resolve) => {
    call.on('error', () => resolve('ended'));
    call.on('response', (answer) => {
      answer.resume();
      resolve('answered');
    });
  });
  stop = () => {
    guard.stop();
    call.destroy();
    server.close();
    server.closeAllConnections();
  };
  let sent = 0;
  return {
    guard,
    outcome,
    end: () => call.end(),
    read: () => goOn(),
    write: (bytes: number) => {
      sent += bytes;
      call.write(Buffer.alloc(bytes));
    },
    /** Resolves when the server has all that was sent. */
    arrival: () =>
      new Promise<void>((resolve) => {
        onArrival = () => {
          if (arrived >= sent) resolve();
        };
        onArrival();
      }),
    begun: () => once(server, 'request'),
  };
}

describe('a body', () => {
  it('may take as long as it likes while it comes', async () => {
    const { guard, outcome, write, arrival, end } = await start({ reads: true });
    for (let window = 0; window < 10; window += 1) {
      write(MINUTE_OF_BYTES);
      await arrival();
      guard.check();
    }
    end();
    expect(await outcome).toBe('answered');
  });

  it('that does not come any more is not waited for, and what others send counts for them alone', async () => {
    const { guard, outcome, write, arrival } = await start({ reads: true });
    write(MINUTE_OF_BYTES * 3);
    await arrival();
    guard.check();
    write(100);
    await arrival();
    guard.check();
    expect(await outcome).toBe('ended');
  });

  it('has a whole window to begin', async () => {
    const { guard, outcome, write, arrival, end } = await start({ reads: true });
    write(10);
    await arrival();
    guard.check();
    end();
    expect(await outcome).toBe('answered');
  });

  it('that waits for the server is left alone', async () => {
    const { guard, outcome, write, begun, end, read } = await start({ reads: false });
    const request = begun();
    write(MINUTE_OF_BYTES * 20);
    const [incoming] = (await request) as [{ readableLength: number; readableHighWaterMark: number }];
    await expect.poll(() => incoming.readableLength >= incoming.readableHighWaterMark).toBe(true);
    for (let window = 0; window < 5; window += 1) guard.check();
    read();
    end();
    expect(await outcome).toBe('answered');
  });
});
