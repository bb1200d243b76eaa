import { ParleyError } from '@parley/client';
import { useMe, useParleyClient } from '@parley/react';
import { Hash, Lock, Users } from 'lucide-react';
import { useId, useState } from 'react';
import { errorText } from '../error-text.ts';
import { navigate, pathOf } from '../router.ts';
import { useTexts } from '../texts/texts.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { closeDialog } from './dialogs.ts';
import { usePeopleField } from './people-field.tsx';

/** One person makes a direct conversation, several a group; a channel is open to all. */
export function NewConversationDialog() {
  const texts = useTexts();
  const client = useParleyClient();
  const me = useMe();
  const [kind, setKind] = useState<'people' | 'channel'>('people');
  const [title, setTitle] = useState('');
  const [confidential, setConfidential] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const titleId = useId();

  const create = async () => {
    setProblem(null);
    if (kind === 'channel' && title.trim() === '') return setProblem(texts.channelNeedsName);
    if (kind === 'people' && people.empty) return setProblem(texts.choosePeople);
    setBusy(true);
    try {
      const chosen = await people.resolve();
      if (chosen === null) return;
      const name = title.trim();
      const type = kind === 'channel' ? 'channel' : chosen.length === 1 && name === '' ? 'direct' : 'group';
      const conversation = await client.createConversation({
        type,
        participantIds: chosen.map(({ id }) => id),
        ...(name && { title: name }),
        ...(confidential && { confidential }),
      });
      closeDialog();
      navigate(pathOf(conversation.id));
    } catch (error) {
      setProblem(errorText(ParleyError.from(error), texts));
    } finally {
      setBusy(false);
    }
  };

  const people = usePeopleField({ exclude: me ? [me.id] : [], onSubmit: () => void create() });
  const asksTitle = kind === 'channel' || people.chosen.length > 0;

  return (
    <Dialog
      title={texts.newConversation}
      onClose={closeDialog}
      footer={
        <>
          <button type="button" className="button button-quiet" onClick={closeDialog}>
            {texts.cancel}
          </button>
          <button type="button" className="button button-primary" disabled={busy} onClick={create}>
            {texts.create}
          </button>
        </>
      }
    >
      <fieldset className="mb-4 flex gap-1 rounded-xl bg-hover p-1">
        <legend className="sr-only">{texts.kind}</legend>
        {(['people', 'channel'] as const).map((value) => (
          <button
            key={value}
            type="button"
            aria-pressed={kind === value}
            className="flex min-h-9 flex-1 items-center justify-center gap-2 rounded-lg text-small font-semibold text-soft aria-pressed:bg-raised aria-pressed:text-ink aria-pressed:shadow-sm"
            onClick={() => setKind(value)}
          >
            {value === 'people' ? <Users size={16} aria-hidden="true" /> : <Hash size={16} aria-hidden="true" />}
            {value === 'people' ? texts.directOrGroup : texts.channel}
          </button>
        ))}
      </fieldset>
      {asksTitle && (
        <div className="mb-4">
          <label htmlFor={titleId} className="mb-1.5 block text-small font-semibold">
            {kind === 'channel' ? texts.channelName : texts.groupName}
          </label>
          <input
            id={titleId}
            className="field"
            value={title}
            maxLength={200}
            placeholder={
              kind === 'channel'
                ? texts.channelPlaceholder
                : people.chosen.length > 1
                  ? texts.optional
                  : texts.optionalForTwo
            }
            onChange={(event) => setTitle(event.target.value)}
            onKeyDown={(event) => event.key === 'Enter' && void create()}
          />
        </div>
      )}
      {me?.features?.includes('confidential') && <Confidential value={confidential} onChange={setConfidential} />}
      {people.field}
      <p role="alert" className="mt-2 text-small text-danger empty:hidden">
        {problem}
      </p>
    </Dialog>
  );
}

/** Whether what is said is encrypted at rest, and what that is worth: promised is no more than the server keeps. */
function Confidential({ value, onChange }: { readonly value: boolean; readonly onChange: (value: boolean) => void }) {
  const texts = useTexts();
  const id = useId();
  return (
    <div className="mb-4 flex gap-3 rounded-2xl bg-surface p-3">
      <Lock size={18} className="mt-0.5 flex-none text-soft" aria-hidden="true" />
      <div className="min-w-0 flex-1">
        <label htmlFor={id} className="block font-semibold">
          {texts.confidential}
        </label>
        <p id={`${id}-hint`} className="mt-0.5 text-tiny text-soft">
          {value ? texts.confidentialHint : texts.confidentialBrief}
        </p>
      </div>
      <input
        id={id}
        type="checkbox"
        // biome-ignore lint/a11y/useAriaPropsForRole: a checkbox says itself whether it is on
        role="switch"
        className="switch"
        aria-describedby={`${id}-hint`}
        checked={value}
        onChange={(event) => onChange(event.target.checked)}
      />
    </div>
  );
}
