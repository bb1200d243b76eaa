import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endProgram, findFreePort, findProgram, startProgram } from './processes.ts';

/** The harmless file that every scanner takes for a virus, in two parts: no scanner shall find it here. */
export const EICAR = Buffer.from(
  ['X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR', 'STANDARD-ANTIVIRUS-TEST-FILE!$H+H*'].join('-'),
);

/** What the scanner of the tests takes for a virus wherever in a file it stands. */
export const MARKER = Buffer.from('a virus, as far as the tests are concerned');

/** A ClamAV daemon with signatures of the tests' own: it downloads none. */
export interface TestClamd {
  /** As `CLAMD_URL` names it. */
  readonly url: string;
  readonly socketUrl: string;
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Stops it and removes what it had. */
  remove(): Promise<void>;
}

/** Bytes that it takes in one stream. */
export const CLAMD_MOST = 2 * 1024 ** 2;

export async function startClamd(): Promise<TestClamd> {
  const program = findProgram(['clamd'], ['/usr/sbin'], 'install ClamAV (Debian: apt-get install clamav-daemon)');
  const folder = await mkdtemp(join(tmpdir(), 'parley-clamd-'));
  const port = await findFreePort();
  const signatures = join(folder, 'signatures');
  const socket = join(folder, 'clamd.sock');
  await mkdir(signatures);
  const md5 = createHash('md5').update(EICAR).digest('hex');
  await writeFile(join(signatures, 'tests.hdb'), `${md5}:${EICAR.length}:Eicar-Test\n`);
  await writeFile(join(signatures, 'tests.ndb'), `Test-Marker:0:*:${MARKER.toString('hex')}\n`);
  const settings = [
    'Foreground yes',
    `DatabaseDirectory ${signatures}`,
    `LocalSocket ${socket}`,
    'FixStaleSocket yes',
    'TCPAddr 127.0.0.1',
    `TCPSocket ${port}`,
    `StreamMaxLength ${CLAMD_MOST}`,
    `TemporaryDirectory ${folder}`,
  ];
  await writeFile(join(folder, 'clamd.conf'), `${settings.join('\n')}\n`);
  const run = () =>
    startProgram(program, ['--config-file', join(folder, 'clamd.conf')], { ready: /Self checking every/ });
  let child = await run();
  return {
    url: `tcp://127.0.0.1:${port}`,
    socketUrl: `unix:${socket}`,
    start: async () => {
      child = await run();
    },
    stop: () => endProgram(child, 'SIGKILL'),
    remove: async () => {
      await endProgram(child, 'SIGKILL');
      await rm(folder, { recursive: true });
    },
  };
}
