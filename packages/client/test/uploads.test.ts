import { describe, expect, test } from 'vitest';
import { ParleyError, type StorageFactory } from '../src/index.ts';
import { createTestBed, type TestBed } from '../src/testing/index.ts';
import { createUploads, type Lock, type Sender, type SendJob } from '../src/uploads/index.ts';

/** A server of files in the test's hand: each try waits until it is told how it ends. */
function scriptedSender() {
  const tries: (SendJob & { finish(id: string): void; fail(error: ParleyError): void; stopped: boolean })[] = [];
  const removed: string[] = [];
  const sender: Sender = {
    send(job) {
      const { promise: done, resolve: finish, reject: fail } = Promise.withResolvers<string>();
      const entry = { ...job, finish, fail, stopped: false };
      tries.push(entry);
      return {
        done,
        stop() {
          entry.stopped = true;
        },
      };
    },
    remove: async (url) => void removed.push(url),
  };
  return { sender, tries, removed };
}

/** Keeps what it is given: Node's structured clone makes nothing of a `Blob`, a browser's does. */
function blobStorage(): StorageFactory {
  const kept = new Map<string, unknown>();
  return async () => ({
    entries: async (prefix) => [...kept].filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1)),
    async write(changes) {
      for (const [key, value] of changes) {
        if (value === undefined) kept.delete(key);
        else kept.set(key, value);
      }
    },
    clear: async () => kept.clear(),
    close() {},
  });
}

/** Nobody else is at it. */
const lock: Lock = async () => () => {};
const cut = () => new ParleyError({ code: 'network', message: 'cut' });
const tooLarge = () => new ParleyError({ code: 'payload_too_large', status: 413, message: 'Too large.' });
const file = (text: string, name = 'a.txt') => new File([text], name, { type: 'text/plain' });

async function room(bed: TestBed) {
  const id = bed.server.addConversation('group', ['ada', 'bob']);
  return { id, contents: () => bed.server.view('bob', id).messages.map(({ content }) => content) };
}

