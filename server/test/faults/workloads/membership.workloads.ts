import { add, type Call, giveRole, pause, remove } from '../harness/calls.ts';
import type { Device } from '../harness/device.ts';
import { giveUp, type Workload } from './stage.ts';

/**
 * People come and go while others send: added, removed, leaving, joining a channel by their first message, given roles.
 * Somebody types and reads all the time, so that what has no `rev` is told as well.
 */
export const W3: Workload = {
  id: 'W3',
  title: 'membership churn: add, remove, leave, rejoin, roles, joining a channel by sending',
  prepare: async (stage) => {
    const { caller } = stage;
    const owners = await stage.people('o', 4);
    const stayers = await stage.people('s', 4);
    const goers = await stage.people('g', 12);
    const rooms: { type: 'group' | 'channel'; owner: string; id: string }[] = [];
    for (const [index, owner] of owners.entries()) {
      const type = index % 2 === 0 ? 'group' : 'channel';
      rooms.push({ type, owner, id: await stage.conversation(type, [owner, ...stayers, ...goers]) });
    }
    const devices: Device[] = [];
    for (const person of goers) devices.push(await stage.device(person, 1, { naps: true }));
    for (const person of stayers) devices.push(await stage.device(person));
    const known = (call: Call, own: readonly Device[] = []) =>
      caller.callUntilKnown(call, () => stage.route(call.command ? own : []), giveUp());
    const quick = (call: Call) => caller.call(call, stage.route());
    const writers = devices.slice(goers.length);

    const churn = async (): Promise<void> => {
      const { random } = stage;
      const room = random.pick(rooms);
      const goer = random.pick(goers);
      const own = devices.filter(({ person }) => person === goer);
      switch (random.whole(0, 5)) {
        case 0:
        case 1:
          // Removed, and told a lot at once: the removed person gets none of it.
          await known(remove(room.owner, room.id, goer));
          await Promise.all(stayers.slice(0, 3).map((person) => stage.send(person, room.id, writers)));
          if (random.chance(0.8)) await known(add(room.owner, room.id, goer));
          break;
        case 2:
          await known(remove(goer, room.id, goer), own);
          await stage.send(random.pick(stayers), room.id, writers);
          // Of a channel, whoever left comes back by sending; of a group this is refused.
          await stage.send(goer, room.id, own);
          await known(add(room.owner, room.id, goer));
          break;
        case 3:
          await known(add(room.owner, room.id, goer));
          break;
        case 4:
          await quick(giveRole(room.owner, room.id, goer, random.pick(['moderator', 'member', 'readonly'])));
          break;
        default:
          // A readonly person who leaves and comes back is readonly still.
          await quick(giveRole(room.owner, room.id, goer, 'readonly'));
          await known(remove(goer, room.id, goer), own);
          await Promise.all([quick(add(room.owner, room.id, goer)), quick(add(room.owner, room.id, goer))]);
      }
    };

    return {
      conversations: rooms.map(({ id }) => id),
      devices,
      run: async () => {
        await Promise.all([
          stage.loops(2, 250, churn),
          stage.loops(6, 300, async (random) => {
            await stage.send(random.pick([...stayers, ...goers]), random.pick(rooms).id, devices);
          }),
          stage.loops(1, 80, async (random) => {
            const device = random.pick(writers);
            device.tell('typing:start', { conversationId: random.pick(rooms).id });
            await pause(20);
            device.tell('typing:stop', { conversationId: random.pick(rooms).id });
          }),
        ]);
      },
    };
  },
};
