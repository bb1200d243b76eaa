import type { Voice } from '@parley/react';
import { useFormats } from '@parley/react';
import { Bars, resample } from '@parley/react/audio-player';
import { SendHorizontal, Trash2 } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';
import { reportError } from '../log.ts';
import { useTexts } from '../texts/texts.tsx';
import { showToast } from '../ui/toast.tsx';

/** What browsers write, the best understood first. */
const TYPES = ['audio/webm;codecs=opus', 'audio/mp4', 'audio/ogg;codecs=opus'];
const LEVELS = 64;
const EVERY_MS = 60;
const LONGEST_MS = 15 * 60_000;
/** Shorter than this is a slip of the finger. */
const SHORTEST_MS = 400;

interface VoiceRecorderProps {
  readonly onDone: (file: File, voice: Voice) => void;
  readonly onCancel: () => void;
}

/** Records a voice message in place of the field: time, how loud it is, send or throw away. */
export function VoiceRecorder({ onDone, onCancel }: VoiceRecorderProps) {
  const texts = useTexts();
  const formats = useFormats();
  const [levels, setLevels] = useState<readonly number[]>([]);
  const [ms, setMs] = useState(0);
  const recording = useRef<Recording | null>(null);
  const latest = useRef({ onCancel, texts });
  latest.current = { onCancel, texts };

  useEffect(() => {
    let ended = false;
    let timer: ReturnType<typeof setInterval> | undefined;
    record().then(
      (begun) => {
        if (ended) return begun.cancel();
        recording.current = begun;
        timer = setInterval(() => {
          setLevels(begun.sample());
          setMs(begun.elapsed());
        }, EVERY_MS);
      },
      (error: unknown) => {
        if (ended) return;
        reportError(error, 'recording');
        showToast({ text: latest.current.texts.noMicrophone, tone: 'danger' });
        latest.current.onCancel();
      },
    );
    return () => {
      ended = true;
      clearInterval(timer);
      recording.current?.cancel();
    };
  }, []);

  const send = async () => {
    const begun = recording.current;
    if (!begun) return;
    const length = begun.elapsed();
    if (length < SHORTEST_MS) return onCancel();
    const { blob, waveform } = await begun.finish();
    const ending = blob.type.includes('mp4') ? 'm4a' : blob.type.includes('ogg') ? 'ogg' : 'webm';
    onDone(new File([blob], `voice.${ending}`, { type: blob.type }), { durationMs: length, waveform });
  };
  const full = ms >= LONGEST_MS;
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, at the end of what one message may be
  useEffect(() => {
    if (full) void send();
  }, [full]);

  return (
    // biome-ignore lint/a11y/useSemanticElements: a group of buttons, no form
    <div
      className="parley-composer"
      role="group"
      aria-label={texts.voiceMessage}
      onKeyDown={(event) => event.key === 'Escape' && onCancel()}
    >
      <div className="parley-composer-box flex items-center gap-3 p-1">
        <button type="button" className="parley-composer-button" aria-label={texts.discard} onClick={onCancel}>
          <Trash2 size={19} />
        </button>
        <span className="size-2.5 flex-none animate-pulse rounded-full bg-danger" aria-hidden="true" />
        <span className="min-w-10 text-small tabular-nums" role="timer">
          {formats.duration(ms)}
        </span>
        <span className="min-w-0 flex-1">
          <Bars levels={levels.length === 0 ? undefined : levels} done={1} />
        </span>
        {/* biome-ignore lint/a11y/noAutofocus: it takes the place of the field */}
        <button type="button" className="parley-send" aria-label={texts.send} autoFocus onClick={() => void send()}>
          <SendHorizontal size={18} className="rtl:-scale-x-100" />
        </button>
      </div>
    </div>
  );
}

interface Recording {
  elapsed(): number;
  /** How loud it is now, put behind what was before; answers the last while. */
  sample(): readonly number[];
  finish(): Promise<{ blob: Blob; waveform: number[] }>;
  cancel(): void;
}

async function record(): Promise<Recording> {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const type = TYPES.find((candidate) => MediaRecorder.isTypeSupported(candidate));
  const recorder = new MediaRecorder(stream, { ...(type && { mimeType: type }), audioBitsPerSecond: 48_000 });
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const parts: Blob[] = [];
  const levels: number[] = [];
  const begunAt = performance.now();
  recorder.addEventListener('dataavailable', ({ data }) => parts.push(data));
  recorder.start(1_000);

  const release = () => {
    for (const track of stream.getTracks()) track.stop();
    void context.close().catch(() => {
      // Closed already.
    });
  };
  return {
    elapsed: () => performance.now() - begunAt,
    sample() {
      analyser.getFloatTimeDomainData(samples);
      levels.push(samples.reduce((most, value) => Math.max(most, Math.abs(value)), 0));
      return levels.slice(-LEVELS);
    },
    finish: () =>
      new Promise((resolve) => {
        recorder.addEventListener('stop', () => {
          release();
          resolve({ blob: new Blob(parts, { type: plainType(recorder.mimeType) }), waveform: shapeOf(levels) });
        });
        recorder.stop();
      }),
    cancel() {
      if (recorder.state !== 'inactive') recorder.stop();
      release();
    },
  };
}

function plainType(mimeType: string): string {
  return mimeType.split(';', 1)[0] || 'audio/webm';
}

/** As loud as its loudest: what counts is the shape. */
function shapeOf(levels: readonly number[]): number[] {
  const loudest = Math.max(0.05, ...levels);
  const few = levels.length > LEVELS ? resample(levels, LEVELS) : levels;
  return few.map((level) => Math.round((level / loudest) * 100) / 100);
}
