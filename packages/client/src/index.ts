/**
 * `@parley/client`: the typed client of Parley. `createParleyClient` is the way in; everything it shows is in one immutable
 * snapshot, everything a person can do is on `client.conversation(id)`.
 *
 * @packageDocumentation
 */
export type {
  Attachment,
  AttachmentLink,
  Block,
  Conversation,
  ConversationType,
  EventName,
  EventPayload,
  Highlight,
  Membership,
  Message,
  MessageReport,
  Metadata,
  Notify,
  Page,
  Participant,
  PresenceState,
  Reaction,
  ReplyPreview,
  Revision,
  Role,
  SearchHit,
  User,
} from '@parley/protocol';
export type { ApiCall } from './api.ts';
export { createParleyClient } from './client.ts';
export type {
  Blocks,
  CallOptions,
  ClientEvents,
  ClientParts,
  ConversationHandle,
  HistoryOptions,
  NewConversation,
  Operation,
  ParleyClient,
  ParleyClientOptions,
  ReadableStore,
  SearchRequest,
  Selector,
  TokenProvider,
  TokenReason,
} from './client.types.ts';
export { alone } from './coordinator.ts';
export { type ClientErrorCode, ParleyError, type ParleyErrorCode, type ParleyErrorInit } from './error.ts';
export { signInAsGuest } from './guest.ts';
export type { Clock, Coordinator, CoordinatorFactory, ParleyStorage, StorageFactory, Wake } from './platform.types.ts';
export {
  type ConversationFilter,
  conversationsSelector,
  isOutgoing,
  outgoingSelector,
  readersOf,
  receiptOf,
  selectConversation,
  selectTimeline,
  selectTyping,
  selectUser,
  titleOf,
} from './selectors.ts';
export type {
  ConnectionState,
  ConversationSettings,
  ConversationState,
  Draft,
  DraftUpload,
  Intent,
  ListState,
  OutboxItem,
  OutboxStatus,
  OutgoingMessage,
  ReceiptPointers,
  Snapshot,
  TimelineGap,
  TimelineItem,
  TimelineMessage,
  TimelineOutgoing,
  TypingState,
  UnreadTotals,
} from './snapshot.types.ts';
export { indexedDbStorage } from './storage.indexeddb.ts';
export { memoryStorage } from './storage.memory.ts';
export type { HttpRequest, HttpResponse, Link, LinkHandlers, Transport } from './transport.types.ts';
