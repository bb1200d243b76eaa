/**
 * `@parley/react`: provider, hooks and components for Parley. Hooks read the client's state and pass on calls; components take
 * plain props. The look is `@parley/react/styles.css` with its CSS variables, or your own.
 *
 * @packageDocumentation
 */
export { type AttachmentKind, kindOf, type Voice, voiceOf } from './attachment-kind.ts';
export { Avatar, type AvatarProps, initialsOf } from './avatar.tsx';
export {
  type Completion,
  Composer,
  type ComposerHandle,
  type ComposerProps,
  mentionCompletion,
  mentionsIn,
  type Suggestion,
} from './composer.tsx';
export {
  briefOf,
  ConversationList,
  type ConversationListProps,
  conversationTitle,
  faceOf,
} from './conversation-list.tsx';
export { createFormats, type Formats } from './format.ts';
export {
  type Connection,
  type Messages,
  useConnection,
  useConversation,
  useConversationHandle,
  useConversations,
  useMe,
  useMessages,
  usePresence,
  useSend,
  useSnapshot,
  useTyping,
  useUnread,
  useUser,
} from './hooks.ts';
export { type Block, type Inline, isEmojiOnly, type Mentionable, parseMarkdown, plainText } from './markdown.ts';
export {
  type MessageActions,
  MessageView,
  type MessageViewProps,
  OutgoingView,
  type OutgoingViewProps,
  useSecondsUntil,
} from './message.tsx';
export { MessageText, type MessageTextProps } from './message-text.tsx';
export { ParleyProvider, type ParleyProviderProps, useFormats, useParleyClient, useParleyTexts } from './provider.tsx';
export { ReceiptMark, type ReceiptState } from './receipts.tsx';
export { buildRows, type Row, type RowOptions } from './rows.ts';
export { englishTexts, type ParleyTexts } from './texts.ts';
export { type RowState, Thread, type ThreadHandle, type ThreadProps } from './thread.tsx';
export { TypingIndicator } from './typing-indicator.tsx';
export { useUpload, useUploads } from './uploads.ts';
