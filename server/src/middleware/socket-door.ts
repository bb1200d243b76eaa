import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import {
  type Ack,
  COMMANDS,
  type Command,
  type CommandAnswer,
  type CommandName,
  SESSION_EXPIRING_MS,
} from '@parley/protocol';
import {
  endSession,
  engineConnection,
  type ParleyServer,
  type ParleySocket,
  releaseHandshake,
  type SocketData,
  setReading,
} from '../infrastructure/socket-server.ts';
import { answerCommandsBy, encodeAnswer, frameEvents, type SocketWriter } from '../infrastructure/socket-writer.ts';
import type { Actor } from '../utils/actor.ts';
import { AppError } from '../utils/app-error.ts';
import type { Logger } from '../utils/logger.ts';
import type { Metrics } from '../utils/metrics.ts';
import type { Authenticate } from './authenticate.ts';
import type { ConnectionSlots } from './connection-slots.ts';
import { logFailure, parseInput, toAppError } from './error-handler.ts';
import type { LimitGuard } from './limit-guard.ts';
import { type RateLimit, socketCommandsRateLimiter, syncRateLimiter, typingRateLimiter } from './rate-limit.ts';
import type { AddressReader } from './request-context.ts';

/** One command of a socket, within its limits and parsed. */
export interface CommandCall<Name extends CommandName> {
  readonly actor: Actor;
  readonly socket: ParleySocket;
  readonly input: Command<Name>;
  readonly requestId: string;
  /** Carries `requestId`, `userId`, `socketId` and, where known, `conversationId`. */
  readonly log: Logger;
}

/** Handlers by the name of their command. `auth:refresh` is the door's own. */
export type CommandHandlers = {
  readonly [Name in Exclude<CommandName, 'auth:refresh'>]?: (call: CommandCall<Name>) => Promise<CommandAnswer<Name>>;
};

export interface SocketDoorDeps {
  io: ParleyServer;
  handlers: CommandHandlers;
  /** Joins the socket's rooms, then tells it `ready`. */
  connect(socket: ParleySocket): Promise<void>;
  /** The socket is gone. Called once for each socket that `connect` was called for. */
  disconnect(socket: ParleySocket): void;
  authenticate: Authenticate;
  readAddress: AddressReader;
  limits: LimitGuard;
  metrics: Metrics;
  logger: Logger;
  connections: ConnectionSlots;
  writer: Pick<SocketWriter, 'write' | 'tell' | 'flush'>;
  /** True from the moment the server goes down: nobody is let in any more. */
  isClosing(): boolean;
}

/** Commands of one socket that may wait for those before them. */
export const MOST_WAITING_COMMANDS = 2_000;

/** How long one that floods is not heard at first and at most, and within what time it counts as the same flood. */
const HELD_BACK_MS = 1_000;
const LONGEST_HELD_MS = 8_000;
const AGAIN_WITHIN_MS = 10_000;

/** Commands of one socket in one turn of the event loop: hundreds come in one piece where somebody pours them out. */
const COMMANDS_IN_TURN = 30;

/** Tells turns of the event loop apart. */
let turn = 0;
let isTurning = false;

function currentTurn(): number {
  if (!isTurning) {
    isTurning = true;
    setImmediate(() => {
      isTurning = false;
      turn += 1;
    });
  }
  return turn;
}

/** Limits that one command has beside that of all commands. */
const COMMAND_LIMITS: { readonly [Name in CommandName]?: RateLimit } = {
  sync: syncRateLimiter,
  'typing:start': typingRateLimiter,
};

/** Timers of Node cannot wait longer. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const COARSE_TIMER_MS = 60_000;

type Acknowledge = (ack: Ack<unknown>) => void;

/** Why a socket is not heard, and how many commands were refused for it. */
interface HeldBack {
  readonly error: AppError;
  refused: number;
}

type AnyHandler = (call: unknown) => Promise<unknown>;

