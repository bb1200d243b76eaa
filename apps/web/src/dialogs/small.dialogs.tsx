import { type Message, ParleyError, type Revision } from '@parley/client';
import { MessageText, useConversation, useConversationHandle, useFormats, useUser } from '@parley/react';
import { type ReactNode, useEffect, useId, useState } from 'react';
import { errorText } from '../error-text.ts';
import { type Locale, type Preferences, preferences, setPreferences } from '../preferences.ts';
import { useTexts } from '../texts/texts.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { useValue } from '../value.ts';
import { closeDialog, type OpenDialog } from './dialogs.ts';

/** Asks once more before something that cannot be undone. */
export function ConfirmDialog({ dialog }: { readonly dialog: Extract<OpenDialog, { kind: 'confirm' }> }) {
  const texts = useTexts();
  const [problem, setProblem] = useState<string | null>(null);
  const run = async () => {
    try {
      await dialog.run();
      closeDialog();
    } catch (error) {
      setProblem(errorText(ParleyError.from(error), texts));
    }
  };
  return (
    <Dialog
      title={dialog.title}
      onClose={closeDialog}
      footer={
        <>
          <button type="button" className="button button-quiet" data-autofocus onClick={closeDialog}>
            {texts.cancel}
          </button>
          <button type="button" className="button button-danger" onClick={run}>
            {dialog.action}
          </button>
        </>
      }
    >
      <p className="text-soft">{dialog.text}</p>
      <p role="alert" className="mt-2 text-small text-danger empty:hidden">
        {problem}
      </p>
    </Dialog>
  );
}

/** Gives a conversation another name. */
export function RenameDialog({ conversationId }: { readonly conversationId: string }) {
  const texts = useTexts();
  const state = useConversation(conversationId);
  const handle = useConversationHandle(conversationId);
  const [title, setTitle] = useState(state?.conversation.title ?? '');
  const [problem, setProblem] = useState<string | null>(null);
  const id = useId();
  const save = async () => {
    try {
      await handle.update({ title: title.trim() || null });
      closeDialog();
    } catch (error) {
      setProblem(errorText(ParleyError.from(error), texts));
    }
  };
  return (
    <Dialog
      title={texts.rename}
      onClose={closeDialog}
      footer={
        <button type="button" className="button button-primary" onClick={save}>
          {texts.save}
        </button>
      }
    >
      <label htmlFor={id} className="mb-1.5 block text-small font-semibold">
        {texts.title}
      </label>
      <input
        id={id}
        className="field"
        data-autofocus
        value={title}
        maxLength={200}
        onChange={(event) => setTitle(event.target.value)}
        onKeyDown={(event) => event.key === 'Enter' && void save()}
      />
      <p role="alert" className="mt-2 text-small text-danger empty:hidden">
        {problem}
      </p>
    </Dialog>
  );
}

