import { type ConversationHandle, type ConversationState, type Message, ParleyError, readersOf } from '@parley/client';
import { Avatar, useParleyClient, useSnapshot } from '@parley/react';
import { Ban, CheckCheck, Copy, Flag, History, Link, MailOpen, Pencil, Reply, SmilePlus, Trash2 } from 'lucide-react';
import { useMemo, useRef } from 'react';
import { setBlocked, useBlocked } from './blocks.ts';
import { showDialog } from './dialogs/dialogs.ts';
import { QUICK_REACTIONS } from './emoji.tsx';
import { errorText } from './error-text.ts';
import { useTexts } from './texts/texts.tsx';
import { Menu, type MenuItem, Popover } from './ui/menu.tsx';
import { showToast } from './ui/toast.tsx';

/** What can be done with a message. */
export interface MessageCommands {
  reply(message: Message): void;
  edit(message: Message): void;
  react(message: Message, emoji: string, on: boolean): void;
  copy(message: Message): void;
  copyLink(link: string): void;
  markUnread(message: Message): void;
  delete(message: Message): void;
}

interface Options {
  readonly handle: ConversationHandle;
  readonly onReply: (message: Message) => void;
  readonly onEdit: (message: Message) => void;
}

const UNDO_MS = 6_000;
const ICON = 17;

/** The commands of a conversation's messages: the same object until the conversation or language changes. */
export function useMessageCommands({ handle, onReply, onEdit }: Options): MessageCommands {
  const texts = useTexts();
  const latest = useRef({ onReply, onEdit });
  latest.current = { onReply, onEdit };
  return useMemo(() => {
    const copyText = (text: string, done: string) => {
      navigator.clipboard.writeText(text).then(
        () => showToast({ text: done, ms: 2_000 }),
        () => showToast({ text: texts.copyFailed, tone: 'danger' }),
      );
    };
    return {
      reply: (message) => latest.current.onReply(message),
      edit: (message) => latest.current.onEdit(message),
      react: (message, emoji, on) => void (on ? handle.react(message.id, emoji) : handle.unreact(message.id, emoji)),
      copy: (message) => copyText(message.content ?? '', texts.copied),
      copyLink: (link) => copyText(link, texts.linkCopied),
      markUnread: (message) => void handle.markUnread(message.seq),
      delete: (message) => {
        const operation = handle.delete(message.id, { undoMs: UNDO_MS });
        showToast({
          text: texts.messageDeleted,
          ms: UNDO_MS,
          action: { label: texts.undo, run: () => operation.cancel() },
        });
      },
    };
  }, [handle, texts]);
}

interface MessageMenuProps {
  readonly state: ConversationState;
  readonly message: Message;
  readonly anchor: HTMLElement;
  readonly commands: MessageCommands;
  readonly link: string;
  readonly onReact: () => void;
  readonly onReaders: () => void;
  readonly onClose: () => void;
}

