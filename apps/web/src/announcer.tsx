import { briefOf, useParleyClient, useSnapshot } from '@parley/react';
import { useEffect, useState } from 'react';
import { currentRoute } from './router.ts';
import { useTexts } from './texts/texts.tsx';

const LONGEST = 200;

/** Tells new messages to screen readers, politely: the text where one reads, the name alone elsewhere. */
export function Announcer() {
  const client = useParleyClient();
  const texts = useTexts();
  const users = useSnapshot((snapshot) => snapshot.users);
  const [words, setWords] = useState('');

  useEffect(
    () =>
      client.on('message', ({ conversationId, message }) => {
        const name = users[message.senderId]?.name ?? texts.unknownPerson;
        const here = currentRoute().conversationId === conversationId;
        const text = briefOf(message, texts).slice(0, LONGEST);
        setWords(here ? texts.announceMessage(name, text) : texts.announceElsewhere(name));
      }),
    [client, texts, users],
  );

  return (
    <div className="sr-only" aria-live="polite">
      {words}
    </div>
  );
}
