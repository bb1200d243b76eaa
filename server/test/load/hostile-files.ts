// What hostile files cost: `node server/test/load/hostile-files.ts [times]`. It starts a server of its own on the embedded
// database, uploads each file so many times, and prints how far the memory of the server and of its file worker grew, and how
// long the server's event loop stood still at most. Needs /proc.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blackPng, gifOfFrames, picture, upload, zipOfZeros } from '../support/files.ts';
import { type NodeProcess, startNode } from '../support/node-process.ts';

const TIMES = Number(process.argv[2] ?? 3);
const SAMPLE_MS = 10;
const MIB = 1024;

const print = (line: string): boolean => process.stdout.write(`${line}\n`);

const dataDir = await mkdtemp(join(tmpdir(), 'parley-load-'));
const node = await startNode({ DATA_DIR: dataDir, RATE_LIMIT_FACTOR: '0' });
try {
  // Both processes have loaded what they need, as on any day.
  for (let round = 0; round < 5; round += 1) await send(await picture('jpeg', { width: 800, height: 600 }));
  const files: [string, Buffer<ArrayBuffer>][] = [
    ['PNG of 30,000 × 30,000 pixels', await blackPng(30_000, 30_000)],
    ['PNG of 8,000 × 5,000 pixels (as large as is taken)', await blackPng(8_000, 5_000)],
    ['GIF of 10,000 frames', gifOfFrames(10_000)],
    ['ZIP of 1 GB', await zipOfZeros('zeros.bin', 1_000_000_000)],
    ['ZIP of 1 GB that calls itself a DOCX', await zipOfZeros('[Content_Types].xml', 1_000_000_000)],
    ['ZIP of 1 GB that calls itself an EPUB', await zipOfZeros('mimetype', 1_000_000_000)],
  ];
  for (const [name, bytes] of files) await measure(node, name, bytes);
} finally {
  await node.end('SIGTERM');
  await rm(dataDir, { recursive: true });
}

async function send(bytes: Buffer<ArrayBuffer>): Promise<string> {
  const { status, body } = await upload({ url: node.url, user: 'mallory' }, bytes);
  return status === 201 ? `taken as ${body.mimeType}` : `${status} ${body.code}`;
}

async function measure({ pid, url }: NodeProcess, name: string, bytes: Buffer<ArrayBuffer>): Promise<void> {
  const before = await memoryOf(pid);
  let most = before;
  let sampling = true;
  const sampler = (async () => {
    while (sampling) {
      const now = await memoryOf(pid);
      most = {
        server: Math.max(most.server, now.server),
        worker: Math.max(most.worker, now.worker),
        both: Math.max(most.both, now.both),
      };
      await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    }
  })();
  await loopLag(url);
  const answers = new Set<string>();
  const started = performance.now();
  // Each ends in another byte: the same bytes would be known the second time.
  for (let round = 0; round < TIMES; round += 1) answers.add(await send(Buffer.concat([bytes, Buffer.from([round])])));
  const ms = Math.round((performance.now() - started) / TIMES);
  const lag = await loopLag(url);
  sampling = false;
  await sampler;
  const grown = (part: keyof Memory): string => `${Math.round((most[part] - before[part]) / MIB)} MiB`;
  print(
    `${name} (${bytes.length.toLocaleString('en')} bytes, ${TIMES} times): ${[...answers].join(', ')} after ${ms} ms each`,
  );
  print(`  grown at most: server ${grown('server')}, worker ${grown('worker')}, both together ${grown('both')}`);
  print(`  the event loop stood still for at most ${lag.toFixed(1)} ms`);
}

/** Resident memory in KiB. */
interface Memory {
  readonly server: number;
  readonly worker: number;
  readonly both: number;
}

async function memoryOf(pid: number): Promise<Memory> {
  const tasks = await readdir(`/proc/${pid}/task`);
  const children = await Promise.all(
    tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, 'utf8').catch(() => '')),
  );
  const ids = children.join(' ').split(' ').filter(Boolean);
  const [server, ...others] = await Promise.all([String(pid), ...ids].map(residentOf));
  const worker = others.reduce((sum, size) => sum + size, 0);
  return { server: server!, worker, both: server! + worker };
}

async function residentOf(pid: string): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0);
}

/** The longest that the event loop was late since it was last asked, in milliseconds. */
async function loopLag(url: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return Number(/^nodejs_eventloop_lag_max_seconds (\S+)$/m.exec(metrics)?.[1]) * 1_000;
}
