import type { DraftUpload, OutgoingMessage } from '@parley/client';
import type { Uploads } from '@parley/client/uploads';
import { useFormats, useUpload } from '@parley/react';
import { File as FileIcon } from 'lucide-react';
import { useObjectUrl } from './object-url.ts';
import { UploadState } from './upload-tray.tsx';

/** The files of a message that was sent and waits for them: as they will look, with how far each is. */
export function OutgoingFiles({ item, uploads }: { readonly item: OutgoingMessage; readonly uploads: Uploads }) {
  const files = item.intent.draft.uploads ?? [];
  if (files.length === 0) return null;
  return (
    <div className="parley-attachments">
      {files.map((file) => (
        <OutgoingFile key={file.id} file={file} uploads={uploads} />
      ))}
    </div>
  );
}

const WIDEST = 320;
const HIGHEST = 360;

function OutgoingFile({ file, uploads }: { readonly file: DraftUpload; readonly uploads: Uploads }) {
  const formats = useFormats();
  const upload = useUpload(uploads, file.id);
  const { width, height } = file;
  const picture = width !== undefined && height !== undefined;
  const url = useObjectUrl(picture ? uploads.file(file.id) : undefined);
  const state = upload && upload.status !== 'done' ? <UploadState upload={upload} /> : formats.bytes(file.size);
  if (picture && url) {
    const scale = Math.min(1, WIDEST / width, HIGHEST / height);
    const box = { inlineSize: Math.max(96, Math.round(width * scale)), aspectRatio: `${width} / ${height}` };
    return (
      <span className="relative -mx-1.5 block max-w-full overflow-hidden rounded-xl" style={box}>
        <img alt={file.fileName} src={url} className="absolute inset-0 size-full object-cover" />
        {upload && upload.status !== 'done' && (
          <span className="absolute start-2 top-2 rounded-full bg-black/60 px-2.5 py-0.5 text-tiny font-medium text-white">
            {state}
          </span>
        )}
      </span>
    );
  }
  return (
    <span className="flex min-w-52 items-center gap-2.5">
      <span className="inline-flex size-10 flex-none items-center justify-center rounded-xl bg-accent text-white">
        <FileIcon size={18} aria-hidden="true" />
      </span>
      <span className="min-w-0">
        <span className="block truncate text-small font-semibold" dir="auto">
          {file.fileName}
        </span>
        <span className="block text-tiny">{state}</span>
      </span>
    </span>
  );
}
