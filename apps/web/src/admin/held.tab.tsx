import type { Administration, HeldMessage } from '@parley/client/admin';
import { Avatar, useFormats } from '@parley/react';
import { ListChecks } from 'lucide-react';
import { useCallback, useState } from 'react';
import { useTexts } from '../texts/texts.tsx';
import { usePages } from './pages.ts';
import { attempt, Chips, ListOf, Tag } from './parts.tsx';

/** Messages that a rule held back: send them, or never. */
export function HeldTab({ admin }: { readonly admin: Administration }) {
  const texts = useTexts();
  const [state, setState] = useState<'open' | 'closed'>('open');
  const pages = usePages(useCallback((cursor, signal) => admin.held({ state, cursor, signal }), [admin, state]));
  const decide = async (held: HeldMessage, decision: 'approve' | 'reject', note: string) => {
    const noted = note.trim() === '' ? {} : { note: note.trim() };
    if (await attempt(texts, () => admin.resolveHeld(held.id, { decision, ...noted }))) pages.replace(held, null);
  };
  return (
    <>
      <div className="mb-4">
        <Chips
          legend={texts.filter}
          value={state}
          onChange={setState}
          options={[
            { value: 'open', label: texts.waitingOnes },
            { value: 'closed', label: texts.decidedOnes },
          ]}
        />
      </div>
      <ListOf
        pages={pages}
        label={texts.adminTabs.held}
        empty={{ icon: <ListChecks size={24} />, title: texts.noHeld, hint: texts.noHeldHint }}
        keyOf={({ id }) => id}
        render={(held) => <HeldCard held={held} onDecide={(decision, note) => void decide(held, decision, note)} />}
      />
    </>
  );
}

interface HeldCardProps {
  readonly held: HeldMessage;
  readonly onDecide: (decision: 'approve' | 'reject', note: string) => void;
}

function HeldCard({ held, onDecide }: HeldCardProps) {
  const texts = useTexts();
  const formats = useFormats();
  const [note, setNote] = useState('');
  const { sender, content, attachmentIds, cause, createdAt, decision, refusal } = held;
  return (
    <article className="p-4" aria-label={texts.heldOf(sender.name)}>
      <div className="flex items-start gap-3">
        <Avatar name={sender.name} id={sender.id} src={sender.avatarUrl} size={36} />
        <div className="min-w-0 flex-1">
          <div className="flex flex-wrap items-baseline gap-x-2">
            <span className="font-semibold">{sender.name}</span>
            <span className="text-tiny text-soft">{formats.full(createdAt)}</span>
          </div>
          {content !== null && (
            <p className="mt-0.5 whitespace-pre-wrap break-words" dir="auto">
              {content}
            </p>
          )}
          {attachmentIds.length > 0 && (
            <p className="text-small text-soft">{texts.attachments(attachmentIds.length)}</p>
          )}
          <p className="mt-1 text-tiny text-soft">{texts.heldBecause(cause)}</p>
        </div>
      </div>
      {decision === null ? (
        <div className="mt-3 flex flex-wrap items-center gap-2">
          <input
            className="field min-w-40 flex-1"
            aria-label={texts.note}
            placeholder={texts.notePlaceholder}
            maxLength={500}
            value={note}
            onChange={(event) => setNote(event.target.value)}
          />
          <button type="button" className="button button-danger" onClick={() => onDecide('reject', note)}>
            {texts.reject}
          </button>
          <button type="button" className="button button-primary" onClick={() => onDecide('approve', note)}>
            {texts.approve}
          </button>
        </div>
      ) : (
        <p className="mt-3 flex flex-wrap items-center gap-2 text-small text-soft">
          <Tag tone={decision === 'approved' ? 'plain' : 'danger'}>{texts.decisions[decision]}</Tag>
          {refusal !== null && texts.couldNotSend(refusal)}
          {held.note !== null && <span dir="auto">“{held.note}”</span>}
        </p>
      )}
    </article>
  );
}
