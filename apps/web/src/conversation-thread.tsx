import {
  type ConversationState,
  type Message,
  type OutgoingMessage,
  ParleyError,
  receiptOf,
  type User,
} from '@parley/client';
import {
  Avatar,
  briefOf,
  Composer,
  type ComposerHandle,
  conversationTitle,
  faceOf,
  type Mentionable,
  type MessageActions,
  type Messages,
  MessageView,
  mentionCompletion,
  mentionsIn,
  OutgoingView,
  plainText,
  type ReceiptState,
  type Row,
  type RowState,
  Thread,
  type ThreadHandle,
  TypingIndicator,
  useConversationHandle,
  useFormats,
  useMessages,
  useParleyClient,
  useSecondsUntil,
  useSnapshot,
  useTyping,
  useUploads,
  type Voice,
  voiceOf,
} from '@parley/react';
import { Attachments } from '@parley/react/attachments';
import { LockKeyhole, Mic, Smile, X } from 'lucide-react';
import { lazy, memo, type ReactNode, Suspense, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { setBlocked, useBlocked } from './blocks.ts';
import { ThreadSkeleton } from './conversation-pane.tsx';
import { showDialog } from './dialogs/dialogs.ts';
import { draftsOf, setDraft } from './drafts.ts';
import { EmojiPopover, emojiCompletion } from './emoji.tsx';
import { errorText } from './error-text.ts';
import { addFiles, filesIn } from './files/add-files.ts';
import { AttachButton } from './files/attach-button.tsx';
import { DropZone } from './files/drop-zone.tsx';
import { OutgoingFiles } from './files/outgoing-files.tsx';
import { UploadTray } from './files/upload-tray.tsx';
import { MessageMenu, ReadersPopover, useMessageCommands } from './message-menu.tsx';
import { pathOf, useRoute } from './router.ts';
import { useUploadsOfSession } from './session.ts';
import type { AppTexts } from './texts/app-texts.ts';
import { useTexts } from './texts/texts.tsx';
import { Empty } from './ui/empty.tsx';
import { showToast } from './ui/toast.tsx';
import { useValue } from './value.ts';

/** What the composer is about, besides a new message. */
type Context =
  | { readonly kind: 'reply'; readonly message: Message }
  | { readonly kind: 'edit'; readonly message: Message; readonly text: string }
  | { readonly kind: 'rewrite'; readonly item: OutgoingMessage; readonly text: string };

type Floating =
  | { readonly kind: 'menu' | 'react' | 'readers'; readonly message: Message; readonly anchor: HTMLElement }
  | { readonly kind: 'emoji'; readonly anchor: HTMLElement };

const GalleryHost = lazy(async () => ({ default: (await import('./files/gallery-host.tsx')).GalleryHost }));
const VoiceRecorder = lazy(async () => ({ default: (await import('./files/voice-recorder.tsx')).VoiceRecorder }));

const KEPT_MESSAGES = 1_500;

/** The messages of a conversation and the field to write more. */
export function ConversationThread({ state, seq }: { readonly state: ConversationState; readonly seq: number | null }) {
  const texts = useTexts();
  const { id } = state;
  const handle = useConversationHandle(id);
  const messages = useMessages(id);
  const userId = useSnapshot((snapshot) => snapshot.userId);
  const users = useSnapshot((snapshot) => snapshot.users);
  const { people, typing, stopTyping } = useTyping(id);
  const drafts = useValue(useMemo(() => draftsOf(userId ?? ''), [userId]));
  const [context, setContext] = useState<Context | null>(null);
  const client = useParleyClient();
  const uploads = useUploadsOfSession();
  const files = useUploads(uploads, id);
  const blocked = useBlocked();
  const [pictureId, setPictureId] = useState<string | null>(null);
  const [recording, setRecording] = useState(false);
  const slowUntil = slowModeEnd(state, userId);
  const slowSeconds = useSecondsUntil(slowUntil);
  const [floating, setFloating] = useState<Floating | null>(null);
  const thread = useRef<ThreadHandle>(null);
  const composer = useRef<ComposerHandle>(null);
  // What was unread on opening stays marked while the conversation is on the screen.
  const [unreadAfterSeq] = useState(() => {
    const { me } = state.conversation;
    return me && me.unreadCount > 0 ? me.lastReadSeq : null;
  });
  const latest = useRef(state);
  latest.current = state;

  const mentionables = useMemo(
    () =>
      Object.values(state.participants)
        .filter(({ user, leftAt }) => leftAt === null && user.id !== userId)
        .map(({ user }): Mentionable => ({ id: user.id, name: user.name })),
    [state.participants, userId],
  );
  const completions = useMemo(
    () => [
      mentionCompletion(mentionables, (person) => (
        <Avatar name={person.name} id={person.id} src={users[person.id]?.avatarUrl} size={26} />
      )),
      emojiCompletion,
    ],
    [mentionables, users],
  );

  useEffect(() => {
    // On a touch screen the keyboard would cover what one came to read.
    if (matchMedia('(hover: hover)').matches) composer.current?.focus();
  }, []);

  // A permalink followed while the conversation is open, also the same one once more.
  const { visit } = useRoute();
  const shownVisit = useRef(visit);
  useEffect(() => {
    if (seq !== null && visit !== shownVisit.current) thread.current?.jumpTo(seq);
    shownVisit.current = visit;
  }, [seq, visit]);

  const begin = useCallback((next: Context | null) => {
    setContext(next);
    composer.current?.focus();
  }, []);
  const commands = useMessageCommands({
    handle,
    onReply: (message) => begin({ kind: 'reply', message }),
    onEdit: (message) => begin({ kind: 'edit', message, text: message.content ?? '' }),
  });

  const actions = useMemo<MessageActions>(
    () => ({
      onReact: commands.react,
      onReply: commands.reply,
      onPickReaction: (message, anchor) => setFloating({ kind: 'react', message, anchor }),
      onMenu: (message, anchor) => setFloating({ kind: 'menu', message, anchor }),
      onJump: (to) => thread.current?.jumpTo(to),
      onShowRevisions: (message) => showDialog({ kind: 'revisions', message }),
      onShowReaders: (message, anchor) => setFloating({ kind: 'readers', message, anchor }),
      onKey: (message, event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const mine = message.senderId === userId;
        const anchor = event.currentTarget;
        const commandOf: Readonly<Record<string, () => unknown>> = {
          r: () => commands.reply(message),
          e: () => mine && commands.edit(message),
          c: () => commands.copy(message),
          u: () => !mine && commands.markUnread(message),
          '+': () => setFloating({ kind: 'react', message, anchor }),
          delete: () => mine && commands.delete(message),
          enter: () => setFloating({ kind: 'menu', message, anchor }),
          contextmenu: () => setFloating({ kind: 'menu', message, anchor }),
        };
        const run = commandOf[event.key.toLowerCase()];
        if (!run || message.deletedAt !== null) return;
        event.preventDefault();
        run();
      },
    }),
    [commands, userId],
  );

  const draft = drafts[id] ?? '';
  const text = context?.kind === 'edit' || context?.kind === 'rewrite' ? context.text : draft;
  const change = (value: string) => {
    if (context?.kind === 'edit' || context?.kind === 'rewrite') return setContext({ ...context, text: value });
    setDraft(userId ?? '', id, value);
    if (value === '') stopTyping();
    else typing();
  };

  const send = (content: string) => {
    const mentions = mentionsIn(content, mentionables);
    const named = mentions.length > 0 ? { mentions } : {};
    if (context?.kind === 'edit') {
      if (content !== context.message.content) void handle.edit(context.message.id, content);
      return begin(null);
    }
    if (context?.kind === 'rewrite') {
      void handle.editOutgoing(context.item.id, { ...context.item.intent.draft, content, ...named });
      return begin(null);
    }
    const ready = files.filter(({ status }) => status !== 'failed').map((file) => file.id);
    if (content === '' && ready.length === 0) return;
    const draftOf = { content, ...named, ...(context?.kind === 'reply' && { replyToId: context.message.id }) };
    void uploads.send(id, draftOf, ready);
    setDraft(userId ?? '', id, '');
    setContext(null);
    thread.current?.jumpToNewest();
  };

  const attach = (chosen: readonly File[]) => {
    if (chosen.length === 0) return;
    void addFiles(uploads, { conversationId: id, files: chosen, already: files.length, texts });
    composer.current?.focus();
  };
  const sendVoice = (file: File, voice: Voice) => {
    setRecording(false);
    const metadata = { voice: { durationMs: Math.round(voice.durationMs), waveform: [...voice.waveform] } };
    const replyTo = context?.kind === 'reply' ? { replyToId: context.message.id } : {};
    void uploads.send(id, { content: '', metadata, ...replyTo }, [uploads.add(id, file)]);
    setContext(null);
    thread.current?.jumpToNewest();
  };

  const editLast = () => {
    const own = state.timeline.findLast(
      (item) => item.kind === 'message' && item.message.senderId === userId && item.message.deletedAt === null,
    );
    if (own?.kind === 'message') begin({ kind: 'edit', message: own.message, text: own.message.content ?? '' });
  };

  const nameOf = useCallback((person: string) => users[person]?.name ?? texts.unknownPerson, [users, texts]);
  const showAuthor = state.conversation.type !== 'direct';
  const renderAttachments = useCallback(
    (message: Message) => (
      <Attachments
        attachments={message.attachments}
        voice={voiceOf(message.metadata)}
        onOpen={(attachment) => setPictureId(attachment.id)}
      />
    ),
    [],
  );
  const renderMessage = (row: Row, rowState: RowState): ReactNode => {
    const { item } = row;
    if (item.kind === 'gap') return null;
    if (item.kind === 'outgoing') {
      return (
        <OutgoingView
          item={item.item}
          first={row.first}
          last={row.last}
          current={rowState.current}
          mentions={mentionables}
          reason={item.item.error ? errorText(item.item.error, texts) : undefined}
          files={<OutgoingFiles item={item.item} uploads={uploads} />}
          onRetry={() => void handle.retry(item.item.id)}
          onChange={() => begin({ kind: 'rewrite', item: item.item, text: item.item.intent.draft.content })}
          onDiscard={() => void handle.discard(item.item.id)}
        />
      );
    }
    const { message, pending } = item;
    return (
      <MessageRow
        row={row}
        rowState={rowState}
        message={message}
        pending={pending?.edit ?? false}
        author={users[message.senderId]}
        users={users}
        userId={userId}
        showAuthor={showAuthor}
        receipt={message.senderId === userId ? receiptOf(state, message) : null}
        actions={actions}
        nameOf={nameOf}
        renderAttachments={renderAttachments}
      />
    );
  };

  const limitedUntil = state.timeline.reduce<number | null>(
    (until, item) =>
      item.kind === 'outgoing' && item.item.error?.code === 'rate_limited' ? item.item.notBefore : until,
    null,
  );

  const locked = isLocked(state, messages.error);
  const reason = disabledReason({
    state,
    locked,
    userId,
    blocked,
    texts,
    join: () => void handle.join(),
    unblock: (person) =>
      void setBlocked(client, person, false).catch((error: unknown) =>
        showToast({ text: errorText(ParleyError.from(error), texts), tone: 'danger' }),
      ),
  });
  const changing = context?.kind === 'edit' || context?.kind === 'rewrite';

  return (
    <>
      <DropZone
        title={conversationTitle(state, userId, texts)}
        enabled={reason === null && !changing && !recording}
        onFiles={attach}
      >
        {locked ? (
          <Empty icon={<LockKeyhole size={26} />} title={texts.keyMissing} hint={texts.keyMissingHint}>
            <button type="button" className="button button-quiet" onClick={messages.retry}>
              {texts.tryAgain}
            </button>
          </Empty>
        ) : (
          <Thread
            key={id}
            ref={thread}
            messages={messages}
            userId={userId}
            unreadAfterSeq={unreadAfterSeq}
            unreadCount={state.conversation.me?.unreadCount ?? 0}
            startAtSeq={seq}
            renderMessage={renderMessage}
            loading={<ThreadSkeleton />}
            beginning={<Beginning state={state} />}
            onSeen={(seen) => {
              const { me } = latest.current.conversation;
              if (me && seen > me.lastReadSeq) handle.markRead(seen);
            }}
            onLarge={(around) => handle.trim({ around, keep: KEPT_MESSAGES })}
            onLeave={() => composer.current?.focus()}
          />
        )}
        <RateNotice until={limitedUntil} />
        {slowSeconds > 0 && reason === null && <Notice>{texts.slowModeWait(slowSeconds)}</Notice>}
        {recording && reason === null ? (
          <Suspense fallback={<div className="h-[46px]" />}>
            <VoiceRecorder onDone={sendVoice} onCancel={() => setRecording(false)} />
          </Suspense>
        ) : (
          <Composer
            ref={composer}
            value={text}
            onChange={change}
            onSend={send}
            editing={context?.kind === 'edit'}
            carries={!changing && files.some(({ status }) => status !== 'failed')}
            holdSend={slowSeconds > 0 && !changing}
            completions={completions}
            disabledReason={reason}
            onCancel={context ? () => begin(null) : undefined}
            onEditLast={editLast}
            onPaste={(event) => {
              const pasted = filesIn(event.clipboardData);
              if (pasted.length === 0 || changing) return;
              event.preventDefault();
              attach(pasted);
            }}
            context={
              <>
                {context && <ContextLine context={context} nameOf={nameOf} onCancel={() => begin(null)} />}
                {!changing && files.length > 0 && <UploadTray uploads={uploads} files={files} />}
              </>
            }
            before={!changing && <AttachButton onFiles={attach} />}
            after={
              <>
                <button
                  type="button"
                  className="parley-composer-button"
                  aria-label={texts.emoji}
                  title={texts.emoji}
                  aria-haspopup="dialog"
                  onClick={(event) => setFloating({ kind: 'emoji', anchor: event.currentTarget })}
                >
                  <Smile size={20} />
                </button>
                {!changing && text === '' && files.length === 0 && canRecord && (
                  <button
                    type="button"
                    className="parley-composer-button"
                    aria-label={texts.recordVoice}
                    title={texts.recordVoice}
                    disabled={slowSeconds > 0}
                    onClick={() => setRecording(true)}
                  >
                    <Mic size={20} />
                  </button>
                )}
              </>
            }
          />
        )}
      </DropZone>
      {pictureId !== null && (
        <Suspense>
          <GalleryHost state={state} startId={pictureId} onClose={() => setPictureId(null)} />
        </Suspense>
      )}
      <TypingIndicator names={people.map(({ name }) => name)} />
      {floating?.kind === 'menu' && (
        <MessageMenu
          state={state}
          message={floating.message}
          anchor={floating.anchor}
          commands={commands}
          link={location.origin + pathOf(id, floating.message.seq)}
          onReact={() => setFloating({ ...floating, kind: 'react' })}
          onReaders={() => setFloating({ ...floating, kind: 'readers' })}
          onClose={() => setFloating(null)}
        />
      )}
      {floating?.kind === 'react' && (
        <EmojiPopover
          anchor={floating.anchor}
          onClose={() => setFloating(null)}
          onPick={(emoji) => {
            commands.react(floating.message, emoji, true);
            setFloating(null);
            floating.anchor.focus();
          }}
        />
      )}
      {floating?.kind === 'emoji' && (
        <EmojiPopover
          anchor={floating.anchor}
          onClose={() => setFloating(null)}
          onPick={(emoji) => {
            composer.current?.insert(emoji);
            setFloating(null);
          }}
        />
      )}
      {floating?.kind === 'readers' && (
        <ReadersPopover
          state={state}
          message={floating.message}
          anchor={floating.anchor}
          onClose={() => setFloating(null)}
        />
      )}
    </>
  );
}

interface MessageRowProps {
  readonly row: Row;
  readonly rowState: RowState;
  readonly message: Message;
  readonly pending: boolean;
  readonly author: User | undefined;
  readonly users: Readonly<Record<string, User>>;
  readonly userId: string | null;
  readonly showAuthor: boolean;
  readonly receipt: ReceiptState | null;
  readonly actions: MessageActions;
  readonly nameOf: (userId: string) => string;
  readonly renderAttachments: (message: Message) => ReactNode;
}

function MessageRow({ row, rowState, message, users, ...rest }: MessageRowProps) {
  const mentions = useMemo(
    () => message.mentions.flatMap((id): Mentionable[] => (users[id] ? [{ id, name: users[id].name }] : [])),
    [message.mentions, users],
  );
  return (
    <MessageView
      {...rest}
      message={message}
      first={row.first}
      last={row.last}
      current={rowState.current}
      highlighted={rowState.highlighted}
      mentions={mentions.length === 0 ? NO_MENTIONS : mentions}
    />
  );
}

const NO_MENTIONS: readonly Mentionable[] = [];

/** What stands above the first message: whose conversation this is. */
const Beginning = memo(function Beginning({ state }: { readonly state: ConversationState }) {
  const texts = useTexts();
  const userId = useSnapshot((snapshot) => snapshot.userId);
  const { type, lastSeq } = state.conversation;
  const title = conversationTitle(state, userId, texts);
  const face = faceOf(state, userId);
  const hint = type === 'direct' ? texts.noMessagesDirect : texts.noMessagesGroup;
  return (
    <div className="mx-auto flex w-full max-w-[52rem] flex-col items-center gap-1 px-6 pb-4 pt-12 text-center">
      <Avatar name={title} id={face.id} src={face.avatarUrl} size={64} square={type !== 'direct'} />
      <p className="mt-2 font-semibold" dir="auto">
        {title}
      </p>
      <p className="text-small text-soft">{lastSeq === 0 ? hint : texts.beginning}</p>
    </div>
  );
});

function RateNotice({ until }: { readonly until: number | null }) {
  const texts = useTexts();
  const seconds = useSecondsUntil(until);
  return seconds === 0 ? null : <Notice>{texts.tooFast(seconds)}</Notice>;
}

function Notice({ children }: { readonly children: ReactNode }) {
  return (
    <p className="mx-auto mb-2 rounded-full bg-warn-soft px-4 py-1.5 text-small font-medium text-warn">{children}</p>
  );
}

interface ContextLineProps {
  readonly context: Context;
  readonly nameOf: (userId: string) => string;
  readonly onCancel: () => void;
}

function ContextLine({ context, nameOf, onCancel }: ContextLineProps) {
  const texts = useTexts();
  const content =
    context.kind === 'rewrite' ? plainText(context.item.intent.draft.content) : briefOf(context.message, texts);
  return (
    <div className="parley-composer-context">
      <div>
        <strong>{context.kind === 'reply' ? texts.replyingTo(nameOf(context.message.senderId)) : texts.editing}</strong>
        <p dir="auto">{content}</p>
      </div>
      <button type="button" className="icon-button" aria-label={texts.cancel} onClick={onCancel}>
        <X size={18} />
      </button>
    </div>
  );
}

interface DisabledOptions {
  readonly state: ConversationState;
  readonly locked: boolean;
  readonly userId: string | null;
  readonly blocked: ReadonlySet<string>;
  readonly texts: AppTexts;
  readonly join: () => void;
  readonly unblock: (userId: string) => void;
}

/** Why one may not write here; null where one may. */
function disabledReason({ state, locked, userId, blocked, texts, join, unblock }: DisabledOptions): ReactNode {
  const { me, type, readOnly } = state.conversation;
  if (me === null && type === 'channel') {
    return <ReasonWith text={texts.joinToWrite} action={texts.join} onPress={join} />;
  }
  if (me === null) return texts.onlyReading;
  if (type === 'direct') {
    const other = Object.values(state.participants).find(({ user }) => user.id !== userId)?.user;
    if (other && blocked.has(other.id)) {
      return (
        <ReasonWith text={texts.youBlocked(other.name)} action={texts.unblock} onPress={() => unblock(other.id)} />
      );
    }
  }
  if (locked) return texts.keyMissing;
  const until = userId === null ? null : (state.participants[userId]?.silencedUntil ?? null);
  if (until !== null && Date.parse(until) > Date.now()) return <Silenced until={until} />;
  if (readOnly && me.role === 'member') return texts.readOnlyConversation;
  return me.role === 'readonly' ? texts.readonlyHere : null;
}

/** Whether the server lacks the key of a confidential conversation: its last message does not open, nor does its history. */
function isLocked({ conversation }: ConversationState, error: Messages['error']): boolean {
  const { confidential, lastMessage } = conversation;
  return confidential && error?.code === 'unavailable' && lastMessage?.unreadable === true;
}

function ReasonWith(props: { readonly text: string; readonly action: string; readonly onPress: () => void }) {
  return (
    <span className="flex flex-wrap items-center justify-center gap-3">
      {props.text}
      <button type="button" className="button button-primary" onClick={props.onPress}>
        {props.action}
      </button>
    </span>
  );
}

function Silenced({ until }: { readonly until: string }) {
  const texts = useTexts();
  const formats = useFormats();
  return texts.silencedUntil(formats.full(until));
}

/** When a member may write again in a conversation with slow mode; null where one need not wait. */
function slowModeEnd({ conversation, timeline }: ConversationState, userId: string | null): number | null {
  const { me, slowModeSeconds } = conversation;
  if (slowModeSeconds === 0 || me?.role !== 'member') return null;
  const own = timeline.findLast((item) => item.kind === 'message' && item.message.senderId === userId);
  return own?.kind === 'message' ? Date.parse(own.message.createdAt) + slowModeSeconds * 1000 : null;
}

/** Browsers let nobody listen on a page that came without TLS. */
const canRecord = typeof MediaRecorder !== 'undefined' && navigator.mediaDevices !== undefined;
