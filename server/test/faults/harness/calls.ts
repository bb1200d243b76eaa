import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { type Cluster, type Node, RUN_SECRET } from './cluster.ts';
import type { Device } from './device.ts';
import type { HistoryWriter } from './history.ts';
import { changeThing, messageThing, participantThing } from './things.ts';

const PREFIX = '/api/messaging/v1';

/** No answer after this long is no answer. More than the 3.5 s after which the server has to have said 503. */
export const ANSWER_WITHIN_MS = 6_000;

/** One call, for both doors. */
export interface Call {
  /** In the words of the history: `send`, `remove`. */
  readonly f: string;
  readonly person: string;
  readonly rest: { readonly method: string; readonly path: string; readonly body?: unknown };
  /** The same over the socket, where there is such a command. */
  readonly command?: { readonly name: string; readonly input: object };
  /** What the checker has to know of it. */
  readonly value: Record<string, unknown>;
}

/** Where a call goes. */
export type Route =
  | { readonly door: 'rest'; readonly node: Node }
  | { readonly door: 'socket'; readonly device: Device };

/** What became of it. `info`: nobody knows. */
export type Outcome =
  | { readonly phase: 'ok'; readonly data: unknown }
  | { readonly phase: 'fail'; readonly status: number; readonly code: string; readonly retryAfterMs: number }
  | { readonly phase: 'info'; readonly why: string };

/** Makes calls and writes what was called and answered. It knows the contract and nothing of the SDK. */
export class Caller {
  readonly history: HistoryWriter;
  readonly cluster: Cluster;
  readonly #prefix: string;
  readonly #tokens = new Map<string, Promise<string>>();
  #calls = 0;

  /** `prefix` stands before every name of the round's people, which so are its own. */
  constructor({ history, cluster, prefix }: { history: HistoryWriter; cluster: Cluster; prefix: string }) {
    this.history = history;
    this.cluster = cluster;
    this.#prefix = prefix;
  }

  /** The id of somebody of this round. */
  idOf(name: string): string {
    return `${this.#prefix}-${name}`;
  }

  /** Good for a day, so that no jump of a clock ends it. */
  token(person: string, roles: readonly string[] = []): Promise<string> {
    const key = `${person} ${roles.join(' ')}`;
    let token = this.#tokens.get(key);
    if (!token) {
      token = new SignJWT({ name: person, ...(roles.length > 0 && { roles }) })
        .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
        .setSubject(person)
        .setExpirationTime(Math.floor(Date.now() / 1000) + 86_400)
        .sign(new TextEncoder().encode(RUN_SECRET));
      this.#tokens.set(key, token);
    }
    return token;
  }

  async call(call: Call, route: Route): Promise<Outcome> {
    const key = `o${++this.#calls}`;
    const node = route.door === 'rest' ? route.node.name : route.device.nodeName;
    const connection = route.door === 'socket' ? route.device.connection : undefined;
    const line = { proc: call.person, node, door: route.door, f: call.f, key } as const;
    this.history.write({ ...line, phase: 'invoke', value: { ...call.value, ...(connection && { connection }) } });
    const outcome =
      route.door === 'rest' ? await this.#overRest(call, route.node) : await this.#overSocket(call, route.device);
    const value = outcome.phase === 'ok' ? compact(call.f, outcome.data) : { ...outcome };
    this.history.write({ ...line, phase: outcome.phase, value });
    return outcome;
  }

  /** Calls until the outcome is certain, each time by another way: nodes and doors in turn. */
  async callUntilKnown(call: Call, routes: () => Route, until: () => boolean): Promise<Outcome> {
    for (;;) {
      const outcome = await this.call(call, routes());
      if (outcome.phase !== 'info' || until()) return outcome;
      await pause(100);
    }
  }

  async #overRest({ person, rest }: Call, node: Node): Promise<Outcome> {
    try {
      const response = await fetch(node.url + PREFIX + rest.path, {
        method: rest.method,
        headers: {
          authorization: `Bearer ${await this.token(person)}`,
          ...(rest.body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(rest.body !== undefined && { body: JSON.stringify(rest.body) }),
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      });
      const text = await response.text();
      const isJson = response.headers.get('content-type')?.includes('json') ?? false;
      const body: unknown = text && isJson ? JSON.parse(text) : null;
      if (response.ok) return { phase: 'ok', data: body };
      return judge(body, response.status);
    } catch (error) {
      return { phase: 'info', why: describe(error) };
    }
  }

  async #overSocket({ command }: Call, device: Device): Promise<Outcome> {
    if (!command) throw new Error('there is no such command');
    const ack = await device.command(command.name, command.input, ANSWER_WITHIN_MS);
    if (ack === null) return { phase: 'info', why: 'no connection' };
    if (ack === 'timeout') return { phase: 'info', why: 'timeout' };
    if (ack === 'disconnected') return { phase: 'info', why: 'disconnected' };
    return ack.ok ? { phase: 'ok', data: ack.data } : judge(ack.error);
  }
}

interface Problem {
  status: number;
  code: string;
  retryAfterMs?: number;
}

function judge(body: unknown, status?: number): Outcome {
  const problem = body as Problem | null;
  const answered = status ?? problem?.status ?? 0;
  const code = problem?.code ?? 'none';
  // What is no definite refusal says nothing of what was stored.
  if (answered >= 500 || answered < 400) return { phase: 'info', why: `${answered} ${code}` };
  return { phase: 'fail', status: answered, code, retryAfterMs: problem?.retryAfterMs ?? 0 };
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return 'timeout';
  const cause = error.cause instanceof Error ? error.cause : error;
  return 'code' in cause ? String(cause.code) : cause.message;
}

