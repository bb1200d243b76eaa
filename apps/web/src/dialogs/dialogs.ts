import type { Message } from '@parley/client';
import { createValue } from '../value.ts';

/** The dialog on the screen. */
export type OpenDialog =
  | { readonly kind: 'new-conversation' }
  | { readonly kind: 'channels' }
  | { readonly kind: 'jump' }
  | { readonly kind: 'shortcuts' }
  | { readonly kind: 'preferences' }
  | { readonly kind: 'report'; readonly message: Message }
  | { readonly kind: 'revisions'; readonly message: Message }
  | { readonly kind: 'add-people'; readonly conversationId: string }
  | { readonly kind: 'my-data'; readonly userId: string }
  | {
      readonly kind: 'erase-person';
      readonly person: { readonly id: string; readonly name: string };
      readonly onBegun: (id: string) => void;
    }
  | { readonly kind: 'rename'; readonly conversationId: string }
  | {
      readonly kind: 'confirm';
      readonly title: string;
      readonly text: string;
      readonly action: string;
      readonly run: () => Promise<void> | void;
    };

/** Which dialog is open; one at a time. */
export const openDialog = createValue<OpenDialog | null>(null);

/** Opens a dialog in place of the one that is open. */
export function showDialog(dialog: OpenDialog): void {
  openDialog.set(dialog);
}

/** Closes the dialog. */
export function closeDialog(): void {
  openDialog.set(null);
}
