import type { CommandAnswer, CommandInput, CommandName, EventName, EventPayload } from '@parley/protocol';
import type { ParleyError } from './error.ts';

/** One REST call. `path` is below the API prefix and starts with a slash. */
export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: unknown;
  /** Absent for the calls that need no token. */
  readonly token?: string;
  readonly signal?: AbortSignal;
}

/** What came back: any status, the parsed JSON body (undefined when there is none). */
export interface HttpResponse {
  readonly status: number;
  readonly body: unknown;
  readonly retryAfterMs?: number | undefined;
}

/** What a live connection reports. Nothing is reported after `onDown`. */
export interface LinkHandlers {
  onEvent<Name extends EventName>(name: Name, payload: EventPayload<Name>): void;
  /** It is over, or never came up. `refusal` is the server's problem where it gave one. */
  onDown(refusal: ParleyError | null): void;
}

/** One live connection. */
export interface Link {
  /**
   * Sends a command and waits for its acknowledgement.
   * @throws ParleyError the server's refusal, or `timeout` / `network` when the outcome is unknown
   */
  command<Name extends CommandName>(name: Name, input: CommandInput<Name>): Promise<CommandAnswer<Name>>;
  /** Ends it. `onDown` is not called. */
  close(): void;
}

/** Both doors of a server. The default speaks fetch and Socket.IO; tests hand in one with a scripted network. */
export interface Transport {
  /** @throws ParleyError `network`, `timeout` or `aborted`; never for a status */
  request(request: HttpRequest): Promise<HttpResponse>;
  /** Starts to connect; what happens is reported to the handlers. It counts as up with the event `ready`. */
  connect(token: string, handlers: LinkHandlers): Link;
}