/** Everything that can be done with a message. */
export function MessageMenu(props: MessageMenuProps) {
  const { state, message, commands, anchor, onClose } = props;
  const texts = useTexts();
  const client = useParleyClient();
  const userId = useSnapshot((snapshot) => snapshot.userId);
  const author = useSnapshot((snapshot) => snapshot.users[message.senderId]);
  const blocked = useBlocked().has(message.senderId);
  const mine = message.senderId === userId;
  const name = author?.name ?? texts.unknownPerson;
  const block = () =>
    setBlocked(client, message.senderId, !blocked).then(
      () => showToast({ text: blocked ? texts.unblocked(name) : texts.blockedPerson(name) }),
      (error: unknown) => showToast({ text: errorText(ParleyError.from(error), texts), tone: 'danger' }),
    );
  const role = state.conversation.me?.role;
  const moderates = role === 'owner' || role === 'moderator';
  const writes = role !== undefined && role !== 'readonly';

  const items: MenuItem[] = [
    writes && {
      label: texts.reply,
      icon: <Reply size={ICON} />,
      shortcut: 'R',
      onSelect: () => commands.reply(message),
    },
    writes && { label: texts.react, icon: <SmilePlus size={ICON} />, shortcut: '+', onSelect: props.onReact },
    mine &&
      !message.unreadable && {
        label: texts.change,
        icon: <Pencil size={ICON} />,
        shortcut: 'E',
        onSelect: () => commands.edit(message),
      },
    message.content !== '' &&
      !message.unreadable && {
        label: texts.copyText,
        icon: <Copy size={ICON} />,
        shortcut: 'C',
        onSelect: () => commands.copy(message),
      },
    { label: texts.copyLink, icon: <Link size={ICON} />, onSelect: () => commands.copyLink(props.link) },
    role &&
      !mine && {
        label: texts.markUnread,
        icon: <MailOpen size={ICON} />,
        shortcut: 'U',
        onSelect: () => commands.markUnread(message),
      },
    mine && { label: texts.readBy, icon: <CheckCheck size={ICON} />, onSelect: props.onReaders },
    message.editedAt !== null &&
      (mine || moderates) && {
        label: texts.earlierTexts,
        icon: <History size={ICON} />,
        onSelect: () => showDialog({ kind: 'revisions', message }),
      },
    role &&
      !mine && {
        label: texts.report,
        icon: <Flag size={ICON} />,
        separated: true,
        onSelect: () => showDialog({ kind: 'report', message }),
      },
    !mine && {
      label: blocked ? texts.unblockPerson(name) : texts.blockPerson(name),
      icon: <Ban size={ICON} />,
      separated: role === undefined,
      onSelect: () => void block(),
    },
    (mine || (moderates && state.conversation.type !== 'direct')) && {
      label: texts.delete,
      icon: <Trash2 size={ICON} />,
      danger: true,
      separated: mine,
      onSelect: () => commands.delete(message),
    },
  ].filter((item) => typeof item === 'object');

  const reacted = (emoji: string) =>
    message.reactions.some((reaction) => reaction.emoji === emoji && reaction.userIds.includes(userId ?? ''));
  return (
    <Menu label={texts.more} anchor={anchor} items={items} onClose={onClose}>
      {writes && (
        <div className="mb-1 flex justify-between gap-0.5 border-b border-line pb-1.5" role="none">
          {QUICK_REACTIONS.map((emoji) => (
            <button
              key={emoji}
              type="button"
              role="menuitemcheckbox"
              aria-checked={reacted(emoji)}
              aria-label={texts.reactWith(emoji)}
              tabIndex={-1}
              className="inline-flex size-9 items-center justify-center rounded-lg text-lg hover:bg-hover focus:bg-hover aria-checked:bg-selected"
              onClick={() => {
                onClose();
                commands.react(message, emoji, !reacted(emoji));
              }}
            >
              {emoji}
            </button>
          ))}
        </div>
      )}
    </Menu>
  );
}

interface ReadersProps {
  readonly state: ConversationState;
  readonly message: Message;
  readonly anchor: HTMLElement;
  readonly onClose: () => void;
}

/** Who has read a message, and who has it on a device. */
export function ReadersPopover({ state, message, anchor, onClose }: ReadersProps) {
  const texts = useTexts();
  const client = useParleyClient();
  const userId = useSnapshot((snapshot) => snapshot.userId);
  const readers = readersOf(state, message, userId);
  const read = new Set(readers.map(({ user }) => user.id));
  const delivered = Object.values(state.participants).filter(
    ({ user, leftAt }) =>
      leftAt === null &&
      user.id !== message.senderId &&
      !read.has(user.id) &&
      (state.receipts[user.id]?.lastDeliveredSeq ?? 0) >= message.seq,
  );
  useMemo(() => {
    // Only the first few people come with the conversation. Those known are shown if the rest cannot be had.
    if (!state.participantsLoaded)
      client
        .conversation(state.id)
        .loadParticipants()
        .catch(() => {});
  }, [client, state.id, state.participantsLoaded]);
  return (
    <Popover label={texts.readBy} anchor={anchor} onClose={onClose}>
      <div className="scroll max-h-72 w-60 p-1">
        <People title={texts.readBy} people={readers.map(({ user }) => user)} none={texts.nobodyRead} />
        {delivered.length > 0 && <People title={texts.delivered} people={delivered.map(({ user }) => user)} />}
      </div>
    </Popover>
  );
}

interface PeopleProps {
  readonly title: string;
  readonly people: readonly { readonly id: string; readonly name: string; readonly avatarUrl: string | null }[];
  readonly none?: string;
}

function People({ title, people, none }: PeopleProps) {
  return (
    <section className="mb-1">
      <h3 className="px-2 pb-1 pt-1.5 text-tiny font-semibold text-soft">{title}</h3>
      {people.length === 0 && <p className="px-2 pb-2 text-small">{none}</p>}
      <ul>
        {people.map((person) => (
          <li key={person.id} className="flex items-center gap-2.5 px-2 py-1 text-small font-medium">
            <Avatar name={person.name} id={person.id} src={person.avatarUrl} size={26} />
            <span className="truncate">{person.name}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
