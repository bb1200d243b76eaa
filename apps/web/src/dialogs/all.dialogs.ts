export { AddPeopleDialog } from './add-people.dialog.tsx';
export { ChannelsDialog } from './channels.dialog.tsx';
export { JumpDialog } from './jump.dialog.tsx';
export { MyDataDialog } from './my-data.dialog.tsx';
export { NewConversationDialog } from './new-conversation.dialog.tsx';
export { ReportDialog } from './report.dialog.tsx';
export { ConfirmDialog, PreferencesDialog, RenameDialog, RevisionsDialog, ShortcutsDialog } from './small.dialogs.tsx';
