import type { Attachment } from '@parley/client';
import { type CSSProperties, type ReactNode, useMemo, useState } from 'react';
import { kindOf, type Voice } from './attachment-kind.ts';
import { downloadFrom, useAttachmentLink } from './attachment-link.ts';
import { AudioPlayer } from './audio-player.tsx';
import { Icon } from './icon.tsx';
import { placeholderUrl } from './placeholder.ts';
import { useFormats, useOptionalClient, useParleyTexts } from './provider.tsx';

/** What `Attachments` takes. */
export interface AttachmentsProps {
  readonly attachments: readonly Attachment[];
  readonly voice?: Voice | null;
  /** A picture was pressed: opens a gallery. Without it pictures are not pressed. */
  readonly onOpen?: ((attachment: Attachment) => void) | undefined;
}

/** The files of a message: pictures side by side, then what can be played, then the others. Nothing moves when they load. */
export function Attachments({ attachments, voice = null, onOpen }: AttachmentsProps) {
  const pictures = attachments.filter((attachment) => kindOf(attachment, voice) === 'picture');
  const others = attachments.filter((attachment) => kindOf(attachment, voice) !== 'picture');
  return (
    <div className="parley-attachments">
      {pictures.length > 0 && (
        <div className="parley-pictures" data-count={Math.min(pictures.length, 4)}>
          {pictures.map((picture) => (
            <Picture key={picture.id} attachment={picture} single={pictures.length === 1} onOpen={onOpen} />
          ))}
        </div>
      )}
      {others.map((attachment) => (
        <Other key={attachment.id} attachment={attachment} voice={voice} />
      ))}
    </div>
  );
}

const WIDEST = 320;
const HIGHEST = 360;
const SMALLEST = 96;

interface PictureProps {
  readonly attachment: Attachment;
  /** Alone it keeps its shape, else it fills a tile. */
  readonly single: boolean;
  readonly onOpen: AttachmentsProps['onOpen'];
}

function Picture({ attachment, single, onOpen }: PictureProps) {
  const texts = useParleyTexts();
  const { link, failed, retry } = useAttachmentLink(attachment.id);
  const [loaded, setLoaded] = useState(false);
  const { width, height } = attachment;
  const scale = Math.min(1, WIDEST / (width ?? 1), HIGHEST / (height ?? 1));
  const shape: CSSProperties | undefined = single
    ? {
        inlineSize: Math.max(SMALLEST, Math.round((width ?? 1) * scale)),
        aspectRatio: `${Math.max(SMALLEST, (width ?? 1) * scale)} / ${Math.max(SMALLEST, (height ?? 1) * scale)}`,
      }
    : undefined;
  const placeholder = useMemo(() => placeholderUrl(attachment.placeholder), [attachment.placeholder]);
  const style = placeholder === undefined ? shape : { ...shape, backgroundImage: `url(${placeholder})` };
  return (
    <button
      type="button"
      className="parley-picture"
      style={style}
      aria-label={texts.openPicture(attachment.fileName)}
      data-loaded={loaded || undefined}
      disabled={!onOpen}
      onClick={() => onOpen?.(attachment)}
    >
      {link?.thumbnailUrl && (
        <img
          alt=""
          src={link.thumbnailUrl}
          decoding="async"
          draggable={false}
          onLoad={() => setLoaded(true)}
          onError={retry}
        />
      )}
      {failed && <span className="parley-picture-failed">{texts.loadFailed}</span>}
    </button>
  );
}

function Other({ attachment, voice }: { readonly attachment: Attachment; readonly voice: Voice | null }): ReactNode {
  switch (kindOf(attachment, voice)) {
    case 'audio':
      return <Sound attachment={attachment} voice={voice} />;
    case 'video':
      return <Film attachment={attachment} />;
    default:
      return <FileCard attachment={attachment} />;
  }
}

function Sound({ attachment, voice }: { readonly attachment: Attachment; readonly voice: Voice | null }) {
  const { link, retry } = useAttachmentLink(attachment.id);
  return (
    <AudioPlayer
      src={link?.url ?? null}
      durationMs={voice?.durationMs ?? attachment.durationMs}
      waveform={voice?.waveform ?? attachment.waveform?.map((level) => level / 100)}
      title={voice === null ? attachment.fileName : undefined}
      onError={retry}
    />
  );
}

function Film({ attachment }: { readonly attachment: Attachment }) {
  const { link, retry } = useAttachmentLink(attachment.id);
  const { width, height } = attachment;
  return (
    // biome-ignore lint/a11y/useMediaCaption: people send films as they are
    <video
      className="parley-film"
      aria-label={attachment.fileName}
      controls
      playsInline
      preload="metadata"
      src={link?.url}
      style={width && height ? { aspectRatio: `${width} / ${height}` } : undefined}
      onError={retry}
    />
  );
}

/** A file by its name, to be saved. */
export function FileCard({ attachment }: { readonly attachment: Attachment }) {
  const texts = useParleyTexts();
  const formats = useFormats();
  const client = useOptionalClient();
  const [failed, setFailed] = useState(false);
  const { fileName, size } = attachment;
  const save = () => {
    setFailed(false);
    client?.attachmentLink(attachment.id).then(downloadFrom, () => setFailed(true));
  };
  return (
    <button type="button" className="parley-file" onClick={save}>
      <span className="parley-hidden">{texts.download} </span>
      <span className="parley-file-icon" aria-hidden="true">
        <Icon>
          <path d="M13.5 3.5H7A1.5 1.5 0 0 0 5.5 5v14A1.5 1.5 0 0 0 7 20.5h10a1.5 1.5 0 0 0 1.5-1.5V8.5ZM13.5 3.5v5h5" />
        </Icon>
        <span>{endingOf(fileName)}</span>
      </span>
      <span className="parley-file-main">
        <span className="parley-file-name" dir="auto">
          {fileName}
        </span>
        <span className="parley-file-size">{failed ? texts.loadFailed : formats.bytes(size)}</span>
      </span>
    </button>
  );
}

/** `pdf` of `a.pdf`; nothing where a name ends in no short word. */
export function endingOf(fileName: string): string {
  return /\.([\p{L}\p{N}]{1,4})$/u.exec(fileName)?.[1]?.toLocaleLowerCase() ?? '';
}
