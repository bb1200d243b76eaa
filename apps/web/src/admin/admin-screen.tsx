import { createAdministration } from '@parley/client/admin';
import { useMe, useParleyClient } from '@parley/react';
import {
  ArrowLeft,
  FileArchive,
  Flag,
  Hourglass,
  ListChecks,
  Scale,
  ScrollText,
  ShieldX,
  TextQuote,
  Users,
} from 'lucide-react';
import { type MouseEvent, useEffect, useMemo, useRef } from 'react';
import { navigate } from '../router.ts';
import { useTexts } from '../texts/texts.tsx';
import { Empty } from '../ui/empty.tsx';
import { ErrorBoundary } from '../ui/error-boundary.tsx';
import { AuditTab } from './audit.tab.tsx';
import { DataTab } from './data.tab.tsx';
import { HeldTab } from './held.tab.tsx';
import { HoldsTab } from './holds.tab.tsx';
import { PeopleTab } from './people.tab.tsx';
import { ReportsTab } from './reports.tab.tsx';
import { RetentionTab } from './retention.tab.tsx';
import { RulesTab } from './rules.tab.tsx';

const TABS = [
  { id: 'reports', icon: Flag, view: ReportsTab },
  { id: 'held', icon: ListChecks, view: HeldTab },
  { id: 'people', icon: Users, view: PeopleTab },
  { id: 'rules', icon: TextQuote, view: RulesTab },
  { id: 'data', icon: FileArchive, view: DataTab },
  { id: 'retention', icon: Hourglass, view: RetentionTab },
  { id: 'holds', icon: Scale, view: HoldsTab },
  { id: 'audit', icon: ScrollText, view: AuditTab },
] as const;

/** What administrators see: reports, messages that wait, people, rules, personal data, audit. The server decides who may. */
export function AdminScreen({ tab }: { readonly tab: string }) {
  const texts = useTexts();
  const client = useParleyClient();
  const me = useMe();
  const admin = useMemo(() => createAdministration(client), [client]);
  const current = TABS.find(({ id }) => id === tab) ?? TABS[0];
  const View = current.view;
  const tabs = useRef<HTMLElement>(null);

  useEffect(() => {
    document.title = `${texts.adminTabs[current.id]} · ${texts.administration}`;
    // On a phone there are more of them than fit.
    tabs.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
  }, [current, texts]);

  if (me !== null && !me.roles?.includes('admin')) {
    return (
      <main className="grid h-full">
        <Empty icon={<ShieldX size={26} />} title={texts.onlyAdministrators} hint={texts.onlyAdministratorsHint}>
          <button type="button" className="button button-quiet" onClick={() => navigate('/')}>
            {texts.backToList}
          </button>
        </Empty>
      </main>
    );
  }
  const go = (event: MouseEvent, id: string) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    navigate(`/admin/${id}`);
  };
  return (
    <div className="flex min-h-0 flex-1 flex-col md:flex-row">
      <header className="flex flex-none flex-col border-line bg-surface max-md:border-b md:w-60 md:border-e">
        <div className="flex min-h-14 items-center gap-2 px-3 md:min-h-16">
          <button type="button" className="icon-button" aria-label={texts.backToList} onClick={() => navigate('/')}>
            <ArrowLeft size={20} className="rtl:-scale-x-100" />
          </button>
          <h1 className="font-semibold">{texts.administration}</h1>
        </div>
        <nav
          ref={tabs}
          aria-label={texts.administration}
          className="scroll flex gap-1 px-2 pb-2 max-md:overflow-x-auto md:flex-col md:px-3"
        >
          {TABS.map(({ id, icon: Icon }) => (
            <a
              key={id}
              href={`/admin/${id}`}
              aria-current={id === current.id ? 'page' : undefined}
              className="flex min-h-10 flex-none items-center gap-3 rounded-xl px-3 font-medium text-soft hover:bg-hover aria-[current]:bg-selected aria-[current]:text-accent-ink"
              onClick={(event) => go(event, id)}
            >
              <Icon size={18} aria-hidden="true" className="max-md:hidden" />
              {texts.adminTabs[id]}
            </a>
          ))}
        </nav>
      </header>
      <main className="scroll flex-1 bg-page">
        <div className="mx-auto max-w-4xl px-4 py-6 md:px-8 md:py-8">
          <h2 className="mb-4 text-xl font-semibold tracking-tight">{texts.adminTabs[current.id]}</h2>
          <ErrorBoundary name={`administration ${current.id}`} key={current.id}>
            <View admin={admin} />
          </ErrorBoundary>
        </div>
      </main>
    </div>
  );
}
