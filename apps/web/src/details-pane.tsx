import { type ConversationState, ParleyError, type Participant, type Role } from '@parley/client';
import {
  Avatar,
  conversationTitle,
  faceOf,
  useConversationHandle,
  useFormats,
  useParleyClient,
  usePresence,
  useSnapshot,
} from '@parley/react';
import {
  Archive,
  ArchiveRestore,
  Ban,
  Bell,
  BellOff,
  Ellipsis,
  LogOut,
  MessageSquareOff,
  Pencil,
  Pin,
  PinOff,
  Trash2,
  UserPlus,
  X,
} from 'lucide-react';
import { type ReactNode, useEffect, useState } from 'react';
import { setBlocked, useBlocked } from './blocks.ts';
import { isMuted } from './commands.ts';
import { showDialog } from './dialogs/dialogs.ts';
import { errorText } from './error-text.ts';
import { presenceText } from './presence-text.ts';
import { navigate } from './router.ts';
import { MuteMenu } from './sidebar.tsx';
import { useTexts } from './texts/texts.tsx';
import { Menu, type MenuItem } from './ui/menu.tsx';
import { showToast } from './ui/toast.tsx';

const ICON = 18;
/** How long somebody may be silenced for. */
const SILENCES = [
  { hours: 1, label: 'silenceHour' },
  { hours: 24, label: 'silenceDay' },
  { hours: 24 * 7, label: 'silenceWeek' },
] as const;
const ROLES = ['owner', 'moderator', 'member', 'readonly'] as const satisfies readonly Role[];

/** Who is in a conversation and what can be done with it as a whole. */
export function DetailsPane({ state, onClose }: { readonly state: ConversationState; readonly onClose: () => void }) {
  const texts = useTexts();
  const userId = useSnapshot((snapshot) => snapshot.userId);
  const handle = useConversationHandle(state.id);
  const [muting, setMuting] = useState<HTMLElement | null>(null);
  const { type, me, participantCount } = state.conversation;
  const title = conversationTitle(state, userId, texts);
  const face = faceOf(state, userId);
  const manages = type !== 'direct' && (me?.role === 'owner' || me?.role === 'moderator');
  const muted = isMuted(state);
  const client = useParleyClient();
  const formats = useFormats();
  const other = type === 'direct' ? face.id : null;
  const presence = usePresence(other === null ? [] : [other]);
  const blocked = useBlocked();
  const isBlocked = other !== null && blocked.has(other);
  const tell = (error: unknown) => showToast({ text: errorText(ParleyError.from(error), texts), tone: 'danger' });

  useEffect(() => {
    if (state.participantsLoaded) return;
    handle
      .loadParticipants()
      .catch((error: unknown) => showToast({ text: errorText(ParleyError.from(error), texts), tone: 'danger' }));
  }, [handle, state.participantsLoaded, texts]);

  const leave = () =>
    showDialog({
      kind: 'confirm',
      title: texts.leave,
      text: texts.leaveHint,
      action: texts.leave,
      run: async () => {
        await handle.leave();
        navigate('/');
      },
    });
  const remove = () =>
    showDialog({
      kind: 'confirm',
      title: texts.deleteForAll,
      text: texts.deleteForAllHint,
      action: texts.deleteForAll,
      run: async () => {
        await handle.deleteForAll();
        navigate('/');
      },
    });

  return (
    <aside
      className="scroll fixed inset-0 z-20 bg-page md:start-auto md:w-80 md:border-s md:border-line md:shadow-xl xl:static xl:flex-none xl:shadow-none"
      aria-label={texts.details}
      onKeyDown={(event) => event.key === 'Escape' && onClose()}
    >
      <header className="flex min-h-16 items-center justify-between ps-5 pe-3">
        <h2 className="font-semibold">{texts.details}</h2>
        <button type="button" className="icon-button" aria-label={texts.close} onClick={onClose}>
          <X size={19} />
        </button>
      </header>
      <div className="flex flex-col items-center gap-2 px-5 pb-5 text-center">
        <Avatar
          name={title}
          id={face.id}
          src={face.avatarUrl}
          size={76}
          square={type !== 'direct'}
          presence={other === null ? undefined : presence[other]?.status}
        />
        <p className="mt-1 text-[1.0625rem] font-semibold tracking-tight" dir="auto">
          {title}
        </p>
        <p className="text-small text-soft">
          {other !== null
            ? (presenceText(presence[other], texts, formats) ?? texts.direct)
            : `${type === 'channel' ? texts.channel : texts.group} · ${texts.memberCount(participantCount)}`}
        </p>
      </div>
      {me && (
        <div className="grid grid-cols-3 gap-2 px-5 pb-4">
          <Tile
            label={me.pinnedAt ? texts.unpin : texts.pin}
            icon={me.pinnedAt ? <PinOff size={ICON} /> : <Pin size={ICON} />}
            onPress={() => void handle.settings({ pinned: !me.pinnedAt })}
          />
          <Tile
            label={muted ? texts.unmute : texts.mute}
            icon={muted ? <Bell size={ICON} /> : <BellOff size={ICON} />}
            onPress={(anchor) => (muted ? void handle.settings({ mutedUntil: null }) : setMuting(anchor))}
          />
          <Tile
            label={me.archivedAt ? texts.unarchive : texts.archive}
            icon={me.archivedAt ? <ArchiveRestore size={ICON} /> : <Archive size={ICON} />}
            onPress={() => void handle.settings({ archived: !me.archivedAt })}
          />
        </div>
      )}
      {type !== 'direct' && (
        <section className="border-t border-line px-3 py-3">
          <h3 className="px-2 pb-1 text-small font-semibold text-soft">{texts.members}</h3>
          {manages && (
            <RowButton
              label={texts.addPeople}
              icon={<UserPlus size={ICON} />}
              onPress={() => showDialog({ kind: 'add-people', conversationId: state.id })}
            />
          )}
          <Members state={state} />
        </section>
      )}
      {manages && <WhoMayWrite state={state} onProblem={tell} />}
      {me && (
        <section className="border-t border-line px-3 py-3">
          {manages && (
            <RowButton
              label={texts.rename}
              icon={<Pencil size={ICON} />}
              onPress={() => showDialog({ kind: 'rename', conversationId: state.id })}
            />
          )}
          {other !== null && (
            <RowButton
              label={isBlocked ? texts.unblockPerson(title) : texts.blockPerson(title)}
              icon={<Ban size={ICON} />}
              onPress={() => void setBlocked(client, other, !isBlocked).catch(tell)}
              danger={!isBlocked}
            />
          )}
          <RowButton label={texts.leave} icon={<LogOut size={ICON} />} onPress={leave} danger />
          {type !== 'direct' && me.role === 'owner' && (
            <RowButton label={texts.deleteForAll} icon={<Trash2 size={ICON} />} onPress={remove} danger />
          )}
        </section>
      )}
      {muting && <MuteMenu id={state.id} anchor={muting} onClose={() => setMuting(null)} />}
    </aside>
  );
}

