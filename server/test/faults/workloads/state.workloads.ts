import { deleteMessage, edit, get, mark, newKey, type Outcome, react, rename, send } from '../harness/calls.ts';
import type { Device } from '../harness/device.ts';
import type { Random } from '../harness/random.ts';
import { giveUp, type Stage, type Workload } from './stage.ts';

/** Sent messages that can still be changed. */
interface Sent {
  readonly conversationId: string;
  readonly messageId: string;
  readonly person: string;
  readonly seq: number;
  rev: number;
  content: string;
}

function sentOf(outcome: Outcome, conversationId: string, person: string): Sent | null {
  if (outcome.phase !== 'ok') return null;
  const { id, seq, rev, content } = outcome.data as { id: string; seq: number; rev: number; content: string };
  return { conversationId, messageId: id, person, seq, rev, content };
}

/** Text with a mark that must be found nowhere once the message is deleted. */
function canary(): string {
  return `canary-${newKey()}`;
}

/** Deletes, over either door, until that is certain. */
async function deleteFor(stage: Stage, sent: Sent, devices: readonly Device[]): Promise<void> {
  const call = deleteMessage(sent.person, sent.conversationId, sent.messageId, sent.content);
  await stage.caller.callUntilKnown(call, () => stage.route(devices), giveUp());
}

export const W4: Workload = {
  id: 'W4',
  title: 'read state: three devices each; read, unread, delivered with stale values, deletes in between',
  prepare: async (stage) => {
    const people = await stage.people('r', 8);
    const rooms = [await stage.conversation('group', people), await stage.conversation('group', people)];
    const devices: Device[] = [];
    for (const person of people.slice(0, 4)) {
      for (const number of [1, 2, 3]) devices.push(await stage.device(person, number));
    }
    // Those who mark as unread are others than those of whom the pointer may only move forward.
    const marking = people.slice(0, 4);
    const unreading = people.slice(4, 6);
    // The last one neither writes nor reads: all that is not deleted stays unread.
    const sent: Sent[] = [];
    const last = new Map<string, number>();

    return {
      conversations: rooms,
      devices,
      run: async () => {
        const writing = async (random: Random): Promise<void> => {
          const room = random.pick(rooms);
          const person = people[6]!;
          const call = send(person, room, `${canary()} to be read`, newKey());
          const outcome = await stage.caller.callUntilKnown(call, () => stage.route(), giveUp());
          const one = sentOf(outcome, room, person);
          if (!one) return;
          last.set(room, Math.max(last.get(room) ?? 0, one.seq));
          if (random.chance(0.4)) sent.push(one);
        };
        const reading = async (random: Random): Promise<void> => {
          const room = random.pick(rooms);
          const person = random.pick([...marking, ...unreading]);
          const top = last.get(room) ?? 0;
          // Stale ones, present ones, and some beyond the end.
          const seq = Math.max(0, top + random.whole(-8, 3));
          const which =
            unreading.includes(person) && random.chance(0.4)
              ? 'unread'
              : random.pick(['read', 'read', 'delivered'] as const);
          if (which === 'unread' && seq === 0) return;
          const own = devices.filter((device) => device.person === person);
          await stage.caller.call(mark(person, room, which, seq), stage.route(own));
        };
        await Promise.all([
          stage.loops(3, 120, writing),
          stage.loops(6, 60, reading),
          stage.loops(1, 250, async (random) => {
            const at = random.whole(0, Math.max(0, sent.length - 1));
            const [one] = sent.splice(at, 1);
            if (one) await deleteFor(stage, one, []);
          }),
        ]);
      },
    };
  },
};

