import type { CommandName, EventName, EventPayload } from '@parley/protocol';
import { ParleyError } from '../error.ts';
import type { Clock } from '../platform.types.ts';
import type { HttpRequest, HttpResponse, Link, LinkHandlers, Transport } from '../transport.types.ts';

/** One thing on its way between a client and the server. */
export interface Packet {
  readonly client: string;
  readonly kind: 'request' | 'response' | 'connect' | 'command' | 'acknowledgement' | 'event';
  /** Method and path, or the name of the command or event. */
  readonly name: string;
  readonly payload: unknown;
}

/** What becomes of a packet. By default it arrives at once. Different delays reorder. */
export interface Fate {
  readonly drop?: boolean;
  readonly delayMs?: number;
  readonly duplicate?: boolean;
}

/** Decides upon each packet; undefined lets it pass. */
export type Script = (packet: Packet) => Fate | undefined;

/** What the network asks of a server. */
export interface NetworkServer {
  request(request: HttpRequest): HttpResponse;
  /** Called when a connection is asked for. Refuses with a problem by `refuse`. */
  connect(token: string, session: ServerSession): void;
  command(
    session: ServerSession,
    name: CommandName,
    input: unknown,
  ): { ok: true; data: unknown } | { ok: false; error: unknown };
  disconnected(session: ServerSession): void;
  /** An event did not arrive: a real server would find out and make it good. */
  lost(session: ServerSession, name: EventName, payload: unknown): void;
}

/** The server's end of a connection. */
export interface ServerSession {
  readonly id: string;
  emit<Name extends EventName>(name: Name, payload: EventPayload<Name>): void;
  refuse(error: ParleyError): void;
  /** Ends it from the server's side. */
  end(): void;
}

/** The network between clients and one server, played in memory. */
export interface ScriptedNetwork {
  script: Script;
  /** The transport of one client, by any name. */
  transport(client: string): Transport;
  /** Breaks everything of that client (of all without a name) and lets nothing through until `restore`. */
  cut(client?: string): void;
  restore(client?: string): void;
}

/** As long as a real transport waits for an answer. */
const TIMEOUT_MS = 20_000;

export function createScriptedNetwork({ clock, server }: { clock: Clock; server: NetworkServer }): ScriptedNetwork {
  const cutOff = new Set<string>();
  const lines = new Set<{ readonly client: string; breakDown(): void }>();
  let sessions = 0;
  const ALL = '*';
  const isCut = (client: string) => cutOff.has(client) || cutOff.has(ALL);

  /** Sends a packet: `arrive` is called for each copy that arrives, `lose` when none does. */
  function send(packet: Packet, arrive: (payload: unknown) => void, lose: () => void = () => {}) {
    const fate = isCut(packet.client) ? { drop: true } : (network.script(packet) ?? {});
    if (fate.drop) return lose();
    const text = JSON.stringify(packet.payload);
    const deliver = () => arrive(text === undefined ? undefined : JSON.parse(text));
    for (let copy = 0; copy < (fate.duplicate ? 2 : 1); copy++) {
      if (fate.delayMs === undefined) queueMicrotask(deliver);
      else clock.after(fate.delayMs, deliver);
    }
  }

  function request(client: string, call: HttpRequest): Promise<HttpResponse> {
    const name = `${call.method} ${call.path}`;
    return new Promise((resolve, reject) => {
      const line = { client, breakDown: () => end(() => reject(lost())) };
      const end = (how: () => void) => {
        lines.delete(line);
        cancel();
        how();
      };
      const cancel = clock.after(TIMEOUT_MS, () =>
        end(() => reject(new ParleyError({ code: 'timeout', message: 'No answer in time.' }))),
      );
      call.signal?.addEventListener(
        'abort',
        () => end(() => reject(new ParleyError({ code: 'aborted', message: 'Aborted.' }))),
        {
          once: true,
        },
      );
      if (isCut(client)) return queueMicrotask(() => end(() => reject(lost())));
      lines.add(line);
      const { signal: _signal, ...plain } = call;
      send({ client, kind: 'request', name, payload: plain }, (payload) => {
        const answer = server.request(payload as HttpRequest);
        send({ client, kind: 'response', name, payload: answer }, (body) => end(() => resolve(body as HttpResponse)));
      });
    });
  }

  function connect(client: string, token: string, handlers: LinkHandlers): Link {
    let open = true;
    let joined = false;
    const waiting = new Set<(error: ParleyError) => void>();
    const line = { client, breakDown: () => goDown(null) };
    const id = `session-${++sessions}`;
    const session: ServerSession = {
      id,
      emit(name, payload) {
        const tell = (arrived: unknown) => {
          if (open) handlers.onEvent(name, arrived as EventPayload<typeof name>);
        };
        send({ client, kind: 'event', name, payload }, tell, () => open && server.lost(session, name, payload));
      },
      refuse: (error) => queueMicrotask(() => goDown(error)),
      end: () => queueMicrotask(() => goDown(null)),
    };

    function goDown(refusal: ParleyError | null) {
      if (!open) return;
      close();
      handlers.onDown(refusal);
    }

    function close() {
      open = false;
      lines.delete(line);
      if (joined) server.disconnected(session);
      joined = false;
      for (const reject of waiting) reject(lost());
      waiting.clear();
    }

    lines.add(line);
    if (isCut(client)) queueMicrotask(() => goDown(null));
    else {
      send(
        { client, kind: 'connect', name: 'connect', payload: null },
        () => {
          if (!open || joined) return;
          joined = true;
          server.connect(token, session);
        },
        () => queueMicrotask(() => goDown(null)),
      );
    }

    return {
      command(name, input) {
        return new Promise((resolve, reject) => {
          if (!open) return reject(lost());
          const end = (how: () => void) => {
            waiting.delete(fail);
            cancel();
            how();
          };
          const fail = (error: ParleyError) => end(() => reject(error));
          const cancel = clock.after(TIMEOUT_MS / 2, () =>
            fail(new ParleyError({ code: 'timeout', message: 'No answer in time.' })),
          );
          waiting.add(fail);
          send({ client, kind: 'command', name, payload: input }, (arrived) => {
            if (!joined) return;
            const answer = server.command(session, name, arrived);
            send({ client, kind: 'acknowledgement', name, payload: answer }, (told) => {
              const ack = told as
                | { ok: true; data: never }
                | { ok: false; error: Parameters<typeof ParleyError.fromProblem>[0] };
              if (ack.ok) end(() => resolve(ack.data));
              else fail(ParleyError.fromProblem(ack.error));
            });
          });
        });
      },
      close,
    };
  }

  const network: ScriptedNetwork = {
    script: () => undefined,
    transport: (client) => ({
      request: (call) => request(client, call),
      connect: (token, handlers) => connect(client, token, handlers),
    }),
    cut(client = ALL) {
      cutOff.add(client);
      for (const line of [...lines]) if (isCut(line.client)) line.breakDown();
    },
    restore(client = ALL) {
      cutOff.delete(client);
    },
  };
  return network;
}

function lost(): ParleyError {
  return new ParleyError({ code: 'network', message: 'The server cannot be reached.' });
}
