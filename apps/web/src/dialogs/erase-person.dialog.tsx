import { ParleyError } from '@parley/client';
import { createAdministration } from '@parley/client/admin';
import { useParleyClient } from '@parley/react';
import { useId, useState } from 'react';
import { errorText } from '../error-text.ts';
import { useTexts } from '../texts/texts.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { closeDialog } from './dialogs.ts';

interface ErasePersonProps {
  readonly person: { readonly id: string; readonly name: string };
  /** Told the id of the erasure that was begun. */
  readonly onBegun: (id: string) => void;
}

const LONGEST = 500;

/** Says what an erasure takes and what it leaves, and has the name typed before it begins. */
export function ErasePersonDialog({ person, onBegun }: ErasePersonProps) {
  const texts = useTexts();
  const client = useParleyClient();
  const [typed, setTyped] = useState('');
  const [reason, setReason] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const id = useId();
  const sure = typed.trim() === person.name.trim();

  const erase = async () => {
    if (!sure || busy) return;
    setBusy(true);
    setProblem(null);
    try {
      const why = reason.trim() === '' ? {} : { reason: reason.trim() };
      onBegun((await createAdministration(client).eraseUser(person.id, why)).id);
      closeDialog();
    } catch (error) {
      setProblem(errorText(ParleyError.from(error), texts));
      setBusy(false);
    }
  };

  return (
    <Dialog
      title={texts.erasePerson(person.name)}
      onClose={closeDialog}
      width="medium"
      footer={
        <>
          <button type="button" className="button button-quiet" onClick={closeDialog}>
            {texts.cancel}
          </button>
          <button type="button" className="button button-danger" disabled={!sure || busy} onClick={erase}>
            {texts.eraseForGood}
          </button>
        </>
      }
    >
      <p className="font-semibold">{texts.whatGoes}</p>
      <ul className="mt-1 list-disc ps-5 text-small text-soft marker:text-soft">
        {texts.eraseTakes.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
      <p className="mt-3 font-semibold">{texts.whatStays}</p>
      <ul className="mt-1 list-disc ps-5 text-small text-soft">
        {texts.eraseLeaves.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
      <label htmlFor={`${id}-reason`} className="mb-1.5 mt-4 block text-small font-semibold">
        {texts.reason} <span className="font-normal text-soft">({texts.optional})</span>
      </label>
      <input
        id={`${id}-reason`}
        className="field"
        maxLength={LONGEST}
        value={reason}
        onChange={(event) => setReason(event.target.value)}
      />
      <label htmlFor={`${id}-name`} className="mb-1.5 mt-4 block text-small font-semibold">
        {texts.typeToConfirm(person.name)}
      </label>
      <input
        id={`${id}-name`}
        className="field"
        data-autofocus
        autoComplete="off"
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
        onKeyDown={(event) => event.key === 'Enter' && void erase()}
      />
      <p role="alert" className="mt-2 text-small text-danger empty:hidden">
        {problem}
      </p>
    </Dialog>
  );
}