export const W5: Workload = {
  id: 'W5',
  title: 'edit, delete and react with ifRev; history, revisions and search read back',
  prepare: async (stage) => {
    const people = await stage.people('e', 8);
    const rooms: string[] = [];
    for (let index = 0; index < 3; index++) rooms.push(await stage.conversation('group', people));
    const devices: Device[] = [];
    for (const person of people.slice(0, 6)) devices.push(await stage.device(person));
    const sent: Sent[] = [];
    const search = await hasSearch(stage, people[0]!);

    const write = async (random: Random): Promise<void> => {
      const room = random.pick(rooms);
      const person = random.pick(people);
      const quoted = sent.length > 0 && random.chance(0.3) ? random.pick(sent) : null;
      const more = quoted?.conversationId === room ? { replyToId: quoted.messageId } : {};
      const call = send(person, room, `${canary()} first text`, newKey(), more);
      const outcome = await stage.caller.callUntilKnown(
        call,
        () => stage.route(devices.filter((d) => d.person === person)),
        giveUp(),
      );
      const one = sentOf(outcome, room, person);
      if (one) sent.push(one);
      if (sent.length > 60) sent.shift();
    };
    const change = async (random: Random): Promise<void> => {
      if (sent.length === 0) return;
      const one = random.pick(sent);
      const own = devices.filter((device) => device.person === one.person && device.isReady);
      const device = own[0];
      switch (random.whole(0, 6)) {
        case 0: {
          const call = edit(
            one.person,
            one.conversationId,
            one.messageId,
            `${one.content} edited ${newKey()}`,
            one.rev,
          );
          const outcome = await stage.caller.call(call, stage.route(own));
          if (outcome.phase === 'ok') one.rev = (outcome.data as { rev: number }).rev;
          break;
        }
        case 1: {
          // Without waiting: the last one stands.
          if (!device) break;
          const calls = [1, 2, 3, 4].map((n) =>
            edit(one.person, one.conversationId, one.messageId, `${one.content} version ${n} ${newKey()}`),
          );
          await Promise.all(calls.map((call) => stage.caller.call(call, { door: 'socket', device })));
          break;
        }
        case 2:
          sent.splice(sent.indexOf(one), 1);
          await deleteFor(stage, one, own);
          await readBack(stage, random, one, people, search);
          break;
        case 3:
        case 4: {
          const person = random.pick(people);
          const call = react(
            person,
            one.conversationId,
            one.messageId,
            random.pick(['👍', '🎉', '🫠']),
            random.chance(0.7),
          );
          await stage.caller.call(call, stage.route(devices.filter((d) => d.person === person)));
          break;
        }
        case 5:
          await readBack(stage, random, one, people, search);
          break;
        default:
          await stage.caller.call(rename(people[0]!, rooms[0]!, `title ${newKey()}`), stage.route());
      }
    };

    return {
      conversations: rooms,
      devices,
      run: async () => {
        await Promise.all([stage.loops(3, 200, write), stage.loops(5, 120, change)]);
      },
    };
  },
};

/** The history, the message, its earlier texts, and what a search finds: by anybody, on any node. */
async function readBack(
  stage: Stage,
  random: Random,
  one: Sent,
  people: readonly string[],
  search: boolean,
): Promise<void> {
  const person = random.pick(people);
  const base = `/conversations/${one.conversationId}/messages`;
  const value = { conversationId: one.conversationId };
  const reads = [
    get(person, `${base}?around=${one.seq}&limit=20`, 'history', value),
    get(person, `${base}/${one.messageId}`, 'message', value),
    get(one.person, `${base}/${one.messageId}/revisions`, 'revisions', value),
    ...(search ? [get(person, `/search/messages?q=${one.content.slice(0, 43)}`, 'search', value)] : []),
  ];
  for (const call of reads) await stage.caller.call(call, { door: 'rest', node: random.pick(stage.cluster.nodes) });
}

/** Whether this server can search; what it cannot do is not asked for, and the report says so. */
async function hasSearch(stage: Stage, person: string): Promise<boolean> {
  const outcome = await stage.caller.call(get(person, '/search/messages?q=a', 'probe'), {
    door: 'rest',
    node: stage.cluster.nodes[0]!,
  });
  const has = outcome.phase === 'ok';
  if (!has)
    stage.history.write({
      proc: 'run',
      node: null,
      door: null,
      f: 'absent',
      phase: 'mark',
      key: '',
      value: { what: 'search' },
    });
  return has;
}

export const W6: Workload = {
  id: 'W6',
  title: 'snapshot race: fetch, events and fetch again agree, wherever in the fetch an event comes',
  prepare: async (stage) => {
    const people = await stage.people('f', 5);
    const rooms = [await stage.conversation('group', people), await stage.conversation('group', people)];
    const devices: Device[] = [];
    for (const person of people) devices.push(await stage.device(person));
    const sent: Sent[] = [];
    return {
      conversations: rooms,
      devices,
      run: async () => {
        await Promise.all([
          stage.loops(2, 150, async (random) => {
            const room = random.pick(rooms);
            const person = random.pick(people);
            const call = send(person, room, stage.text(person), newKey());
            const one = sentOf(await stage.caller.callUntilKnown(call, () => stage.route(), giveUp()), room, person);
            if (one) sent.push(one);
            if (sent.length > 30) sent.shift();
          }),
          stage.loops(2, 100, async (random) => {
            if (sent.length === 0) return;
            const one = random.pick(sent);
            const call = random.chance(0.5)
              ? edit(one.person, one.conversationId, one.messageId, stage.text(one.person))
              : react(random.pick(people), one.conversationId, one.messageId, '👀', random.chance(0.6));
            await stage.caller.call(call, stage.route());
          }),
          stage.loops(2, 60, async (random) => {
            const device = random.pick(devices);
            const conversationId = random.pick(rooms);
            const call = get(device.person, `/conversations/${conversationId}/changes?after=0&limit=1000`, 'snapshot', {
              conversationId,
              device: device.name,
            });
            await stage.caller.call(call, { door: 'rest', node: random.pick(stage.cluster.nodes) });
          }),
        ]);
      },
    };
  },
};
