import { ParleyError } from '@parley/client';
import { useConversation, useConversationHandle } from '@parley/react';
import { useState } from 'react';
import { errorText } from '../error-text.ts';
import { useTexts } from '../texts/texts.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { closeDialog } from './dialogs.ts';
import { usePeopleField } from './people-field.tsx';

/** Adds people to a group or channel. */
export function AddPeopleDialog({ conversationId }: { readonly conversationId: string }) {
  const texts = useTexts();
  const handle = useConversationHandle(conversationId);
  const state = useConversation(conversationId);
  const [problem, setProblem] = useState<string | null>(null);
  const present = Object.values(state?.participants ?? {}).filter(({ leftAt }) => leftAt === null);

  const add = async () => {
    setProblem(null);
    try {
      const chosen = await people.resolve();
      if (chosen === null) return;
      if (chosen.length > 0) await handle.addParticipants(chosen.map(({ id }) => id));
      closeDialog();
    } catch (error) {
      setProblem(errorText(ParleyError.from(error), texts));
    }
  };

  const people = usePeopleField({ exclude: present.map(({ user }) => user.id), onSubmit: () => void add() });
  return (
    <Dialog
      title={texts.addPeople}
      onClose={closeDialog}
      footer={
        <button type="button" className="button button-primary" disabled={people.empty} onClick={add}>
          {texts.add}
        </button>
      }
    >
      {people.field}
      <p role="alert" className="mt-2 text-small text-danger empty:hidden">
        {problem}
      </p>
    </Dialog>
  );
}
