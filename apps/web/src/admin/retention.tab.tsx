import { ParleyError, type ParleyErrorInit } from '@parley/client';
import type { Administration, Retention, RetentionPreview } from '@parley/client/admin';
import { useFormats } from '@parley/react';
import { useCallback, useEffect, useState } from 'react';
import { showDialog } from '../dialogs/dialogs.ts';
import { errorText } from '../error-text.ts';
import { useTexts } from '../texts/texts.tsx';
import { showToast } from '../ui/toast.tsx';

const TYPES = ['direct', 'group', 'channel'] as const satisfies readonly (keyof Retention)[];
const PAUSE_MS = 300;
const MOST_DAYS = 36_500;

type Fields = Readonly<Record<keyof Retention, string>>;

/** How long messages are kept, and what a change would take away. */
export function RetentionTab({ admin }: { readonly admin: Administration }) {
  const texts = useTexts();
  const [kept, setKept] = useState<Retention | null>(null);
  const [fields, setFields] = useState<Fields | null>(null);
  const [error, setError] = useState<ParleyErrorInit | null>(null);
  const [round, setRound] = useState(0);
  const [busy, setBusy] = useState(false);
  const show = useCallback((now: Retention) => {
    setKept(now);
    setFields({ direct: toField(now.direct), group: toField(now.group), channel: toField(now.channel) });
  }, []);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new round asks once more
  useEffect(() => {
    const aborter = new AbortController();
    setError(null);
    admin.retention({ signal: aborter.signal }).then(show, (reason: unknown) => {
      if (!aborter.signal.aborted) setError(ParleyError.from(reason).toJSON());
    });
    return () => aborter.abort();
  }, [admin, show, round]);

  const wrong = fields !== null && TYPES.some((type) => !isDays(fields[type]));
  const preview = usePreview(admin, wrong ? null : fields);
  if (error) {
    return (
      <div role="alert" className="flex flex-col items-center gap-3 py-16 text-center">
        <p className="text-danger">{errorText(error, texts)}</p>
        <button type="button" className="button button-quiet" onClick={() => setRound(round + 1)}>
          {texts.tryAgain}
        </button>
      </div>
    );
  }
  if (kept === null || fields === null) return <div className="skeleton h-64 rounded-2xl" aria-hidden="true" />;

  const changed = TYPES.some((type) => fields[type] !== toField(kept[type]));
  const save = async () => {
    setBusy(true);
    try {
      show(
        await admin.setRetention({
          direct: toDays(fields.direct),
          group: toDays(fields.group),
          channel: toDays(fields.channel),
        }),
      );
      showToast({ text: texts.retentionSaved });
    } finally {
      setBusy(false);
    }
  };
  const doomed = preview === null ? 0 : TYPES.reduce((sum, type) => sum + preview[type].messages, 0);
  const confirm = () =>
    showDialog({
      kind: 'confirm',
      title: texts.saveRetention,
      text: texts.retentionWarning(doomed),
      action: texts.save,
      run: save,
    });

  return (
    <>
      <p className="mb-4 max-w-prose text-small text-soft">{texts.retentionHint}</p>
      <div className="overflow-hidden rounded-2xl border border-line bg-raised">
        {TYPES.map((type) => (
          <Row
            key={type}
            type={type}
            value={fields[type]}
            effect={preview?.[type] ?? null}
            onChange={(value) => setFields({ ...fields, [type]: value })}
          />
        ))}
      </div>
      <div className="mt-4 flex flex-wrap items-center justify-end gap-2">
        {changed && (
          <button type="button" className="button button-quiet" onClick={() => show(kept)}>
            {texts.cancel}
          </button>
        )}
        <button
          type="button"
          className="button button-primary"
          disabled={!changed || wrong || preview === null || busy}
          onClick={confirm}
        >
          {texts.save}
        </button>
      </div>
    </>
  );
}

interface RowProps {
  readonly type: keyof Retention;
  readonly value: string;
  readonly effect: RetentionPreview[keyof Retention] | null;
  readonly onChange: (value: string) => void;
}

function Row({ type, value, effect, onChange }: RowProps) {
  const texts = useTexts();
  const formats = useFormats();
  const wrong = !isDays(value);
  return (
    <div className="flex flex-wrap items-center gap-x-4 gap-y-2 border-line p-4 not-first:border-t">
      <label className="flex items-center gap-3 font-semibold max-sm:w-full">
        <span className="sm:w-44 max-sm:flex-1">{texts.retentionTypes[type]}</span>
        <input
          className="field !w-28 font-normal"
          inputMode="numeric"
          aria-invalid={wrong || undefined}
          aria-describedby={`retention-${type}`}
          placeholder={texts.forEver}
          value={value}
          onChange={(event) => onChange(event.target.value)}
        />
        <span className="min-w-9 text-small font-normal text-soft">{value.trim() !== '' && texts.days}</span>
      </label>
      <p id={`retention-${type}`} className="min-w-48 flex-1 text-small text-soft">
        {wrong ? (
          <span className="text-danger">{texts.daysWrong(MOST_DAYS)}</span>
        ) : value.trim() === '' ? (
          texts.keptForEver
        ) : effect === null ? (
          texts.counting
        ) : effect.messages === 0 ? (
          texts.nothingToDelete
        ) : (
          <span className="font-medium text-warn">
            {texts.wouldDelete(effect.messages, effect.conversations, formats.day(effect.oldest ?? ''))}
          </span>
        )}
        {!wrong && effect !== null && effect.held > 0 && <> {texts.heldBack(effect.held)}</>}
      </p>
    </div>
  );
}

/** What the fields as they stand would delete now; null while it is not known. */
function usePreview(admin: Administration, fields: Fields | null): RetentionPreview | null {
  const texts = useTexts();
  const [preview, setPreview] = useState<{ readonly of: Fields; readonly found: RetentionPreview } | null>(null);
  useEffect(() => {
    if (fields === null) return;
    const aborter = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const limited = TYPES.flatMap((type) => {
          const days = toDays(fields[type]);
          return days === null ? [] : [[type, days] as const];
        });
        const found = await admin.previewRetention(Object.fromEntries(limited), { signal: aborter.signal });
        // What is kept for ever is asked for as it is set; as it stands in the field nothing of it goes.
        for (const type of TYPES) if (toDays(fields[type]) === null) found[type] = NOTHING;
        setPreview({ of: fields, found });
      } catch (error) {
        if (!aborter.signal.aborted) showToast({ text: errorText(ParleyError.from(error), texts), tone: 'danger' });
      }
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      aborter.abort();
    };
  }, [admin, fields, texts]);
  return preview !== null && preview.of === fields ? preview.found : null;
}

const NOTHING: RetentionPreview['direct'] = { messages: 0, conversations: 0, oldest: null, held: 0 };

function toField(days: number | null): string {
  return days === null ? '' : String(days);
}

/** Null: for ever. */
function toDays(field: string): number | null {
  return field.trim() === '' ? null : Number(field);
}

function isDays(field: string): boolean {
  const days = toDays(field);
  return days === null || (Number.isInteger(days) && days >= 1 && days <= MOST_DAYS);
}
