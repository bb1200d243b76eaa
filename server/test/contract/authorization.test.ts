import {
  COMMANDS,
  type CommandName,
  type Message,
  type Problem,
  ROUTES,
  type Role,
  type RouteName,
} from '@parley/protocol';
import { beforeAll, describe, expect, it } from 'vitest';
import { type TestSocket, tokenOf } from '../support/app.ts';
import { TWINS } from '../support/doors.ts';
import { type Person, useWorld } from '../support/world.ts';

const world = useWorld();

/**
 * What somebody can be to a conversation. The group is that of `boss` (its owner) and `other` (a member); a visitor is
 * one who looks at a channel; `overseer` and `administrator` are no participants, but their tokens say `moderator` and
 * `admin`.
 */
const STANDINGS = [
  'outsider',
  'former',
  'removed',
  'visitor',
  'readonly',
  'member',
  'moderator',
  'owner',
  'overseer',
  'administrator',
] as const;
type Standing = (typeof STANDINGS)[number];

const ok = 'ok';
const no = 'forbidden';
const out = 'not_a_participant';
const none = 'not_found';

/** What an operation answers to each standing, in the order of `STANDINGS`. */
type Verdicts = readonly [string, string, string, string, string, string, string, string, string, string];

const everybody: Verdicts = [ok, ok, ok, ok, ok, ok, ok, ok, ok, ok];
const nobody: Verdicts = [none, none, none, none, none, none, none, none, none, none];
const wrongType = 'unsupported_media_type';
const noFile: Verdicts = [
  wrongType,
  wrongType,
  wrongType,
  wrongType,
  wrongType,
  wrongType,
  wrongType,
  wrongType,
  wrongType,
  wrongType,
];
const administrators: Verdicts = [no, no, no, no, no, no, no, no, no, ok];
const overseers: Verdicts = [no, no, no, no, no, no, no, no, ok, ok];
/** For administrators, who find nothing of that id. */
const noneForAdministrators: Verdicts = [no, no, no, no, no, no, no, no, no, none];
const readers: Verdicts = [out, out, out, ok, ok, ok, ok, ok, ok, ok];
const participants: Verdicts = [out, out, out, out, ok, ok, ok, ok, out, out];
const writers: Verdicts = [out, out, out, out, no, ok, ok, ok, out, out];
const managers: Verdicts = [out, out, out, out, no, no, ok, ok, ok, ok];
const owners: Verdicts = [out, out, out, out, no, no, no, ok, no, ok];
const strangersToIt: Verdicts = [out, out, out, out, no, no, no, no, out, out];

/** One conversation as the actor of a cell finds it. */
interface Scene {
  readonly conversationId: string;
  /** A message of the other one, and one of the actor where they could ever write. */
  readonly others: Message;
  readonly own: Message | null;
  readonly other: Person;
  readonly stranger: Person;
  readonly actor: Person;
  readonly token: string;
}

interface Row {
  readonly verdicts: Verdicts;
  /** The input by the names of a command: ids of the path and fields of the body or query. */
  readonly input: (scene: Scene) => Readonly<Record<string, unknown>>;
  /** Once it was allowed, the scene is another one: who is in it, or what there is to read. */
  readonly spends?: true;
}

const inIt = ({ conversationId }: Scene) => ({ conversationId });
const onOthers = ({ conversationId, others }: Scene) => ({ conversationId, messageId: others.id });
const onOwn = ({ conversationId, own, others }: Scene) => ({ conversationId, messageId: (own ?? others).id });
const mark = ({ conversationId }: Scene) => ({ conversationId, seq: 1 });
const nothing = () => ({});

