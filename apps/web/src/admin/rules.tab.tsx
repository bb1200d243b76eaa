import type { Administration, Rule, RuleAction, RuleKind } from '@parley/client/admin';
import { useFormats } from '@parley/react';
import { TextQuote, Trash2 } from 'lucide-react';
import { type FormEvent, useCallback, useState } from 'react';
import { useTexts } from '../texts/texts.tsx';
import { useNames } from './names.ts';
import { usePages } from './pages.ts';
import { attempt, Labelled, ListOf, Tag } from './parts.tsx';

const KINDS = ['word', 'domain'] as const satisfies readonly RuleKind[];
const ACTIONS = ['mask', 'hold', 'reject', 'accept'] as const satisfies readonly RuleAction[];
const TONES = { accept: 'plain', mask: 'plain', hold: 'warn', reject: 'danger' } as const;

/** Words and links, and what happens to messages that have them. */
export function RulesTab({ admin }: { readonly admin: Administration }) {
  const texts = useTexts();
  const formats = useFormats();
  const pages = usePages(useCallback((cursor, signal) => admin.rules({ cursor, signal }), [admin]));
  const nameOf = useNames();
  const [kind, setKind] = useState<RuleKind>('word');
  const [pattern, setPattern] = useState('');
  const [action, setAction] = useState<RuleAction>('hold');

  const add = async (event: FormEvent) => {
    event.preventDefault();
    if (pattern.trim() === '') return;
    if (await attempt(texts, () => admin.addRule({ kind, pattern: pattern.trim(), action }))) {
      setPattern('');
      pages.reload();
    }
  };
  const remove = async (rule: Rule) => {
    if (await attempt(texts, () => admin.removeRule(rule.id))) pages.replace(rule, null);
  };

  return (
    <>
      <form
        className="mb-5 grid gap-3 rounded-2xl bg-surface p-4 sm:grid-cols-[9rem_1fr_11rem_auto] sm:items-end"
        onSubmit={add}
      >
        <Labelled label={texts.kind}>
          <select className="field" value={kind} onChange={(event) => setKind(event.target.value as RuleKind)}>
            {KINDS.map((value) => (
              <option key={value} value={value}>
                {texts.ruleKinds[value]}
              </option>
            ))}
          </select>
        </Labelled>
        <Labelled label={texts.pattern}>
          <input
            className="field"
            value={pattern}
            maxLength={100}
            placeholder={kind === 'word' ? texts.wordPlaceholder : 'example.com'}
            onChange={(event) => setPattern(event.target.value)}
          />
        </Labelled>
        <Labelled label={texts.ruleAction}>
          <select className="field" value={action} onChange={(event) => setAction(event.target.value as RuleAction)}>
            {ACTIONS.map((value) => (
              <option key={value} value={value}>
                {texts.ruleActions[value]}
              </option>
            ))}
          </select>
        </Labelled>
        <button type="submit" className="button button-primary" disabled={pattern.trim() === ''}>
          {texts.add}
        </button>
      </form>
      <ListOf
        pages={pages}
        label={texts.adminTabs.rules}
        empty={{ icon: <TextQuote size={24} />, title: texts.noRules, hint: texts.noRulesHint }}
        keyOf={({ id }) => id}
        render={(rule) => (
          <div className="flex items-center gap-3 py-2 ps-4 pe-2">
            <div className="min-w-0 flex-1">
              <p className="flex flex-wrap items-center gap-2">
                <span className="truncate font-semibold" dir="auto">
                  {rule.pattern}
                </span>
                <Tag tone={TONES[rule.action]}>{texts.ruleActions[rule.action]}</Tag>
              </p>
              <p className="truncate text-tiny text-soft">
                {[texts.ruleKinds[rule.kind], nameOf(rule.createdBy), formats.brief(rule.createdAt)].join(' · ')}
              </p>
            </div>
            <button
              type="button"
              className="icon-button"
              aria-label={texts.removeRule(rule.pattern)}
              onClick={() => void remove(rule)}
            >
              <Trash2 size={18} />
            </button>
          </div>
        )}
      />
    </>
  );
}
