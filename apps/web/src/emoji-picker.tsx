import {
  EmojiPicker,
  type EmojiPickerListCategoryHeaderProps,
  type EmojiPickerListEmojiProps,
  type EmojiPickerListRowProps,
} from 'frimousse';
import type { KeyboardEvent } from 'react';
import { localeOf, preferences } from './preferences.ts';
import { useTexts } from './texts/texts.tsx';
import { useValue } from './value.ts';

/** All emoji by group, with a search. The data is this server's own: nothing is fetched from elsewhere. */
export function EmojiPickerPanel({ onPick }: { readonly onPick: (emoji: string) => void }) {
  const texts = useTexts();
  const locale = localeOf(useValue(preferences));
  return (
    <EmojiPicker.Root
      className="flex h-80 w-[20rem] max-w-full flex-col"
      columns={8}
      locale={locale}
      emojibaseUrl={`${location.origin}/emoji`}
      onEmojiSelect={({ emoji }) => onPick(emoji)}
    >
      <EmojiPicker.Search
        className="field m-1 min-h-10 w-auto"
        autoFocus
        onKeyDown={takeFirst}
        aria-label={texts.searchEmoji}
        placeholder={texts.searchEmoji}
      />
      <EmojiPicker.Viewport className="scroll relative flex-1 outline-none">
        <EmojiPicker.Loading className="absolute inset-0 grid place-items-center text-small text-soft">
          {texts.loading}
        </EmojiPicker.Loading>
        <EmojiPicker.Empty className="absolute inset-0 grid place-items-center text-small text-soft">
          {texts.nothingFound}
        </EmojiPicker.Empty>
        <EmojiPicker.List className="select-none pb-1" components={{ CategoryHeader, Row, Emoji }} />
      </EmojiPicker.Viewport>
    </EmojiPicker.Root>
  );
}

/** Enter in the search takes what is marked, or the first hit. */
function takeFirst(event: KeyboardEvent<HTMLInputElement>): void {
  if (event.key !== 'Enter') return;
  event.preventDefault();
  const cells = event.currentTarget.parentElement?.querySelectorAll<HTMLElement>('[role="gridcell"]') ?? [];
  ([...cells].find((cell) => cell.dataset.active !== undefined) ?? cells[0])?.click();
}

function CategoryHeader({ category, ...props }: EmojiPickerListCategoryHeaderProps) {
  return (
    <div {...props} className="bg-raised px-2 pb-1 pt-2 text-tiny font-semibold text-soft">
      {category.label}
    </div>
  );
}

function Row({ children, ...props }: EmojiPickerListRowProps) {
  return (
    <div {...props} {...countedFromOne(props)} className="px-0.5">
      {children}
    </div>
  );
}

function Emoji({ emoji, ...props }: EmojiPickerListEmojiProps) {
  return (
    <button
      {...props}
      type="button"
      {...countedFromOne(props)}
      className="flex size-9 items-center justify-center rounded-lg text-xl data-[active]:bg-selected"
      style={{ ...props.style, fontFamily: 'inherit' }}
    >
      {emoji.emoji}
    </button>
  );
}

type Place = Readonly<Partial<Record<'aria-rowindex' | 'aria-colindex', number | undefined>>>;

/** The library counts rows and columns from 0, ARIA from 1. */
function countedFromOne({ 'aria-rowindex': row, 'aria-colindex': column }: Place): Place {
  return {
    ...(row !== undefined && { 'aria-rowindex': row + 1 }),
    ...(column !== undefined && { 'aria-colindex': column + 1 }),
  };
}
