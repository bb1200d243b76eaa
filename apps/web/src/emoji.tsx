import type { Completion } from '@parley/react';
import { lazy, Suspense } from 'react';
import { useTexts } from './texts/texts.tsx';
import { Popover } from './ui/menu.tsx';

const Picker = lazy(async () => ({ default: (await import('./emoji-picker.tsx')).EmojiPickerPanel }));

/** What `EmojiPopover` takes. */
export interface EmojiPopoverProps {
  readonly anchor: HTMLElement;
  readonly onPick: (emoji: string) => void;
  readonly onClose: () => void;
}

/** The emoji picker beside a button; loaded when first opened. */
export function EmojiPopover({ anchor, onPick, onClose }: EmojiPopoverProps) {
  const texts = useTexts();
  return (
    <Popover label={texts.emoji} anchor={anchor} onClose={onClose}>
      <Suspense fallback={<div className="h-80 w-[20rem]" />}>
        <Picker onPick={onPick} />
      </Suspense>
    </Popover>
  );
}

/** Offered before one has chosen any. */
export const QUICK_REACTIONS = ['👍', '❤️', '😂', '🎉', '😮', '😢'] as const;

let shortcodes: Promise<readonly (readonly string[])[]> | null = null;
const MOST = 7;

/** Completes `:` with emoji by shortcode; the list is fetched with the first one. */
export const emojiCompletion: Completion = {
  trigger: ':',
  atLeast: 2,
  async find(word) {
    shortcodes ??= fetch('/emoji/shortcodes.json').then((response) => (response.ok ? response.json() : []));
    const wanted = word.toLowerCase().replace(/:$/, '');
    const known = await shortcodes.catch(() => {
      // Asked for again with the next letter: without a network there is nothing to offer.
      shortcodes = null;
      return [];
    });
    const starts = known.flatMap(([emoji, ...codes]) =>
      hit(
        emoji!,
        codes.find((code) => code.startsWith(wanted)),
      ),
    );
    const holds = known.flatMap(([emoji, ...codes]) =>
      codes.some((code) => code.startsWith(wanted))
        ? []
        : hit(
            emoji!,
            codes.find((code) => code.includes(`_${wanted}`)),
          ),
    );
    return [...starts.sort((a, b) => a.label.length - b.label.length), ...holds].slice(0, MOST);
  },
};

function hit(emoji: string, code: string | undefined) {
  return code === undefined
    ? []
    : [{ key: emoji, insert: emoji, label: `:${code}:`, icon: <span className="text-lg">{emoji}</span> }];
}
