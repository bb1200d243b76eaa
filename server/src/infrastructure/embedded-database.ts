import { randomUUID } from 'node:crypto';
import { access, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Duplex } from 'node:stream';
import { PGlite } from '@electric-sql/pglite';
import { dataDir as preparedDirectory } from '@electric-sql/pglite-prepopulatedfs';
import { lockFolder } from './folder-lock.ts';

/** PostgreSQL inside this process, reached as if by a connection. */
export type EmbeddedDatabase = {
  /**
   * A connection to it for `pg`: a stream that speaks PostgreSQL's protocol. There is one session, so a second connection
   * waits for the end of the first.
   */
  connect(): Duplex;
  /** Writes everything out, closes the database and gives the folder free. All connections must have been ended. */
  close(): Promise<void>;
};

/** The major version of PostgreSQL in the PGlite of package.json. Its data directories are readable by that one alone. */
const MAJOR = '18';

/**
 * Opens (and on first use makes) the embedded database in `<dataDir>/pglite`.
 *
 * What it survives: the end of the process at any moment, the first start included, with no hand needed afterwards. A
 * commit is in the operating system's hands before it is answered, and PostgreSQL's own recovery does the rest. What it
 * does not survive is the loss of power, because PGlite cannot fsync.
 *
 * @throws FolderLockedError when another process uses the folder.
 */
export async function openEmbeddedDatabase(options: { dataDir: string }): Promise<EmbeddedDatabase> {
  const folder = join(options.dataDir, 'pglite');
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
  const lock = await lockFolder(folder);
  try {
    await removeUnfinished(folder);
    if (!(await exists(folder))) await initialise(folder);
    await refuseOtherMajor(folder);
    const db = await open(folder);
    let previous: Promise<void> = Promise.resolve();
    return {
      connect: () => {
        const connection = new EmbeddedConnection(db, previous);
        previous = connection.ended;
        return connection;
      },
      close: async () => {
        await previous;
        await db.close();
        await lock.release();
      },
    };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/**
 * Made beside and then renamed: a folder of the right name is a whole database, whenever the process was killed.
 * It is unpacked from what comes with PGlite, which is several times as fast as running `initdb` in WebAssembly.
 */
async function initialise(folder: string): Promise<void> {
  const unfinished = `${folder}.unfinished-${randomUUID()}`;
  const db = await open(unfinished, await preparedDirectory());
  await db.close();
  await rename(unfinished, folder);
}

async function removeUnfinished(folder: string): Promise<void> {
  const parent = dirname(folder);
  for (const name of await readdir(parent)) {
    if (name.startsWith(`${basename(folder)}.unfinished-`)) await rm(join(parent, name), { recursive: true });
  }
}

async function refuseOtherMajor(folder: string): Promise<void> {
  const major = (await readFile(join(folder, 'PG_VERSION'), 'utf8')).trim();
  if (major === MAJOR) return;
  throw new Error(
    `${folder} was made by an embedded PostgreSQL ${major}; this version of Parley embeds ${MAJOR} and cannot open it. See docs/operations.md on moving the data.`,
  );
}

function open(folder: string, loadDataDir?: Blob): Promise<PGlite> {
  return PGlite.create({
    dataDir: folder,
    ...(loadDataDir && { loadDataDir }),
    // Each answer waits until what was written reached the file system. (Relaxed would answer first.)
    relaxedDurability: false,
    startParams: [
      ...PGlite.defaultStartParams,
      // Text of times without a zone is what the driver sends and expects; it means UTC only where the session does.
      '-c',
      'TimeZone=UTC',
    ],
  });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/**
 * One connection of `pg` to PGlite, in place of a socket. The embedded database is thus used by the very driver, with the
 * very conversions, errors and prepared statements, that a PostgreSQL server is used with.
 */
class EmbeddedConnection extends Duplex {
  readonly #db: PGlite;
  readonly #previous: Promise<void>;
  /** Resolves once the session is free for another connection. */
  readonly ended: Promise<void>;

  constructor(db: PGlite, previous: Promise<void>) {
    super();
    this.#db = db;
    this.#previous = previous;
    this.ended = new Promise((resolve) => this.once('close', resolve));
  }

  // What `pg` asks of a socket.
  connect(): this {
    this.#previous.then(() => this.emit('connect'));
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  override _read(): void {
    // Answers are pushed as they come.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#exchange(chunk).then(() => done(), done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#exchange(Buffer.concat(chunks.map(({ chunk }) => chunk))).then(() => done(), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.push(null);
    done();
  }

  /** The session outlives the connection, so what this one left open, set or prepared is taken back. */
  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    // One that gave up while it waited for its turn has nothing to take back.
    this.#previous
      .then(() => this.#db.exec('ROLLBACK'))
      .then(() => this.#db.exec('DISCARD ALL'))
      .then(
        () => done(error),
        (failure: Error) => done(error ?? failure),
      );
  }

  async #exchange(message: Buffer): Promise<void> {
    const answer = await this.#db.runExclusive(() => this.#db.execProtocolRaw(message));
    if (answer.length > 0) this.push(withOneReady(Buffer.from(answer.buffer, answer.byteOffset, answer.length)));
  }
}

/** The length of ReadyForQuery: its letter, a length of 5, the state of the transaction. */
const READY_LENGTH = 6;
const READY_HEAD = Buffer.from('Z\0\0\0\u0005');

/**
 * PGlite says ReadyForQuery twice after an error, and `pg` would take the second for the answer to its next question. `pg`
 * asks one question at a time, so of two at the end the first is dropped. (No other message ends as they do.)
 */
function withOneReady(answer: Buffer): Buffer {
  const last = answer.length - READY_LENGTH;
  const isReadyAt = (index: number): boolean =>
    index >= 0 && answer.subarray(index, index + READY_HEAD.length).equals(READY_HEAD);
  let first = last;
  while (isReadyAt(last) && isReadyAt(first - READY_LENGTH)) first -= READY_LENGTH;
  return first === last ? answer : Buffer.concat([answer.subarray(0, first), answer.subarray(last)]);
}
