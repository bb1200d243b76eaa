import { X } from 'lucide-react';
import { type ReactNode, useEffect, useId, useRef } from 'react';
import { useTexts } from '../texts/texts.tsx';

/** What `Dialog` takes. */
export interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
  /** Its buttons, at the end. */
  readonly footer?: ReactNode;
  readonly width?: 'small' | 'medium';
  /** The title is for screen readers alone. */
  readonly bare?: boolean;
}

/**
 * A modal dialog: the browser's own, so that focus, Escape and what lies behind are its affair. The element with
 * `data-autofocus` gets the focus first.
 */
export function Dialog({ title, onClose, children, footer, width = 'small', bare }: DialogProps) {
  const texts = useTexts();
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();

  useEffect(() => {
    const element = dialog.current!;
    element.showModal();
    element.querySelector<HTMLElement>('[data-autofocus]')?.focus();
    // Closing first gives the focus back to where it was.
    return () => element.close();
  }, []);

  return (
    <dialog
      ref={dialog}
      className={`sheet w-[calc(100vw-24px)] ${width === 'small' ? 'sm:w-[26rem]' : 'sm:w-[34rem]'} ${bare ? 'mt-[12vh]' : ''} max-h-[min(44rem,calc(100dvh-24px))] flex-col overflow-hidden open:flex`}
      aria-labelledby={titleId}
      onCancel={(event) => {
        // The dialog goes when its owner says so.
        event.preventDefault();
        onClose();
      }}
      onPointerDown={(event) => {
        if (event.target === event.currentTarget && isOutside(event.currentTarget, event.clientX, event.clientY))
          onClose();
      }}
      // What is typed in a dialog is not meant for what lies behind it.
      onKeyDown={(event) => event.stopPropagation()}
    >
      <header className={bare ? 'sr-only' : 'flex items-center gap-2 ps-6 pe-3 pt-4 pb-2'}>
        <h2 id={titleId} className="flex-1 text-[1.0625rem] font-semibold tracking-tight">
          {title}
        </h2>
        {!bare && (
          <button type="button" className="icon-button" aria-label={texts.close} onClick={onClose}>
            <X size={19} />
          </button>
        )}
      </header>
      <div className={`scroll flex-1 ${bare ? '' : 'px-6 pb-6 pt-1'}`}>{children}</div>
      {footer && <footer className="flex justify-end gap-2 border-t border-line px-6 py-4">{footer}</footer>}
    </dialog>
  );
}

function isOutside(element: HTMLElement, x: number, y: number): boolean {
  const box = element.getBoundingClientRect();
  return x < box.left || x > box.right || y < box.top || y > box.bottom;
}
