import { type Message, ParleyError } from '@parley/client';
import { briefOf, useConversationHandle, useParleyClient, useUser } from '@parley/react';
import { useId, useState } from 'react';
import { setBlocked, useBlocked } from '../blocks.ts';
import { errorText } from '../error-text.ts';
import { useTexts } from '../texts/texts.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { showToast } from '../ui/toast.tsx';
import { closeDialog } from './dialogs.ts';

const REASONS = ['spam', 'harassment', 'hate', 'violence', 'other'] as const;
const LONGEST = 400;

/** Tells the administrators of a message, and may block its author at the same time. */
export function ReportDialog({ message }: { readonly message: Message }) {
  const texts = useTexts();
  const client = useParleyClient();
  const handle = useConversationHandle(message.conversationId);
  const author = useUser(message.senderId);
  const blocked = useBlocked().has(message.senderId);
  const [reason, setReason] = useState<(typeof REASONS)[number]>('spam');
  const [details, setDetails] = useState('');
  const [block, setBlock] = useState(false);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const id = useId();
  const name = author?.name ?? texts.unknownPerson;
  const missing = reason === 'other' && details.trim() === '';

  const report = async () => {
    setBusy(true);
    setProblem(null);
    try {
      const words = [texts.reportReasons[reason], details.trim()].filter(Boolean).join(': ');
      await handle.report(message.id, words);
      if (block) await setBlocked(client, message.senderId, true);
      closeDialog();
      showToast({ text: texts.reported });
    } catch (error) {
      setProblem(errorText(ParleyError.from(error), texts));
      setBusy(false);
    }
  };

  return (
    <Dialog
      title={texts.reportMessage}
      onClose={closeDialog}
      footer={
        <>
          <button type="button" className="button button-quiet" onClick={closeDialog}>
            {texts.cancel}
          </button>
          <button type="button" className="button button-primary" disabled={busy || missing} onClick={report}>
            {texts.sendReport}
          </button>
        </>
      }
    >
      <blockquote className="mb-4 rounded-2xl bg-hover px-4 py-3">
        <p className="text-tiny font-semibold text-soft">{name}</p>
        <p className="line-clamp-3 text-small" dir="auto">
          {briefOf(message, texts)}
        </p>
      </blockquote>
      <fieldset>
        <legend className="mb-1 text-small font-semibold">{texts.reportWhy}</legend>
        {REASONS.map((value, index) => (
          <label key={value} className="flex min-h-10 items-center gap-3 rounded-xl px-2 hover:bg-hover">
            <input
              type="radio"
              name={`${id}-reason`}
              className="size-4 accent-accent"
              checked={reason === value}
              onChange={() => setReason(value)}
              {...(index === 0 && { 'data-autofocus': '' })}
            />
            {texts.reportReasons[value]}
          </label>
        ))}
      </fieldset>
      <label htmlFor={`${id}-details`} className="mb-1.5 mt-3 block text-small font-semibold">
        {texts.reportDetails}
        {reason !== 'other' && <span className="font-normal text-soft"> ({texts.optional})</span>}
      </label>
      <textarea
        id={`${id}-details`}
        className="field min-h-20 py-2"
        dir="auto"
        maxLength={LONGEST}
        value={details}
        onChange={(event) => setDetails(event.target.value)}
      />
      {!blocked && (
        <label className="mt-3 flex min-h-10 items-center gap-3 px-2">
          <input
            type="checkbox"
            className="size-4 accent-accent"
            checked={block}
            onChange={(event) => setBlock(event.target.checked)}
          />
          {texts.blockPerson(name)}
        </label>
      )}
      <p className="mt-2 text-tiny text-soft">{texts.reportHint}</p>
      <p role="alert" className="mt-2 text-small text-danger empty:hidden">
        {problem}
      </p>
    </Dialog>
  );
}