/** Every operation, some of them twice: `name` or `name: what`. An operation without a row fails the test below. */
const ROWS: Readonly<Record<string, Row>> = {
  guestSignIn: { verdicts: nobody, input: () => ({ name: 'x' }) },
  getMe: { verdicts: everybody, input: nothing },
  updateMe: { verdicts: everybody, input: nothing },
  listUsers: { verdicts: everybody, input: nothing },
  putUser: { verdicts: administrators, input: ({ other }) => ({ userId: other.id, name: other.id }) },
  revokeSessions: { verdicts: administrators, input: ({ stranger }) => ({ userId: stranger.id }) },
  createConversation: { verdicts: everybody, input: () => ({ type: 'group' }) },
  listConversations: { verdicts: everybody, input: nothing },
  listChannels: { verdicts: everybody, input: nothing },
  sync: { verdicts: everybody, input: ({ conversationId }) => ({ cursors: { [conversationId]: 1 } }) },
  getUnread: { verdicts: everybody, input: nothing },
  reportClientError: { verdicts: everybody, input: () => ({ message: 'x is undefined', during: 'a test' }) },
  listAudit: { verdicts: administrators, input: nothing },
  verifyAudit: { verdicts: administrators, input: inIt },

  getConversation: { verdicts: readers, input: inIt },
  listParticipants: { verdicts: readers, input: inIt },
  listMessages: { verdicts: readers, input: inIt },
  getMessage: { verdicts: readers, input: onOthers },
  listChanges: { verdicts: readers, input: inIt },
  listRevisions: { verdicts: managers, input: onOthers },
  'listRevisions: own': { verdicts: [out, out, out, out, ok, ok, ok, ok, ok, ok], input: onOwn },

  updateConversation: { verdicts: managers, input: (scene) => ({ ...inIt(scene), title: 'renamed' }) },
  deleteConversation: { verdicts: owners, input: inIt, spends: true },
  addParticipants: {
    verdicts: managers,
    input: (scene) => ({ ...inIt(scene), userIds: [scene.stranger.id] }),
  },
  'addParticipants: oneself': {
    verdicts: [out, out, out, ok, no, no, ok, ok, ok, ok],
    input: (scene) => ({ ...inIt(scene), userIds: [scene.actor.id] }),
    spends: true,
  },
  'updateConversation: who may write': {
    verdicts: managers,
    input: (scene) => ({ ...inIt(scene), slowModeSeconds: 0, readOnly: false }),
  },
  updateParticipant: {
    verdicts: owners,
    input: (scene) => ({ ...inIt(scene), userId: scene.other.id, role: 'readonly' }),
  },
  'updateParticipant: silence': {
    verdicts: managers,
    input: (scene) => ({ ...inIt(scene), userId: scene.other.id, silencedUntil: '2999-01-01T00:00:00Z' }),
  },
  removeParticipant: {
    verdicts: managers,
    input: (scene) => ({ ...inIt(scene), userId: scene.other.id }),
    spends: true,
  },
  'removeParticipant: leave': {
    verdicts: participants,
    input: (scene) => ({ ...inIt(scene), userId: scene.actor.id }),
    spends: true,
  },
  updateMembership: { verdicts: participants, input: (scene) => ({ ...inIt(scene), pinned: true }) },

  sendMessage: {
    verdicts: [out, out, out, ok, no, ok, ok, ok, out, out],
    input: (scene) => ({ ...inIt(scene), content: 'x' }),
    spends: true,
  },
  editMessage: { verdicts: writers, input: (scene) => ({ ...onOwn(scene), content: 'edited' }) },
  'editMessage: of another one': {
    verdicts: strangersToIt,
    input: (scene) => ({ ...onOthers(scene), content: 'edited' }),
  },
  // Who writes no longer may still be somebody who manages.
  deleteMessage: { verdicts: [out, out, out, out, no, ok, ok, ok, ok, ok], input: onOwn, spends: true },
  'deleteMessage: of another one': { verdicts: managers, input: onOthers, spends: true },
  addReaction: { verdicts: writers, input: (scene) => ({ ...onOthers(scene), emoji: '👍' }) },
  removeReaction: { verdicts: writers, input: (scene) => ({ ...onOthers(scene), emoji: '👍' }) },
  markRead: { verdicts: participants, input: mark },
  markDelivered: { verdicts: participants, input: mark },
  markUnread: { verdicts: participants, input: mark },

  reportMessage: { verdicts: participants, input: (scene) => ({ ...onOthers(scene), reason: 'rude' }) },
  listReports: { verdicts: administrators, input: nothing },
  resolveReport: {
    verdicts: noneForAdministrators,
    input: () => ({ rid: 'no report', outcome: 'dismissed' }),
  },
  listModeratedUsers: { verdicts: overseers, input: nothing },
  getRestrictions: { verdicts: overseers, input: ({ stranger }) => ({ userId: stranger.id }) },
  putRestrictions: { verdicts: overseers, input: ({ stranger }) => ({ userId: stranger.id, silencedUntil: null }) },
  'putRestrictions: a ban': {
    verdicts: administrators,
    input: ({ stranger }) => ({ userId: stranger.id, banned: false }),
  },
  listRules: { verdicts: administrators, input: nothing },
  createRule: { verdicts: administrators, input: () => ({ kind: 'word', pattern: 'nowhere', action: 'mask' }) },
  deleteRule: { verdicts: noneForAdministrators, input: () => ({ id: 'no rule' }) },
  listHeld: { verdicts: administrators, input: nothing },
  resolveHeld: { verdicts: noneForAdministrators, input: () => ({ id: 'none', decision: 'approve' }) },
  createExport: { verdicts: administrators, input: ({ stranger }) => ({ userId: stranger.id }) },
  'createExport: one’s own': { verdicts: everybody, input: ({ actor }) => ({ userId: actor.id }) },
  getExport: { verdicts: nobody, input: () => ({ id: 'no export' }) },
  getExportFile: { verdicts: nobody, input: () => ({ id: 'no export' }) },
  eraseUser: { verdicts: noneForAdministrators, input: () => ({ userId: 'nobody' }) },
  getErasure: { verdicts: noneForAdministrators, input: () => ({ id: 'no erasure' }) },
  getRetention: { verdicts: administrators, input: nothing },
  putRetention: { verdicts: administrators, input: nothing },
  previewRetention: { verdicts: administrators, input: nothing },
  listLegalHolds: { verdicts: administrators, input: nothing },
  createLegalHold: { verdicts: noneForAdministrators, input: () => ({ userId: 'nobody', reason: 'x' }) },
  releaseLegalHold: { verdicts: noneForAdministrators, input: () => ({ id: 'no hold' }) },
  listEncryptionKeys: { verdicts: administrators, input: nothing },
  // There is no key here.
  rotateEncryptionKeys: { verdicts: [no, no, no, no, no, no, no, no, no, 'invalid_request'], input: nothing },
  searchMessages: { verdicts: everybody, input: () => ({ q: 'other' }) },
  'searchMessages: in it': { verdicts: readers, input: (scene) => ({ ...inIt(scene), q: 'other' }) },
  listBlocks: { verdicts: everybody, input: nothing },
  block: { verdicts: everybody, input: ({ stranger }) => ({ userId: stranger.id }) },
  unblock: { verdicts: everybody, input: ({ stranger }) => ({ userId: stranger.id }) },
  // Whose a file is, and who reads it with its message, the tests of attachments say; here there is none.
  uploadAttachment: { verdicts: noFile, input: nothing },
  getAttachment: { verdicts: nobody, input: () => ({ aid: 'no file' }) },
  getThumbnail: { verdicts: nobody, input: () => ({ aid: 'no file' }) },
  getAttachmentLink: { verdicts: nobody, input: () => ({ aid: 'no file' }) },

  'typing:start': { verdicts: writers, input: inIt },
  'typing:stop': { verdicts: writers, input: inIt },
  'presence:watch': { verdicts: everybody, input: ({ other }) => ({ userIds: [other.id] }) },
  'auth:refresh': { verdicts: everybody, input: ({ token }) => ({ token }) },
};

