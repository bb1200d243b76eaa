import {
  type Ack,
  API_PREFIX,
  type ClientToServerEvents,
  type CommandAnswer,
  type CommandInput,
  type CommandName,
  type EventName,
  type EventPayload,
  type Problem,
  type ServerToClientEvents,
} from '@parley/protocol';
import { SignJWT } from 'jose';
import { io, type Socket } from 'socket.io-client';
import { type App, createApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import type { MessagePolicy } from '../../src/modules/moderation/index.ts';
import type { Logger } from '../../src/utils/logger.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { silentLogger } from './logger.ts';

/** The secret of the tokens that tests sign. */
export const TEST_SECRET = 'a secret of the tests, thirty-two bytes or more';

/** Somebody in a test: an id, or an id with what their token says besides. */
export type TestUser =
  | string
  | {
      id: string;
      name?: string;
      picture?: string;
      roles?: string[];
      /** Seconds until the token ends; negative: ended already. An hour by default. */
      expiresIn?: number;
    };

/** Signs a token as the host product would. */
export function tokenOf(user: TestUser, secret: string = TEST_SECRET): Promise<string> {
  const { id, expiresIn = 3600, ...claims } = typeof user === 'string' ? { id: user, name: user } : user;
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(id)
    .setExpirationTime(new Date(Date.now() + expiresIn * 1000))
    .sign(new TextEncoder().encode(secret));
}

/** An answer of the REST door. Tests say what they expect in it. */
export interface RestAnswer<Body> {
  status: number;
  body: Body;
  headers: Headers;
}

/** The REST door as one person. Paths are below the prefix of the API. */
export interface RestClient {
  get<Body = unknown>(path: string, headers?: Record<string, string>): Promise<RestAnswer<Body>>;
  delete<Body = unknown>(path: string, body?: unknown): Promise<RestAnswer<Body>>;
  post<Body = unknown>(path: string, body?: unknown, headers?: Record<string, string>): Promise<RestAnswer<Body>>;
  put<Body = unknown>(path: string, body?: unknown): Promise<RestAnswer<Body>>;
  patch<Body = unknown>(path: string, body?: unknown): Promise<RestAnswer<Body>>;
}

export interface ConnectOptions {
  /** Instead of a token made for the user. */
  token?: string;
  transports?: ('websocket' | 'polling')[];
  headers?: Record<string, string>;
}

/** The real app on a free port, with a database of its own. */
export interface TestApp {
  readonly url: string;
  readonly app: App;
  readonly database: TestDatabase;
  rest(user: TestUser | null): RestClient;
  /** Connects with the real client; resolves once it is `ready`, rejects with the problem when it is refused. */
  connectSocket(user: TestUser, options?: ConnectOptions): Promise<TestSocket>;
  /** Closes sockets and app, and drops the database. */
  close(): Promise<void>;
}

export interface StartOptions {
  /** Environment variables over those of the tests: `RATE_LIMIT_FACTOR`, `MESSAGE_RATE_LIMIT` and so on. */
  env?: Record<string, string | undefined>;
  logger?: Logger;
  /** The host product's own word on each message. */
  policy?: MessagePolicy;
  /** A database to use instead of a new one; dropping it is then up to the caller. */
  database?: TestDatabase;
}

/** Starts the app from the variables a deployment would set. */
export async function startTestApp(options: StartOptions = {}): Promise<TestApp> {
  const database = options.database ?? (await createTestDatabase());
  const config = readConfig({
    NODE_ENV: 'test',
    HOST: '127.0.0.1',
    PORT: '0',
    JWT_SECRET: TEST_SECRET,
    DATABASE_URL: database.databaseUrl,
    DATA_DIR: database.dataDir,
    ...options.env,
  });
  const { policy } = options;
  const app = await createApp({ config, logger: options.logger ?? silentLogger, ...(policy && { policy }) });
  const url = await app.listen();
  const sockets: TestSocket[] = [];
  return {
    url,
    app,
    database,
    rest: (user) => createRestClient(url, user),
    connectSocket: async (user, connect = {}) => {
      const socket = await TestSocket.connect(url, connect.token ?? (await tokenOf(user)), connect);
      sockets.push(socket);
      return socket;
    },
    close: async () => {
      for (const socket of sockets) socket.disconnect();
      await app.close();
      if (!options.database) await database.drop();
    },
  };
}

/** Calls one address as it is, for what a RestClient would never send. */
export async function call<Body = unknown>(url: string, init: RequestInit = {}): Promise<RestAnswer<Body>> {
  const response = await fetch(url, init);
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json');
  return {
    status: response.status,
    headers: response.headers,
    body: (isJson && text ? JSON.parse(text) : text) as Body,
  };
}

function createRestClient(url: string, user: TestUser | null): RestClient {
  const send = async <Body>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    call<Body>(url + API_PREFIX + path, {
      method,
      headers: {
        ...(user !== null && { authorization: `Bearer ${await tokenOf(user)}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  return {
    get: (path, headers) => send('GET', path, undefined, headers),
    delete: (path, body) => send('DELETE', path, body),
    post: (path, body, headers) => send('POST', path, body, headers),
    put: (path, body) => send('PUT', path, body),
    patch: (path, body) => send('PATCH', path, body),
  };
}

/** One event as it came. */
export type Received = { [Name in EventName]: { name: Name; payload: EventPayload<Name> } }[EventName];

/** How long `next` waits before it says what it has seen instead. */
const PATIENCE_MS = 20_000;

/** A connected client that keeps every event it got. */
export class TestSocket {
  /** Everything received, in order. */
  readonly received: Received[] = [];
  readonly raw: Socket<ServerToClientEvents, ClientToServerEvents>;
  /** Resolves with Socket.IO's reason once the connection has ended. */
  readonly disconnected: Promise<string>;
  readonly #taken = new Set<Received>();
  readonly #waiting = new Set<() => void>();

  private constructor(raw: Socket<ServerToClientEvents, ClientToServerEvents>) {
    this.raw = raw;
    this.disconnected = new Promise((resolve) => raw.once('disconnect', (reason) => resolve(reason)));
    raw.onAny((name: EventName, payload: unknown) => {
      // The server's own types promise what stands under each name.
      this.received.push({ name, payload } as Received);
      for (const look of this.#waiting) look();
    });
  }

  /** Use `app.connectSocket`. */
  static async connect(
    url: string,
    token: string,
    { transports = ['websocket'], headers }: ConnectOptions,
  ): Promise<TestSocket> {
    const raw = io(url, {
      auth: { token },
      transports,
      reconnection: false,
      forceNew: true,
      ...(headers && { extraHeaders: headers }),
    });
    const socket = new TestSocket(raw);
    await new Promise<void>((resolve, reject) => {
      raw.once('ready', () => resolve());
      raw.once('connect_error', (error) => {
        raw.disconnect();
        reject((error as { data?: Problem }).data ?? error);
      });
    });
    return socket;
  }

  /** Sends a command; resolves to its acknowledgement. */
  command<Name extends CommandName>(name: Name, input: CommandInput<Name>): Promise<Ack<CommandAnswer<Name>>> {
    return this.send(name, input);
  }

  /** Sends a command that must succeed; resolves to its data. */
  async ok<Name extends CommandName>(name: Name, input: CommandInput<Name>): Promise<CommandAnswer<Name>> {
    const ack = await this.command(name, input);
    if (!ack.ok) throw new Error(`${name}: ${JSON.stringify(ack.error)}`);
    return ack.data;
  }

  /** Sends anything under any name and waits for the acknowledgement. */
  async send<Data = unknown>(name: string, ...args: unknown[]): Promise<Ack<Data>> {
    const untyped = this.raw as unknown as Socket;
    return (await untyped.timeout(PATIENCE_MS).emitWithAck(name, ...args)) as Ack<Data>;
  }

  /** The first event of this name, not returned by `next` before, that fits; waits for it where it has not come yet. */
  next<Name extends EventName>(
    name: Name,
    fits: (payload: EventPayload<Name>) => boolean = () => true,
  ): Promise<EventPayload<Name>> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const event = this.received.find(
          (one) => one.name === name && !this.#taken.has(one) && fits(one.payload as EventPayload<Name>),
        );
        if (!event) return;
        this.#taken.add(event);
        this.#waiting.delete(look);
        clearTimeout(timer);
        resolve(event.payload as EventPayload<Name>);
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(look);
        reject(new Error(`no fitting ${name}; received: ${JSON.stringify(this.received.map((one) => one.name))}`));
      }, PATIENCE_MS);
      this.#waiting.add(look);
      look();
    });
  }

  /** Events of one name received so far. */
  all<Name extends EventName>(name: Name): EventPayload<Name>[] {
    return this.received.filter((one) => one.name === name).map((one) => one.payload as EventPayload<Name>);
  }

  /**
   * Resolves when everything that the server had written to this socket has arrived: an acknowledgement cannot overtake
   * an event of the same connection.
   */
  async barrier(): Promise<void> {
    await this.send('test:barrier', {});
  }

  /**
   * Fails if such an event has come, or was on its way. What could have caused it must be over: acknowledged, and, where
   * it is told to others, seen by one of them.
   */
  async expectNone<Name extends EventName>(
    name: Name,
    fits: (payload: EventPayload<Name>) => boolean = () => true,
  ): Promise<void> {
    await this.barrier();
    const found = this.all(name).find(fits);
    if (found) throw new Error(`unexpected ${name}: ${JSON.stringify(found)}`);
  }

  disconnect(): void {
    this.raw.disconnect();
  }
}
