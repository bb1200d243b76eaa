import type { Administration, Erasure } from '@parley/client/admin';
import { createDataExports } from '@parley/client/privacy';
import { useFormats, useParleyClient, useSnapshot } from '@parley/react';
import { FileArchive } from 'lucide-react';
import { type ReactNode, useCallback, useState } from 'react';
import { showDialog } from '../dialogs/dialogs.ts';
import { begunJobs, forgetJob, type JobKind, rememberJob } from '../privacy/begun-jobs.ts';
import { ExportCard } from '../privacy/export-card.tsx';
import { JobCard, JobProgress } from '../privacy/job-parts.tsx';
import { useJob } from '../privacy/use-job.ts';
import { useTexts } from '../texts/texts.tsx';
import { Empty } from '../ui/empty.tsx';
import { useValue } from '../value.ts';
import { useNames } from './names.ts';
import { attempt } from './parts.tsx';
import { type ChosenPerson, PersonField } from './person-field.tsx';

/** What is kept about a person: a copy of it, or its erasure. */
export function DataTab({ admin }: { readonly admin: Administration }) {
  const texts = useTexts();
  const client = useParleyClient();
  const nameOf = useNames();
  const userId = useSnapshot((snapshot) => snapshot.userId) ?? '';
  const exports = useValue(begunJobs(userId, 'export'));
  const erasures = useValue(begunJobs(userId, 'erasure'));
  const [person, setPerson] = useState<ChosenPerson | null>(null);
  const [busy, setBusy] = useState(false);

  const copy = async ({ id }: ChosenPerson) => {
    setBusy(true);
    await attempt(texts, async () => {
      rememberJob(userId, 'export', (await createDataExports(client).begin(id)).id);
      setPerson(null);
    });
    setBusy(false);
  };
  const erase = (chosen: ChosenPerson) =>
    showDialog({
      kind: 'erase-person',
      person: chosen,
      onBegun: (id) => {
        rememberJob(userId, 'erasure', id);
        setPerson(null);
      },
    });
  const forget = (kind: JobKind, id: string) => forgetJob(userId, kind, id);

  return (
    <>
      <p className="mb-4 max-w-prose text-small text-soft">{texts.dataHint}</p>
      <div className="mb-6 grid gap-3 rounded-2xl bg-surface p-4 sm:grid-cols-[1fr_auto_auto] sm:items-end">
        <PersonField admin={admin} label={texts.person} value={person} onChange={setPerson} />
        <button
          type="button"
          className="button button-primary"
          disabled={person === null || busy}
          onClick={() => person && void copy(person)}
        >
          {texts.beginCopy}
        </button>
        <button
          type="button"
          className="button button-danger"
          disabled={person === null || person.id === userId}
          onClick={() => person && erase(person)}
        >
          {texts.erase}
        </button>
      </div>
      {exports.length + erasures.length === 0 ? (
        <Empty icon={<FileArchive size={24} />} title={texts.noJobs} hint={texts.noJobsHint} />
      ) : (
        <>
          <Section title={texts.erasures} ids={erasures}>
            {(id) => <ErasureCard id={id} admin={admin} nameOf={nameOf} onForget={() => forget('erasure', id)} />}
          </Section>
          <Section title={texts.copies} ids={exports}>
            {(id) => <ExportCard id={id} nameOf={nameOf} onForget={() => forget('export', id)} />}
          </Section>
        </>
      )}
    </>
  );
}

interface SectionProps {
  readonly title: string;
  readonly ids: readonly string[];
  readonly children: (id: string) => ReactNode;
}

function Section({ title, ids, children }: SectionProps) {
  if (ids.length === 0) return null;
  return (
    <section className="mb-6">
      <h3 className="mb-2 text-small font-semibold text-soft">{title}</h3>
      {/* biome-ignore lint/a11y/noRedundantRoles: without bullets Safari forgets that this is a list */}
      <ul role="list" aria-label={title} className="grid gap-3">
        {ids.map((id) => (
          <li key={id} className="rounded-2xl border border-line bg-raised">
            {children(id)}
          </li>
        ))}
      </ul>
    </section>
  );
}

interface ErasureCardProps {
  readonly id: string;
  readonly admin: Administration;
  readonly nameOf: (userId: string) => string;
  readonly onForget: () => void;
}

function ErasureCard({ id, admin, nameOf, onForget }: ErasureCardProps) {
  const texts = useTexts();
  const { job, error, retry } = useJob(
    useCallback((signal: AbortSignal) => admin.erasure(id, { signal }), [admin, id]),
  );
  const who = job === null ? '' : job.state === 'done' ? job.userId : nameOf(job.userId);
  return (
    <JobCard
      label={texts.erasureOf(who)}
      title={who}
      at={job?.createdAt ?? null}
      error={error}
      onRetry={retry}
      onForget={onForget}
    >
      {job === null && <div className="skeleton mt-3 h-10" />}
      {(job?.state === 'waiting' || job?.state === 'running') && (
        <JobProgress label={texts.erasureOf(who)} {...job.progress} />
      )}
      {job?.state === 'failed' && <p className="mt-2 text-small text-danger">{texts.erasureFailed}</p>}
      {job?.state === 'done' && <Proof erasure={job} />}
    </JobCard>
  );
}

function Proof({ erasure: { proof, pseudonym, finishedAt } }: { readonly erasure: Erasure }) {
  const texts = useTexts();
  const formats = useFormats();
  if (proof === null) return null;
  return (
    <div className="mt-3 rounded-xl bg-surface p-3 text-small">
      <p className="font-semibold text-good">{texts.erasedAt(finishedAt === null ? '' : formats.full(finishedAt))}</p>
      <dl className="mt-2 grid grid-cols-2 gap-x-4 gap-y-2 sm:grid-cols-4">
        <Figure name={texts.proofMessages} value={proof.messages} />
        <Figure name={texts.proofFiles} value={proof.files} />
        <Figure name={texts.proofConversations} value={proof.conversations} />
        <Figure name={texts.proofKept} value={proof.kept} />
      </dl>
      <p className="mt-2 text-tiny text-soft">{texts.proofNote(pseudonym)}</p>
    </div>
  );
}

function Figure({ name, value }: { readonly name: string; readonly value: number }) {
  return (
    <div>
      <dt className="text-tiny text-soft">{name}</dt>
      <dd className="font-semibold tabular-nums">{value.toLocaleString()}</dd>
    </div>
  );
}
