import type { ParleyClient } from '../client.types.ts';
import { ParleyError } from '../error.ts';
import { backoff } from '../platform.ts';
import type { Draft, DraftUpload } from '../snapshot.types.ts';
import { webLock } from './lock.web.ts';
import { createTusSender } from './sender.tus.ts';
import type { Lock, Sender, Sending, Upload, Uploads } from './uploads.types.ts';

/** What `createUploads` may be given. */
export interface UploadsOptions {
  readonly sender?: Sender;
  readonly lock?: Lock;
  /** Files under way at the same time. */
  readonly atOnce?: number;
  /** A file larger than this is not kept on the device: a reload then ends its upload. */
  readonly mostKeptBytes?: number;
}

/** What the device keeps of an upload, beside its bytes. */
interface Kept {
  readonly upload: Upload;
  readonly url: string | null;
  readonly addedAt: number;
}

/** An upload and what moves it. */
interface Job {
  upload: Upload;
  readonly addedAt: number;
  file: Blob | undefined;
  url: string | null;
  attempt: number;
  sending: Sending | null;
  cancelRetry: (() => void) | null;
  release: () => void;
}

const META = 'upload/';
const FILE = 'file/';
/** The server forgets what nobody sent for a day. */
const FORGOTTEN_AFTER_MS = 20 * 3_600_000;
const MOST_KEPT_BYTES = 256 * 1024 * 1024;

/**
 * Uploads of a client: several at once, each to be paused and resumed, tried again until the server has it or refuses it,
 * and taken up again after a reload. Make one for each client.
 *
 * @example
 * const uploads = createUploads(client);
 * const id = uploads.add(conversationId, file);
 * uploads.send(conversationId, { content: 'Here it is' }, [id]);
 */
