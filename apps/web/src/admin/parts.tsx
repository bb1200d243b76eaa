import { ParleyError } from '@parley/client';
import type { ReactNode } from 'react';
import { errorText } from '../error-text.ts';
import type { AppTexts } from '../texts/app-texts.ts';
import { useTexts } from '../texts/texts.tsx';
import { Empty } from '../ui/empty.tsx';
import { showToast } from '../ui/toast.tsx';
import type { Pages } from './pages.ts';

/** Runs something and says what went wrong. Answers whether it went well. */
export async function attempt(texts: AppTexts, work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    showToast({ text: errorText(ParleyError.from(error), texts), tone: 'danger' });
    return false;
  }
}

interface ListOfProps<T> {
  readonly pages: Pages<T>;
  readonly label: string;
  readonly empty: { readonly icon: ReactNode; readonly title: string; readonly hint?: string };
  readonly keyOf: (item: T) => string;
  readonly render: (item: T) => ReactNode;
}

/** A list with all its states: loading, empty, failed, more. */
export function ListOf<T>({ pages, label, empty, keyOf, render }: ListOfProps<T>) {
  const texts = useTexts();
  const { items, status, error, more } = pages;
  if (status === 'failed' && items.length === 0 && error) {
    return (
      <div role="alert" className="flex flex-col items-center gap-3 py-16 text-center">
        <p className="text-danger">{errorText(error, texts)}</p>
        <button type="button" className="button button-quiet" onClick={pages.reload}>
          {texts.tryAgain}
        </button>
      </div>
    );
  }
  if (items.length === 0 && status === 'loading') return <Skeleton />;
  if (items.length === 0) return <Empty {...empty} />;
  return (
    <>
      {/* biome-ignore lint/a11y/noRedundantRoles: without bullets Safari forgets that this is a list */}
      <ul role="list" aria-label={label} className="grid gap-3">
        {items.map((item) => (
          <li key={keyOf(item)} className="rounded-2xl border border-line bg-raised">
            {render(item)}
          </li>
        ))}
      </ul>
      {more && (
        <button
          type="button"
          className="button button-quiet mx-auto mt-4 flex"
          disabled={status === 'loading'}
          onClick={pages.loadMore}
        >
          {texts.showMore}
        </button>
      )}
    </>
  );
}

function Skeleton() {
  return (
    <div className="grid gap-3" aria-hidden="true">
      {[1, 2, 3].map((row) => (
        <div key={row} className="skeleton h-28 rounded-2xl" />
      ))}
    </div>
  );
}

interface ChipsProps<V extends string> {
  readonly legend: string;
  readonly value: V;
  readonly options: readonly { readonly value: V; readonly label: string }[];
  readonly onChange: (value: V) => void;
}

/** A choice of a few. */
export function Chips<V extends string>({ legend, value, options, onChange }: ChipsProps<V>) {
  return (
    <fieldset className="flex flex-wrap gap-1">
      <legend className="sr-only">{legend}</legend>
      {options.map((option) => (
        <button
          key={option.value}
          type="button"
          className="chip"
          aria-pressed={option.value === value}
          onClick={() => onChange(option.value)}
        >
          {option.label}
        </button>
      ))}
    </fieldset>
  );
}

/** A word about a state. */
export function Tag({ tone, children }: { readonly tone: 'plain' | 'warn' | 'danger'; readonly children: ReactNode }) {
  const colours = { plain: 'bg-hover text-soft', warn: 'bg-warn-soft text-warn', danger: 'bg-danger-soft text-danger' };
  return (
    <span className={`inline-flex rounded-full px-2.5 py-0.5 text-tiny font-semibold ${colours[tone]}`}>
      {children}
    </span>
  );
}

/** A field with its name above. */
export function Labelled({ label, children }: { readonly label: string; readonly children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/noLabelWithoutControl: the control is its child
    <label className="block min-w-0 text-tiny font-semibold text-soft">
      {label}
      <span className="mt-1 block font-normal text-ink">{children}</span>
    </label>
  );
}