const operationOf = (row: string) => (row.includes(': ') ? row.slice(0, row.indexOf(': ')) : row);
const twinOf = new Map<string, CommandName>(
  (Object.entries(TWINS) as [CommandName, RouteName][]).map(([command, route]) => [route, command]),
);

const boss: { person?: Person; other?: Person; stranger?: Person } = {};
const actors = new Map<Standing, { person: Person; socket: TestSocket; token: string }>();

beforeAll(async () => {
  const [owner, other, stranger] = await world.people('boss', 'other', 'stranger');
  Object.assign(boss, { person: owner, other, stranger });
  for (const standing of STANDINGS) {
    const roles = standing === 'administrator' ? ['admin'] : standing === 'overseer' ? ['moderator'] : [];
    const user = { id: `the-${standing}`, name: standing, roles };
    const person = await world.person(user);
    actors.set(standing, { person, socket: await person.connect(), token: await tokenOf(user) });
  }
});

const scenes = new Map<Standing, Promise<Scene>>();

/** A scene for this standing: the last one as long as nothing has changed it, since refusals and looks leave it as it is. */
function sceneFor(standing: Standing): Promise<Scene> {
  const scene = scenes.get(standing) ?? setScene(standing);
  scenes.set(standing, scene);
  return scene;
}

async function setScene(standing: Standing): Promise<Scene> {
  const { person: owner, other, stranger } = boss as Required<typeof boss>;
  const { person: actor, token } = actors.get(standing)!;
  const joins = ['former', 'removed', 'readonly', 'member', 'moderator', 'owner'].includes(standing);
  const conversationId = await world.create(
    standing === 'visitor' ? 'channel' : 'group',
    owner,
    other,
    ...(joins ? [actor] : []),
  );
  const others = await other.send(conversationId, 'by the other');
  const own = joins ? await actor.send(conversationId, 'my own') : null;
  const path = `/conversations/${conversationId}/participants/${encodeURIComponent(actor.id)}`;
  if (standing === 'former') await actor.rest.delete(path);
  if (standing === 'removed') await owner.rest.delete(path);
  if (joins && standing !== 'former' && standing !== 'removed')
    await owner.rest.patch(path, { role: standing as Role });
  return { conversationId, others, own, other, stranger, actor, token };
}