/** Lets sockets in, reads their commands, and ends their sessions with their tokens. */
export function openSocketDoor(deps: SocketDoorDeps): void {
  const { io, logger } = deps;

  io.use((socket, next) => {
    admit(socket, deps).then(
      () => next(),
      (error: unknown) => next(refuseConnection(toAppError(error), logger)),
    );
  });
  const answerCommands = answerCommandsBy((socket, id, answer) => {
    deps.writer.write(socket, frameEvents([encodeAnswer(id, answer)]));
  });
  io.on('connection', (socket) => {
    answerCommands(socket);
    const session = new Session(socket, deps);
    releaseHandshake(socket);
    session.start();
  });
}

async function admit(socket: ParleySocket, deps: SocketDoorDeps): Promise<void> {
  if (deps.isClosing()) throw new AppError('unavailable', { retryAfterMs: 1_000 });
  const { token } = socket.handshake.auth as { token?: unknown };
  const address = socketAddress(socket, deps);
  const slots = new Slots(deps.connections.takeAddress(address));
  slots.giveBackAtEnd(socket);
  const actor = await deps.authenticate(typeof token === 'string' ? token : undefined, address);
  // The tolerance is for verifying; a session ends at the very end of its token, so here it would have none.
  if (actor.expiresAt <= Date.now()) throw new AppError('token_expired');
  socket.data = new SessionData(actor, socket.id, address, deps);
  slots.add(await deps.connections.take(actor.id));
}

/** What one connection has taken of the limits on connections, given back when it is gone. */
class Slots {
  readonly #ofAddress: () => void;
  #ofPerson: (() => void) | null = null;
  #isOver = false;

  constructor(ofAddress: () => void) {
    this.#ofAddress = ofAddress;
  }

  /** A connection that ended meanwhile needs it no more. */
  add(ofPerson: () => void): void {
    if (this.#isOver) ofPerson();
    else this.#ofPerson = ofPerson;
  }

  /** One of the two comes, whether or not the socket gets as far as `connection`; or it came already. */
  giveBackAtEnd(socket: ParleySocket): void {
    const giveBack = (): void => this.#giveBack();
    const connection = engineConnection(socket);
    socket.on('disconnect', giveBack);
    connection.on('close', giveBack);
    if (connection.readyState === 'closed') giveBack();
  }

  #giveBack(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#ofAddress();
    this.#ofPerson?.();
    this.#ofPerson = null;
  }
}

function socketAddress(socket: ParleySocket, { readAddress }: SocketDoorDeps): string {
  const request = engineConnection(socket).request as IncomingMessage | null;
  return request ? readAddress(request) : engineConnection(socket).remoteAddress;
}

/** What Socket.IO sends as `connect_error`: the problem stands in `data`. */
function refuseConnection(error: AppError, logger: Logger): Error {
  const requestId = randomUUID();
  const log = logger.child({ requestId });
  logFailure(log, error);
  log.info({ code: error.code }, 'socket refused');
  return Object.assign(new Error(error.message), { data: error.toProblem(requestId) });
}

class SessionData implements SocketData {
  actor: Actor;
  readonly sessionId: string;
  readonly address: string;
  ended: SocketData['ended'] = null;
  isFollowing = false;
  untold: SocketData['untold'] = null;
  readonly #deps: SocketDoorDeps;

  constructor(actor: Actor, sessionId: string, address: string, deps: SocketDoorDeps) {
    this.actor = actor;
    this.sessionId = sessionId;
    this.address = address;
    this.#deps = deps;
  }

  flush(socket: ParleySocket): void {
    this.#deps.writer.flush(socket);
  }

  /** Made when asked for: most sockets log two lines in their life. */
  get log(): Logger {
    return this.#deps.logger.child({ socketId: this.sessionId, userId: this.actor.id });
  }
}