/** How long a member waits between two messages, in seconds. */
const SLOW = [0, 10, 30, 60, 300, 3600] as const;

interface WhoMayWriteProps {
  readonly state: ConversationState;
  readonly onProblem: (error: unknown) => void;
}

/** Read-only and slow mode. */
function WhoMayWrite({ state, onProblem }: WhoMayWriteProps) {
  const texts = useTexts();
  const handle = useConversationHandle(state.id);
  const { readOnly, slowModeSeconds } = state.conversation;
  // Shown as asked for until the server has told it, or refused.
  const [wanted, setWanted] = useState<{ readOnly?: boolean; slowModeSeconds?: number }>({});
  const change = (part: { readOnly?: boolean; slowModeSeconds?: number }) => {
    setWanted((before) => ({ ...before, ...part }));
    handle.update(part).catch((error: unknown) => {
      setWanted({});
      onProblem(error);
    });
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: told anew, by whomever
  useEffect(() => setWanted({}), [readOnly, slowModeSeconds]);
  const choices = SLOW.some((seconds) => seconds === slowModeSeconds) ? SLOW : [...SLOW, slowModeSeconds];
  return (
    <section className="border-t border-line px-5 py-3">
      <h3 className="pb-1 text-small font-semibold text-soft">{texts.whoMayWrite}</h3>
      <label className="flex min-h-11 items-center gap-3 font-medium">
        <span className="flex-1">{texts.readOnly}</span>
        <input
          type="checkbox"
          // biome-ignore lint/a11y/useAriaPropsForRole: a checkbox says itself whether it is on
          role="switch"
          className="switch"
          checked={wanted.readOnly ?? readOnly}
          onChange={(event) => change({ readOnly: event.target.checked })}
        />
      </label>
      <label className="flex min-h-11 items-center gap-3 font-medium">
        <span className="flex-1">{texts.slowMode}</span>
        <select
          className="rounded-lg bg-hover px-2 py-1.5 text-small"
          value={wanted.slowModeSeconds ?? slowModeSeconds}
          onChange={(event) => change({ slowModeSeconds: Number(event.target.value) })}
        >
          {choices.map((seconds) => (
            <option key={seconds} value={seconds}>
              {seconds === 0 ? texts.off : texts.everySeconds(seconds)}
            </option>
          ))}
        </select>
      </label>
    </section>
  );
}

function Members({ state }: { readonly state: ConversationState }) {
  const texts = useTexts();
  const userId = useSnapshot((snapshot) => snapshot.userId);
  const handle = useConversationHandle(state.id);
  const [menu, setMenu] = useState<{ readonly person: Participant; readonly anchor: HTMLElement } | null>(null);
  const myRole = state.conversation.me?.role;
  const present = Object.values(state.participants)
    .filter(({ leftAt }) => leftAt === null)
    .sort((a, b) => ROLES.indexOf(a.role) - ROLES.indexOf(b.role) || a.user.name.localeCompare(b.user.name));

  const tell = (error: unknown) => showToast({ text: errorText(ParleyError.from(error), texts), tone: 'danger' });
  const client = useParleyClient();
  const blocked = useBlocked();
  const formats = useFormats();
  const presence = usePresence(present.slice(0, 100).map(({ user }) => user.id));
  const isSilenced = ({ silencedUntil }: Participant) =>
    silencedUntil !== null && Date.parse(silencedUntil) > Date.now();
  const removes = (person: Participant) =>
    person.user.id !== userId &&
    (myRole === 'owner' || (myRole === 'moderator' && person.role !== 'owner' && person.role !== 'moderator'));
  const itemsFor = (person: Participant): MenuItem[] => [
    ...(myRole === 'owner'
      ? ROLES.map((role) => ({
          label: texts.roles[role],
          checked: person.role === role,
          onSelect: () => void handle.setRole(person.user.id, role).catch(tell),
        }))
      : []),
    ...(removes(person)
      ? isSilenced(person)
        ? [
            {
              label: texts.endSilence,
              separated: true,
              onSelect: () => void handle.silence(person.user.id, null).catch(tell),
            },
          ]
        : SILENCES.map(({ hours, label }, index) => ({
            label: texts[label],
            icon: <MessageSquareOff size={17} />,
            separated: index === 0 && myRole === 'owner',
            onSelect: () =>
              void handle.silence(person.user.id, new Date(Date.now() + hours * 3_600_000).toISOString()).catch(tell),
          }))
      : []),
    {
      label: blocked.has(person.user.id) ? texts.unblockPerson(person.user.name) : texts.blockPerson(person.user.name),
      icon: <Ban size={17} />,
      separated: removes(person),
      onSelect: () => void setBlocked(client, person.user.id, !blocked.has(person.user.id)).catch(tell),
    },
    ...(removes(person)
      ? [
          {
            label: texts.removePerson,
            icon: <Trash2 size={17} />,
            danger: true,
            onSelect: () => void handle.removeParticipant(person.user.id).catch(tell),
          },
        ]
      : []),
  ];

  return (
    <ul>
      {present.map((person) => (
        <li key={person.user.id} className="flex min-h-12 items-center gap-3 rounded-xl px-2">
          <Avatar
            name={person.user.name}
            id={person.user.id}
            src={person.user.avatarUrl}
            size={34}
            presence={person.user.id === userId ? undefined : presence[person.user.id]?.status}
          />
          <span className="min-w-0 flex-1">
            <span className="block truncate font-medium leading-tight">
              {person.user.name}
              {person.user.id === userId && <span className="text-soft"> ({texts.you})</span>}
            </span>
            <span className="block truncate text-tiny text-soft">
              {[
                person.role !== 'member' && texts.roles[person.role],
                isSilenced(person) && texts.silenced,
                person.user.id !== userId && presenceText(presence[person.user.id], texts, formats),
              ]
                .filter(Boolean)
                .join(' · ')}
            </span>
          </span>
          {person.user.id !== userId && (
            <button
              type="button"
              className="icon-button"
              aria-label={texts.manage(person.user.name)}
              aria-haspopup="menu"
              onClick={(event) => setMenu({ person, anchor: event.currentTarget })}
            >
              <Ellipsis size={18} />
            </button>
          )}
        </li>
      ))}
      {menu && (
        <Menu
          label={texts.manage(menu.person.user.name)}
          anchor={menu.anchor}
          items={itemsFor(menu.person)}
          onClose={() => setMenu(null)}
        />
      )}
    </ul>
  );
}

interface TileProps {
  readonly label: string;
  readonly icon: ReactNode;
  readonly onPress: (anchor: HTMLElement) => void;
}

function Tile({ label, icon, onPress }: TileProps) {
  return (
    <button
      type="button"
      className="flex min-h-16 flex-col items-center justify-center gap-1.5 rounded-2xl bg-hover px-1 text-tiny font-semibold hover:bg-selected"
      onClick={(event) => onPress(event.currentTarget)}
    >
      {icon}
      {label}
    </button>
  );
}

interface RowButtonProps {
  readonly label: string;
  readonly icon: ReactNode;
  readonly onPress: () => void;
  readonly danger?: boolean;
}

function RowButton({ label, icon, onPress, danger }: RowButtonProps) {
  return (
    <button
      type="button"
      className={`flex min-h-11 w-full items-center gap-3 rounded-xl px-2 text-start font-medium hover:bg-hover ${danger ? 'text-danger' : ''}`}
      onClick={onPress}
    >
      <span className="inline-flex w-[34px] justify-center">{icon}</span>
      {label}
    </button>
  );
}
