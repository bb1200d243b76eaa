/**
 * Every word the components say. A product hands its own through the provider; functions take what the sentence depends on,
 * so that each language builds it in its own order and plural.
 */
export interface ParleyTexts {
  readonly conversations: string;
  readonly messages: string;
  readonly message: string;
  readonly send: string;
  readonly save: string;
  readonly cancel: string;
  readonly you: string;
  readonly today: string;
  readonly yesterday: string;
  readonly newMessages: string;
  readonly edited: string;
  readonly sanitized: string;
  readonly deleted: string;
  readonly deletedByYou: string;
  /** Of a confidential conversation: the server could not open it. */
  readonly unreadable: string;
  readonly sending: string;
  readonly waiting: string;
  readonly waitingSeconds: (seconds: number) => string;
  readonly notSent: string;
  readonly tryAgain: string;
  readonly discard: string;
  readonly change: string;
  readonly sent: string;
  readonly delivered: string;
  readonly read: string;
  readonly copy: string;
  readonly copied: string;
  readonly react: string;
  readonly reply: string;
  readonly more: string;
  readonly undo: string;
  readonly replyingTo: (name: string) => string;
  readonly editing: string;
  readonly jumpToNewest: (count: number) => string;
  readonly loadFailed: string;
  readonly unread: (count: number) => string;
  readonly mentioned: string;
  readonly muted: string;
  /** Of a conversation that is encrypted at rest. */
  readonly confidential: string;
  readonly pinned: string;
  readonly draft: string;
  readonly typing: (names: readonly string[]) => string;
  readonly placeholder: string;
  readonly emoji: string;
  readonly charactersLeft: (count: number) => string;
  readonly unknownPerson: string;
  readonly reactedBy: (names: readonly string[], emoji: string) => string;
  readonly noMessageYet: string;
  readonly untitled: string;
  readonly goToOriginal: string;
  readonly suggestions: string;
  readonly close: string;
  readonly download: string;
  readonly openPicture: (fileName: string) => string;
  readonly pictures: string;
  readonly pictureOf: (number: number, count: number) => string;
  readonly previous: string;
  readonly next: string;
  readonly zoomIn: string;
  readonly zoomOut: string;
  readonly play: string;
  readonly pause: string;
  readonly position: string;
  readonly attachments: (count: number) => string;
  readonly photos: (count: number) => string;
  readonly voiceMessage: string;
}

const plural = new Intl.PluralRules('en');

/** English, used where the product gives nothing else. */
export const englishTexts: ParleyTexts = {
  conversations: 'Conversations',
  messages: 'Messages',
  message: 'Message',
  send: 'Send',
  save: 'Save',
  cancel: 'Cancel',
  you: 'You',
  today: 'Today',
  yesterday: 'Yesterday',
  newMessages: 'New',
  edited: 'edited',
  sanitized: 'HTML removed',
  deleted: 'This message was deleted',
  deletedByYou: 'You deleted this message',
  unreadable: 'Cannot be opened: its key is missing or does not fit',
  sending: 'Sending',
  waiting: 'Waiting for the connection',
  waitingSeconds: (seconds) => `Goes out in ${seconds} s`,
  notSent: 'Not delivered',
  tryAgain: 'Try again',
  discard: 'Discard',
  change: 'Edit',
  sent: 'Sent',
  delivered: 'Delivered',
  read: 'Read',
  copy: 'Copy',
  copied: 'Copied',
  react: 'React',
  reply: 'Reply',
  more: 'More',
  undo: 'Undo',
  replyingTo: (name) => `Replying to ${name}`,
  editing: 'Editing',
  jumpToNewest: (count) => (count === 0 ? 'Jump to the newest' : `${count} new, jump down`),
  loadFailed: 'Could not load',
  unread: (count) => `${count} unread`,
  mentioned: 'You were mentioned',
  muted: 'Muted',
  confidential: 'Confidential',
  pinned: 'Pinned',
  draft: 'Draft',
  typing: (names) => {
    const [first, second, ...others] = names;
    if (second === undefined) return `${first} is typing`;
    if (others.length === 0) return `${first} and ${second} are typing`;
    const people = plural.select(others.length) === 'one' ? 'other' : 'others';
    return `${first}, ${second} and ${others.length} ${people} are typing`;
  },
  placeholder: 'Write something',
  emoji: 'Emoji',
  charactersLeft: (count) => (count >= 0 ? `${count} characters left` : `${-count} characters too many`),
  unknownPerson: 'Someone',
  reactedBy: (names, emoji) => `${names.join(', ')}: ${emoji}`,
  noMessageYet: 'Nothing said yet',
  untitled: 'Conversation',
  goToOriginal: 'Go to the original',
  suggestions: 'Suggestions',
  close: 'Close',
  download: 'Download',
  openPicture: (fileName) => `Open ${fileName}`,
  pictures: 'Pictures',
  pictureOf: (number, count) => `${number} of ${count}`,
  previous: 'Previous',
  next: 'Next',
  zoomIn: 'Zoom in',
  zoomOut: 'Zoom out',
  play: 'Play',
  pause: 'Pause',
  position: 'Position',
  attachments: (count) => (count === 1 ? 'File' : `${count} files`),
  photos: (count) => (count === 1 ? 'Photo' : `${count} photos`),
  voiceMessage: 'Voice message',
};
