import type { ReactNode } from 'react';

/** What `Empty` takes. */
export interface EmptyProps {
  readonly icon: ReactNode;
  readonly title: string;
  readonly hint?: string;
  readonly children?: ReactNode;
}

/** A place with nothing in it, and what to do about that. */
export function Empty({ icon, title, hint, children }: EmptyProps) {
  return (
    <div className="m-auto flex max-w-xs flex-col items-center gap-2 px-6 py-10 text-center">
      <span
        className="mb-2 inline-flex size-14 items-center justify-center rounded-2xl bg-selected text-accent-ink"
        aria-hidden="true"
      >
        {icon}
      </span>
      <p className="font-semibold">{title}</p>
      {hint && <p className="text-small text-soft">{hint}</p>}
      {children && <div className="mt-3">{children}</div>}
    </div>
  );
}
