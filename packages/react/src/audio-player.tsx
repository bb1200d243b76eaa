import { useEffect, useRef, useState } from 'react';
import { Icon } from './icon.tsx';
import { useFormats, useParleyTexts } from './provider.tsx';

/** What `AudioPlayer` takes. */
export interface AudioPlayerProps {
  /** Null while the address is not known. */
  readonly src: string | null;
  readonly durationMs?: number | null;
  /** How loud it is from beginning to end, 0 to 1; a plain line without it. */
  readonly waveform?: readonly number[] | undefined;
  readonly title?: string | undefined;
  /** The address does not play. */
  readonly onError?: () => void;
}

const BARS = 44;
/** Two at a time is noise. */
let playing: HTMLAudioElement | null = null;

/** Plays a sound: play and pause, where it is, and how it looks. Loads nothing before it is played. */
export function AudioPlayer({ src, durationMs = null, waveform, title, onError }: AudioPlayerProps) {
  const texts = useParleyTexts();
  const formats = useFormats();
  const audio = useRef<HTMLAudioElement>(null);
  const [on, setOn] = useState(false);
  const [at, setAt] = useState(0);
  const [known, setKnown] = useState<number | null>(null);
  // Recorders leave the length out of what they write; then the browser says "without end".
  const total = (durationMs ?? (known !== null && Number.isFinite(known) ? known * 1000 : 0)) / 1000;

  useEffect(() => {
    const element = audio.current;
    return () => {
      element?.pause();
      if (playing === element) playing = null;
    };
  }, []);

  const toggle = () => {
    const element = audio.current;
    if (!element) return;
    if (!element.paused) return element.pause();
    if (playing !== element) playing?.pause();
    playing = element;
    // Refused by the browser, or the address has ended, of which `onError` hears.
    element.play().catch(() => setOn(false));
  };
  const seek = (to: number) => {
    if (!audio.current) return;
    audio.current.currentTime = to;
    setAt(to);
  };

  return (
    <div className="parley-audio">
      {/* biome-ignore lint/a11y/useMediaCaption: people send sounds as they are */}
      <audio
        ref={audio}
        src={src ?? undefined}
        preload="none"
        onPlay={() => setOn(true)}
        onPause={() => setOn(false)}
        onEnded={() => setAt(0)}
        onTimeUpdate={(event) => setAt(event.currentTarget.currentTime)}
        onDurationChange={(event) => setKnown(event.currentTarget.duration)}
        onError={src === null ? undefined : onError}
      />
      <button
        type="button"
        className="parley-audio-button"
        aria-label={on ? texts.pause : texts.play}
        disabled={src === null}
        onClick={toggle}
      >
        <Icon>
          {on ? (
            <path d="M9 6v12M15 6v12" strokeWidth="3" />
          ) : (
            <path
              d="M8.5 5.8v12.4a.6.6 0 0 0 .9.5l9.8-6.2a.6.6 0 0 0 0-1L9.4 5.3a.6.6 0 0 0-.9.5Z"
              fill="currentColor"
            />
          )}
        </Icon>
      </button>
      <div className="parley-audio-main">
        {title !== undefined && (
          <span className="parley-file-name" dir="auto">
            {title}
          </span>
        )}
        <div className="parley-audio-track">
          <Bars levels={waveform} done={total > 0 ? at / total : 0} />
          <input
            type="range"
            min={0}
            max={Math.max(total, 0.1)}
            step={0.1}
            value={Math.min(at, Math.max(total, 0.1))}
            aria-label={texts.position}
            aria-valuetext={formats.duration(at * 1000)}
            onChange={(event) => seek(Number(event.target.value))}
          />
        </div>
        <span className="parley-audio-time">{formats.duration(on || at > 0 ? at * 1000 : total * 1000)}</span>
      </div>
    </div>
  );
}

/** A waveform: how loud it is, as far as it was played in another colour. */
export function Bars({ levels, done = 0 }: { readonly levels: readonly number[] | undefined; readonly done?: number }) {
  if (levels === undefined || levels.length === 0) {
    return (
      <div className="parley-audio-line" aria-hidden="true">
        <div style={{ inlineSize: `${Math.min(1, done) * 100}%` }} />
      </div>
    );
  }
  return (
    <div className="parley-audio-bars" aria-hidden="true">
      {resample(levels, BARS).map((level, index) => (
        <i
          // biome-ignore lint/suspicious/noArrayIndexKey: a bar is its place
          key={index}
          data-done={index / BARS < done || undefined}
          style={{ blockSize: `${Math.round(Math.max(0.1, Math.min(1, level)) * 100)}%` }}
        />
      ))}
    </div>
  );
}

/** The same shape in so many steps: the loudest of each stretch. */
export function resample(levels: readonly number[], count: number): number[] {
  return Array.from({ length: count }, (_, index) => {
    const from = Math.floor((index * levels.length) / count);
    const to = Math.max(from + 1, Math.floor(((index + 1) * levels.length) / count));
    return Math.max(...levels.slice(from, to));
  });
}
