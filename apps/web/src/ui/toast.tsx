import { useEffect } from 'react';
import { createValue, useValue } from '../value.ts';

/** A short word at the edge of the screen, for a while. */
export interface Toast {
  readonly id: number;
  readonly text: string;
  readonly tone?: 'plain' | 'danger';
  readonly action?: { readonly label: string; readonly run: () => void };
  readonly ms?: number;
}

const toasts = createValue<readonly Toast[]>([]);
let lastId = 0;
const SHOWN_MS = 5_000;
const MOST = 3;

/** Shows one; the oldest goes when there are too many. */
export function showToast(toast: Omit<Toast, 'id'>): void {
  lastId += 1;
  toasts.set([...toasts.get(), { ...toast, id: lastId }].slice(-MOST));
}

function dismiss(id: number): void {
  toasts.set(toasts.get().filter((toast) => toast.id !== id));
}

/** Where they appear. Screen readers tell them. */
export function Toasts() {
  const shown = useValue(toasts);
  return (
    <div
      role="status"
      className="pointer-events-none fixed inset-x-0 bottom-24 z-40 flex flex-col items-center gap-2 px-4"
    >
      {shown.map((toast) => (
        <ToastView key={toast.id} toast={toast} />
      ))}
    </div>
  );
}

function ToastView({ toast }: { readonly toast: Toast }) {
  useEffect(() => {
    const timer = setTimeout(() => dismiss(toast.id), toast.ms ?? SHOWN_MS);
    return () => clearTimeout(timer);
  }, [toast]);
  return (
    <div className="pointer-events-auto flex min-h-11 max-w-md items-center gap-2 rounded-xl bg-[#23252d] ps-4 pe-2 text-small font-medium text-[#f3f3f7] shadow-lg">
      <span className="py-2 pe-2">{toast.text}</span>
      {toast.action && (
        <button
          type="button"
          className="rounded-lg px-3 py-1.5 font-semibold text-[#b9bbff] hover:bg-white/10"
          onClick={() => {
            toast.action?.run();
            dismiss(toast.id);
          }}
        >
          {toast.action.label}
        </button>
      )}
    </div>
  );
}
