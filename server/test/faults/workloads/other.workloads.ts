import { type Call, newKey, pause, send } from '../harness/calls.ts';
import type { Stage, Workload } from './stage.ts';

/** Of the limiter: as `MESSAGE_RATE_LIMIT` and `MESSAGE_RATE_WINDOW_SECONDS` of W8's cluster say. */
export const W8_LIMIT = { messages: 30, windowSeconds: 10 } as const;

export const W7: Workload = {
  id: 'W7',
  title: 'uploads: attach, send, fetch, while processes are killed',
  prepare: async (stage) => {
    const people = await stage.people('u', 3);
    const id = await stage.conversation('group', people);
    const devices = [await stage.device(people[0]!)];
    const available = (await upload(stage, people[0]!)) !== 'absent';
    if (!available) {
      const value = { what: 'attachments' };
      stage.history.write({ proc: 'run', node: null, door: null, f: 'absent', phase: 'mark', key: '', value });
    }
    return {
      conversations: [id],
      devices,
      run: () =>
        stage.loops(3, 300, async (random) => {
          const person = random.pick(people);
          const uploaded = available ? await upload(stage, person) : null;
          const more = uploaded && uploaded !== 'absent' ? { attachmentIds: [uploaded] } : {};
          const call = send(person, id, stage.text(person), newKey(), more);
          const outcome = await stage.caller.callUntilKnown(
            call,
            () => stage.route(),
            () => false,
          );
          if (outcome.phase !== 'ok' || !uploaded) return;
          const fetching: Call = {
            f: 'file',
            person: random.pick(people),
            rest: { method: 'GET', path: `/attachments/${uploaded}` },
            value: { conversationId: id, attachmentId: uploaded },
          };
          await stage.caller.call(fetching, { door: 'rest', node: random.pick(stage.cluster.nodes) });
        }),
    };
  },
};

/** Uploads a small file. `absent`: this server takes none. Null: no certain answer. */
async function upload(stage: Stage, person: string): Promise<string | 'absent' | null> {
  const node = stage.random.pick(stage.cluster.nodes);
  const form = new FormData();
  form.set('file', new Blob([`a file ${newKey()}`], { type: 'text/plain' }), 'note.txt');
  const line = { proc: person, node: node.name, door: 'rest', f: 'upload', key: newKey() } as const;
  stage.history.write({ ...line, phase: 'invoke', value: {} });
  try {
    const response = await fetch(`${node.url}/api/messaging/v1/attachments`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await stage.caller.token(person)}` },
      body: form,
      signal: AbortSignal.timeout(6_000),
    });
    const body = (await response.json()) as { id?: string };
    const phase = response.ok ? 'ok' : response.status < 500 ? 'fail' : 'info';
    stage.history.write({ ...line, phase, value: { status: response.status, ...body } });
    if (response.status === 404) return 'absent';
    return body.id ?? null;
  } catch (error) {
    stage.history.write({ ...line, phase: 'info', value: { why: String(error) } });
    return null;
  }
}

export const W8: Workload = {
  id: 'W8',
  title: 'rate: 29, 30, 31 and 60 sends a window, bursts at its edges, both doors, both nodes at once',
  prepare: async (stage) => {
    const people = await stage.people('l', 8);
    const id = await stage.conversation('group', people);
    const devices = [await stage.device(people[0]!), await stage.device(people[1]!)];
    const { messages, windowSeconds } = W8_LIMIT;
    const counts = [messages - 1, messages, messages + 1, messages * 2];
    return {
      conversations: [id],
      devices,
      run: async () => {
        await Promise.all(
          people.map(async (person, index) => {
            const own = devices.filter((device) => device.person === person);
            while (!stage.isOver()) {
              const start = performance.now();
              const sends = counts[index % counts.length]!;
              for (let sent = 0; sent < sends && !stage.isOver(); sent += 10) {
                // Half of the people send evenly, the others in one burst.
                await Promise.all(
                  Array.from({ length: Math.min(10, sends - sent) }, () =>
                    stage.caller.call(send(person, id, stage.text(person), newKey()), stage.route(own)),
                  ),
                );
                if (index % 2 === 0) await pause((windowSeconds * 1000 * 10) / (sends + 10));
              }
              // The next burst comes just before the edge of a fixed window, or just after it.
              const left = windowSeconds * 1000 - (performance.now() - start) + stage.random.whole(-300, 300);
              await pause(Math.max(0, Math.min(left, windowSeconds * 1000)));
            }
          }),
        );
      },
    };
  },
};
