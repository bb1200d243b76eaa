import type { ConversationType, ErrorCode, Role } from '@parley/protocol';
import type { Actor } from '../../utils/actor.ts';

/**
 * What somebody is to a conversation.
 *
 * - a role: a present participant
 * - `visitor`: no participant, but the conversation is a channel, which everybody may read
 * - `administrator`, `overseer`: no participant, but the token says `admin` or `moderator`
 * - `outsider`: nothing of all that
 */
export type Standing = Role | 'visitor' | 'administrator' | 'overseer' | 'outsider';

/** What can be done in a conversation, as far as the standing decides it. */
export type Action =
  | 'read'
  | 'mark'
  | 'send'
  | 'react'
  | 'type'
  | 'configure'
  | 'rename'
  | 'close'
  | 'add'
  | 'remove'
  | 'giveRoles'
  | 'deleteOwn'
  | 'deleteAny'
  | 'readRevisions';

type Verdict = 'allowed' | Extract<ErrorCode, 'forbidden' | 'not_a_participant'>;

const yes = 'allowed';
const no = 'forbidden';
const out = 'not_a_participant';

/** The whole policy: one line an action, one column a standing. Tests walk through every cell. */
export const POLICY: Readonly<Record<Action, Readonly<Record<Standing, Verdict>>>> = {
  // biome-ignore format: a table reads best as a table
  read:          { owner: yes, moderator: yes, member: yes, readonly: yes, visitor: yes, administrator: yes, overseer: yes, outsider: out },
  // biome-ignore format: a table reads best as a table
  mark:          { owner: yes, moderator: yes, member: yes, readonly: yes, visitor: out, administrator: out, overseer: out, outsider: out },
  // biome-ignore format: a table reads best as a table
  send:          { owner: yes, moderator: yes, member: yes, readonly: no,  visitor: out, administrator: out, overseer: out, outsider: out },
  // biome-ignore format: a table reads best as a table
  react:         { owner: yes, moderator: yes, member: yes, readonly: no,  visitor: out, administrator: out, overseer: out, outsider: out },
  // biome-ignore format: a table reads best as a table
  type:          { owner: yes, moderator: yes, member: yes, readonly: no,  visitor: out, administrator: out, overseer: out, outsider: out },
  // biome-ignore format: a table reads best as a table
  configure:     { owner: yes, moderator: yes, member: yes, readonly: yes, visitor: out, administrator: out, overseer: out, outsider: out },
  // biome-ignore format: a table reads best as a table
  rename:        { owner: yes, moderator: yes, member: no,  readonly: no,  visitor: out, administrator: yes, overseer: yes, outsider: out },
  // biome-ignore format: a table reads best as a table
  close:         { owner: yes, moderator: no,  member: no,  readonly: no,  visitor: out, administrator: yes, overseer: no,  outsider: out },
  // biome-ignore format: a table reads best as a table
  add:           { owner: yes, moderator: yes, member: no,  readonly: no,  visitor: out, administrator: yes, overseer: yes, outsider: out },
  // biome-ignore format: a table reads best as a table
  remove:        { owner: yes, moderator: yes, member: no,  readonly: no,  visitor: out, administrator: yes, overseer: yes, outsider: out },
  // biome-ignore format: a table reads best as a table
  giveRoles:     { owner: yes, moderator: no,  member: no,  readonly: no,  visitor: out, administrator: yes, overseer: no,  outsider: out },
  // biome-ignore format: a table reads best as a table
  deleteOwn:     { owner: yes, moderator: yes, member: yes, readonly: no,  visitor: out, administrator: out, overseer: out, outsider: out },
  // biome-ignore format: a table reads best as a table
  deleteAny:     { owner: yes, moderator: yes, member: no,  readonly: no,  visitor: out, administrator: yes, overseer: yes, outsider: out },
  // biome-ignore format: a table reads best as a table
  readRevisions: { owner: yes, moderator: yes, member: no,  readonly: no,  visitor: out, administrator: yes, overseer: yes, outsider: out },
};

/** What the actor is to a conversation of this type, `role` being that of a present participant. */
export function standingOf(actor: Actor, type: ConversationType, role: Role | null): Standing {
  if (role) return role;
  if (actor.roles.includes('admin')) return 'administrator';
  if (actor.roles.includes('moderator')) return 'overseer';
  return type === 'channel' ? 'visitor' : 'outsider';
}

/** The standing under which somebody manages: a participant whose token says more than the role keeps the greater. */
function managingStanding(actor: Actor, standing: Standing): Standing {
  if (actor.roles.includes('admin')) return 'administrator';
  if (actor.roles.includes('moderator') && standing !== 'owner') return 'overseer';
  return standing;
}

/** What a token's role adds to: everything but taking part oneself. */
const MANAGING: ReadonlySet<Action> = new Set<Action>([
  'read',
  'rename',
  'close',
  'add',
  'remove',
  'giveRoles',
  'deleteAny',
  'readRevisions',
]);

/** The verdict on an action. */
export function judge(actor: Actor, standing: Standing, action: Action): Verdict {
  const verdict = POLICY[action][standing];
  if (verdict === 'allowed' || !MANAGING.has(action)) return verdict;
  return POLICY[action][managingStanding(actor, standing)] === 'allowed' ? 'allowed' : verdict;
}

/** Whether the action is allowed only because of the token's role: such a use is audited. */
export function isOversight(standing: Standing, action: Action): boolean {
  return POLICY[action][standing] !== 'allowed' || standing === 'administrator' || standing === 'overseer';
}

/** Whom a standing may remove: moderators only those below them, owners everybody (contract 5, Roles). */
export function mayRemove(actor: Actor, standing: Standing, target: Role): boolean {
  const managing = managingStanding(actor, standing);
  if (standing === 'owner' || managing === 'owner' || managing === 'administrator') return true;
  return target === 'member' || target === 'readonly';
}