/** The texts a message had before. */
export function RevisionsDialog({ message }: { readonly message: Message }) {
  const texts = useTexts();
  const formats = useFormats();
  const handle = useConversationHandle(message.conversationId);
  const author = useUser(message.senderId);
  const [revisions, setRevisions] = useState<readonly Revision[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  useEffect(() => {
    const aborter = new AbortController();
    handle.revisions(message.id, { signal: aborter.signal }).then(setRevisions, (error: unknown) => {
      if (!aborter.signal.aborted) setProblem(errorText(ParleyError.from(error), texts));
    });
    return () => aborter.abort();
  }, [handle, message.id, texts]);

  return (
    <Dialog title={texts.earlierTexts} onClose={closeDialog} width="medium">
      {problem && (
        <p role="alert" className="text-danger">
          {problem}
        </p>
      )}
      {revisions === null && !problem && <div className="skeleton h-24" />}
      <ol className="grid gap-3">
        {revisions?.map((revision, index) => (
          <li key={revision.at + String(index)} className="rounded-2xl bg-hover px-4 py-3">
            <p className="mb-1 text-tiny text-soft">
              {author?.name} · <time dateTime={revision.at}>{formats.full(revision.at)}</time>
              {index === revisions.length - 1 && ` · ${texts.now}`}
            </p>
            <MessageText text={revision.content} />
          </li>
        ))}
      </ol>
    </Dialog>
  );
}

/** Theme, language, direction. */
export function PreferencesDialog() {
  const texts = useTexts();
  const chosen = useValue(preferences);
  return (
    <Dialog title={texts.preferences} onClose={closeDialog}>
      <Choice
        legend={texts.theme}
        value={chosen.theme}
        options={[
          ['system', texts.themeSystem],
          ['light', texts.themeLight],
          ['dark', texts.themeDark],
        ]}
        onChange={(theme) => setPreferences({ theme: theme as Preferences['theme'] })}
      />
      <Choice
        legend={texts.language}
        value={chosen.locale ?? 'auto'}
        options={[
          ['auto', texts.languageAuto],
          ['en', 'English'],
          ['de', 'Deutsch'],
        ]}
        onChange={(locale) => setPreferences({ locale: locale === 'auto' ? null : (locale as Locale) })}
      />
      <Choice
        legend={texts.direction}
        value={chosen.direction}
        options={[
          ['ltr', texts.leftToRight],
          ['rtl', texts.rightToLeft],
        ]}
        onChange={(direction) => setPreferences({ direction: direction as Preferences['direction'] })}
      />
    </Dialog>
  );
}

interface ChoiceProps {
  readonly legend: string;
  readonly value: string;
  readonly options: readonly (readonly [value: string, label: string])[];
  readonly onChange: (value: string) => void;
}

function Choice({ legend, value, options, onChange }: ChoiceProps) {
  const name = useId();
  return (
    <fieldset className="mb-5 last:mb-0">
      <legend className="mb-1.5 text-small font-semibold">{legend}</legend>
      <div className="flex gap-1 rounded-xl bg-hover p-1">
        {options.map(([option, label]) => (
          <label
            key={option}
            className="flex min-h-9 flex-1 cursor-pointer items-center justify-center rounded-lg px-2 text-center text-small font-semibold text-soft has-checked:bg-raised has-checked:text-ink has-checked:shadow-sm has-focus-visible:outline-2 has-focus-visible:outline-accent-ink"
          >
            <input
              type="radio"
              className="sr-only"
              name={name}
              value={option}
              checked={value === option}
              onChange={() => onChange(option)}
            />
            {label}
          </label>
        ))}
      </div>
    </fieldset>
  );
}

/** Every key that does something. */
export function ShortcutsDialog() {
  const texts = useTexts();
  const command = /Mac|iP/.test(navigator.platform) ? '⌘' : 'Ctrl';
  return (
    <Dialog title={texts.shortcuts} onClose={closeDialog} width="medium">
      <div className="grid gap-5 sm:grid-cols-2">
        <Group title={texts.everywhere}>
          <Shortcut keys={[command, 'K']} label={texts.jumpTo} />
          <Shortcut keys={[command, 'F']} label={texts.searchMessages} />
          <Shortcut keys={['Alt', '↓']} label={texts.nextConversation} />
          <Shortcut keys={['Alt', '↑']} label={texts.previousConversation} />
          <Shortcut keys={['Alt', 'N']} label={texts.newConversation} />
          <Shortcut keys={['?']} label={texts.shortcuts} />
          <Shortcut keys={['F6']} label={texts.nextPane} />
        </Group>
        <Group title={texts.composer}>
          <Shortcut keys={['Enter']} label={texts.send} />
          <Shortcut keys={['Shift', 'Enter']} label={texts.newLine} />
          <Shortcut keys={['↑']} label={texts.editLast} />
          <Shortcut keys={['@']} label={texts.mentionSomeone} />
          <Shortcut keys={[':']} label={texts.emoji} />
          <Shortcut keys={['Esc']} label={texts.cancel} />
        </Group>
        <Group title={texts.onMessage}>
          <Shortcut keys={['↑', '↓']} label={texts.walkMessages} />
          <Shortcut keys={['R']} label={texts.reply} />
          <Shortcut keys={['E']} label={texts.change} />
          <Shortcut keys={['+']} label={texts.react} />
          <Shortcut keys={['C']} label={texts.copyText} />
          <Shortcut keys={['U']} label={texts.markUnread} />
          <Shortcut keys={['Del']} label={texts.delete} />
          <Shortcut keys={['Enter']} label={texts.more} />
        </Group>
      </div>
    </Dialog>
  );
}

function Group({ title, children }: { readonly title: string; readonly children: ReactNode }) {
  return (
    <section>
      <h3 className="mb-2 text-small font-semibold text-soft">{title}</h3>
      <dl className="grid gap-1.5">{children}</dl>
    </section>
  );
}

function Shortcut({ keys, label }: { readonly keys: readonly string[]; readonly label: string }) {
  return (
    <div className="flex items-center justify-between gap-3 text-small">
      <dt>{label}</dt>
      <dd className="flex gap-1">
        {keys.map((key) => (
          <kbd
            key={key}
            className="min-w-6 rounded-md border border-line bg-surface px-1.5 py-0.5 text-center font-sans text-tiny font-semibold"
          >
            {key}
          </kbd>
        ))}
      </dd>
    </div>
  );
}
