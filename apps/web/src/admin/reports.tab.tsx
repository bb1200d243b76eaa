import type { Administration, Report, Resolution } from '@parley/client/admin';
import { Avatar, briefOf, useFormats } from '@parley/react';
import { Ellipsis, Flag } from 'lucide-react';
import { useCallback, useState } from 'react';
import { navigate, pathOf } from '../router.ts';
import { useTexts } from '../texts/texts.tsx';
import { Menu, type MenuItem } from '../ui/menu.tsx';
import { useNames } from './names.ts';
import { usePages } from './pages.ts';
import { attempt, Chips, ListOf, Tag } from './parts.tsx';

const DAY_MS = 86_400_000;
type Author = NonNullable<Resolution['author']>;

/** What people reported, and what becomes of it. */
export function ReportsTab({ admin }: { readonly admin: Administration }) {
  const texts = useTexts();
  const [state, setState] = useState<'open' | 'closed'>('open');
  const pages = usePages(useCallback((cursor, signal) => admin.reports({ state, cursor, signal }), [admin, state]));
  const nameOf = useNames();
  const settle = async (report: Report, resolution: Resolution) => {
    if (await attempt(texts, () => admin.resolveReport(report.id, resolution))) {
      // Others of the same message are closed with it.
      if (resolution.outcome === 'dismissed') pages.replace(report, null);
      else pages.reload();
    }
  };
  return (
    <>
      <div className="mb-4">
        <Chips
          legend={texts.filter}
          value={state}
          onChange={setState}
          options={[
            { value: 'open', label: texts.openReports },
            { value: 'closed', label: texts.closedReports },
          ]}
        />
      </div>
      <ListOf
        pages={pages}
        label={texts.adminTabs.reports}
        empty={{ icon: <Flag size={24} />, title: texts.noReports, hint: texts.noReportsHint }}
        keyOf={({ id }) => id}
        render={(report) => (
          <ReportCard report={report} nameOf={nameOf} onSettle={(resolution) => void settle(report, resolution)} />
        )}
      />
    </>
  );
}

interface ReportCardProps {
  readonly report: Report;
  readonly nameOf: (userId: string) => string;
  readonly onSettle: (resolution: Resolution) => void;
}

function ReportCard({ report, nameOf, onSettle }: ReportCardProps) {
  const texts = useTexts();
  const formats = useFormats();
  const [note, setNote] = useState('');
  const [menu, setMenu] = useState<HTMLElement | null>(null);
  const { message, conversationId, reporterId, reason, createdAt, outcome, resolvedBy } = report;
  const author = message ? nameOf(message.senderId) : texts.unknownPerson;
  const noted = note.trim() === '' ? {} : { note: note.trim() };
  const until = (days: number) => new Date(Date.now() + days * DAY_MS).toISOString();
  const restrict = (restriction: Author) => onSettle({ outcome: 'restricted', author: restriction, ...noted });
  const items: MenuItem[] = [
    {
      label: texts.silenceHere,
      onSelect: () => restrict({ silencedUntil: until(1), where: 'conversation' }),
    },
    { label: texts.silenceDayEverywhere, onSelect: () => restrict({ silencedUntil: until(1), where: 'everywhere' }) },
    { label: texts.silenceWeekEverywhere, onSelect: () => restrict({ silencedUntil: until(7), where: 'everywhere' }) },
    {
      label: texts.deleteAndSilence,
      separated: true,
      onSelect: () =>
        onSettle({ outcome: 'deleted', author: { silencedUntil: until(7), where: 'everywhere' }, ...noted }),
    },
    {
      label: texts.deleteAndBan,
      danger: true,
      onSelect: () => onSettle({ outcome: 'deleted', author: { banned: true }, ...noted }),
    },
  ];
  return (
    <article className="p-4" aria-label={texts.reportOf(author)}>
      <div className="flex items-start gap-3">
        <Avatar name={author} id={message?.senderId ?? ''} size={36} />
        <div className="min-w-0 flex-1">
          <div className="flex flex-wrap items-baseline gap-x-2">
            <span className="font-semibold">{author}</span>
            {message && (
              <button
                type="button"
                className="text-tiny text-accent-ink underline underline-offset-2"
                onClick={() => navigate(pathOf(conversationId, message.seq))}
              >
                {formats.full(message.createdAt)}
              </button>
            )}
          </div>
          <p className="mt-0.5 whitespace-pre-wrap break-words" dir="auto">
            {message ? briefOf(message, texts) : texts.deleted}
          </p>
        </div>
      </div>
      <p className="mt-3 rounded-xl bg-hover px-3 py-2 text-small">
        <span className="font-semibold">{texts.reportedBy(nameOf(reporterId))}</span>
        <span className="text-soft"> · {formats.full(createdAt)}</span>
        <br />
        <span dir="auto">{reason}</span>
      </p>
      {outcome === null ? (
        <div className="mt-3 flex flex-wrap items-center gap-2">
          <input
            className="field min-w-40 flex-1"
            aria-label={texts.note}
            placeholder={texts.notePlaceholder}
            maxLength={500}
            value={note}
            onChange={(event) => setNote(event.target.value)}
          />
          <button
            type="button"
            className="button button-quiet"
            onClick={() => onSettle({ outcome: 'dismissed', ...noted })}
          >
            {texts.dismiss}
          </button>
          <button
            type="button"
            className="button button-danger"
            disabled={message?.deletedAt !== null}
            onClick={() => onSettle({ outcome: 'deleted', ...noted })}
          >
            {texts.deleteMessage}
          </button>
          <button
            type="button"
            className="icon-button"
            aria-label={texts.moreFor(author)}
            aria-haspopup="menu"
            onClick={(event) => setMenu(event.currentTarget)}
          >
            <Ellipsis size={19} />
          </button>
        </div>
      ) : (
        <p className="mt-3 flex flex-wrap items-center gap-2 text-small text-soft">
          <Tag tone={outcome === 'dismissed' ? 'plain' : 'danger'}>{texts.outcomes[outcome]}</Tag>
          {resolvedBy !== null && texts.byPerson(nameOf(resolvedBy))}
          {report.note !== null && <span dir="auto">“{report.note}”</span>}
        </p>
      )}
      {menu && <Menu label={texts.moreFor(author)} anchor={menu} items={items} onClose={() => setMenu(null)} />}
    </article>
  );
}
