import { ParleyError } from '@parley/client';
import { createDataExports } from '@parley/client/privacy';
import { useFormats, useParleyClient } from '@parley/react';
import { Download } from 'lucide-react';
import { useCallback, useMemo, useState } from 'react';
import { errorText } from '../error-text.ts';
import { useTexts } from '../texts/texts.tsx';
import { showToast } from '../ui/toast.tsx';
import { JobCard, JobProgress } from './job-parts.tsx';
import { useJob } from './use-job.ts';

interface ExportCardProps {
  readonly id: string;
  /** Whose data it is, by id. */
  readonly nameOf: (userId: string) => string;
  readonly onForget: () => void;
}

/** A copy of somebody's data: how far it is, then where to get it. */
export function ExportCard({ id, nameOf, onForget }: ExportCardProps) {
  const texts = useTexts();
  const formats = useFormats();
  const client = useParleyClient();
  const copies = useMemo(() => createDataExports(client), [client]);
  const { job, error, retry } = useJob(useCallback((signal: AbortSignal) => copies.get(id, { signal }), [copies, id]));
  const [busy, setBusy] = useState(false);
  const name = job === null ? '' : nameOf(job.userId);

  const download = async () => {
    setBusy(true);
    try {
      save(await copies.download(id), `parley-export-${id}.tar`);
    } catch (reason) {
      showToast({ text: errorText(ParleyError.from(reason), texts), tone: 'danger' });
    } finally {
      setBusy(false);
    }
  };

  return (
    <JobCard
      label={texts.copyOf(name)}
      title={name}
      at={job?.createdAt ?? null}
      error={error}
      onRetry={retry}
      onForget={onForget}
    >
      {job === null && <div className="skeleton mt-3 h-10" />}
      {(job?.state === 'waiting' || job?.state === 'running') && (
        <JobProgress label={texts.copyOf(name)} {...job.progress} />
      )}
      {job?.state === 'failed' && <p className="mt-2 text-small text-danger">{texts.copyFailedJob}</p>}
      {job?.state === 'done' && (
        <div className="mt-3 flex flex-wrap items-center gap-x-4 gap-y-2">
          <button type="button" className="button button-primary" disabled={busy} onClick={download}>
            <Download size={17} aria-hidden="true" />
            {texts.downloadCopy}
          </button>
          <p className="text-small text-soft">
            {[
              job.size !== null && formats.bytes(job.size),
              job.expiresAt !== null && texts.keptUntil(formats.full(job.expiresAt)),
            ]
              .filter(Boolean)
              .join(' · ')}
          </p>
        </div>
      )}
    </JobCard>
  );
}

function save(bytes: Blob, fileName: string): void {
  const url = URL.createObjectURL(bytes);
  const link = document.createElement('a');
  link.href = url;
  link.download = fileName;
  link.click();
  // The browser has taken hold of the bytes once the click was handled.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
