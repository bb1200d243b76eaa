import type { Administration, LegalHold } from '@parley/client/admin';
import { conversationTitle, useFormats, useSnapshot } from '@parley/react';
import { Scale } from 'lucide-react';
import { type FormEvent, useCallback, useState } from 'react';
import { showDialog } from '../dialogs/dialogs.ts';
import { useTexts } from '../texts/texts.tsx';
import { useNames } from './names.ts';
import { usePages } from './pages.ts';
import { attempt, Chips, Labelled, ListOf, Tag } from './parts.tsx';
import { type ChosenPerson, PersonField } from './person-field.tsx';

const LONGEST = 500;

/** What neither erasure nor retention may touch: set, see, lift. */
export function HoldsTab({ admin }: { readonly admin: Administration }) {
  const texts = useTexts();
  const pages = usePages(useCallback((cursor, signal) => admin.legalHolds({ cursor, signal }), [admin]));
  const nameOf = useNames();
  const formats = useFormats();
  const userId = useSnapshot((snapshot) => snapshot.userId);
  const conversations = useSnapshot((snapshot) => snapshot.conversations);
  const [kind, setKind] = useState<'person' | 'conversation'>('person');
  const [person, setPerson] = useState<ChosenPerson | null>(null);
  const [address, setAddress] = useState('');
  const [reason, setReason] = useState('');
  const conversationId = idIn(address);
  const whole = reason.trim() !== '' && (kind === 'person' ? person !== null : conversationId !== null);

  const add = async (event: FormEvent) => {
    event.preventDefault();
    if (!whole) return;
    const what = kind === 'person' ? { userId: person!.id } : { conversationId: conversationId! };
    if (await attempt(texts, () => admin.holdLegally({ ...what, reason: reason.trim() }))) {
      setPerson(null);
      setAddress('');
      setReason('');
      pages.reload();
    }
  };
  const nameOfHold = (hold: LegalHold) => {
    if (hold.userId !== null) return nameOf(hold.userId);
    const known = conversations[hold.conversationId ?? ''];
    return known ? conversationTitle(known, userId, texts) : (hold.conversationId ?? '');
  };
  const lift = (hold: LegalHold) =>
    showDialog({
      kind: 'confirm',
      title: texts.liftHoldOf(nameOfHold(hold)),
      text: texts.liftHoldHint,
      action: texts.liftHold,
      run: async () => {
        await admin.releaseLegalHold(hold.id);
        pages.replace(hold, null);
      },
    });

  return (
    <>
      <p className="mb-4 max-w-prose text-small text-soft">{texts.holdsHint}</p>
      <form className="mb-6 grid gap-3 rounded-2xl bg-surface p-4" onSubmit={add}>
        <Chips
          legend={texts.kind}
          value={kind}
          onChange={setKind}
          options={[
            { value: 'person', label: texts.person },
            { value: 'conversation', label: texts.auditConversation },
          ]}
        />
        <div className="grid gap-3 sm:grid-cols-[1fr_1fr_auto] sm:items-end">
          {kind === 'person' ? (
            <PersonField admin={admin} label={texts.person} value={person} onChange={setPerson} />
          ) : (
            <Labelled label={texts.conversationAddress}>
              <input
                className="field"
                placeholder="/c/…"
                value={address}
                onChange={(event) => setAddress(event.target.value)}
              />
            </Labelled>
          )}
          <Labelled label={texts.reason}>
            <input
              className="field"
              maxLength={LONGEST}
              value={reason}
              onChange={(event) => setReason(event.target.value)}
            />
          </Labelled>
          <button type="submit" className="button button-primary" disabled={!whole}>
            {texts.setHold}
          </button>
        </div>
      </form>
      <ListOf
        pages={pages}
        label={texts.adminTabs.holds}
        empty={{ icon: <Scale size={24} />, title: texts.noHolds, hint: texts.noHoldsHint }}
        keyOf={({ id }) => id}
        render={(hold) => (
          <div className="flex flex-wrap items-center gap-x-3 gap-y-2 p-4">
            <div className="min-w-52 flex-1">
              <p className="flex items-center gap-2">
                <span className="truncate font-semibold" dir="auto">
                  {nameOfHold(hold)}
                </span>
                <Tag tone="plain">{hold.userId === null ? texts.auditConversation : texts.person}</Tag>
              </p>
              <p className="mt-0.5 break-words text-small" dir="auto">
                “{hold.reason}”
              </p>
              <p className="text-tiny text-soft">
                {[formats.full(hold.createdAt), texts.byPerson(nameOf(hold.createdBy))].join(' · ')}
              </p>
            </div>
            <button
              type="button"
              className="button button-quiet"
              aria-label={`${texts.liftHold}: ${nameOfHold(hold)}`}
              onClick={() => lift(hold)}
            >
              {texts.liftHold}
            </button>
          </div>
        )}
      />
    </>
  );
}

/** The id of a conversation in its address, or by itself. */
function idIn(text: string): string | null {
  return /[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}/i.exec(text)?.[0]?.toLowerCase() ?? null;
}