const PARAMETERS: Readonly<Record<string, string>> = { cid: 'conversationId', mid: 'messageId', uid: 'userId' };

/** Calls a route; the code of its refusal, or `ok`. */
async function callRoute(name: RouteName, input: Readonly<Record<string, unknown>>, { rest }: Person): Promise<string> {
  const { method, path } = ROUTES[name];
  const fields = { ...input };
  const address = path.replaceAll(/:([a-z]+)/g, (_, parameter: string) => {
    const field = PARAMETERS[parameter] ?? parameter;
    const value = String(fields[field]);
    delete fields[field];
    return encodeURIComponent(value);
  });
  const query = new URLSearchParams(fields as Record<string, string>).toString();
  const { status, body } =
    method === 'GET'
      ? await rest.get<Problem>(query ? `${address}?${query}` : address)
      : method === 'DELETE'
        ? await rest.delete<Problem>(address)
        : await rest[method.toLowerCase() as 'post' | 'put' | 'patch']<Problem>(address, fields);
  return status < 400 ? ok : body.code;
}

async function callCommand(name: CommandName, input: object, socket: TestSocket): Promise<string> {
  const ack = await socket.send(name, input);
  return ack.ok ? ok : ack.error.code;
}

describe('ACC-2 who may do what', () => {
  it('is told for every operation of both doors', () => {
    const rows = new Set(Object.keys(ROWS).map(operationOf));
    const commands = Object.keys(COMMANDS).filter((name) => !Object.hasOwn(TWINS, name));
    expect([...Object.keys(ROUTES), ...commands].filter((name) => !rows.has(name))).toEqual([]);
    expect([...rows].filter((name) => !Object.hasOwn(ROUTES, name) && !Object.hasOwn(COMMANDS, name))).toEqual([]);
  });

  it.each(Object.entries(ROWS))(
    '%s',
    async (row, { verdicts, input, spends }) => {
      const operation = operationOf(row);
      const command = Object.hasOwn(COMMANDS, operation) ? (operation as CommandName) : twinOf.get(operation);
      const doors: ((scene: Scene, socket: TestSocket) => Promise<string>)[] = [];
      if (Object.hasOwn(ROUTES, operation))
        doors.push((scene) => callRoute(operation as RouteName, input(scene), scene.actor));
      if (command) doors.push((scene, socket) => callCommand(command, input(scene), socket));
      expect(doors).not.toEqual([]);
      for (const call of doors) {
        const answers = await Promise.all(
          STANDINGS.map(async (standing) => {
            const answer = await call(await sceneFor(standing), actors.get(standing)!.socket);
            if (spends && answer === ok) scenes.delete(standing);
            return [standing, answer];
          }),
        );
        const expected = STANDINGS.map((standing, index) => [standing, verdicts[index]]);
        expect(Object.fromEntries(answers)).toEqual(Object.fromEntries(expected));
      }
    },
    60_000,
  );

  it('ACC-1 lets nobody in without a token', async () => {
    const { rest } = { rest: world.app.rest(null) };
    for (const [name, route] of Object.entries(ROUTES)) {
      if ('open' in route && route.open) continue;
      const path = route.path.replaceAll(/:[a-z]+/g, '00000000-0000-7000-8000-000000000000');
      const { status, body } =
        route.method === 'GET'
          ? await rest.get<Problem>(path)
          : route.method === 'DELETE'
            ? await rest.delete<Problem>(path)
            : await rest[route.method.toLowerCase() as 'post' | 'put' | 'patch']<Problem>(path, {});
      expect([name, status, body.code]).toEqual([name, 401, 'unauthenticated']);
    }
  });
});
