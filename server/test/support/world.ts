import type {
  Ack,
  CommandAnswer,
  CommandInput,
  Conversation,
  ConversationType,
  EventName,
  Message,
  Problem,
  SentMessage,
} from '@parley/protocol';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import type { PrismaClient } from '../../prisma/generated/client.ts';
import {
  type RestClient,
  type StartOptions,
  startTestApp,
  type TestApp,
  type TestSocket,
  type TestUser,
} from './app.ts';
import { checkRest, checkSocket, type Mismatches } from './checked-clients.ts';
import { type Door, restAsAck, type TwinName } from './doors.ts';

/** Limits out of the way: what is tested about them has its own files. */
const ENV = { RATE_LIMIT_FACTOR: '0', MESSAGE_RATE_LIMIT: '1000000', MAX_CONNECTIONS_PER_USER: '1000' };

/** Somebody with both doors. Every answer and every event they get is checked against the schemas of the protocol. */
export class Person {
  readonly id: string;
  readonly rest: RestClient;
  readonly #connect: () => Promise<TestSocket>;
  #acting: Promise<TestSocket> | undefined;

  constructor(id: string, rest: RestClient, connect: () => Promise<TestSocket>) {
    this.id = id;
    this.rest = rest;
    this.#connect = connect;
  }

  /** One more device of theirs. */
  connect(): Promise<TestSocket> {
    return this.#connect();
  }

  /** Carries out a command through a door; the socket door has a device of its own, connected when first used. */
  async act<Name extends TwinName>(
    door: Door,
    name: Name,
    input: CommandInput<Name>,
  ): Promise<Ack<CommandAnswer<Name>>> {
    if (door === 'rest') return restAsAck(this.rest, name, input);
    this.#acting ??= this.#connect();
    return (await this.#acting).command(name, input);
  }

  /** A command that must succeed. */
  async ok<Name extends TwinName>(door: Door, name: Name, input: CommandInput<Name>): Promise<CommandAnswer<Name>> {
    const ack = await this.act(door, name, input);
    if (!ack.ok) throw new Error(`${this.id}: ${name} by ${door}: ${JSON.stringify(ack.error)}`);
    return ack.data;
  }

  /** A command that must be refused: its problem. */
  async refused<Name extends TwinName>(door: Door, name: Name, input: CommandInput<Name>): Promise<Problem> {
    const ack = await this.act(door, name, input);
    if (ack.ok) throw new Error(`${this.id}: ${name} by ${door} was carried out: ${JSON.stringify(ack.data)}`);
    return ack.error;
  }

  /** Sends text over REST; resolves to the message. */
  async send(conversationId: string, content: string, more: object = {}): Promise<SentMessage> {
    const { status, body } = await this.rest.post<SentMessage>(`/conversations/${conversationId}/messages`, {
      content,
      ...more,
    });
    if (status >= 400) throw new Error(`${this.id}: send: ${JSON.stringify(body)}`);
    return body;
  }

  /** Reads something by REST that must be there. */
  async get<Body>(path: string): Promise<Body> {
    const { status, body } = await this.rest.get<Body>(path);
    if (status !== 200) throw new Error(`${this.id}: GET ${path}: ${JSON.stringify(body)}`);
    return body;
  }

  /** One conversation as they see it. */
  conversation(conversationId: string): Promise<Conversation> {
    return this.get<Conversation>(`/conversations/${conversationId}`);
  }

  /** All messages of a conversation, oldest first. */
  async history(conversationId: string): Promise<Message[]> {
    const messages: Message[] = [];
    let query = '?after=0&limit=200';
    for (;;) {
      const page = await this.get<{ items: Message[]; nextCursor: string | null }>(
        `/conversations/${conversationId}/messages${query}`,
      );
      messages.push(...page.items);
      if (page.nextCursor === null) return messages;
      query = `?limit=200&cursor=${page.nextCursor}`;
    }
  }
}

/** The real app for the tests of one file, with people who are known to it. */
export interface World {
  readonly app: TestApp;
  readonly prisma: PrismaClient;
  /** Where answers and events are noted that do not fit their schemas; a test with such a note fails. */
  readonly mismatches: Mismatches;
  /** People entered in the directory, new ones for each call: `ann` gets an id such as `ann-3`. */
  people<Names extends readonly string[]>(...names: Names): Promise<{ [Index in keyof Names]: Person }>;
  /** Somebody by id, with what their token says. */
  person(user: TestUser): Promise<Person>;
  /** A conversation of the first one's making with the others in it. */
  create(type: ConversationType, creator: Person, ...others: Person[]): Promise<string>;
}

let serial = 0;

/** Starts the app before the tests of the file and closes it after them. */
export function useWorld(options: StartOptions = {}): World {
  let app: TestApp | undefined;
  const mismatches: Mismatches = [];
  const started = (): TestApp => {
    if (!app) throw new Error('the app starts before the first test');
    return app;
  };
  beforeAll(async () => {
    app = await startTestApp({ ...options, env: { ...ENV, ...options.env } });
  });
  afterEach(() => {
    expect(mismatches.splice(0), 'answers and events that do not fit the protocol').toEqual([]);
  });
  afterAll(() => app?.close());

  const person = async (user: TestUser): Promise<Person> => {
    const id = typeof user === 'string' ? user : user.id;
    const rest = checkRest(started().rest(user), mismatches);
    await rest.get('/me');
    return new Person(id, rest, async () => checkSocket(await started().connectSocket(user), mismatches));
  };
  return {
    get app() {
      return started();
    },
    get prisma() {
      return started().app.database.prisma;
    },
    mismatches,
    person,
    people: async (...names) => {
      serial += 1;
      return (await Promise.all(names.map((name) => person(`${name}-${serial}`)))) as never;
    },
    create: async (type, creator, ...others) => {
      const { status, body } = await creator.rest.post<Conversation>('/conversations', {
        type,
        participantIds: others.map(({ id }) => id),
        ...(type !== 'direct' && { title: `${type} of ${creator.id}` }),
      });
      if (status >= 400) throw new Error(`create: ${JSON.stringify(body)}`);
      return body.id;
    },
  };
}

/** Events of some names that a socket has got in one conversation, in the order in which they came. */
export function eventsOf(
  socket: TestSocket,
  conversationId: string,
  ...names: EventName[]
): { name: EventName; rev: number }[] {
  return socket.received
    .filter(({ name }) => names.length === 0 || names.includes(name))
    .filter(({ payload }) => 'conversationId' in payload && payload.conversationId === conversationId)
    .map(({ name, payload }) => ({ name, rev: 'rev' in payload ? payload.rev : 0 }));
}

/** The events of changes of one conversation, in the order in which a socket got them: each raised `rev` by one. */
export function changesSeen(socket: TestSocket, conversationId: string): { name: EventName; rev: number }[] {
  return eventsOf(socket, conversationId).filter(({ name, rev }) => rev > 0 && name !== 'conversation:head');
}
