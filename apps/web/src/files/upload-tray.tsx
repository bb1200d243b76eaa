import type { Upload, Uploads } from '@parley/client/uploads';
import { useFormats } from '@parley/react';
import { File as FileIcon, Pause, Play, RotateCcw, X } from 'lucide-react';
import type { ReactNode } from 'react';
import { errorText } from '../error-text.ts';
import { useTexts } from '../texts/texts.tsx';
import { useObjectUrl } from './object-url.ts';

/** A file this small is up before anybody could pause it. */
const WORTH_PAUSING = 2_000_000;

/** The files that go with what is being written: how far each is, and what can be done with it. */
export function UploadTray({ uploads, files }: { readonly uploads: Uploads; readonly files: readonly Upload[] }) {
  const texts = useTexts();
  return (
    <ul
      className="scroll flex max-h-44 flex-wrap gap-2 px-2.5 pt-2.5"
      // biome-ignore lint/a11y/noRedundantRoles: without bullets Safari forgets that this is a list
      role="list"
      aria-label={texts.filesToSend}
    >
      {files.map((file) => (
        <TrayItem key={file.id} upload={file} uploads={uploads} />
      ))}
    </ul>
  );
}

function TrayItem({ upload, uploads }: { readonly upload: Upload; readonly uploads: Uploads }) {
  const texts = useTexts();
  const { id, fileName, status, size } = upload;
  return (
    <li className="relative flex w-full items-center gap-2.5 overflow-hidden rounded-2xl bg-hover p-1.5 sm:w-60">
      <Preview upload={upload} uploads={uploads} />
      <span className="min-w-0 flex-1">
        <span className="block truncate text-small font-semibold leading-tight" dir="auto">
          {fileName}
        </span>
        <span className={`block truncate text-tiny ${status === 'failed' ? 'text-danger' : 'text-soft'}`}>
          <UploadState upload={upload} />
        </span>
      </span>
      {status === 'failed' && (
        <SmallButton label={texts.tryAgainFile(fileName)} onPress={() => uploads.resume(id)}>
          <RotateCcw size={16} />
        </SmallButton>
      )}
      {status === 'paused' && (
        <SmallButton label={texts.resumeFile(fileName)} onPress={() => uploads.resume(id)}>
          <Play size={16} />
        </SmallButton>
      )}
      {(status === 'uploading' || status === 'waiting') && size >= WORTH_PAUSING && (
        <SmallButton label={texts.pauseFile(fileName)} onPress={() => uploads.pause(id)}>
          <Pause size={16} />
        </SmallButton>
      )}
      <SmallButton label={texts.takeOut(fileName)} onPress={() => uploads.cancel(id)}>
        <X size={16} />
      </SmallButton>
      {status !== 'done' && status !== 'failed' && <Progress upload={upload} />}
    </li>
  );
}

/** How far a file is, in words. */
export function UploadState({ upload }: { readonly upload: Upload }) {
  const texts = useTexts();
  const formats = useFormats();
  const { status, sent, size, error } = upload;
  switch (status) {
    case 'failed':
      return error ? errorText(error, texts) : texts.notSent;
    case 'paused':
      return texts.paused(formats.bytes(sent), formats.bytes(size));
    case 'waiting':
      return error ? texts.waiting : formats.bytes(size);
    case 'uploading':
      return sent >= size ? texts.examining : texts.progressOf(formats.bytes(sent), formats.bytes(size));
    case 'done':
      return formats.bytes(size);
  }
}

function Progress({ upload: { fileName, sent, size } }: { readonly upload: Upload }) {
  const part = size === 0 ? 0 : Math.min(1, sent / size);
  return (
    <span
      role="progressbar"
      aria-label={fileName}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(part * 100)}
      className="absolute inset-x-0 bottom-0 h-[3px] bg-line"
    >
      <span className="block h-full bg-accent transition-[inline-size]" style={{ inlineSize: `${part * 100}%` }} />
    </span>
  );
}

function Preview({ upload, uploads }: { readonly upload: Upload; readonly uploads: Uploads }) {
  const picture = upload.width !== undefined;
  const url = useObjectUrl(picture ? uploads.file(upload.id) : undefined);
  return (
    <span className="inline-flex size-11 flex-none items-center justify-center overflow-hidden rounded-xl bg-selected text-accent-ink">
      {url ? <img alt="" src={url} className="size-full object-cover" /> : <FileIcon size={19} aria-hidden="true" />}
    </span>
  );
}

interface SmallButtonProps {
  readonly label: string;
  readonly onPress: () => void;
  readonly children: ReactNode;
}

function SmallButton({ label, onPress, children }: SmallButtonProps) {
  return (
    <button
      type="button"
      className="inline-flex size-8 flex-none items-center justify-center rounded-lg text-soft hover:bg-selected hover:text-ink"
      aria-label={label}
      title={label}
      onClick={onPress}
    >
      {children}
    </button>
  );
}
