import type { Message } from '@parley/protocol';
import type { Operation } from '../client.types.ts';
import type { ParleyErrorInit } from '../error.ts';
import type { Draft } from '../snapshot.types.ts';

/** How far a file is on its way up. */
export type UploadStatus =
  /** Its turn comes, or it is tried again in a moment. */
  | 'waiting'
  | 'uploading'
  /** By the person; goes on where it stopped. */
  | 'paused'
  /** The server has it whole. */
  | 'done'
  /** Refused for good; see `error`. */
  | 'failed';

/** One file on its way. Immutable. */
export interface Upload {
  readonly id: string;
  readonly conversationId: string;
  readonly fileName: string;
  readonly mimeType: string;
  readonly size: number;
  /** Of a picture, where whoever added it knew them. */
  readonly width?: number;
  readonly height?: number;
  /** Bytes that have left. */
  readonly sent: number;
  readonly status: UploadStatus;
  /** Why it failed, or why the last try did not get through. */
  readonly error: ParleyErrorInit | null;
  /** Once it is done. */
  readonly attachmentId: string | null;
  /** It belongs to a message that was sent, which waits for it. */
  readonly taken: boolean;
}

/** What `add` may know besides the file. */
export interface AddOptions {
  /** The file's own name by default. */
  readonly fileName?: string;
  readonly width?: number;
  readonly height?: number;
}

/** The files on their way of one client. `subscribe` and `getSnapshot` fit React's `useSyncExternalStore`. */
export interface Uploads {
  /** In the order in which they were added; the same list until something changes. */
  getSnapshot(): readonly Upload[];
  subscribe(listener: () => void): () => void;
  /** Begins to upload; answers its id. It goes on after a reload where the device has room to keep the file. */
  add(conversationId: string, file: Blob, options?: AddOptions): string;
  pause(id: string): void;
  /** Goes on after a pause, or tries again what failed. */
  resume(id: string): void;
  /** Stops it and forgets it, here and at the server. */
  cancel(id: string): void;
  /** The bytes, for a preview; undefined once they are no longer kept. */
  file(id: string): Blob | undefined;
  /** Sends a message with these files, at once: it shows as waiting until the last of them is up. */
  send(conversationId: string, draft: Draft, uploadIds: readonly string[]): Operation<Message>;
  /**
   * Uploads one file for `Draft.attachmentIds`; resolves with the attachment's id.
   * @throws ParleyError its refusal, or `aborted`
   */
  upload(
    file: Blob,
    options?: AddOptions & {
      readonly onProgress?: (sent: number, size: number) => void;
      readonly signal?: AbortSignal;
    },
  ): Promise<string>;
}

/** One try to bring a file up. */
export interface SendJob {
  readonly file: Blob;
  readonly fileName: string;
  readonly mimeType: string;
  /** Where an earlier try got to; null for a new upload. */
  readonly url: string | null;
  onUrl(url: string): void;
  onProgress(sent: number): void;
}

/** A try under way. */
export interface Sending {
  /**
   * Resolves with the attachment's id.
   * @throws ParleyError definite, or transient (to be tried again from where it stopped)
   */
  readonly done: Promise<string>;
  /** Ends the try; what is up stays up. */
  stop(): void;
}

/** Brings bytes to the server. The default speaks tus; tests hand in one of their own. */
export interface Sender {
  send(job: SendJob): Sending;
  /** Forgets at the server what was begun there. Best effort. */
  remove(url: string): Promise<void>;
}

/** Resolves when nobody else holds the lock of that name, with how to give it back. */
export type Lock = (name: string, signal: AbortSignal) => Promise<() => void>;
