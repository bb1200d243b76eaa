import { ParleyError } from '@parley/client';
import { createDataExports } from '@parley/client/privacy';
import { useMe, useParleyClient } from '@parley/react';
import { useState } from 'react';
import { errorText } from '../error-text.ts';
import { begunJobs, forgetJob, rememberJob } from '../privacy/begun-jobs.ts';
import { ExportCard } from '../privacy/export-card.tsx';
import { useTexts } from '../texts/texts.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { useValue } from '../value.ts';
import { closeDialog } from './dialogs.ts';

/** A copy of everything that is one's own. */
export function MyDataDialog({ userId }: { readonly userId: string }) {
  const texts = useTexts();
  const client = useParleyClient();
  const me = useMe();
  const [latest] = useValue(begunJobs(userId, 'export'));
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);

  const begin = async () => {
    setBusy(true);
    setProblem(null);
    try {
      rememberJob(userId, 'export', (await createDataExports(client).begin(userId)).id);
    } catch (error) {
      setProblem(errorText(ParleyError.from(error), texts));
    } finally {
      setBusy(false);
    }
  };

  return (
    <Dialog
      title={texts.myData}
      onClose={closeDialog}
      footer={
        <>
          <button type="button" className="button button-quiet" onClick={closeDialog}>
            {texts.close}
          </button>
          {latest === undefined && (
            <button type="button" className="button button-primary" data-autofocus disabled={busy} onClick={begin}>
              {texts.beginCopy}
            </button>
          )}
        </>
      }
    >
      <p className="text-soft">{texts.myDataHint}</p>
      {latest !== undefined && (
        <div className="mt-4 rounded-2xl border border-line">
          <ExportCard
            key={latest}
            id={latest}
            nameOf={() => me?.name ?? userId}
            onForget={() => forgetJob(userId, 'export', latest)}
          />
        </div>
      )}
      <p role="alert" className="mt-2 text-small text-danger empty:hidden">
        {problem}
      </p>
    </Dialog>
  );
}