export function createUploads(client: ParleyClient, options: UploadsOptions = {}): Uploads {
  const { parts } = client;
  const { sender = createTusSender(parts), lock = webLock, atOnce = 2, mostKeptBytes = MOST_KEPT_BYTES } = options;
  const { clock } = parts;
  const jobs = new Map<string, Job>();
  const listeners = new Set<() => void>();
  const closed = new AbortController();
  let shown: readonly Upload[] = [];

  /* What is shown and kept */

  function change(job: Job, part: Partial<Upload>, { keep = true } = {}) {
    job.upload = { ...job.upload, ...part };
    tell();
    if (keep) void write(job);
  }

  function tell() {
    shown = [...jobs.values()].map(({ upload }) => upload).filter(({ conversationId }) => conversationId !== '');
    for (const listener of [...listeners]) listener();
  }

  async function write({ upload, url, addedAt }: Job, file?: Blob) {
    if (upload.conversationId === '') return;
    const kept: Kept = { upload: { ...upload, sent: 0, error: null }, url, addedAt };
    const storage = await parts.storage();
    // Gone meanwhile: what was forgotten is not to come back.
    if (!jobs.has(upload.id) || closed.signal.aborted) return;
    const entry = [META + upload.id, kept] as const;
    try {
      await storage.write(file === undefined ? [entry] : [entry, [FILE + upload.id, file]]);
    } catch {
      // No room for the bytes: then a reload ends this upload, and says so.
      if (file !== undefined) await storage.write([entry]).catch(() => {});
    }
  }

  function forget(job: Job) {
    const { id, status } = job.upload;
    stopSending(job);
    jobs.delete(id);
    job.release();
    tell();
    if (status !== 'done' && job.url !== null) sender.remove(job.url).catch(() => {});
    void parts
      .storage()
      .then((storage) =>
        storage.write([
          [META + id, undefined],
          [FILE + id, undefined],
        ]),
      )
      .catch(() => {});
  }

  /* Sending */

  function pump() {
    if (closed.signal.aborted) return;
    let busy = 0;
    for (const { sending } of jobs.values()) if (sending !== null) busy++;
    for (const job of jobs.values()) {
      if (busy >= atOnce) return;
      if (job.upload.status !== 'waiting' || job.sending !== null || job.cancelRetry !== null) continue;
      busy++;
      void run(job);
    }
  }

  async function run(job: Job) {
    const { file } = job;
    if (file === undefined) return fail(job, lost());
    const sending = sender.send({
      file,
      fileName: job.upload.fileName,
      mimeType: job.upload.mimeType,
      url: job.url,
      onUrl(url) {
        if (job.sending !== sending) return;
        job.url = url;
        void write(job);
      },
      onProgress(sent) {
        if (job.sending === sending) change(job, { sent }, { keep: false });
      },
    });
    job.sending = sending;
    change(job, { status: 'uploading', error: null }, { keep: false });
    try {
      const attachmentId = await sending.done;
      if (job.sending !== sending) return;
      job.sending = null;
      change(job, { status: 'done', sent: job.upload.size, attachmentId });
      parts.uploaded(job.upload.id, attachmentId);
    } catch (thrown) {
      if (job.sending !== sending) return;
      job.sending = null;
      const error = ParleyError.from(thrown);
      if (error.transient) tryAgain(job, error);
      else fail(job, error);
    }
    pump();
  }

  function tryAgain(job: Job, error: ParleyError) {
    const wait = error.retryAfterMs ?? backoff(job.attempt++, parts.random);
    job.cancelRetry = clock.after(wait, () => {
      job.cancelRetry = null;
      pump();
    });
    change(job, { status: 'waiting', error: error.toJSON() }, { keep: false });
  }

  function fail(job: Job, error: ParleyError) {
    change(job, { status: 'failed', error: error.toJSON() });
    parts.uploaded(job.upload.id, error);
  }

  function stopSending(job: Job) {
    job.cancelRetry?.();
    job.cancelRetry = null;
    const { sending } = job;
    job.sending = null;
    sending?.done.catch(() => {});
    sending?.stop();
  }

  function again(job: Job) {
    stopSending(job);
    job.attempt = 0;
    change(job, { status: 'waiting', error: null });
    pump();
  }

  function wake() {
    for (const job of jobs.values()) {
      job.cancelRetry?.();
      job.cancelRetry = null;
      job.attempt = 0;
    }
    pump();
  }

  /* Messages that wait */

  /** A message that is gone needs its files no more; one that is tried again needs them again. */
  function followOutbox() {
    for (const job of [...jobs.values()]) {
      const { id, taken, status } = job.upload;
      if (!taken) continue;
      const item = client.snapshot.outbox.find(({ intent }) => uploadsOf(intent).some((upload) => upload.id === id));
      if (item === undefined) forget(job);
      else if (item.status === 'waiting' && status === 'failed') again(job);
    }
    pump();
  }

  /* After a reload */

  async function takeUp() {
    const storage = await parts.storage();
    const entries = await storage.entries(META);
    const kept = entries.map(([, value]) => value as Kept);
    const known = new Set([...kept.map(({ upload }) => upload.id), ...jobs.keys()]);
    for (const { intent } of client.snapshot.outbox) {
      for (const { id, attachmentId } of uploadsOf(intent)) {
        if (attachmentId === null && !known.has(id)) parts.uploaded(id, lost());
      }
    }
    await Promise.all(kept.map(({ upload }) => adopt(upload.id)));
  }

  /** Another tab may be at it: then it is ours when that one is gone, if it is not done by then. */
  async function adopt(id: string) {
    if (jobs.has(id)) return;
    const release = await lock(lockOf(id), closed.signal);
    const storage = await parts.storage();
    const kept = (await storage.entries(META + id)).find(([key]) => key === META + id)?.[1] as Kept | undefined;
    if (kept === undefined || jobs.has(id)) return release();
    const bytes = (await storage.entries(FILE + id)).find(([key]) => key === FILE + id)?.[1];
    // A storage of plain data keeps no bytes.
    const file = bytes instanceof Blob ? bytes : undefined;
    const { status, attachmentId, taken } = kept.upload;
    const job: Job = {
      ...kept,
      upload: { ...kept.upload, status: status === 'uploading' ? 'waiting' : status },
      file,
      attempt: 0,
      sending: null,
      cancelRetry: null,
      release,
    };
    jobs.set(id, job);
    if (clock.now() - kept.addedAt > FORGOTTEN_AFTER_MS && !taken) return forget(job);
    if (attachmentId !== null) parts.uploaded(id, attachmentId);
    else if (file === undefined) fail(job, lost());
    tell();
    followOutbox();
  }

  function begin(conversationId: string, file: Blob, given: { fileName?: string; width?: number; height?: number }) {
    const { fileName = 'name' in file && typeof file.name === 'string' ? file.name : 'file', ...size } = given;
    const upload: Upload = {
      id: parts.createId(),
      conversationId,
      fileName,
      mimeType: file.type || 'application/octet-stream',
      size: file.size,
      ...size,
      sent: 0,
      status: 'waiting',
      error: null,
      attachmentId: null,
      taken: false,
    };
    const job: Job = {
      upload,
      addedAt: clock.now(),
      file,
      url: null,
      attempt: 0,
      sending: null,
      cancelRetry: null,
      release: () => {},
    };
    jobs.set(upload.id, job);
    tell();
    if (conversationId !== '') {
      lock(lockOf(upload.id), closed.signal).then(
        (release) => {
          if (jobs.has(upload.id)) job.release = release;
          else release();
        },
        () => {},
      );
      void write(job, file.size <= mostKeptBytes ? file : undefined);
    }
    pump();
    return job;
  }

  const lockOf = (id: string) => `parley:upload:${id}`;

  const stopFollowing = client.store.select(
    (snapshot) => snapshot.outbox,
    // After the step that changed it: an item may go and come again in another shape.
    () => void clock.after(0, followOutbox),
  );
  const stopWaking = client.on('connection', ({ status }) => {
    if (status === 'online') wake();
  });
  parts.onClosed(() => {
    closed.abort();
    stopFollowing();
    stopWaking();
    for (const job of jobs.values()) {
      stopSending(job);
      job.release();
    }
  });
  takeUp().catch(() => {
    // The storage cannot be read: then there is nothing to take up.
  });

  return {
    getSnapshot: () => shown,
    subscribe(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    add: (conversationId, file, given = {}) => begin(conversationId, file, given).upload.id,
    pause(id) {
      const job = jobs.get(id);
      if (job === undefined || (job.upload.status !== 'uploading' && job.upload.status !== 'waiting')) return;
      stopSending(job);
      change(job, { status: 'paused' });
      pump();
    },
    resume(id) {
      const job = jobs.get(id);
      if (job !== undefined && job.upload.status !== 'done') again(job);
    },
    cancel(id) {
      const job = jobs.get(id);
      if (job === undefined) return;
      forget(job);
      pump();
    },
    file: (id) => jobs.get(id)?.file,
    send(conversationId, draft, uploadIds) {
      const chosen = uploadIds.flatMap((id) => jobs.get(id) ?? []);
      const uploads = chosen.map(({ upload }): DraftUpload => {
        const { id, attachmentId, fileName, mimeType, size, width, height } = upload;
        const known = { ...(width !== undefined && { width }), ...(height !== undefined && { height }) };
        return { id, attachmentId, fileName, mimeType, size, ...known };
      });
      const operation = client
        .conversation(conversationId)
        .send({ ...draft, ...(uploads.length > 0 && { uploads }) } satisfies Draft);
      for (const job of chosen) {
        change(job, { taken: true });
        if (job.upload.status === 'paused') again(job);
      }
      return operation;
    },
    upload(file, { onProgress, signal, ...given } = {}) {
      const job = begin('', file, given);
      return new Promise((resolve, reject) => {
        const settle = (finish: () => void) => {
          listeners.delete(look);
          signal?.removeEventListener('abort', abort);
          forget(job);
          finish();
        };
        const abort = () =>
          settle(() => reject(new ParleyError({ code: 'aborted', message: 'The upload was stopped.' })));
        const look = () => {
          const { status, sent, size, attachmentId, error } = job.upload;
          onProgress?.(sent, size);
          if (attachmentId !== null) settle(() => resolve(attachmentId));
          else if (status === 'failed' && error !== null) settle(() => reject(new ParleyError(error)));
        };
        listeners.add(look);
        signal?.addEventListener('abort', abort);
        if (signal?.aborted) abort();
      });
    },
  };
}

function uploadsOf(intent: { readonly kind: string; readonly draft?: Draft }): readonly DraftUpload[] {
  return intent.kind === 'send' ? (intent.draft?.uploads ?? []) : [];
}

function lost(): ParleyError {
  return new ParleyError({ code: 'file_lost', message: 'The file is no longer on this device. Choose it again.' });
}
