import type { ParleyErrorInit } from '@parley/client';
import { useFormats } from '@parley/react';
import { X } from 'lucide-react';
import type { ReactNode } from 'react';
import { errorText } from '../error-text.ts';
import { useTexts } from '../texts/texts.tsx';

interface JobCardProps {
  readonly label: string;
  readonly title: string;
  /** When it was begun. */
  readonly at: string | null;
  readonly error: ParleyErrorInit | null;
  readonly onRetry: () => void;
  readonly onForget: () => void;
  readonly children: ReactNode;
}

/** A job with what there is to say of it. */
export function JobCard({ label, title, at, error, onRetry, onForget, children }: JobCardProps) {
  const texts = useTexts();
  const formats = useFormats();
  return (
    <article aria-label={label} className="p-4">
      <div className="flex items-start gap-3">
        <div className="min-w-0 flex-1">
          <p className="truncate font-semibold" dir="auto">
            {title}
          </p>
          {at !== null && <p className="text-tiny text-soft">{texts.begunAt(formats.full(at))}</p>}
        </div>
        <button
          type="button"
          className="icon-button -me-2 -mt-2"
          aria-label={texts.takeOffList(label)}
          title={texts.takeOffList(label)}
          onClick={onForget}
        >
          <X size={18} />
        </button>
      </div>
      {error ? (
        <div role="alert" className="mt-2 flex flex-wrap items-center gap-3 text-small">
          <p className="flex-1 text-danger">{error.code === 'not_found' ? texts.jobGone : errorText(error, texts)}</p>
          {error.code !== 'not_found' && (
            <button type="button" className="button button-quiet" onClick={onRetry}>
              {texts.tryAgain}
            </button>
          )}
        </div>
      ) : (
        children
      )}
    </article>
  );
}

/** How far a job is. */
export function JobProgress({
  label,
  done,
  total,
}: {
  readonly label: string;
  readonly done: number;
  readonly total: number;
}) {
  const texts = useTexts();
  return (
    <div className="mt-3 flex items-center gap-3">
      <progress
        className="progress flex-1"
        aria-label={label}
        {...(total > 0 && { value: Math.min(done, total), max: total })}
      />
      <span className="text-tiny text-soft tabular-nums">
        {total > 0 ? texts.stepsOf(done, total) : texts.jobWaits}
      </span>
    </div>
  );
}