describe('uploads', () => {
  test('a message waits for its files, holds up no other, and carries them in order', async () => {
    const bed = createTestBed();
    const { id, contents } = await room(bed);
    const ada = bed.client('ada');
    await ada.connect();
    const { sender, tries } = scriptedSender();
    const uploads = createUploads(ada, { sender, lock });
    const ids = [uploads.add(id, file('one')), uploads.add(id, file('two', 'b.txt'))];
    uploads.send(id, { content: 'with files' }, ids);
    ada.conversation(id).send({ content: 'without' });
    await bed.settle(2_000);
    expect(contents()).toEqual(['without']);
    expect(ada.snapshot.outbox).toMatchObject([{ status: 'waiting', intent: { draft: { content: 'with files' } } }]);

    tries[1]!.finish('file-2');
    await bed.settle(2_000);
    expect(contents()).toEqual(['without']);
    tries[0]!.finish('file-1');
    await bed.settle(2_000);
    expect(contents()).toEqual(['without', 'with files']);
    const sent = bed.server.view('bob', id).messages[1]!;
    expect(sent.attachments.map((attachment) => attachment.id)).toEqual(['file-1', 'file-2']);
    expect(uploads.getSnapshot()).toEqual([]);
    await bed.close();
  });

  test('files alone are a message', async () => {
    const bed = createTestBed();
    const { id, contents } = await room(bed);
    const ada = bed.client('ada');
    await ada.connect();
    const { sender, tries } = scriptedSender();
    const uploads = createUploads(ada, { sender, lock });
    const one = uploads.add(id, file('one'));
    tries[0]!.finish('file-1');
    await bed.settle(100);
    uploads.send(id, { content: '' }, [one]);
    await bed.settle(2_000);
    expect(contents()).toEqual(['']);
    await bed.close();
  });

  test('a cut goes on from where it stopped, a pause waits for the person, and only so many go at once', async () => {
    const bed = createTestBed();
    const { id } = await room(bed);
    const ada = bed.client('ada');
    await ada.connect();
    const { sender, tries } = scriptedSender();
    const uploads = createUploads(ada, { sender, lock, atOnce: 2 });
    const ids = ['one', 'two', 'three'].map((text) => uploads.add(id, file(text)));
    expect(tries).toHaveLength(2);
    tries[0]!.onUrl('/uploads/1');
    tries[0]!.onProgress(2);
    expect(uploads.getSnapshot()[0]).toMatchObject({ status: 'uploading', sent: 2 });
    tries[0]!.fail(cut());
    await bed.settle(30_000);
    // Its place was taken meanwhile.
    expect(tries.map((one) => one.file.size)).toEqual([3, 3, 5]);
    expect(uploads.getSnapshot()[0]).toMatchObject({ status: 'waiting', error: { code: 'network' } });

    uploads.pause(ids[1]!);
    expect(tries[1]!.stopped).toBe(true);
    expect(uploads.getSnapshot()[1]).toMatchObject({ status: 'paused' });
    expect(tries[3]).toMatchObject({ url: '/uploads/1' });
    uploads.resume(ids[1]!);
    await bed.settle(100);
    expect(tries).toHaveLength(4);
    tries[2]!.finish('file-3');
    await bed.settle(100);
    expect(tries).toHaveLength(5);
    await bed.close();
  });

  test('what is refused fails its message with the reason; a retry of the message tries the file again', async () => {
    const bed = createTestBed();
    const { id, contents } = await room(bed);
    const ada = bed.client('ada');
    await ada.connect();
    const { sender, tries } = scriptedSender();
    const uploads = createUploads(ada, { sender, lock });
    const sending = uploads.send(id, { content: 'big' }, [uploads.add(id, file('big'))]);
    tries[0]!.fail(tooLarge());
    await bed.settle(100);
    expect(ada.snapshot.outbox).toMatchObject([{ status: 'failed', error: { code: 'payload_too_large' } }]);
    await expect(sending).rejects.toMatchObject({ code: 'payload_too_large' });

    void ada.conversation(id).retry(sending.id);
    await bed.settle(100);
    tries[1]!.finish('file-1');
    await bed.settle(2_000);
    expect(contents()).toEqual(['big']);
    await bed.close();
  });

  test('a message taken back takes its upload back, also at the server', async () => {
    const bed = createTestBed();
    const { id, contents } = await room(bed);
    const ada = bed.client('ada');
    await ada.connect();
    const { sender, tries, removed } = scriptedSender();
    const uploads = createUploads(ada, { sender, lock });
    const sending = uploads.send(id, { content: 'no' }, [uploads.add(id, file('no'))]);
    tries[0]!.onUrl('/uploads/1');
    expect(sending.cancel()).toBe(true);
    await bed.settle(100);
    expect(uploads.getSnapshot()).toEqual([]);
    expect(removed).toEqual(['/uploads/1']);
    expect(contents()).toEqual([]);
    await bed.close();
  });

  test('a reload goes on with the file that was kept, and fails the message whose file was not', async () => {
    const bed = createTestBed();
    const { id, contents } = await room(bed);
    const storage = blobStorage();
    const ada = bed.client('ada', { storage });
    await ada.connect();
    const first = scriptedSender();
    const uploads = createUploads(ada, { sender: first.sender, lock, mostKeptBytes: 10 });
    uploads.send(id, { content: 'kept' }, [uploads.add(id, file('small'))]);
    uploads.send(id, { content: 'lost' }, [uploads.add(id, file('larger than that'))]);
    first.tries[0]!.onUrl('/uploads/1');
    await bed.settle(2_000);
    await ada.close();
    expect(first.tries.every(({ stopped }) => stopped)).toBe(true);

    const again = bed.client('ada', { storage, name: 'ada again' });
    await again.connect();
    const second = scriptedSender();
    createUploads(again, { sender: second.sender, lock });
    await bed.settle(2_000);
    expect(second.tries).toMatchObject([{ url: '/uploads/1', fileName: 'a.txt' }]);
    expect(await second.tries[0]!.file.text()).toBe('small');
    expect(again.snapshot.outbox.map(({ status, error }) => [status, error?.code])).toEqual([
      ['waiting', undefined],
      ['failed', 'file_lost'],
    ]);
    second.tries[0]!.finish('file-1');
    await bed.settle(2_000);
    expect(contents()).toEqual(['kept']);
    await bed.close();
  });

  test('one file by itself resolves with its id, tells how far it is, and can be aborted', async () => {
    const bed = createTestBed();
    const ada = bed.client('ada');
    await ada.connect();
    const { sender, tries } = scriptedSender();
    const uploads = createUploads(ada, { sender, lock });
    const told: number[] = [];
    const uploading = uploads.upload(file('12345'), { onProgress: (sent) => told.push(sent) });
    tries[0]!.onProgress(3);
    tries[0]!.finish('file-1');
    expect(await uploading).toBe('file-1');
    expect(told).toContain(3);

    const aborter = new AbortController();
    const aborted = uploads.upload(file('no'), { signal: aborter.signal });
    aborter.abort();
    await expect(aborted).rejects.toMatchObject({ code: 'aborted' });
    expect(tries[1]!.stopped).toBe(true);
    expect(uploads.getSnapshot()).toEqual([]);
    await bed.close();
  });
});
