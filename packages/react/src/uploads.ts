import type { Upload, Uploads } from '@parley/client/uploads';
import { useMemo, useSyncExternalStore } from 'react';

/** The files of a conversation that were added and not sent yet, in order. `uploads` is from `createUploads`. */
export function useUploads(uploads: Uploads, conversationId: string): readonly Upload[] {
  const all = useSyncExternalStore(uploads.subscribe, uploads.getSnapshot, uploads.getSnapshot);
  return useMemo(
    () => all.filter((upload) => upload.conversationId === conversationId && !upload.taken),
    [all, conversationId],
  );
}

/** One file on its way, wherever it is; undefined once it is up and its message was sent. */
export function useUpload(uploads: Uploads, id: string): Upload | undefined {
  const read = () => uploads.getSnapshot().find((upload) => upload.id === id);
  return useSyncExternalStore(uploads.subscribe, read, read);
}