/** Of an answer, what is checked. */
function compact(f: string, data: unknown): unknown {
  if (typeof data !== 'object' || data === null) return data;
  const answer = data as Record<string, unknown> & { items?: Record<string, unknown>[] };
  if (Array.isArray(answer.changes)) return { ...answer, changes: answer.changes.map(changeThing) };
  if ('seq' in answer && 'senderId' in answer) {
    const { duplicate, clientMessageId } = answer;
    return { ...messageThing(answer as never), ...(f === 'send' && { duplicate, clientMessageId }) };
  }
  if (answer.items) {
    return {
      items: answer.items.map((item) => {
        if ('senderId' in item) return messageThing(item as never);
        return 'user' in item ? participantThing(item as never) : item;
      }),
    };
  }
  if ('user' in answer && 'role' in answer) return participantThing(answer as never);
  if ('lastSeq' in answer && 'me' in answer) {
    const { id, rev, lastSeq, title, me } = answer;
    return { id, rev, lastSeq, title, me };
  }
  return answer;
}

/** Resolves after so many milliseconds: the pace of a workload. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A key for a send that no other has. */
export function newKey(): string {
  return randomUUID();
}

// ── calls that several workloads make ──────────────────────────────────────────────────────────────────────────────

export function send(
  person: string,
  conversationId: string,
  content: string,
  clientMessageId: string | null,
  more: Record<string, unknown> = {},
): Call {
  const body = { content, ...(clientMessageId !== null && { clientMessageId }), ...more };
  return {
    f: 'send',
    person,
    rest: { method: 'POST', path: `/conversations/${conversationId}/messages`, body },
    command: { name: 'message:send', input: { conversationId, ...body } },
    value: { conversationId, content, clientMessageId },
  };
}

export function add(person: string, conversationId: string, userId: string): Call {
  return {
    f: 'add',
    person,
    rest: { method: 'POST', path: `/conversations/${conversationId}/participants`, body: { userIds: [userId] } },
    command: { name: 'participant:add', input: { conversationId, userIds: [userId] } },
    value: { conversationId, userId },
  };
}

export function remove(person: string, conversationId: string, userId: string): Call {
  return {
    f: 'remove',
    person,
    rest: { method: 'DELETE', path: `/conversations/${conversationId}/participants/${userId}` },
    command: { name: 'participant:remove', input: { conversationId, userId } },
    value: { conversationId, userId },
  };
}

export function giveRole(person: string, conversationId: string, userId: string, role: string): Call {
  return {
    f: 'role',
    person,
    rest: { method: 'PATCH', path: `/conversations/${conversationId}/participants/${userId}`, body: { role } },
    value: { conversationId, userId, role },
  };
}

export function edit(person: string, conversationId: string, messageId: string, content: string, ifRev?: number): Call {
  const body = { content, ...(ifRev !== undefined && { ifRev }) };
  return {
    f: 'edit',
    person,
    rest: { method: 'PATCH', path: `/conversations/${conversationId}/messages/${messageId}`, body },
    command: { name: 'message:edit', input: { conversationId, messageId, ...body } },
    value: { conversationId, messageId, ...body },
  };
}

export function deleteMessage(person: string, conversationId: string, messageId: string, canary: string): Call {
  return {
    f: 'delete',
    person,
    rest: { method: 'DELETE', path: `/conversations/${conversationId}/messages/${messageId}` },
    command: { name: 'message:delete', input: { conversationId, messageId } },
    value: { conversationId, messageId, canary },
  };
}

export function react(person: string, conversationId: string, messageId: string, emoji: string, set: boolean): Call {
  const path = `/conversations/${conversationId}/messages/${messageId}/reactions/${encodeURIComponent(emoji)}`;
  return {
    f: set ? 'react' : 'unreact',
    person,
    rest: { method: set ? 'PUT' : 'DELETE', path },
    command: { name: set ? 'reaction:add' : 'reaction:remove', input: { conversationId, messageId, emoji } },
    value: { conversationId, messageId, emoji },
  };
}

export function mark(
  person: string,
  conversationId: string,
  which: 'read' | 'delivered' | 'unread',
  seq: number,
): Call {
  return {
    f: which,
    person,
    rest: { method: 'POST', path: `/conversations/${conversationId}/${which}`, body: { seq } },
    command: { name: `conversation:${which}`, input: { conversationId, seq } },
    value: { conversationId, seq },
  };
}

export function changes(person: string, conversationId: string, after: number): Call {
  return {
    f: 'changes',
    person,
    rest: { method: 'GET', path: `/conversations/${conversationId}/changes?after=${after}` },
    value: { conversationId, after },
  };
}

export function rename(person: string, conversationId: string, title: string): Call {
  return {
    f: 'rename',
    person,
    rest: { method: 'PATCH', path: `/conversations/${conversationId}`, body: { title } },
    command: { name: 'conversation:update', input: { conversationId, title } },
    value: { conversationId, title },
  };
}

export function get(person: string, path: string, f: string, value: Record<string, unknown> = {}): Call {
  return { f, person, rest: { method: 'GET', path }, value };
}
