/**
 * `@parley/client/uploads`: files of messages. Loaded when it is needed; what speaks to the server is loaded with the first file.
 *
 * @packageDocumentation
 */
export { createUploads, type UploadsOptions } from './uploads.ts';
export type {
  AddOptions,
  Lock,
  Sender,
  Sending,
  SendJob,
  Upload,
  UploadStatus,
  Uploads,
} from './uploads.types.ts';
