import { Check } from 'lucide-react';
import { type KeyboardEvent, type ReactNode, useEffect, useLayoutEffect, useRef } from 'react';

/** One thing a menu offers. */
export interface MenuItem {
  readonly label: string;
  readonly icon?: ReactNode;
  readonly onSelect: () => void;
  readonly danger?: boolean;
  /** A choice that is on or off. */
  readonly checked?: boolean;
  /** A line stands above it. */
  readonly separated?: boolean;
  /** The key that does the same. */
  readonly shortcut?: string;
}

/** What `Menu` takes. */
export interface MenuProps {
  readonly label: string;
  readonly anchor: HTMLElement;
  readonly items: readonly MenuItem[];
  readonly onClose: () => void;
  /** Stands above the items, such as a row of emoji. */
  readonly children?: ReactNode;
}

const MARGIN = 8;

/** A menu beside what opened it, in the top layer. Arrow keys, Home, End and first letters move; Escape gives the focus back. */
export function Menu({ label, anchor, items, onClose, children }: MenuProps) {
  const menu = useRef<HTMLDivElement>(null);
  useAnchored(menu, anchor);

  useEffect(() => {
    menu.current?.querySelector<HTMLElement>('[role^="menuitem"]')?.focus();
    anchor.setAttribute('aria-expanded', 'true');
    return () => anchor.removeAttribute('aria-expanded');
  }, [anchor]);

  useDismiss(menu, anchor, onClose);

  const choose = (item: MenuItem) => {
    focusOf(anchor)?.focus();
    onClose();
    item.onSelect();
  };

  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>) => {
    const entries = [...event.currentTarget.querySelectorAll<HTMLElement>('[role^="menuitem"]')];
    const at = entries.indexOf(document.activeElement as HTMLElement);
    event.stopPropagation();
    const next = {
      ArrowDown: entries[(at + 1) % entries.length],
      ArrowUp: entries[(at + entries.length - 1) % entries.length],
      Home: entries[0],
      End: entries.at(-1),
    }[event.key];
    if (next) {
      event.preventDefault();
      next.focus();
    } else if (event.key === 'Tab') {
      event.preventDefault();
      onClose();
      focusOf(anchor)?.focus();
    } else if (event.key.length === 1) {
      const wanted = event.key.toLocaleLowerCase();
      const later = [...entries.slice(at + 1), ...entries.slice(0, at + 1)];
      later.find((entry) => entry.textContent?.trim().toLocaleLowerCase().startsWith(wanted))?.focus();
    }
  };

  return (
    <div
      ref={menu}
      popover="manual"
      role="menu"
      aria-label={label}
      className="menu"
      tabIndex={-1}
      onKeyDown={onKeyDown}
    >
      {children}
      {items.map((item) => (
        <div key={item.label} role="none" className={item.separated ? 'mt-1 border-t border-line pt-1' : undefined}>
          <button
            type="button"
            role={item.checked === undefined ? 'menuitem' : 'menuitemcheckbox'}
            {...(item.checked !== undefined && { 'aria-checked': item.checked })}
            tabIndex={-1}
            className={`flex min-h-9 w-full items-center gap-3 rounded-lg px-2.5 text-start text-small font-medium outline-offset-[-2px] hover:bg-hover focus:bg-hover ${item.danger ? 'text-danger' : ''}`}
            onClick={() => choose(item)}
          >
            <span
              className={`inline-flex w-[18px] justify-center ${item.danger ? '' : 'text-soft'}`}
              aria-hidden="true"
            >
              {item.icon}
            </span>
            <span className="flex-1">{item.label}</span>
            {item.checked && <Check size={16} aria-hidden="true" />}
            {item.shortcut && (
              <span className="text-tiny text-soft" aria-hidden="true">
                {item.shortcut}
              </span>
            )}
          </button>
        </div>
      ))}
    </div>
  );
}

/** A popover of one's own content beside what opened it. */
export function Popover({ label, anchor, onClose, children }: Omit<MenuProps, 'items'>) {
  const popover = useRef<HTMLDivElement>(null);
  useAnchored(popover, anchor);
  useDismiss(popover, anchor, onClose);
  return (
    <div
      ref={popover}
      popover="manual"
      role="dialog"
      aria-label={label}
      className="menu"
      tabIndex={-1}
      // What is typed here is not meant for what lies behind it.
      onKeyDown={(event) => event.stopPropagation()}
    >
      {children}
    </div>
  );
}

/** A message takes the focus itself where its hidden tools cannot. */
function focusOf(anchor: HTMLElement): HTMLElement | null {
  return anchor.isConnected ? anchor : null;
}

function useAnchored(ref: React.RefObject<HTMLElement | null>, anchor: HTMLElement): void {
  useLayoutEffect(() => {
    const element = ref.current!;
    element.showPopover();
    // Only what is shown can take the focus.
    element.focus();
    const place = () => {
      const box = anchor.getBoundingClientRect();
      const { offsetWidth: width, offsetHeight: height } = element;
      const rtl = document.documentElement.dir === 'rtl';
      // A wide anchor (a row, a message) is met at its end, a small one at its start, as far as the window allows.
      const atEnd = box.left + width > innerWidth - MARGIN || box.width > 300;
      const left = atEnd !== rtl ? box.right - width : box.left;
      const below = box.bottom + 4;
      const top = below + height > innerHeight - MARGIN ? box.top - height - 4 : below;
      element.style.left = `${clamp(left, innerWidth - width - MARGIN)}px`;
      element.style.top = `${clamp(top, innerHeight - height - MARGIN)}px`;
    };
    place();
    const observer = new ResizeObserver(place);
    observer.observe(element);
    return () => {
      observer.disconnect();
      element.hidePopover();
    };
  }, [ref, anchor]);
}

function clamp(value: number, most: number): number {
  return Math.max(MARGIN, Math.min(value, most));
}

function useDismiss(ref: React.RefObject<HTMLElement | null>, anchor: HTMLElement, onClose: () => void): void {
  const close = useRef(onClose);
  close.current = onClose;
  useEffect(() => {
    const onPress = (event: PointerEvent) => {
      const target = event.target as Node;
      if (!ref.current?.contains(target) && !anchor.contains(target)) close.current();
    };
    // Wherever the focus is: what floats goes first.
    const onKey = (event: globalThis.KeyboardEvent) => {
      if (event.key !== 'Escape') return;
      event.preventDefault();
      event.stopPropagation();
      close.current();
      focusOf(anchor)?.focus();
    };
    const onResize = () => close.current();
    document.addEventListener('pointerdown', onPress, true);
    document.addEventListener('keydown', onKey, true);
    globalThis.addEventListener('resize', onResize);
    return () => {
      document.removeEventListener('pointerdown', onPress, true);
      document.removeEventListener('keydown', onKey, true);
      globalThis.removeEventListener('resize', onResize);
    };
  }, [ref, anchor]);
}
