import { lazy, Suspense } from 'react';
import { useValue } from '../value.ts';
import { type OpenDialog, openDialog } from './dialogs.ts';

// Dialogs are loaded when the app has long been on the screen, and before they are needed.
const load = () => import('./all.dialogs.ts');
const Dialogs = {
  NewConversation: lazy(async () => ({ default: (await load()).NewConversationDialog })),
  Channels: lazy(async () => ({ default: (await load()).ChannelsDialog })),
  Jump: lazy(async () => ({ default: (await load()).JumpDialog })),
  Shortcuts: lazy(async () => ({ default: (await load()).ShortcutsDialog })),
  Preferences: lazy(async () => ({ default: (await load()).PreferencesDialog })),
  Report: lazy(async () => ({ default: (await load()).ReportDialog })),
  Revisions: lazy(async () => ({ default: (await load()).RevisionsDialog })),
  AddPeople: lazy(async () => ({ default: (await load()).AddPeopleDialog })),
  Rename: lazy(async () => ({ default: (await load()).RenameDialog })),
  MyData: lazy(async () => ({ default: (await load()).MyDataDialog })),
  ErasePerson: lazy(async () => ({ default: (await import('./erase-person.dialog.tsx')).ErasePersonDialog })),
  Confirm: lazy(async () => ({ default: (await load()).ConfirmDialog })),
};

/** Fetches the dialogs ahead, so that the first one opens at once (and offline). */
export function preloadDialogs(): void {
  // Without a network now, they are fetched when one is opened.
  void load().catch(() => {});
}

/** The open dialog. */
export function DialogHost() {
  const dialog = useValue(openDialog);
  return <Suspense>{dialog && <View dialog={dialog} />}</Suspense>;
}

function View({ dialog }: { readonly dialog: OpenDialog }) {
  switch (dialog.kind) {
    case 'new-conversation':
      return <Dialogs.NewConversation />;
    case 'channels':
      return <Dialogs.Channels />;
    case 'jump':
      return <Dialogs.Jump />;
    case 'shortcuts':
      return <Dialogs.Shortcuts />;
    case 'preferences':
      return <Dialogs.Preferences />;
    case 'report':
      return <Dialogs.Report message={dialog.message} />;
    case 'revisions':
      return <Dialogs.Revisions message={dialog.message} />;
    case 'add-people':
      return <Dialogs.AddPeople conversationId={dialog.conversationId} />;
    case 'rename':
      return <Dialogs.Rename conversationId={dialog.conversationId} />;
    case 'my-data':
      return <Dialogs.MyData userId={dialog.userId} />;
    case 'erase-person':
      return <Dialogs.ErasePerson person={dialog.person} onBegun={dialog.onBegun} />;
    case 'confirm':
      return <Dialogs.Confirm dialog={dialog} />;
  }
}
