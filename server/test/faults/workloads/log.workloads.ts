import { newKey, pause, rename, send } from '../harness/calls.ts';
import type { Device } from '../harness/device.ts';
import type { Random } from '../harness/random.ts';
import { giveUp, type Prepared, type Stage, type Workload } from './stage.ts';

/** Of the sends, as many are repeated once everything is over. */
const REPEATED = 1 / 50;

/** Sends over both doors; what is ambiguous goes again by another node and door with the same key. */
async function prepareLog(
  stage: Stage,
  size: { people: number; conversations: number; devices: number },
): Promise<Prepared> {
  const { random } = stage;
  const people = await stage.people('p', size.people);
  const groups: { id: string; members: string[] }[] = [];
  for (let index = 0; index < size.conversations; index++) {
    const members = random.shuffle(people).slice(0, Math.min(10, people.length));
    groups.push({ id: await stage.conversation('group', members), members });
  }
  const members = [...new Set(groups.flatMap((group) => group.members))];
  const devices: Device[] = [];
  for (const person of members.slice(0, size.devices)) {
    devices.push(await stage.device(person));
    if (devices.length % 4 === 0) devices.push(await stage.device(person, 2));
  }
  const again: { call: ReturnType<typeof send>; key: string }[] = [];

  const turn = async (draw: Random): Promise<void> => {
    const group = draw.pick(groups);
    const person = draw.pick(group.members);
    const own = devices.filter((device) => device.person === person && device.isReady);
    const device = own[0];
    if (device && draw.chance(0.12)) return burst(stage, device, group.id);
    if (device && draw.chance(0.01)) return sendUnasked(stage, device, group.id);
    if (draw.chance(0.08)) {
      // Without a key nobody may repeat it: not the client, and not the server either.
      await stage.caller.call(send(person, group.id, stage.text(person), null), stage.route(own));
      return;
    }
    const { call, outcome } = await stage.send(person, group.id, own);
    const { clientMessageId } = call.value as { clientMessageId: string };
    if (outcome.phase === 'ok' && draw.chance(REPEATED)) again.push({ call, key: clientMessageId });
  };

  return {
    conversations: groups.map(({ id }) => id),
    devices,
    run: () => stage.loops(10, 40, turn),
    after: async () => {
      for (const { call } of again) {
        await stage.caller.callUntilKnown(call, () => stage.route(), giveUp());
      }
    },
  };
}

/** Several sends of one socket without waiting for an answer: they keep their order. */
async function burst(stage: Stage, device: Device, conversationId: string): Promise<void> {
  const { person } = device;
  const calls = Array.from({ length: 4 }, () => send(person, conversationId, stage.text(person), newKey()));
  const outcomes = await Promise.all(calls.map((call) => stage.caller.call(call, { door: 'socket', device })));
  for (const [index, outcome] of outcomes.entries()) {
    if (outcome.phase === 'info') await stage.caller.callUntilKnown(calls[index]!, () => stage.route(), giveUp());
  }
}

/** A command without an acknowledgement, and nonsense without one: carried out or not, it harms nobody. */
async function sendUnasked(stage: Stage, device: Device, conversationId: string): Promise<void> {
  const { person } = device;
  const content = stage.text(person);
  const line = { proc: person, node: device.nodeName, door: 'socket', f: 'send', key: `u${newKey()}` } as const;
  stage.history.write({ ...line, phase: 'invoke', value: { conversationId, content, clientMessageId: null } });
  device.tell('message:send', { conversationId, content });
  device.tell('message:send', { conversationId, content: '' });
  stage.history.write({ ...line, phase: 'info', value: { why: 'no answer was asked for' } });
  await pause(1);
}

export const W1: Workload = {
  id: 'W1',
  title: 'log: 40 people, 8 conversations, both doors, repeats by other ways',
  prepare: (stage) => prepareLog(stage, { people: 40, conversations: 8, devices: 16 }),
};

export const W2: Workload = {
  id: 'W2',
  title: 'hot: one conversation of 200, 16 senders',
  prepare: async (stage) => {
    const people = await stage.people('h', 200);
    const id = await stage.conversation('group', people);
    const senders = people.slice(0, 16);
    const devices: Device[] = [];
    for (const person of people.slice(0, 12)) devices.push(await stage.device(person));
    return {
      conversations: [id],
      devices,
      run: () =>
        stage.loops(16, 60, async (random) => {
          await stage.send(random.pick(senders), id, devices);
        }),
    };
  },
};

export const W9: Workload = {
  id: 'W9',
  title: 'embedded: one process on PGlite, as W1',
  prepare: (stage) => prepareLog(stage, { people: 12, conversations: 4, devices: 6 }),
};

/** Nothing that comes later in a conversation makes good what was lost of it: each change has to arrive by itself. */
export const WX: Workload = {
  id: 'WX',
  title: 'sparse: 40 conversations that change once in ten seconds',
  prepare: async (stage) => {
    const people = await stage.people('q', 12);
    const rooms: { id: string; owner: string }[] = [];
    for (let index = 0; index < 40; index++) {
      const members = stage.random.shuffle(people).slice(0, 3);
      rooms.push({ id: await stage.conversation('group', members), owner: members[0]! });
    }
    const devices: Device[] = [];
    for (const person of people) devices.push(await stage.device(person));
    let next = 0;
    return {
      conversations: rooms.map(({ id }) => id),
      devices,
      run: () =>
        stage.loops(3, 600, async (random) => {
          const { id, owner } = rooms[next++ % rooms.length]!;
          if (random.chance(0.3)) await stage.send(owner, id, devices);
          else await stage.caller.call(rename(owner, id, `title ${newKey()}`), stage.route());
        }),
    };
  },
};
