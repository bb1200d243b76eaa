import type { Attachment } from '@parley/client';
import { type KeyboardEvent, type PointerEvent, type ReactNode, useEffect, useRef, useState } from 'react';
import { downloadFrom, useAttachmentLink } from './attachment-link.ts';
import { Icon } from './icon.tsx';
import { useParleyTexts } from './provider.tsx';

/** A picture and what stands above it: who sent it, and when. */
export interface GalleryItem {
  readonly attachment: Attachment;
  readonly caption?: ReactNode;
}

/** What `Gallery` takes. */
export interface GalleryProps {
  readonly items: readonly GalleryItem[];
  readonly startId: string;
  readonly onClose: () => void;
}

const STEP = 1.5;
const MOST_ZOOM = 6;

interface View {
  readonly zoom: number;
  readonly x: number;
  readonly y: number;
}

const WHOLE: View = { zoom: 1, x: 0, y: 0 };

/**
 * Pictures one by one over everything else. Arrow keys go on, + and - zoom, 0 shows the whole picture, Escape closes; a wheel or
 * a double press zooms too, and a picture that is larger than the screen is moved by the pointer.
 */
export function Gallery({ items, startId, onClose }: GalleryProps) {
  const texts = useParleyTexts();
  const dialog = useRef<HTMLDialogElement>(null);
  const [id, setId] = useState(startId);
  const [view, setView] = useState(WHOLE);
  const index = Math.max(
    0,
    items.findIndex(({ attachment }) => attachment.id === id),
  );
  const item = items[index];

  useEffect(() => {
    const element = dialog.current!;
    element.showModal();
    return () => element.close();
  }, []);

  const go = (by: number) => {
    const next = items[index + by];
    if (!next) return;
    setView(WHOLE);
    setId(next.attachment.id);
  };
  const zoomTo = (zoom: number) =>
    setView((before) => {
      const to = Math.min(MOST_ZOOM, Math.max(1, zoom));
      return to === 1 ? WHOLE : { zoom: to, x: (before.x / before.zoom) * to, y: (before.y / before.zoom) * to };
    });

  const onKeyDown = (event: KeyboardEvent) => {
    // What is pressed here is not meant for what lies behind it.
    event.stopPropagation();
    const rtl = getComputedStyle(event.currentTarget).direction === 'rtl' ? -1 : 1;
    const steps: Readonly<Record<string, number>> = {
      ArrowRight: rtl,
      ArrowLeft: -rtl,
      Home: -index,
      End: items.length - 1 - index,
    };
    const zooms: Readonly<Record<string, number>> = {
      '+': view.zoom * STEP,
      '=': view.zoom * STEP,
      '-': view.zoom / STEP,
      '0': 1,
    };
    const step = steps[event.key];
    const zoom = zooms[event.key];
    if ((step === undefined && zoom === undefined) || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    if (step !== undefined) go(step);
    if (zoom !== undefined) zoomTo(zoom);
  };

  if (!item) return null;
  const { attachment, caption } = item;
  return (
    <dialog
      ref={dialog}
      className="parley-gallery"
      aria-label={texts.pictures}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onKeyDown={onKeyDown}
    >
      <header className="parley-gallery-bar">
        <div className="parley-gallery-caption">
          <strong dir="auto">{attachment.fileName}</strong>
          <span>{caption}</span>
        </div>
        {items.length > 1 && (
          <span className="parley-gallery-count" aria-live="polite">
            {texts.pictureOf(index + 1, items.length)}
          </span>
        )}
        <GalleryButton label={texts.zoomOut} disabled={view.zoom <= 1} onPress={() => zoomTo(view.zoom / STEP)}>
          <path d="M5 12h14" />
        </GalleryButton>
        <GalleryButton label={texts.zoomIn} disabled={view.zoom >= MOST_ZOOM} onPress={() => zoomTo(view.zoom * STEP)}>
          <path d="M12 5v14M5 12h14" />
        </GalleryButton>
        <Save attachment={attachment} />
        <GalleryButton label={texts.close} onPress={onClose} autoFocus>
          <path d="m6 6 12 12M18 6 6 18" />
        </GalleryButton>
      </header>
      <Stage
        key={attachment.id}
        attachment={attachment}
        view={view}
        onView={setView}
        onZoom={zoomTo}
        onClose={onClose}
      />
      {index > 0 && (
        <button
          type="button"
          className="parley-gallery-go"
          data-to="previous"
          aria-label={texts.previous}
          onClick={() => go(-1)}
        >
          <Icon>
            <path d="m14.5 5-7 7 7 7" />
          </Icon>
        </button>
      )}
      {index < items.length - 1 && (
        <button
          type="button"
          className="parley-gallery-go"
          data-to="next"
          aria-label={texts.next}
          onClick={() => go(1)}
        >
          <Icon>
            <path d="m9.5 5 7 7-7 7" />
          </Icon>
        </button>
      )}
    </dialog>
  );
}

interface StageProps {
  readonly attachment: Attachment;
  readonly view: View;
  readonly onView: (view: View) => void;
  readonly onZoom: (zoom: number) => void;
  readonly onClose: () => void;
}

function Stage({ attachment, view, onView, onZoom, onClose }: StageProps) {
  const texts = useParleyTexts();
  const { link, failed, retry } = useAttachmentLink(attachment.id);
  const [loaded, setLoaded] = useState(false);
  const drag = useRef<{ x: number; y: number } | null>(null);
  const move = (event: PointerEvent) => {
    if (!drag.current || view.zoom === 1) return;
    const { x, y } = drag.current;
    drag.current = { x: event.clientX, y: event.clientY };
    onView({ ...view, x: view.x + event.clientX - x, y: view.y + event.clientY - y });
  };
  const place = { transform: `translate(${view.x}px, ${view.y}px) scale(${view.zoom})` };
  const { width, height } = attachment;
  // Never larger than it is, unless one zooms.
  const size = {
    aspectRatio: `${width ?? 1} / ${height ?? 1}`,
    ...(width && { maxInlineSize: `min(100%, ${width}px)` }),
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the keyboard has Escape, + and -
    // biome-ignore lint/a11y/useKeyWithClickEvents: the keyboard has Escape
    <div
      className="parley-gallery-stage"
      data-zoomed={view.zoom > 1 || undefined}
      onClick={(event) => event.target === event.currentTarget && onClose()}
      onDoubleClick={(event) => event.target !== event.currentTarget && onZoom(view.zoom > 1 ? 1 : 2.5)}
      onWheel={(event) => onZoom(view.zoom * (event.deltaY < 0 ? 1.15 : 1 / 1.15))}
      onPointerDown={(event) => {
        if (view.zoom === 1) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        drag.current = { x: event.clientX, y: event.clientY };
      }}
      onPointerMove={move}
      onPointerUp={() => {
        drag.current = null;
      }}
    >
      {/* The small picture stands in until the whole one is there: the same place, the same shape. */}
      {!loaded && link?.thumbnailUrl && (
        <img alt="" className="parley-gallery-picture" style={size} src={link.thumbnailUrl} />
      )}
      {link && (
        <img
          className="parley-gallery-picture"
          alt={attachment.fileName}
          src={link.url}
          style={loaded ? { ...size, ...place } : { ...size, ...place, opacity: 0 }}
          draggable={false}
          onLoad={() => setLoaded(true)}
          onError={retry}
        />
      )}
      {failed && <p role="alert">{texts.loadFailed}</p>}
    </div>
  );
}

function Save({ attachment }: { readonly attachment: Attachment }) {
  const texts = useParleyTexts();
  const { link } = useAttachmentLink(attachment.id);
  return (
    <GalleryButton label={texts.download} disabled={!link} onPress={() => link && downloadFrom(link)}>
      <path d="M12 4v11M7 10.5l5 5 5-5M5 20h14" />
    </GalleryButton>
  );
}

interface GalleryButtonProps {
  readonly label: string;
  readonly disabled?: boolean;
  readonly autoFocus?: boolean;
  readonly onPress: () => void;
  readonly children: ReactNode;
}

function GalleryButton({ label, disabled, autoFocus, onPress, children }: GalleryButtonProps) {
  return (
    <button
      type="button"
      className="parley-gallery-button"
      aria-label={label}
      title={label}
      disabled={disabled}
      // biome-ignore lint/a11y/noAutofocus: a dialog's first stop
      autoFocus={autoFocus}
      onClick={onPress}
    >
      <Icon>{children}</Icon>
    </button>
  );
}
