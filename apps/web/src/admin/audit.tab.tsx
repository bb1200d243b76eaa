import { ParleyError } from '@parley/client';
import type { Administration, AuditEntry, AuditVerdict } from '@parley/client/admin';
import { useFormats } from '@parley/react';
import { ScrollText, ShieldAlert, ShieldCheck } from 'lucide-react';
import { useCallback, useEffect, useState } from 'react';
import { errorText } from '../error-text.ts';
import { useTexts } from '../texts/texts.tsx';
import { useNames } from './names.ts';
import { usePages } from './pages.ts';
import { Labelled, ListOf, Tag } from './parts.tsx';

interface Filter {
  readonly action: string;
  readonly actorId: string;
  readonly conversationId: string;
  readonly from: string;
  readonly to: string;
}

const NONE: Filter = { action: '', actorId: '', conversationId: '', from: '', to: '' };
const PAUSE_MS = 300;

/** Who did what, when and why; and whether nobody changed that afterwards. */
export function AuditTab({ admin }: { readonly admin: Administration }) {
  const texts = useTexts();
  const [typed, setTyped] = useState(NONE);
  const [filter, setFilter] = useState(NONE);
  useEffect(() => {
    const timer = setTimeout(() => setFilter(typed), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  const pages = usePages(
    useCallback(
      (cursor, signal) => {
        const { from, to, action, actorId, conversationId } = filter;
        return admin.audit({
          action: action.trim(),
          actorId: actorId.trim(),
          conversationId: conversationId.trim(),
          ...(from && { after: startOf(from) }),
          ...(to && { before: endOf(to) }),
          cursor,
          signal,
        });
      },
      [admin, filter],
    ),
  );
  const nameOf = useNames();
  const set = (part: Partial<Filter>) => setTyped((before) => ({ ...before, ...part }));
  const actions = [...new Set(pages.items.map(({ action }) => action))].sort();

  return (
    <>
      <Verify admin={admin} conversationId={filter.conversationId.trim()} />
      <div className="mb-5 grid grid-cols-2 gap-3 rounded-2xl bg-surface p-4 lg:grid-cols-3">
        <Labelled label={texts.auditAction}>
          <input
            className="field"
            list="audit-actions"
            value={typed.action}
            onChange={(event) => set({ action: event.target.value })}
          />
          <datalist id="audit-actions">
            {actions.map((action) => (
              <option key={action} value={action} />
            ))}
          </datalist>
        </Labelled>
        <Labelled label={texts.auditActor}>
          <input className="field" value={typed.actorId} onChange={(event) => set({ actorId: event.target.value })} />
        </Labelled>
        <Labelled label={texts.auditConversation}>
          <input
            className="field"
            value={typed.conversationId}
            onChange={(event) => set({ conversationId: event.target.value })}
          />
        </Labelled>
        <Labelled label={texts.fromDay}>
          <input
            type="date"
            className="field"
            value={typed.from}
            onChange={(event) => set({ from: event.target.value })}
          />
        </Labelled>
        <Labelled label={texts.toDay}>
          <input type="date" className="field" value={typed.to} onChange={(event) => set({ to: event.target.value })} />
        </Labelled>
        {typed !== NONE && (
          <button type="button" className="button button-quiet self-end" onClick={() => setTyped(NONE)}>
            {texts.clearFilters}
          </button>
        )}
      </div>
      <ListOf
        pages={pages}
        label={texts.adminTabs.audit}
        empty={{ icon: <ScrollText size={24} />, title: texts.noAudit, hint: texts.nothingFoundHint }}
        keyOf={({ id }) => id}
        render={(entry) => (
          <Entry
            entry={entry}
            nameOf={nameOf}
            onActor={() => set({ actorId: entry.actorId })}
            onConversation={() => set({ conversationId: entry.conversationId ?? '' })}
          />
        )}
      />
    </>
  );
}

interface EntryProps {
  readonly entry: AuditEntry;
  readonly nameOf: (userId: string) => string;
  readonly onActor: () => void;
  readonly onConversation: () => void;
}

function Entry({ entry, nameOf, onActor, onConversation }: EntryProps) {
  const texts = useTexts();
  const formats = useFormats();
  const { at, actorId, action, conversationId, targetId, reason, before, after, hash } = entry;
  return (
    <article className="p-4 text-small">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <Tag tone="plain">{action}</Tag>
        <button type="button" className="font-semibold underline-offset-2 hover:underline" onClick={onActor}>
          {nameOf(actorId)}
        </button>
        <time className="ms-auto text-tiny text-soft" dateTime={at}>
          {formats.full(at)}
        </time>
      </div>
      {reason !== null && (
        <p className="mt-1.5" dir="auto">
          “{reason}”
        </p>
      )}
      <dl className="mt-1.5 grid grid-cols-[auto_1fr] gap-x-3 gap-y-0.5 text-tiny text-soft">
        {conversationId !== null && (
          <>
            <dt>{texts.auditConversation}</dt>
            <dd className="min-w-0">
              <button
                type="button"
                className="max-w-full truncate underline-offset-2 hover:underline"
                onClick={onConversation}
              >
                {conversationId}
              </button>
            </dd>
          </>
        )}
        {targetId !== null && (
          <>
            <dt>{texts.auditTarget}</dt>
            <dd className="truncate">{nameOf(targetId)}</dd>
          </>
        )}
        <Value name={texts.auditBefore} value={before} />
        <Value name={texts.auditAfter} value={after} />
        <dt>{texts.auditHash}</dt>
        <dd className="truncate font-mono">{hash.slice(0, 24)}…</dd>
      </dl>
    </article>
  );
}

function Value({ name, value }: { readonly name: string; readonly value: AuditEntry['before'] }) {
  if (value === null || wordsOf(value) === '') return null;
  const text = wordsOf(value);
  return (
    <>
      <dt>{name}</dt>
      <dd className="line-clamp-4 break-words text-ink" dir="auto">
        {text}
      </dd>
    </>
  );
}

/** What an entry says of before or after, as a person reads it: names and values. */
function wordsOf(value: AuditEntry['before']): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return typeof value === 'string' ? value : JSON.stringify(value);
  }
  return Object.entries(value)
    .filter(([, part]) => part !== null)
    .map(([name, part]) => `${name}: ${typeof part === 'string' ? part : JSON.stringify(part)}`)
    .join(' · ');
}

type VerifyState = 'idle' | 'busy' | AuditVerdict | ParleyError;

function Verify({ admin, conversationId }: { readonly admin: Administration; readonly conversationId: string }) {
  const texts = useTexts();
  const [state, setState] = useState<VerifyState>('idle');
  const run = async () => {
    setState('busy');
    try {
      setState(await admin.verifyAudit(conversationId === '' ? {} : { conversationId }));
    } catch (error) {
      setState(ParleyError.from(error));
    }
  };
  return (
    <div className="mb-4 flex flex-wrap items-center gap-3">
      <button type="button" className="button button-quiet" disabled={state === 'busy'} onClick={run}>
        <ShieldCheck size={17} aria-hidden="true" />
        {conversationId === '' ? texts.verifyAll : texts.verifyConversation}
      </button>
      <p role="status" className="flex items-center gap-2 text-small font-medium">
        {state === 'busy' && texts.verifying}
        {state instanceof ParleyError && <span className="text-danger">{errorText(state, texts)}</span>}
        {typeof state === 'object' && 'ok' in state && state.ok && (
          <span className="flex items-center gap-2 text-good">
            <ShieldCheck size={17} aria-hidden="true" /> {texts.auditWhole(state.entries)}
          </span>
        )}
        {typeof state === 'object' && 'ok' in state && !state.ok && (
          <span className="flex items-center gap-2 text-danger">
            <ShieldAlert size={17} aria-hidden="true" />
            {texts.auditBroken(state.firstBad ?? '', state.problem ?? '')}
          </span>
        )}
      </p>
    </div>
  );
}

function startOf(day: string): string {
  return new Date(`${day}T00:00:00`).toISOString();
}

function endOf(day: string): string {
  const at = new Date(`${day}T00:00:00`);
  at.setDate(at.getDate() + 1);
  return at.toISOString();
}
