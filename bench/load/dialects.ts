/** What came from a server: ready, an answer to a send, a message for the members, or nothing that matters here. */
export type Heard =
  | { readonly kind: 'ready' }
  /** Not let in, or sent away: to come back later. */
  | { readonly kind: 'refused'; readonly text: string }
  | { readonly kind: 'reply'; readonly text: string }
  | { readonly kind: 'acknowledged'; readonly id: number; readonly refusal: string | null }
  | { readonly kind: 'message'; readonly key: string; readonly seq: number }
  | { readonly kind: 'other' };

/** How the load speaks with a kind of server. */
export interface Dialect {
  /** Of the WebSocket's address. `person` and the conversation are in it where the server wants to know them there. */
  path(member: { readonly conversationId: string }): string;
  /** The first thing said, or null. */
  greeting(token: string): string | null;
  send(id: number, message: { conversationId: string; content: string; clientMessageId: string }): string;
  /** Another command of the product's, acknowledged as a send is. */
  command?(id: number, name: string, input: Readonly<Record<string, unknown>>): string;
  read(text: Buffer): Heard;
  /** Whether a text may be a message for the members: those are told apart from the rest by looking at bytes. */
  mayBeMessage(text: Buffer): boolean;
}

const OTHER: Heard = { kind: 'other' };
const READY: Heard = { kind: 'ready' };
const PONG: Heard = { kind: 'reply', text: '3' };
const [ZERO, ONE, TWO, THREE, FOUR, BRACKET, QUOTE] = [0x30, 0x31, 0x32, 0x33, 0x34, 0x5b, 0x22];

/** Socket.IO 4 over a WebSocket. `ready`: what a server says once it has joined the rooms; null: connected is ready. */
export function socketIoDialect(ready: string | null): Dialect {
  return {
    path: ({ conversationId }) => `/socket.io/?EIO=4&transport=websocket&room=${conversationId}`,
    greeting: (token) => `40${JSON.stringify({ token })}`,
    send: (id, message) => `42${id}${JSON.stringify(['message:send', message])}`,
    command: (id, name, input) => `42${id}${JSON.stringify([name, input])}`,
    mayBeMessage: (text) => text[0] === FOUR && text[1] === TWO,
    read: (text) => {
      if (text[0] === TWO) return PONG;
      if (text[0] !== FOUR) return OTHER;
      if (text[1] === THREE) return readAck(text);
      if (text[1] === ZERO) return ready === null ? READY : OTHER;
      if (text[1] === ONE || text[1] === FOUR) return { kind: 'refused', text: text.toString() };
      const [name, payload] = JSON.parse(text.toString('utf8', 2)) as [string, { message?: MessageOnTheWire }];
      if (name === ready) return READY;
      return name === 'message:created' && payload.message ? readMessage(payload.message) : OTHER;
    },
  };
}

interface MessageOnTheWire {
  readonly clientMessageId: string;
  readonly seq: number;
}

function readMessage({ clientMessageId, seq }: MessageOnTheWire): Heard {
  return { kind: 'message', key: clientMessageId, seq };
}

function readAck(text: Buffer): Heard {
  const bracket = text.indexOf(BRACKET, 2);
  const id = Number(text.toString('latin1', 2, bracket));
  // `[{"ok":true`: answers are read as far as needed, since there are as many of them as of sends.
  const isOk = text.toString('latin1', bracket + 1, bracket + 11) === '{"ok":true';
  return { kind: 'acknowledged', id, refusal: isOk ? null : text.toString('utf8', bracket) };
}

/** Bare JSON over a WebSocket: `{"ack":1}` and `{"message":{…}}`. */
export const plainDialect: Dialect = {
  path: ({ conversationId }) => `/?room=${conversationId}`,
  greeting: () => null,
  send: (id, message) => JSON.stringify({ id, ...message }),
  mayBeMessage: (text) => text[1] === QUOTE && text[2] === 0x6d,
  read: (text) => {
    const value = JSON.parse(text.toString()) as { ack?: number; message?: MessageOnTheWire; ready?: true };
    if (value.message) return readMessage(value.message);
    return value.ready ? READY : { kind: 'acknowledged', id: value.ack!, refusal: null };
  },
};