/** One connected socket: its commands in order, and the end of its token. */
class Session {
  readonly #socket: ParleySocket;
  readonly #deps: SocketDoorDeps;
  /** The last of the mutating commands received so far; null when none waits. */
  #last: Promise<void> | null = null;
  #waiting = 0;
  #held: HeldBack | null = null;
  #heldMs = 0;
  /** On the monotonic clock. */
  #heldUntil = Number.NEGATIVE_INFINITY;
  #turn = 0;
  #inTurn = 0;
  /** What came in one piece and has its turn later. */
  #waitingTurn: unknown[][] | null = null;
  /** On the monotonic clock, so that a jump of the wall clock ends nobody's session. */
  #endsAt = 0;
  #toldExpiring = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(socket: ParleySocket, deps: SocketDoorDeps) {
    this.#socket = socket;
    this.#deps = deps;
  }

  start(): void {
    const { disconnect, metrics } = this.#deps;
    const socket = this.#socket;
    metrics.sockets.inc();
    socket.data.log.info({ transport: engineConnection(socket).transport.name }, 'socket connected');

    socket.once('disconnect', (reason) => {
      clearTimeout(this.#timer);
      metrics.sockets.dec();
      const { ended, log } = socket.data;
      if (ended) metrics.socketsEnded.inc({ code: ended });
      log.info({ reason, ...(ended && { ended }) }, 'socket disconnected');
      try {
        disconnect(socket);
      } catch (error) {
        log.error({ err: error }, 'disconnect handler failed');
      }
    });

    // Every packet comes through here, whatever its name, and goes no further: `next` is never called. A listener for
    // each event would let unknown names fall silent, and throws on bad packets would end the process.
    socket.use((packet: unknown[]) => this.#receiveInTurn(packet));

    this.#watchExpiry();
    void this.#join();
  }

  async #join(): Promise<void> {
    const socket = this.#socket;
    try {
      await this.#deps.connect(socket);
    } catch (error) {
      // Without its rooms it would miss what it is connected for: the client comes back, here or elsewhere.
      logFailure(socket.data.log, toAppError(error));
      endSession(socket, 'server_shutdown', 1_000);
    }
  }

  /** So many at once, and the rest in the turns that follow, between which others are heard. Nothing more is read meanwhile. */
  #receiveInTurn(packet: unknown[]): void {
    const now = currentTurn();
    if (this.#turn !== now) {
      this.#turn = now;
      this.#inTurn = 0;
    }
    this.#inTurn += 1;
    if (this.#waitingTurn) {
      this.#waitingTurn.push(packet);
    } else if (this.#inTurn <= COMMANDS_IN_TURN) {
      this.#receive(packet);
    } else {
      this.#waitingTurn = [packet];
      setReading(this.#socket, false);
      setImmediate(() => this.#receiveWaiting());
    }
  }

  #receiveWaiting(): void {
    for (const packet of this.#waitingTurn!.splice(0, COMMANDS_IN_TURN)) this.#receive(packet);
    if (this.#waitingTurn!.length > 0) {
      setImmediate(() => this.#receiveWaiting());
      return;
    }
    this.#waitingTurn = null;
    this.#readOn();
  }

  #receive(packet: unknown[]): void {
    const { data } = this.#socket;
    if (data.ended) return;
    const [name, ...args] = packet;
    const last = args.at(-1);
    const acknowledge = typeof last === 'function' ? this.#guardAck(last as Acknowledge) : ignoreAck;
    if (acknowledge !== ignoreAck) args.pop();

    if (this.#held) {
      this.#refuseHeld(this.#held, acknowledge);
    } else if (!isCommand(name)) {
      this.#refuse('unknown', invalidCommand('There is no such command.'), acknowledge);
    } else if (COMMANDS[name].mutating) {
      this.#enqueue(name, args, acknowledge);
    } else {
      void this.#carryOut(name, args, acknowledge);
    }
  }

  /**
   * One that said more than it may is not heard for a while, which grows while it goes on. What had come already is refused in a
   * few microseconds each, and told in one line of the log: a flood must cost its neighbours nothing.
   */
  #holdBack(error: AppError): void {
    if (this.#held || error.code !== 'rate_limited') return;
    const goesOn = performance.now() - this.#heldUntil < AGAIN_WITHIN_MS;
    this.#heldMs = goesOn ? Math.min(this.#heldMs * 2, LONGEST_HELD_MS) : HELD_BACK_MS;
    const held = { error, refused: 0 };
    this.#held = held;
    setReading(this.#socket, false);
    setTimeout(() => {
      this.#held = null;
      this.#heldUntil = performance.now();
      if (held.refused > 0) {
        this.#socket.data.log.info({ code: error.code, refused: held.refused }, 'commands refused');
        this.#deps.metrics.commands.inc({ command: 'any', result: error.code }, held.refused);
      }
      this.#readOn();
    }, this.#heldMs).unref();
  }

  #refuseHeld(held: HeldBack, acknowledge: Acknowledge): void {
    held.refused += 1;
    acknowledge({ ok: false, error: held.error.toProblem(randomUUID()) });
  }

  #readOn(): void {
    if (!this.#held && !this.#waitingTurn) setReading(this.#socket, true);
  }

  /** Commands that change something take effect in the order in which they came (DLV-1): each waits for the one before. */
  #enqueue(name: CommandName, args: unknown[], acknowledge: Acknowledge): void {
    if (this.#waiting >= MOST_WAITING_COMMANDS) {
      const error = new AppError('rate_limited', { retryAfterMs: HELD_BACK_MS });
      this.#holdBack(error);
      this.#refuse(name, error, acknowledge);
      return;
    }
    const { commandQueueDepth } = this.#deps.metrics;
    this.#waiting++;
    commandQueueDepth.inc();
    const carryOut = (): Promise<void> => this.#carryOut(name, args, acknowledge);
    const done = (this.#last ? this.#last.then(carryOut) : carryOut()).then(() => {
      this.#waiting--;
      commandQueueDepth.dec();
      if (this.#last === done) this.#last = null;
    });
    this.#last = done;
  }

  /** Never rejects. */
  async #carryOut(name: CommandName, args: unknown[], acknowledge: Acknowledge): Promise<void> {
    const request = new RequestId();
    try {
      const data = await this.#answer(name, args, request);
      acknowledge({ ok: true, data });
      this.#deps.metrics.commands.inc({ command: name, result: 'ok' });
    } catch (thrown) {
      let error = toAppError(thrown);
      if (this.#held && error.code === 'rate_limited') {
        this.#refuseHeld(this.#held, acknowledge);
        return;
      }
      try {
        error = await this.#deps.limits.refusal(error, this.#socket.data.actor.id);
      } catch (failure) {
        error = toAppError(failure);
      }
      this.#refuse(name, error, acknowledge, request.text);
    }
  }

  async #answer(name: CommandName, args: unknown[], request: RequestId): Promise<unknown> {
    const socket = this.#socket;
    const { limits, handlers } = this.#deps;
    // Asked again when its turn comes: it may have waited while the session ended.
    this.#mustBeOpen();
    try {
      await limits.take(socketCommandsRateLimiter, socket.data.actor.id);
    } catch (error) {
      this.#holdBack(toAppError(error));
      throw error;
    }
    const own = COMMAND_LIMITS[name];
    if (own) await limits.take(own, socket.data.actor.id);

    if (args.length !== 1) throw invalidCommand('A command takes one object.');
    const input = parseInput(COMMANDS[name].input, args[0]);
    if (name === 'auth:refresh') return this.#refresh(input as Command<'auth:refresh'>);

    const handler = handlers[name] as AnyHandler | undefined;
    if (!handler) throw invalidCommand('There is no such command.');
    return handler(new Call(socket, input, request));
  }

  #mustBeOpen(): void {
    const { ended } = this.#socket.data;
    if (ended === 'session_revoked') throw new AppError('session_revoked');
    if (ended === 'token_expired' || performance.now() >= this.#endsAt) throw new AppError('token_expired');
  }

  #refuse(name: string, error: AppError, acknowledge: Acknowledge, requestId: string = randomUUID()): void {
    const log = this.#socket.data.log.child({ requestId, command: name });
    logFailure(log, error);
    log.info({ code: error.code }, 'command refused');
    this.#deps.metrics.commands.inc({ command: name, result: error.code });
    acknowledge({ ok: false, error: error.toProblem(requestId) });
  }

  #guardAck(acknowledge: Acknowledge): Acknowledge {
    return (ack) => {
      try {
        acknowledge(ack);
      } catch (error) {
        // An answer that cannot be written must not end the process; the client asks again by the same key.
        this.#socket.data.log.error({ err: error }, 'acknowledgement failed');
      }
    };
  }

  /** Carries on with a new token of the same person. Refused, the session goes on with the one it has (ACC-4). */
  async #refresh({ token }: Command<'auth:refresh'>): Promise<CommandAnswer<'auth:refresh'>> {
    const { data } = this.#socket;
    const actor = await this.#deps.authenticate(token, data.address);
    if (actor.id !== data.actor.id) throw new AppError('forbidden');
    if (actor.expiresAt <= Date.now()) throw new AppError('token_expired');
    this.#mustBeOpen();
    data.actor = actor;
    this.#toldExpiring = false;
    this.#watchExpiry();
    return { expiresAt: new Date(actor.expiresAt).toISOString() };
  }

  #watchExpiry(): void {
    this.#endsAt = performance.now() + this.#socket.data.actor.expiresAt - Date.now();
    this.#lookAtClock();
  }

  #lookAtClock(): void {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    const left = this.#endsAt - performance.now();
    if (left <= 0) {
      endSession(socket, 'token_expired');
      return;
    }
    const untilTold = left - SESSION_EXPIRING_MS;
    if (untilTold <= 0 && !this.#toldExpiring) {
      this.#toldExpiring = true;
      this.#deps.writer.tell(socket, 'session:expiring', { at: new Date(socket.data.actor.expiresAt).toISOString() });
    }
    const wait = Math.ceil(this.#toldExpiring ? left : untilTold);
    // Far off it looks again on a whole minute: timers of the same length share what Node keeps for them.
    const rounded = wait > COARSE_TIMER_MS ? wait - (wait % COARSE_TIMER_MS) : wait;
    this.#timer = setTimeout(() => this.#lookAtClock(), Math.min(rounded, LONGEST_TIMER_MS));
  }
}

/** Names a command where it is told of: most are carried out and named nowhere. */
class RequestId {
  #text: string | null = null;

  get text(): string {
    this.#text ??= randomUUID();
    return this.#text;
  }
}

/** One command as its handler gets it. What few of them ask for is made when asked for. */
class Call {
  readonly actor: Actor;
  readonly socket: ParleySocket;
  readonly input: unknown;
  readonly #request: RequestId;

  constructor(socket: ParleySocket, input: unknown, request: RequestId) {
    this.actor = socket.data.actor;
    this.socket = socket;
    this.input = input;
    this.#request = request;
  }

  get requestId(): string {
    return this.#request.text;
  }

  get log(): Logger {
    const { conversationId } = this.input as { conversationId?: string };
    return this.socket.data.log.child({
      requestId: this.requestId,
      ...(conversationId !== undefined && { conversationId }),
    });
  }
}

function ignoreAck(): void {}

function isCommand(name: unknown): name is CommandName {
  return typeof name === 'string' && Object.hasOwn(COMMANDS, name);
}

function invalidCommand(detail: string): AppError {
  return new AppError('invalid_request', { detail });
}
